"""What channels say: the same as REST, byte for byte, and nothing left out.

The law: a frame's content is what REST shows of the same thing; a book that is kept from its channel is REST's at the same sequence; an
account's events are numbered without a gap, and who comes back goes on where it was.
What may be asked is test_socket_requests.py's; what is killed meanwhile test_streams.py's.
"""

from decimal import Decimal

import pytest

from exchange.tests.observer import Book
from exchange.tests.platform import Platform
from exchange.tests.sockets import ALICE, BOB, CAROL, Client, Json, order, rest, written

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.usefixtures("_books_are_empty")]

OWN = ("orders", "fills", "balances")


@pytest.fixture
def client(platform):
    with Client(platform) as client:
        yield client


def place(platform: Platform, email: str, *orders: Json) -> list[Json]:
    """Place orders over REST, one after another; returns them as they stand when all has been taken."""
    answer = rest(platform, "POST", "/orders/batch?wait=5000", email, {"orders": list(orders)})
    return [result["order"] for result in answer["results"]]


def trade(platform: Platform, symbol: str, price: str, quantity: str = "1") -> tuple[Json, Json]:
    (maker,) = place(platform, ALICE, order("Sell", quantity, price, symbol=symbol))
    (taker,) = place(platform, BOB, order("Buy", quantity, price, symbol=symbol))
    return maker, taker


def follow(client: Client, channel: str, book: Book, sequence: int) -> None:
    while book.sequence < sequence:
        book.take(client.next(channel))


# -- public --------------------------------------------------------------------------------------------


def test_each_channel_begins_with_where_it_stands(platform, client):
    trade(platform, "BTC/USD", "50000.00")
    channels = ["book:BTC-USD", "ticker:BTC-USD", "candles.1m:BTC-USD", "candles.1w:BTC-USD", "auction:BTC-USD"]
    client.subscribe(*channels, "trades:BTC-USD")
    for channel in channels:
        client.next(channel)
    assert client.gather("trades:BTC-USD", 0.5) == []


@pytest.mark.parametrize("spelling", ["BTC/USD", "BTC-USD"])
def test_symbol_may_be_spelled_either_way_and_is_answered_in_one(client, spelling):
    answer = client.ask("subscribe", channels=[f"auction:{spelling}", "auction:BTC-USD"])
    assert answer["channels"] == ["auction:BTC-USD"]
    client.next("auction:BTC-USD")
    assert client.ask("unsubscribe", channels=[f"auction:{spelling}"])["channels"] == ["auction:BTC-USD"]


def test_stream_and_rest_show_the_same_bytes(platform, client):
    symbol, name = "ETH/USD", "ETH-USD"
    client.subscribe(f"trades:{name}", f"ticker:{name}", f"candles.1m:{name}", f"candles.1d:{name}", f"auction:{name}")
    for channel in (f"ticker:{name}", f"auction:{name}"):
        client.next(channel)
    trade(platform, symbol, "2000.00", "1.5")
    trade(platform, symbol, "2001.50", "0.25")
    shown = rest(platform, "GET", f"/markets/{name}/trades?limit=2")["results"]
    told: list[Json] = []
    while len(told) < 2:
        told += client.next(f"trades:{name}")["trades"]
    assert written(told) == written(shown[::-1])
    ticker = rest(platform, "GET", f"/markets/{name}/ticker")
    assert written(last(client, f"ticker:{name}")["ticker"]) == written(ticker)
    for interval in ("1m", "1d"):
        (candle,) = rest(platform, "GET", f"/markets/{name}/candles?interval={interval}&limit=1")["results"][-1:]
        frame = last(client, f"candles.{interval}:{name}")
        assert written(frame["candle"]) == written(candle)
        assert isinstance(frame["closed"], bool)
    assert list(frame) == ["channel", "candle", "closed"]


def last(client: Client, channel: str) -> Json:
    return client.gather(channel, 1.0)[-1]


