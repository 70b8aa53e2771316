"""API keys through the HTTP API: making and revoking them, and what a signature proves."""

import json
from base64 import b64encode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings as configured
from django.db.models.functions import Now
from rest_framework.test import APIClient

from accounts.api_keys import authenticate_socket, still_valid
from accounts.callers import Trader
from accounts.errors import DomainError
from accounts.issuing import KEYS_MAX, IssuedKey, issue_key, revoke_key
from accounts.models import Account, ApiKey, ApiKeyKind, Scope, User
from accounts.tests.builders import make_client, make_trader
from accounts.tests.rivals import Rival
from accounts.tests.signing import call, headers_for, now_ms, sign
from accounts.tests.test_api_authentication import assert_problem
from orders.models import Order
from orders.tests.builders import make_market, place_order

pytestmark = pytest.mark.django_db

KEYS = "/api/v1/auth/keys"
BALANCES = "/api/v1/balances"
ORDERS = "/api/v1/orders"
KINDS = [ApiKeyKind.HMAC, ApiKeyKind.ED25519]
LIMIT_BUY = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": "100.00"}


@pytest.fixture
def trader():
    return make_trader(funds={"USD": "1000"})


@pytest.fixture
def client(trader):
    return make_client(trader)


def make_key(account, *, kind=ApiKeyKind.HMAC, scopes=(Scope.READ, Scope.TRADE), allowed_ips=()) -> IssuedKey:
    return issue_key(account_id=account.id, name="bot", scopes=scopes, kind=kind, allowed_ips=allowed_ips)


def create(client, **changes):
    body = {"name": "bot", "scopes": ["read"]} | changes
    return client.post(KEYS, {name: value for name, value in body.items() if value is not None}, format="json")


# Keys are made, listed and revoked


def test_a_key_is_shown_with_its_secret_once(client):
    made = create(client, scopes=["Trade", "read", "read"], allowed_ips=["10.0.0.0/8", "10.0.0.0/8", "2001:DB8::1"])
    assert made.status_code == 201
    row = ApiKey.objects.get()
    shown = made.json()
    assert len(shown.pop("secret")) == 43
    assert shown == {
        "id": row.id,
        "key": row.key,
        "name": "bot",
        "scopes": ["read", "trade"],
        "allowed_ips": ["10.0.0.0/8", "2001:db8::1"],
        "kind": "HMAC",
        "public_key": None,
        "created_at": shown["created_at"],
        "last_used_at": None,
    }
    assert client.get(KEYS).json() == {"results": [shown]}


def test_a_key_that_was_made_signs(client):
    made = create(client).json()
    issued = IssuedKey(ApiKey.objects.get(), made["secret"])
    assert call(issued, "GET", BALANCES).status_code == 200


def test_an_ed25519_pair_is_made_on_demand(client):
    made = create(client, kind="ed25519").json()
    assert made["kind"] == "Ed25519"
    row = ApiKey.objects.get()
    assert made["public_key"] == b64encode(row.public_key).decode()
    assert call(IssuedKey(row, made["secret"]), "GET", BALANCES).status_code == 200


