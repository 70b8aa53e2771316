"""What a socket may ask, who may, how often; and what it is told if it may not.

The law: a refusal names field, limit and value and carries the request's id, and the socket goes on; only what cannot be answered closes
it, with a reason. Nothing that is sent brings the server process down, or out of its words.
What the channels say is test_socket_channels.py's, orders are test_socket_orders.py's.
"""

import json
import os
import time
from contextlib import ExitStack, suppress
from random import Random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from accounts.tests.signing import now_ms, sign_hmac
from exchange.tests.platform import Platform, wait_for
from exchange.tests.sockets import (
    ALICE,
    BOB,
    CONNECTIONS_MAX,
    FRAME_BYTES_BEFORE_AUTH,
    FRAME_BYTES_MAX,
    MESSAGES_PER_SECOND,
    SUBSCRIPTIONS_MAX,
    Client,
    Json,
    rest,
    token_of,
    url_of,
    worker_of,
)

ORDER = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "1.00"}


@pytest.fixture
def client(platform):
    with Client(platform) as client:
        yield client


@pytest.fixture(scope="module")
def alice(platform):
    """Her one socket for all that is refused: it must survive everything."""
    with Client(platform, ALICE) as client:
        yield client


def key_of(platform: Platform, *scopes: str) -> Json:
    answer = rest(platform, "POST", "/auth/keys", ALICE, {"name": "socket", "scopes": list(scopes)})
    assert "secret" in answer, answer
    return answer


def proof(key: Json, *, timestamp: int | None = None, target: str = "WS/ws/v1") -> dict[str, Any]:
    timestamp = now_ms() if timestamp is None else timestamp
    return {"key": key["key"], "timestamp": timestamp, "signature": sign_hmac(key["secret"], f"{timestamp}{target}")}