def test_call_is_told_as_rest_shows_it(platform, client):
    client.subscribe("auction:ETH-BTC", "book:ETH-BTC", "trades:ETH-BTC")
    before = client.next("auction:ETH-BTC")
    assert written(before["auction"]) == written(rest(platform, "GET", "/markets/ETH-BTC/auction"))
    done = platform.manage("set_phase", "ETH/BTC", "Auction")
    assert done.returncode == 0, done.stderr
    place(platform, ALICE, order("Sell", "3", "0.04000", symbol="ETH/BTC"))
    place(platform, BOB, order("Buy", "2", "0.04100", symbol="ETH/BTC"))
    shown = rest(platform, "GET", "/markets/ETH-BTC/auction")
    assert (shown["phase"], shown["indicative_price"]) == ("Auction", "0.04000")
    assert written(last(client, "auction:ETH-BTC")["auction"]) == written(shown)
    assert client.gather("trades:ETH-BTC", 0.1) == []
    done = platform.manage("set_phase", "ETH/BTC", "Continuous")
    assert done.returncode == 0, done.stderr
    shown = rest(platform, "GET", "/markets/ETH-BTC/auction")
    assert written(last(client, "auction:ETH-BTC")["auction"]) == written(shown)
    assert len(client.next("trades:ETH-BTC")["trades"]) == 1
    check_book(platform, client, "ETH-BTC")


def check_book(platform: Platform, client: Client, name: str) -> Book:
    """Follow a book's channel until it is where REST is; both must be the same, as it is written too."""
    shown = rest(platform, "GET", f"/markets/{name}/book?depth=1000")
    book = Book()
    follow(client, f"book:{name}", book, shown["sequence"])
    assert book.sequence == shown["sequence"]
    for side in ("bids", "asks"):
        assert book.levels(side) == [(Decimal(price), Decimal(quantity)) for price, quantity in shown[side]]
    return book


def test_snapshot_shows_the_whole_book_as_rest_writes_it(platform, client):
    place(platform, ALICE, *(order("Buy", f"0.{n:05}", f"{40_000 - n}.50", symbol="BTC/USD") for n in range(1, 151)))
    place(platform, ALICE, *(order("Sell", "0.5", f"{50_000 + n}.00", symbol="BTC/USD") for n in range(1, 8)))
    client.subscribe("book:BTC-USD")
    snapshot = client.next("book:BTC-USD")
    shown = rest(platform, "GET", "/markets/BTC-USD/book?depth=1000")
    assert list(snapshot) == ["channel", "type", "sequence", "bids", "asks", "checksum"]
    assert snapshot["type"] == "snapshot"
    for name in ("sequence", "bids", "asks"):
        assert written(snapshot[name]) == written(shown[name])
    assert len(snapshot["bids"]) == 150


def test_deltas_of_several_markets_chain_and_end_where_rest_is(platform, client):
    names = ("BTC-USD", "ETH-USD", "ETH-BTC")
    client.subscribe(*(f"book:{name}" for name in names))
    placed: list[Json] = []
    for round_ in range(5):
        for symbol, price in (("BTC/USD", 30_000), ("ETH/USD", 1_000), ("ETH/BTC", 0)):
            bodies = [
                order("Buy", f"0.{n + 1:03}", f"{price}.0{n + 1}" if price else f"0.0{n + 10}", symbol=symbol)
                for n in range(8)
            ]
            placed += place(platform, BOB, *bodies)
        for one in placed[round_::3]:
            rest(platform, "DELETE", f"/orders/{one['id']}", BOB)
    rest(platform, "PATCH", f"/orders/{placed[-1]['id']}", BOB, {"quantity": "0.001"})
    platform.wait_until_taken()
    for name in names:
        book = check_book(platform, client, name)
        assert (book.snapshots, book.deltas > 5) == (1, True)


def test_hidden_part_of_an_iceberg_is_not_told(platform, client):
    client.subscribe("book:BTC-USD")
    client.next("book:BTC-USD")
    place(platform, ALICE, order("Sell", "5", "60000.00", symbol="BTC/USD", display_quantity="1"))
    assert client.next("book:BTC-USD")["asks"] == [["60000.00", "1.00000"]]


def test_second_subscription_starts_anew_and_unsubscribing_ends_it(platform, client):
    client.subscribe("book:BTC-USD")
    client.next("book:BTC-USD")
    client.subscribe("book:BTC-USD")
    assert client.next("book:BTC-USD")["type"] == "snapshot"
    place(platform, ALICE, order("Buy", "1", "1.00", symbol="BTC/USD"))
    (delta,) = client.gather("book:BTC-USD", 1.0)
    assert (delta["type"], delta["bids"]) == ("delta", [["1.00", "1.00000"]])
    client.ask("unsubscribe", channels=["book:BTC-USD", "ticker:BTC-USD"])
    place(platform, ALICE, order("Buy", "1", "2.00", symbol="BTC/USD"))
    assert client.gather("book:BTC-USD", 1.0) == []