def test_a_public_key_of_ones_own_leaves_no_secret_to_show(client):
    private = Ed25519PrivateKey.generate()
    public = b64encode(private.public_key().public_bytes_raw()).decode()
    made = create(client, kind="Ed25519", public_key=public).json()
    assert (made["public_key"], made["secret"]) == (public, None)
    issued = IssuedKey(ApiKey.objects.get(), b64encode(private.private_bytes_raw()).decode())
    assert call(issued, "GET", BALANCES).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": None}, "missing_field", "name"),
        ({"name": ""}, "invalid_value", "name"),
        ({"name": "a" * 65}, "invalid_value", "name"),
        ({"name": "a\nb"}, "invalid_value", "name"),
        ({"name": "a\0"}, "invalid_value", "name"),
        ({"scopes": None}, "missing_field", "scopes"),
        ({"scopes": []}, "invalid_value", "scopes"),
        ({"scopes": "read"}, "invalid_value", "scopes"),
        ({"scopes": ["read", "admin"]}, "invalid_value", "scopes"),
        ({"scopes": [["read"]]}, "invalid_value", "scopes"),
        ({"kind": "RSA"}, "invalid_value", "kind"),
        ({"allowed_ips": "10.0.0.1"}, "invalid_value", "allowed_ips"),
        ({"allowed_ips": ["10.0.0.1"] * 51}, "invalid_value", "allowed_ips"),
        ({"allowed_ips": ["10.0.0.1/8"]}, "invalid_value", "allowed_ips"),
        ({"allowed_ips": [167772161]}, "invalid_value", "allowed_ips"),
        ({"public_key": "AAAA"}, "invalid_value", "public_key"),
        ({"kind": "Ed25519", "public_key": "AAAA"}, "invalid_value", "public_key"),
        ({"kind": "Ed25519", "public_key": "ä"}, "invalid_value", "public_key"),
        ({"secret": "mine"}, "unknown_field", "secret"),
    ],
)
def test_a_faulty_key_is_refused_by_field(client, changes, code, field):
    assert_problem(create(client, **changes), 400, code, field)
    assert not ApiKey.objects.exists()


def test_an_account_has_so_many_keys_at_most(client, trader):
    for _ in range(KEYS_MAX):
        make_key(trader)
    (fault,) = assert_problem(create(client), 422, "too_many_api_keys", "name")["errors"]
    assert (fault["limit"], fault["value"]) == (KEYS_MAX, KEYS_MAX)


@pytest.mark.django_db(transaction=True)
def test_those_who_ask_for_the_last_key_at_once_get_one(trader):
    for _ in range(KEYS_MAX - 1):
        make_key(trader)
    rivals = [Rival(lambda: make_key(trader)) for _ in range(4)]
    refused = 0
    for rival in rivals:
        try:
            rival.result()
        except DomainError as error:
            refused += error.code == "too_many_api_keys"
    assert (ApiKey.objects.count(), refused) == (KEYS_MAX, 3)


def test_a_frozen_account_gets_no_key_and_may_revoke_those_it_has(client, trader):
    issued = make_key(trader)
    Account.objects.filter(id=trader.id).update(status="frozen")
    assert_problem(create(client), 403, "account_frozen")
    assert call(issued, "GET", BALANCES).status_code == 200
    assert client.delete(f"{KEYS}/{issued.row.id}").status_code == 204


def test_a_key_of_a_frozen_account_places_no_order_and_cancels(trader):
    make_market()
    order = place_order(trader)
    issued = make_key(trader)
    Account.objects.filter(id=trader.id).update(status="frozen")
    assert_problem(call(issued, "POST", ORDERS, LIMIT_BUY), 403, "account_frozen")
    assert call(issued, "DELETE", f"{ORDERS}/{order.id}").status_code == 202


def test_a_revoked_key_is_refused_at_once(client, trader):
    issued = make_key(trader)
    assert call(issued, "GET", BALANCES).status_code == 200
    revoked = client.delete(f"{KEYS}/{issued.row.id}")
    assert (revoked.status_code, revoked.content) == (204, b"")
    assert_problem(call(issued, "GET", BALANCES), 401, "unauthenticated")
    assert_problem(client.delete(f"{KEYS}/{issued.row.id}"), 404, "not_found")


@pytest.mark.parametrize("key_id", [0, 2**63 - 1, 10**30])
def test_revoking_what_is_not_there_is_not_found(client, key_id):
    assert_problem(client.delete(f"{KEYS}/{key_id}"), 404, "not_found")