def fault(answer: Json) -> tuple[Any, ...]:
    """Return an error's code, and each field's name, code, limit and value."""
    assert answer["op"] == "error", answer
    assert answer["detail"]
    return (
        answer["code"],
        *((one["field"], one["code"], one.get("limit"), one.get("value")) for one in answer["errors"]),
    )


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "malformed"),
        ("{", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        ('"ping"', "malformed"),
        ("7", "malformed"),
        ('{"op": "ping", "op": "ping"}', "malformed"),
        ('{"op": "ping", "id": NaN}', "malformed"),
        ('{"op": "ping", "id": 1e400}', "malformed"),
        ('{"op": "ping", "id": "\\ud800"}', "malformed"),
        ("[" * 5000, "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"", "malformed"),
        ("{}", "missing_field"),
        ('{"op": null}', "missing_field"),
        ('{"op": 1}', "invalid_value"),
        ('{"op": ["ping"]}', "invalid_value"),
        ('{"op": "ping", "id": 1.5}', "invalid_value"),
        ('{"op": "ping", "id": true}', "invalid_value"),
        ('{"op": "ping", "id": {}}', "invalid_value"),
        ('{"op": "ping", "id": [1]}', "invalid_value"),
        (json.dumps({"op": "ping", "id": "x" * 65}), "invalid_value"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_socket_goes_on(alice, raw, code):
    answer = alice.say(raw)
    assert (answer["op"], answer["code"]) == ("error", code)
    assert "id" not in answer
    assert alice.ask("ping")["op"] == "pong"


@pytest.mark.parametrize("request_id", [0, -1, 2**63, -(2**63), 2**64 - 1, "", "a", "ü" * 64, "\u0000"])
def test_answer_carries_the_id_as_it_was_sent(alice, request_id):
    assert alice.say(json.dumps({"op": "ping", "id": request_id})) == {"op": "pong", "id": request_id}


@pytest.mark.parametrize("digits", ["18446744073709551616", "-9223372036854775809", "1" + "0" * 200, "9" * 5000])
def test_answer_to_an_id_that_is_huge_is_an_answer(alice, digits):
    assert alice.say(f'{{"op": "ping", "id": {digits}}}')["op"] in ("pong", "error")
    assert alice.ask("ping")["op"] == "pong"


def test_binary_frame_is_read_like_a_text(alice):
    assert alice.say(b'{"op": "ping", "id": 5}') == {"op": "pong", "id": 5}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"op": "nothing"}, ("invalid_value", ("op", "invalid_value", None, "nothing"))),
        ({"op": "x" * 33}, ("invalid_value", ("op", "invalid_value", 32, "x" * 33))),
        ({"op": "ping", "x": 1}, ("unknown_field", ("x", "unknown_field", None, None))),
        ({"op": "ping", "x" * 100: 1}, ("unknown_field", ("x" * 64, "unknown_field", None, None))),
        ({"op": "subscribe"}, ("invalid_value", ("channels", "invalid_value", None, "None"))),
        ({"op": "subscribe", "channels": []}, ("invalid_value", ("channels", "invalid_value", None, "[]"))),
        ({"op": "subscribe", "channels": "book:BTC-USD"}, ("invalid_value", ("channels", "invalid_value", None, "book:BTC-USD"))),
        ({"op": "subscribe", "channels": {}}, ("invalid_value", ("channels", "invalid_value", None, "{}"))),
        ({"op": "subscribe", "channels": ["book:DOGE-USD"]}, ("unknown_symbol", ("channels", "unknown_symbol", None, "DOGE-USD"))),
        ({"op": "subscribe", "channels": ["orders"], "resume_from": -1}, ("invalid_value", ("resume_from", "invalid_value", 0, "-1"))),
        ({"op": "subscribe", "channels": ["orders"], "resume_from": 2**63}, ("invalid_value", ("resume_from", "invalid_value", 2**63 - 1, str(2**63)))),
        ({"op": "subscribe", "channels": ["orders"], "resume_from": "x"}, ("invalid_value", ("resume_from", "invalid_value", 2**63 - 1, "x"))),
        ({"op": "subscribe", "channels": ["orders"], "y": 1}, ("unknown_field", ("y", "unknown_field", None, None))),
        ({"op": "unsubscribe"}, ("invalid_value", ("channels", "invalid_value", None, "None"))),
        ({"op": "auth"}, ("missing_field",)),
        ({"op": "auth", "token": 7}, ("invalid_value", ("token", "invalid_value", 4096, None))),
        ({"op": "auth", "token": "x", "z": 1}, ("unknown_field", ("z", "unknown_field", None, None))),
        ({"op": "auth", "key": "k"}, ("missing_field", ("timestamp", "missing_field", None, None))),
        ({"op": "auth", "key": 7, "timestamp": 1}, ("missing_field", ("signature", "missing_field", None, None))),
        ({"op": "auth", "key": "k", "timestamp": "soon", "signature": "s"}, ("invalid_value", ("timestamp", "invalid_value", None, "soon"))),
        ({"op": "place"}, ("missing_field", ("order", "missing_field", None, None))),
        ({"op": "place", "order": 1}, ("malformed",)),
        ({"op": "place", "order": {}, "w": 1}, ("unknown_field", ("w", "unknown_field", None, None))),
        ({"op": "place", "order": {**ORDER, "quantity": "0"}}, ("invalid_value", ("quantity", "invalid_value", "0", "0"))),
        ({"op": "place", "order": {**ORDER, "symbol": "DOGE/USD"}}, ("unknown_symbol", ("symbol", "unknown_symbol", None, "DOGE/USD"))),
        ({"op": "place", "order": {**ORDER, "price": "1.001"}}, ("price_off_tick", ("price", "price_off_tick", "0.01", "1.001"))),
        ({"op": "place_batch"}, ("missing_field", ("orders", "missing_field", None, None))),
        ({"op": "place_batch", "orders": 1}, ("invalid_value", ("orders", "invalid_value", 1, None))),
        ({"op": "place_batch", "orders": []}, ("invalid_value", ("orders", "invalid_value", 1, None))),
        ({"op": "place_batch", "orders": [{}] * 1001}, ("too_large", ("orders", "too_large", 1000, 1001))),
        ({"op": "cancel"}, ("missing_field", ("order_id", "missing_field", None, None))),
        ({"op": "cancel", "order_id": 0}, ("invalid_value", ("order_id", "invalid_value", 1, "0"))),
        ({"op": "cancel", "order_id": 1.5}, ("invalid_value", ("order_id", "invalid_value", 2**63 - 1, "1.5"))),
        ({"op": "cancel", "order_id": 2**63 - 1}, ("not_found",)),
        ({"op": "amend", "order_id": 2**63 - 1, "price": "1.00"}, ("not_found",)),
        ({"op": "amend", "order_id": 1}, ("missing_field", ("quantity", "missing_field", None, None))),
        ({"op": "amend", "price": "1.00"}, ("missing_field", ("order_id", "missing_field", None, None))),
        ({"op": "amend", "order_id": 1, "side": "Buy"}, ("unknown_field", ("side", "unknown_field", None, None))),
        ({"op": "amend", "order_id": 1, "price": "-1"}, ("invalid_value", ("price", "invalid_value", "0", "-1"))),
        ({"op": "cancel_all", "symbol": "DOGE/USD"}, ("unknown_symbol", ("symbol", "unknown_symbol", None, "DOGE/USD"))),
        ({"op": "cancel_all", "symbol": 1}, ("invalid_value", ("symbol", "invalid_value", 40, "1"))),
        ({"op": "cancel_on_disconnect"}, ("missing_field", ("enabled", "missing_field", None, None))),
        ({"op": "cancel_on_disconnect", "enabled": "yes"}, ("invalid_value", ("enabled", "invalid_value", [True, False], "yes"))),
        ({"op": "cancel_on_disconnect", "enabled": 1}, ("invalid_value", ("enabled", "invalid_value", [True, False], "1"))),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)  # fmt: skip