def test_whoever_comes_while_a_book_moves_gets_the_same_book(platform, client):
    client.subscribe("book:ETH-USD")
    for n in range(10):
        place(platform, ALICE, order("Buy", "1", f"{100 + n}.00", symbol="ETH/USD"))
        with Client(platform) as other:
            other.subscribe("book:ETH-USD")
            check_book(platform, other, "ETH-USD")
    check_book(platform, client, "ETH-USD")


# -- an account's own ----------------------------------------------------------------------------------


def begin(client: Client, *channels: str) -> int:
    """Subscribe to an account's channels; returns the sequence of the snapshot."""
    client.subscribe(*channels)
    snapshot = client.next(is_snapshot)
    assert list(snapshot) == ["type", "account_sequence", "orders", "balances"]
    return snapshot["account_sequence"]


def is_snapshot(frame: Json) -> bool:
    return frame.get("type") == "snapshot" and "channel" not in frame


def is_own(frame: Json) -> bool:
    return "account_sequence" in frame


def gather_own(client: Client, seconds: float = 1.0) -> list[Json]:
    gathered = []
    while True:
        try:
            gathered.append(client.next(is_own, seconds))
        except TimeoutError:
            return gathered


def last_sequence(platform: Platform, account_id: int) -> int:
    return platform.query("SELECT last_sequence FROM account_streams WHERE account_id = %s", account_id)[0][0]


def test_account_is_told_orders_fills_and_balances_as_rest_shows_them_without_a_gap(platform):
    with Client(platform, ALICE) as alice:
        first = begin(alice, *OWN)
        maker, _ = trade(platform, "BTC/USD", "45000.00", "0.1")
        told = gather_own(alice)
    assert [frame["account_sequence"] for frame in told] == list(range(first + 1, first + 1 + len(told)))
    assert {frame["channel"] for frame in told} == set(OWN)
    by_channel = {name: [one for frame in told if frame["channel"] == name for one in frame[name]] for name in OWN}
    assert written(by_channel["orders"][-1]) == written(rest(platform, "GET", f"/orders/{maker['id']}", ALICE))
    assert by_channel["orders"][-1]["status"] == "Filled"
    shown = rest(platform, "GET", f"/fills?order_id={maker['id']}", ALICE)["results"]
    assert written(by_channel["fills"]) == written(shown)
    latest = {one["asset"]: one for one in by_channel["balances"]}
    shown = {one["asset"]: one for one in rest(platform, "GET", "/balances", ALICE)["results"]}
    assert set(latest) == {"BTC", "USD"}
    assert all(written(latest[asset]) == written(shown[asset]) for asset in latest)


def test_snapshot_is_all_open_orders_and_balances_as_rest_shows_them(platform):
    place(platform, BOB, *(order("Buy", "1", f"{n}.00", symbol="BTC/USD") for n in range(1, 4)))
    with Client(platform, BOB) as bob:
        bob.subscribe("balances")
        snapshot = bob.next(is_snapshot)
    shown = rest(platform, "GET", "/orders?status=open&limit=1000", BOB)["results"]
    assert sorted(map(written, snapshot["orders"])) == sorted(map(written, shown))
    assert written(snapshot["balances"]) == written(rest(platform, "GET", "/balances", BOB)["results"])


def test_snapshot_of_very_many_orders_comes_in_parts(platform):
    bodies = [order("Buy", "0.00001", f"{n}.00", symbol="BTC/USD") for n in range(1, 1001)]
    place(platform, CAROL, *bodies)
    place(platform, CAROL, *bodies[:500])
    with Client(platform, CAROL) as carol:
        carol.subscribe(*OWN)
        first, second = carol.next(is_snapshot), carol.next(is_snapshot)
        assert (len(first["orders"]), first["balances"], first["more"]) == (1000, [], True)
        assert (len(second["orders"]), "more" in second) == (500, False)
        assert second["balances"]
        assert first["account_sequence"] == second["account_sequence"]
        assert len({one["id"] for part in (first, second) for one in part["orders"]}) == 1500


def test_all_sockets_of_an_account_are_told_all_and_nobody_elses_are(platform):
    with Client(platform, ALICE) as one, Client(platform, ALICE) as other, Client(platform, BOB) as bob:
        for client in (one, other, bob):
            begin(client, *OWN)
        place(platform, ALICE, order("Buy", "1", "3.00", symbol="BTC/USD"))
        told = gather_own(one)
        assert told
        assert gather_own(other) == told
        assert gather_own(bob, 0.2) == []