def test_keys_of_others_are_neither_shown_nor_revoked(client):
    others = make_key(make_trader())
    assert client.get(KEYS).json() == {"results": []}
    assert_problem(client.delete(f"{KEYS}/{others.row.id}"), 404, "not_found")
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(("method", "path"), [("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/1")])
def test_keys_are_not_managed_with_a_key(trader, method, path):
    issued = make_key(trader, scopes=list(Scope))
    body = {"name": "bot", "scopes": ["read"]} if method == "POST" else None
    assert_problem(call(issued, method, path, body), 403, "forbidden")
    assert_problem(APIClient().generic(method, path), 401, "unauthenticated")


# What a signature proves


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_order_is_placed_for_the_keys_account(trader, kind):
    make_market()
    placed = call(make_key(trader, kind=kind), "POST", f"{ORDERS}?wait=0", LIMIT_BUY)
    assert placed.status_code == 201, placed.content
    assert Order.objects.get().account_id == trader.id


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        (("POST", ORDERS, LIMIT_BUY), ("POST", ORDERS, LIMIT_BUY | {"quantity": "2.0"})),
        (("POST", ORDERS, LIMIT_BUY), ("POST", f"{ORDERS}/test", LIMIT_BUY)),
        (("GET", ORDERS, None), ("GET", f"{ORDERS}?status=open", None)),
        (("GET", f"{ORDERS}?status=open&side=Buy", None), ("GET", f"{ORDERS}?side=Buy&status=open", None)),
        (("GET", ORDERS, None), ("DELETE", ORDERS, None)),
        (("DELETE", f"{ORDERS}?symbol=BTC-USD", None), ("DELETE", ORDERS, None)),
        (("GET", ORDERS, None), ("HEAD", ORDERS, None)),
    ],
)
def test_what_was_altered_is_refused(trader, kind, signed, sent):
    make_market()
    issued = make_key(trader, kind=kind)
    method, path, body = signed
    headers = headers_for(issued, f"{method}{path}{'' if body is None else json.dumps(body)}")
    response = call(issued, *sent, **headers)
    assert response.status_code == 401
    assert not Order.objects.exists()
    if sent[0] != "HEAD":
        assert_problem(response, 401, "bad_signature", "X-API-Signature")


def test_a_query_that_was_moved_into_the_body_is_refused(trader):
    """Nothing stands between the two in what is signed; without a filter, the same signature would cancel everything."""
    make_market()
    place_order(trader)
    issued = make_key(trader)
    headers = headers_for(issued, f"DELETE{ORDERS}?symbol=ETH-BTC")
    moved = APIClient().generic("DELETE", ORDERS, "?symbol=ETH-BTC", content_type="application/json", **headers)
    assert_problem(moved, 400, "malformed")
    headers = headers_for(issued, f'POST{ORDERS}?wait=0{{"x": 1}}')
    moved = APIClient().generic("POST", f'{ORDERS}?wait=0{{"x":', " 1}", content_type="application/json", **headers)
    assert_problem(moved, 400, "malformed")


def test_the_timestamp_is_signed_too(trader):
    issued = make_key(trader)
    response = call(issued, "GET", BALANCES, HTTP_X_API_TIMESTAMP=str(now_ms(offset=-100)))
    assert_problem(response, 401, "bad_signature", "X-API-Signature")


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_by_another_key_is_refused(trader, kind):
    mine, others = make_key(trader, kind=kind), make_key(make_trader(), kind=kind)
    response = call(mine, "GET", BALANCES, HTTP_X_API_KEY=others.row.key)
    assert_problem(response, 401, "bad_signature", "X-API-Signature")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("signature", ["", "0" * 64, "0" * 63, "zz" * 32, "A" * 86 + "==", "ä", "=", " " + "0" * 64])
def test_a_signature_of_any_other_look_is_refused(trader, kind, signature):
    response = call(make_key(trader, kind=kind), "GET", BALANCES, HTTP_X_API_SIGNATURE=signature)
    assert_problem(response, 401, "bad_signature", "X-API-Signature")