def test_wrong_request_is_told_field_limit_and_value_under_its_id(alice, request_, expected):
    answer = alice.ask(**request_)
    assert fault(answer) == expected
    assert alice.ask("ping")["op"] == "pong"


@pytest.mark.parametrize("name", ["book", "book:", ":BTC-USD", "books:BTC-USD", "candles:BTC-USD", "candles.2m:BTC-USD", "Orders", "x" * 1000, 1, None, {}, []])  # fmt: skip
def test_channel_that_there_is_not_is_named_beside_those_that_there_are(alice, name):
    answer = alice.ask("subscribe", channels=["trades:BTC-USD", name])
    ((code, (field, _, limit, value)),) = [fault(answer)]
    assert (code, field, value) == ("invalid_value", "channels", str(name)[:64])
    assert "book:SYMBOL" in limit
    assert "orders" in limit


def test_nothing_is_subscribed_to_where_one_of_several_is_wrong(client):
    answer = client.ask("subscribe", channels=["book:BTC-USD", "ticker:BTC-USD", "book:DOGE-USD"])
    assert answer["code"] == "unknown_symbol"
    answer = client.ask("subscribe", channels=["book:BTC-USD", "ticker:BTC-USD", "orders"])
    assert answer["code"] == "unauthenticated"
    with pytest.raises(TimeoutError):
        client.next(lambda frame: "channel" in frame, 1.0)


@pytest.mark.parametrize(("email", "most"), [(None, FRAME_BYTES_BEFORE_AUTH), (ALICE, FRAME_BYTES_MAX)])
def test_frame_that_is_too_big_closes_the_socket_with_1009(platform, email, most):
    with Client(platform, email) as client:
        client.socket.send('{"op": "ping"' + " " * (most - 13) + "}")
        code, reason = client.closed()
        assert (code, str(most) in reason) == (1009, True)


def test_frame_that_is_very_much_too_big_ends_the_socket_alone(platform, client):
    with Client(platform) as other, suppress(ConnectionClosed):
        other.socket.send("x" * 100_000_000)
        other.closed()
    assert client.ask("ping")["op"] == "pong"


@pytest.mark.parametrize(("email", "most"), [(None, FRAME_BYTES_BEFORE_AUTH), (ALICE, FRAME_BYTES_MAX)])
def test_frame_of_just_the_greatest_size_is_read_and_counts_as_many(platform, email, most):
    with Client(platform, email) as client:
        assert client.say('{"op": "ping"' + " " * (most - 14) + "}") == {"op": "pong"}
        answers = [client.say('{"op": "ping"' + " " * (most - 14) + "}") for _ in range(6)]
        assert "rate_limited" in [answer.get("code") for answer in answers]


def test_who_fails_to_prove_who_it_is_again_and_again_is_dropped(client):
    for _ in range(9):
        assert client.ask("auth", token="x")["code"] == "unauthenticated"
    client.send("auth", token="x")
    assert client.closed()[0] == 1008


def test_path_that_is_no_sockets_is_refused(platform):
    with pytest.raises(InvalidStatus) as refused:
        connect(url_of(platform) + "/nothing")
    assert refused.value.response.status_code in (403, 404)


# -- who it is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"op": "subscribe", "channels": ["orders"]},
        {"op": "place", "order": ORDER},
        {"op": "place_batch", "orders": [ORDER]},
        {"op": "cancel", "order_id": 1},
        {"op": "amend", "order_id": 1, "price": "1.00"},
        {"op": "cancel_all"},
        {"op": "cancel_on_disconnect", "enabled": True},
    ],
    ids=lambda request_: request_["op"],
)
def test_nobody_gets_what_is_an_accounts_own(client, request_):
    assert client.ask(**request_)["code"] == "unauthenticated"
    assert client.ask("ping")["op"] == "pong"