def test_part_of_the_channels_gets_that_part_alone(platform):
    with Client(platform, ALICE) as alice:
        begin(alice, "orders", "balances")
        alice.ask("unsubscribe", channels=["balances"])
        place(platform, ALICE, order("Buy", "1", "3.00", symbol="BTC/USD"))
        assert {frame["channel"] for frame in gather_own(alice)} == {"orders"}
        assert alice.ask("unsubscribe", channels=["orders", "fills"])["op"] == "unsubscribed"
        place(platform, ALICE, order("Buy", "1", "4.00", symbol="BTC/USD"))
        assert gather_own(alice) == []


def test_deposit_is_told(platform):
    with Client(platform, ALICE) as alice:
        first = begin(alice, "balances")
        done = platform.manage("deposit", ALICE, "USD", "12.34")
        assert done.returncode == 0, done.stderr
        (told,) = gather_own(alice)
        assert (told["account_sequence"], [one["asset"] for one in told["balances"]]) == (first + 1, ["USD"])
        (shown,) = [one for one in rest(platform, "GET", "/balances", ALICE)["results"] if one["asset"] == "USD"]
        assert written(told["balances"]) == written([shown])


def test_whoever_comes_back_gets_what_came_after_and_then_what_comes(platform):
    with Client(platform, ALICE) as alice:
        begin(alice, *OWN)
        place(platform, ALICE, *(order("Buy", "1", f"{n}.00", symbol="BTC/USD") for n in range(1, 301)))
        platform.wait_until_taken()
        told = gather_own(alice)
    place(platform, ALICE, order("Buy", "1", "5.00", symbol="BTC/USD"))
    now = last_sequence(platform, alice.account_id)
    for after in (told[0]["account_sequence"], told[-1]["account_sequence"], now):
        with Client(platform, ALICE) as again:
            again.subscribe(*OWN, resume_from=after)
            later = gather_own(again)
            assert [frame["account_sequence"] for frame in later] == list(range(after + 1, now + 1))
            kept = [frame for frame in told if frame["account_sequence"] > after]
            assert later[: len(kept)] == kept
            if after == now:
                place(platform, ALICE, order("Buy", "1", "6.00", symbol="BTC/USD"))
                assert gather_own(again)[0]["account_sequence"] == now + 1


def test_whoever_resumes_very_far_back_gets_every_event_once(platform):
    with Client(platform, BOB) as bob:
        first = begin(bob, *OWN)
        for _ in range(4):
            for body in ("1.00", "2.00"):
                rest(platform, "POST", "/orders", BOB, order("Buy", "1", body, symbol="BTC/USD"))
        bob.ask("cancel_all")
        platform.query(_COPY_EVENTS, bob.account_id, 1000)
        now = last_sequence(platform, bob.account_id)
        with Client(platform, BOB) as again:
            again.subscribe(*OWN, resume_from=first)
            sequences = [again.next(is_own)["account_sequence"] for _ in range(now - first)]
        assert sequences == list(range(first + 1, now + 1))


_COPY_EVENTS = """
    WITH s AS (SELECT account_id, last_sequence FROM account_streams WHERE account_id = %s FOR UPDATE),
    copied AS (
        INSERT INTO account_events (account_id, sequence, channel, payload)
        SELECT s.account_id, s.last_sequence + n, 'balances', '[]' FROM s, generate_series(1, %s) n RETURNING sequence
    )
    UPDATE account_streams a SET last_sequence = (SELECT max(sequence) FROM copied) FROM s
    WHERE a.account_id = s.account_id RETURNING a.last_sequence
"""


@pytest.mark.parametrize("wanted", ["too old", "in the future", "zero"])
def test_whoever_resumes_where_nothing_is_kept_gets_a_snapshot_and_goes_on(platform, wanted):
    with Client(platform, CAROL) as carol:
        begin(carol, *OWN)
        place(platform, CAROL, order("Buy", "1", "7.00", symbol="BTC/USD"))
        gather_own(carol, 0.5)
    now = last_sequence(platform, carol.account_id)
    platform.query(
        "DELETE FROM account_events WHERE account_id = %s AND sequence <= %s RETURNING 1", carol.account_id, now - 1
    )
    after = {"too old": now - 2, "in the future": now + 10, "zero": 0}[wanted]
    with Client(platform, CAROL) as again:
        again.subscribe(*OWN, resume_from=after)
        assert again.next(is_own)["account_sequence"] == now
        place(platform, CAROL, order("Buy", "1", "8.00", symbol="BTC/USD"))
        assert gather_own(again)[0]["account_sequence"] == now + 1
    with Client(platform, CAROL) as again:
        again.subscribe(*OWN, resume_from=now - 1)
        assert again.next(is_own)["account_sequence"] == now