def test_hex_may_be_upper_case(trader):
    issued = make_key(trader)
    headers = headers_for(issued, f"GET{BALANCES}")
    headers["HTTP_X_API_SIGNATURE"] = headers["HTTP_X_API_SIGNATURE"].upper()
    assert APIClient().get(BALANCES, **headers).status_code == 200


def test_a_path_is_signed_in_its_plain_form(trader):
    issued = make_key(trader)
    escaped = "/api/v1/%62alances"
    assert_problem(call(issued, "GET", escaped), 401, "bad_signature", "X-API-Signature")
    assert APIClient().get(escaped, **headers_for(issued, f"GET{BALANCES}")).status_code == 200


def test_a_query_is_signed_as_it_is_sent(trader):
    make_market()
    issued = make_key(trader)
    for query in ("symbol=BTC%2FUSD", "symbol=BTC/USD", "symbol=BTC%2fUSD&side=Buy", "client_order_id=a%3Ab+"):
        response = call(issued, "GET", f"{ORDERS}?{query}")
        assert response.status_code == (400 if "+" in query else 200), response.content


def test_a_body_over_the_limit_is_too_large_whoever_signed_it(trader):
    issued = make_key(trader)
    body = " " * (configured.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    headers = headers_for(issued, f"POST{ORDERS}{body}")
    response = APIClient().generic("POST", ORDERS, body, content_type="application/json", **headers)
    assert_problem(response, 413, "too_large")


# When, and from where


@pytest.mark.parametrize("offset", [-4000, 0, 500])
def test_a_timestamp_within_the_window_is_taken(trader, offset):
    assert call(make_key(trader), "GET", BALANCES, timestamp=now_ms(offset=offset)).status_code == 200


@pytest.mark.parametrize(
    ("offset", "window", "limit"),
    [(-5100, None, 5000), (-61_000, "60000", 60_000), (-300, "100", 100), (3000, None, 1000), (3000, "60000", 1000)],
)
def test_a_timestamp_outside_of_the_window_is_stale(trader, offset, window, limit):
    stamp = now_ms(offset=offset)
    extra = {} if window is None else {"HTTP_X_API_RECV_WINDOW": window}
    response = call(make_key(trader), "GET", BALANCES, timestamp=stamp, **extra)
    (fault,) = assert_problem(response, 401, "stale_timestamp", "X-API-Timestamp")["errors"]
    assert (fault["limit"], fault["value"]) == (limit, str(stamp))


def test_a_longer_window_is_granted_on_demand(trader):
    stamp = now_ms(offset=-50_000)
    issued = make_key(trader)
    assert call(issued, "GET", BALANCES, timestamp=stamp, HTTP_X_API_RECV_WINDOW="60000").status_code == 200


def test_a_replay_is_taken_within_the_window_and_never_after_it(trader):
    """What must not happen twice has a client_order_id, by which the repeat gets the first order again."""
    make_market()
    issued = make_key(trader)
    body = LIMIT_BUY | {"client_order_id": "once"}
    headers = headers_for(issued, f"POST{ORDERS}{json.dumps(body)}", timestamp=now_ms(offset=-4000))
    assert [call(issued, "POST", ORDERS, body, **headers).status_code for _ in range(2)] == [201, 200]
    late = call(issued, "POST", ORDERS, body, **headers, HTTP_X_API_RECV_WINDOW="1000")
    assert_problem(late, 401, "stale_timestamp", "X-API-Timestamp")
    assert Order.objects.count() == 1


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1.5", "\u0661", "1" * 17, "0x10", " 1", "1e12"])
def test_a_timestamp_that_is_no_number_is_refused(trader, stamp):
    response = call(make_key(trader), "GET", BALANCES, HTTP_X_API_TIMESTAMP=stamp)
    assert_problem(response, 400, "invalid_value", "X-API-Timestamp")


@pytest.mark.parametrize("window", ["0", "60001", "-1", "x", ""])
def test_a_window_out_of_bounds_is_refused(trader, window):
    response = call(make_key(trader), "GET", BALANCES, HTTP_X_API_RECV_WINDOW=window)
    assert_problem(response, 400, "invalid_value", "X-API-Recv-Window")


@pytest.mark.parametrize("header", ["X-API-Timestamp", "X-API-Signature"])
def test_a_header_that_is_missing_is_named(trader, header):
    issued = make_key(trader)
    headers = headers_for(issued, f"GET{BALANCES}")
    del headers["HTTP_" + header.upper().replace("-", "_")]
    assert_problem(APIClient().get(BALANCES, **headers), 400, "missing_field", header)


@pytest.mark.parametrize("key", ["", "k" * 32, "k" * 5000, "a\0b", "ä"])
def test_an_unknown_key_is_unauthenticated(trader, key):
    response = call(make_key(trader), "GET", BALANCES, HTTP_X_API_KEY=key)
    assert_problem(response, 401, "unauthenticated")


def test_a_token_beside_a_key_is_refused(client, trader):
    headers = headers_for(make_key(trader), f"GET{BALANCES}")
    assert_problem(client.get(BALANCES, **headers), 401, "unauthenticated")


def test_a_key_of_a_deactivated_user_is_as_good_as_unknown(trader):
    issued = make_key(trader)
    unknown = call(issued, "GET", BALANCES, HTTP_X_API_KEY="k" * 32).json()
    User.objects.update(is_active=False)
    refused = assert_problem(call(issued, "GET", BALANCES), 401, "unauthenticated")
    assert refused["detail"] == unknown["detail"]


def test_who_does_not_hold_the_secret_learns_nothing_of_the_rest(trader):
    issued = make_key(trader, allowed_ips=["192.0.2.1"])
    stale = {"timestamp": now_ms(offset=-90_000)}
    response = call(issued, "GET", BALANCES, **stale, HTTP_X_API_SIGNATURE="0" * 64)
    assert_problem(response, 401, "bad_signature", "X-API-Signature")
    assert_problem(call(issued, "GET", BALANCES, **stale), 401, "stale_timestamp", "X-API-Timestamp")
    assert_problem(call(issued, "GET", BALANCES), 403, "forbidden", "allowed_ips")


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        (["192.0.2.1"], "192.0.2.1", 200),
        (["192.0.2.1"], "192.0.2.2", 403),
        (["192.0.2.0/24", "10.0.0.1"], "192.0.2.200", 200),
        (["192.0.2.0/24"], "::ffff:192.0.2.200", 200),
        (["2001:db8::/32"], "2001:db8::5", 200),
        (["2001:db8::/32"], "2001:db9::5", 403),
        (["2001:db8::/32"], "192.0.2.1", 403),
        (["0.0.0.0/0"], "", 403),
        ([], "", 200),
    ],
)
def test_a_key_is_good_from_its_addresses_only(trader, allowed, address, status):
    response = call(make_key(trader, allowed_ips=allowed), "GET", BALANCES, REMOTE_ADDR=address)
    assert response.status_code == status