def test_token_that_is_none_is_refused(client):
    for token in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        assert client.ask("auth", token=token)["code"] == "unauthenticated"
    assert client.ask("subscribe", channels=["orders"])["code"] == "unauthenticated"


def test_key_proves_who_it_is_by_its_signature_and_gets_no_more_than_its_scopes(platform):
    reads, trades = key_of(platform, "read"), key_of(platform, "trade")
    with Client(platform) as client:
        assert fault(client.ask("auth", **{**proof(reads), "signature": "0" * 64}))[:2] == (
            "bad_signature",
            ("signature", "bad_signature", None, None),
        )
        assert client.ask("auth", **proof(reads, target="GET/ws/v1"))["code"] == "bad_signature"
        assert client.ask("auth", **proof(reads, timestamp=now_ms() - 6_000))["code"] == "stale_timestamp"
        assert client.ask("auth", **proof(reads, timestamp=now_ms() + 5_000))["code"] == "stale_timestamp"
        assert client.ask("auth", **proof({**reads, "key": "x" * 32}))["code"] == "unauthenticated"
        assert client.ask("auth", token="x", **proof(reads))["code"] == "invalid_value"
        assert client.ask("subscribe", channels=["orders"])["code"] == "unauthenticated"
        answer = client.ask("auth", **proof(reads, timestamp=now_ms() - 6_000), recv_window=10_000)
        assert answer["op"] == "authenticated"
        client.subscribe("orders")
        assert fault(client.ask("place", order=ORDER)) == ("forbidden", ("scopes", "forbidden", "trade", ["read"]))
        assert client.ask("cancel_on_disconnect", enabled=True)["code"] == "forbidden"
    with Client(platform) as client:
        assert client.ask("auth", **proof(trades))["op"] == "authenticated"
        answer = client.ask("subscribe", channels=["book:BTC-USD", "fills"])
        assert fault(answer) == ("forbidden", ("scopes", "forbidden", "read", ["trade"]))
        placed = client.ask("place", order=ORDER)
        assert client.ask("cancel", order_id=placed["order"]["id"])["op"] == "cancel_requested"


def test_socket_stays_with_the_account_that_it_proved_to_be(platform):
    with Client(platform, ALICE) as client, Client(platform, BOB) as other:
        assert client.account_id != other.account_id
        assert client.ask("auth", token=token_of(platform, BOB))["code"] == "forbidden"
        assert client.ask("auth", token=token_of(platform, ALICE))["account_id"] == client.account_id


# -- how much ------------------------------------------------------------------------------------------


def test_messages_beyond_the_pace_are_refused_and_the_socket_goes_on(client):
    burst = 2 * MESSAGES_PER_SECOND
    ids = [client.send("ping") for _ in range(burst + 60)]
    answers = [client.answer(one) for one in ids]
    refused = [answer for answer in answers if answer["op"] == "error"]
    assert 0 < len(refused) <= 60
    assert fault(refused[0]) == ("rate_limited", ("messages", "rate_limited", MESSAGES_PER_SECOND, None))
    wait_for(lambda: client.ask("ping")["op"] == "pong", "the socket may speak again")


def test_socket_that_goes_on_too_fast_is_dropped_with_1008(client):
    # One after another: the system tells no reason to whoever has something on the way when it closes. Long ones count as eight.
    with suppress(ConnectionClosed):
        for _ in range(5000):
            client.say('{"op": "ping"' + " " * 3600 + "}")
    code, reason = client.closed()
    assert (code, str(MESSAGES_PER_SECOND) in reason) == (1008, True)


def test_subscriptions_are_limited(client):
    intervals = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w")
    names = [f"candles.{interval}:{symbol}" for symbol in ("BTC-USD", "ETH-USD", "ETH-BTC") for interval in intervals]
    client.subscribe(*names[: SUBSCRIPTIONS_MAX - 1])
    client.subscribe(*names[: SUBSCRIPTIONS_MAX - 1])
    expected = ("invalid_value", ("channels", "invalid_value", SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_MAX + 1))
    assert fault(client.ask("subscribe", channels=names[-2:])) == expected
    assert fault(client.ask("subscribe", channels=names[: SUBSCRIPTIONS_MAX + 1])) == expected
    assert client.ask("unsubscribe", channels=names[:1])["op"] == "unsubscribed"
    client.subscribe(*names[-2:])