def test_behind_a_proxy_the_clients_address_counts(trader, settings):
    issued = make_key(trader, allowed_ips=["192.0.2.1"])
    forwarded = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
    assert_problem(call(issued, "GET", BALANCES, **forwarded), 403, "forbidden", "allowed_ips")
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert call(issued, "GET", BALANCES, **forwarded).status_code == 200
    pretended = forwarded | {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 198.51.100.7"}
    assert_problem(call(issued, "GET", BALANCES, **pretended), 403, "forbidden", "allowed_ips")


# What it costs


def test_a_signed_read_costs_one_query_beside_its_own(trader, django_assert_num_queries):
    issued = make_key(trader)
    with django_assert_num_queries(3):  # the first notes the use
        assert call(issued, "GET", BALANCES).status_code == 200
    with django_assert_num_queries(2):
        assert call(issued, "GET", BALANCES).status_code == 200


def test_a_use_is_noted_once_a_minute(trader):
    issued = make_key(trader)
    key = ApiKey.objects.filter(id=issued.row.id)
    assert call(issued, "GET", BALANCES).status_code == 200
    first = key.get().last_used_at
    assert first is not None
    recent = first - timedelta(seconds=50)
    key.update(last_used_at=recent)
    call(issued, "GET", BALANCES)
    assert key.get().last_used_at == recent
    key.update(last_used_at=Now() - timedelta(seconds=61))
    call(issued, "GET", BALANCES)
    assert key.get().last_used_at >= first


def test_a_use_that_was_refused_is_not_noted(trader):
    issued = make_key(trader)
    call(issued, "GET", BALANCES, HTTP_X_API_SIGNATURE="0" * 64)
    call(issued, "GET", BALANCES, timestamp=now_ms(offset=-90_000))
    assert ApiKey.objects.get().last_used_at is None


# Sockets


def open_socket(issued, **changes):
    stamp = changes.get("timestamp", now_ms())
    proof = {"key": issued.row.key, "timestamp": stamp, "signature": sign(issued, f"{stamp}WS/ws/v1"), "address": None}
    return authenticate_socket(**(proof | changes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("as_sent", [int, str])
def test_a_socket_is_opened_by_a_signature_over_its_path(trader, kind, as_sent):
    issued = make_key(trader, kind=kind, scopes=[Scope.READ])
    caller = open_socket(issued, timestamp=as_sent(now_ms()))
    assert caller == Trader(trader.user_id, trader.id, frozenset({Scope.READ}), issued.row.id)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": "k" * 32}, "unauthenticated"),
        ({"key": None}, "unauthenticated"),
        ({"key": ["k"]}, "unauthenticated"),
        ({"key": "\0" * 32}, "unauthenticated"),
        ({"signature": "0" * 64}, "bad_signature"),
        ({"signature": "\ud800"}, "bad_signature"),
        ({"signature": None}, "missing_field"),
        ({"signature": 5}, "missing_field"),
        ({"timestamp": None}, "missing_field"),
        ({"timestamp": True}, "invalid_value"),
        ({"timestamp": 1.5}, "invalid_value"),
        ({"timestamp": -1}, "invalid_value"),
        ({"timestamp": 0}, "stale_timestamp"),
        ({"recv_window": 0}, "invalid_value"),
        ({"recv_window": True}, "invalid_value"),
    ],
)
def test_a_socket_is_refused_as_a_request_is(trader, changes, code):
    with pytest.raises(DomainError) as refused:
        open_socket(make_key(trader), **changes)
    assert refused.value.code == code


def test_a_socket_is_opened_from_the_keys_addresses_only(trader):
    with pytest.raises(DomainError, match="address") as refused:
        open_socket(make_key(trader, allowed_ips=["192.0.2.1"]))
    assert refused.value.code == "forbidden"


def test_the_signature_of_a_request_opens_no_socket(trader):
    issued = make_key(trader)
    headers = headers_for(issued, f"GET{BALANCES}")
    with pytest.raises(DomainError) as refused:
        open_socket(issued, timestamp=headers["HTTP_X_API_TIMESTAMP"], signature=headers["HTTP_X_API_SIGNATURE"])
    assert refused.value.code == "bad_signature"


def test_a_caller_goes_on_while_the_user_is_active_and_the_key_is_there(trader, django_assert_num_queries):
    issued = make_key(trader)
    by_token, by_key = Trader(trader.user_id, trader.id), open_socket(issued)
    with django_assert_num_queries(2):
        assert (still_valid(by_token), still_valid(by_key)) == (True, True)
    User.objects.update(is_active=False)
    assert (still_valid(by_token), still_valid(by_key)) == (False, False)
    User.objects.update(is_active=True)
    revoke_key(account_id=trader.id, key_id=issued.row.id)
    assert (still_valid(by_token), still_valid(by_key)) == (True, False)