def test_subscriptions_of_an_accounts_own_count_once_each(platform):
    names = [f"candles.{interval}:BTC-USD" for interval in ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w")]
    names += [name.replace("BTC", "ETH") for name in names]
    with Client(platform, ALICE) as client:
        client.subscribe(*names, "orders", "fills", "balances", "book:BTC-USD")
        client.subscribe("orders", "fills")
        client.subscribe("book:BTC-USD")
        assert client.ask("subscribe", channels=["ticker:BTC-USD"])["code"] == "invalid_value"
        client.ask("unsubscribe", channels=["fills"])
        client.subscribe("ticker:BTC-USD")


def test_socket_beyond_the_most_is_told_to_try_again(platform):
    with ExitStack() as stack:
        # Some may be connected already, by other tests.
        clients = [stack.enter_context(Client(platform)) for _ in range(CONNECTIONS_MAX + 1)]
        code, reason = clients.pop().closed()
        assert (code, "too many sockets" in reason) == (1013, True)
        assert clients[0].ask("ping")["op"] == "pong"
        clients[0].close()
        wait_for(lambda: _may_come(platform), "there is room again")


def _may_come(platform: Platform) -> bool:
    with Client(platform) as client, suppress(ConnectionClosed):
        return client.ask("ping")["op"] == "pong"
    return False


# -- anything ------------------------------------------------------------------------------------------

WORDS: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**63, 2**70, "", "x", "BTC/USD", "book:BTC-USD", "book:BTC/USD", "orders", "fills", "ticker:ETH-USD",
    "candles.1m:BTC-USD", "Buy", "Limit", "1", "0.00001", "1.00", [], {}, ["orders"], ["book:BTC-USD", "book:BTC-USD"], ORDER, [ORDER],
    [ORDER, 7, None], {"a": {"b": []}}, "\u0000", "\u2028", "\u0661", "x" * 5000,
]  # fmt: skip
FIELDS = ("id", "channels", "resume_from", "token", "key", "timestamp", "signature", "recv_window", "order", "orders", "order_id", "quantity", "price", "symbol", "enabled", "x")  # fmt: skip
OPS = ("subscribe", "unsubscribe", "ping", "place", "place_batch", "cancel", "amend", "cancel_all", "cancel_on_disconnect", "auth")  # fmt: skip
ORDER_FIELDS = (*ORDER, "time_in_force", "post_only", "client_order_id", "quote_quantity", "stop_price", "trailing_offset", "display_quantity", "self_trade_prevention", "expires_at")  # fmt: skip


def anything(random: Random) -> str | bytes:
    """Make up a message: sometimes right, mostly not, sometimes no JSON at all."""
    content: dict[str, Any] = {"op": random.choice(OPS) if random.random() < 0.95 else random.choice(WORDS)}
    for field in random.sample(FIELDS, random.randint(0, 4)):
        content[field] = random.choice(WORDS)
    if random.random() < 0.4:
        order = {
            **ORDER,
            **{field: random.choice(WORDS) for field in random.sample(ORDER_FIELDS, random.randint(0, 2))},
        }
        content |= random.choice(({"op": "place", "order": order}, {"op": "place_batch", "orders": [order, ORDER]}))
    raw = json.dumps(content).encode()
    if random.random() < 0.2:
        at = random.randrange(len(raw))
        raw = random.choice(
            (raw[:at], raw[:at] + random.randbytes(3) + raw[at:], raw[:at] + raw[at + 1 :], raw + raw, raw[at:])
        )
    try:
        return raw.decode() if random.random() < 0.8 else raw
    except UnicodeDecodeError:
        return raw


def test_whatever_is_sent_gets_an_answer_and_no_fault_of_ours(platform):
    seed = int(os.environ.get("FUZZ_SEED") or Random().randrange(2**32))
    print(f"FUZZ_SEED={seed}")  # noqa: T201  what pytest shows of a test that failed
    random = Random(seed)
    pid, said = worker_of(platform), len(platform.log("frontend"))
    for _ in range(12):
        with Client(platform, ALICE) as client:
            try:
                for _ in range(2 * MESSAGES_PER_SECOND - 5):
                    client.socket.send(anything(random))
                last = client.send("ping")
                while (answer := client.next(lambda frame: "op" in frame)).get("id") != last or answer["op"] != "pong":
                    assert answer.get("code") != "internal_error", answer
                    if answer.get("id") == last:  # it was too fast; ask again
                        time.sleep(0.1)
                        last = client.send("ping")
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code != 1008:  # for failing to prove who it is, again and again
                    raise
    rest(platform, "DELETE", "/orders", ALICE)
    assert worker_of(platform) == pid
    assert "Traceback" not in platform.log("frontend")[said:]
