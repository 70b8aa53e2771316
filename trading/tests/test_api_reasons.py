"""Get every reason why an order ends over the API: each is brought about by requests, matched by a worker, and read back.

Those that no request of a trader can bring about are brought about by who does: an operator, the clock, a fault.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.tests.builders import make_client, make_trader
from accounts.tests.rivals import PATIENCE, running
from orders import changes, clock, leases, switches
from orders.models import DeadManSwitch
from orders.terms import STATUS_OF_REASON, Phase, Reason
from orders.tests.builders import make_market
from trading.matching import Shard
from trading.tests.builders import check_books_and_ledger, match
from trading.tests.tampering import tamper

pytestmark = pytest.mark.django_db

LIMIT = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "100"}
SELL = LIMIT | {"side": "Sell"}
MARKET = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Market", "quantity": "1"}
FUNDS = {"USD": "100000", "BTC": "100"}


class Floor:
    """A market, two traders with their clients, and a worker that matches when it is told to."""

    def __init__(self) -> None:
        self.market = make_market(reference_price=Decimal(100), call_seconds=0, call_random_seconds=0)
        self.mine, self.theirs = make_trader(funds=FUNDS), make_trader(funds=FUNDS)
        self.me, self.them = make_client(self.mine), make_client(self.theirs)

    def place(self, client: Any = None, **fields: Any) -> int:
        """Place an order of mine, or of another client."""
        body = {"symbol": "BTC/USD", **fields}
        answer = (client or self.me).post("/api/v1/orders", body, format="json")
        assert answer.status_code == 201, answer.json()
        return answer.json()["id"]

    def rest(self, **fields: Any) -> int:
        order_id = self.place(**LIMIT | fields)
        match()
        return order_id

    def phase(self, phase: Phase) -> None:
        changes.ask_phase(self.market, phase, direct=True)
        match()


def user_request(floor: Floor) -> int:
    order_id = floor.rest()
    assert floor.me.delete(f"/api/v1/orders/{order_id}").status_code == 202
    return order_id


def mass_cancel(floor: Floor) -> int:
    order_id = floor.rest()
    assert floor.me.delete("/api/v1/orders?symbol=BTC-USD").json() == {"requested": 1}
    return order_id


def dead_man(floor: Floor) -> int:
    order_id = floor.rest()
    assert floor.me.post("/api/v1/orders/cancel-after", {"timeout_seconds": 60}, format="json").status_code == 200
    DeadManSwitch.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    clock.fire_dead_men()
    return order_id


def disconnect(floor: Floor) -> int:
    order_id = floor.rest()
    leases.fire(leases.take(floor.mine.id))
    return order_id


def kill_switch(floor: Floor) -> int:
    order_id = floor.rest()
    with running(lambda stop: Shard(0).run(seconds=PATIENCE, should_stop=stop.is_set)):
        switches.kill_market(floor.market, by="ops", reason="test")
    return order_id


def market_maker_protection(floor: Floor) -> int:
    body = {"symbol": "BTC/USD", "window_ms": 60_000, "quantity_limit": "0.5"}
    assert floor.me.put("/api/v1/market-maker-protection", body, format="json").status_code == 200
    order_id = floor.rest(price="99", market_maker_protection=True)
    floor.rest(market_maker_protection=True)
    floor.place(floor.them, **SELL | {"quantity": "0.6"})
    return order_id


def amended_below_filled(floor: Floor) -> int:
    order_id = floor.rest()
    floor.place(floor.them, **SELL | {"quantity": "0.6"})
    match()
    assert floor.me.patch(f"/api/v1/orders/{order_id}", {"quantity": "0.5"}, format="json").status_code == 202
    return order_id


def self_trade(floor: Floor) -> int:
    floor.rest()
    return floor.place(**SELL)


def expired_time(floor: Floor) -> int:
    order_id = floor.rest(time_in_force="GTD", expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    tamper("UPDATE orders SET expires_at = now() WHERE id = %s", order_id)
    clock.expire_orders()
    return order_id


def session_close(floor: Floor) -> int:
    order_id = floor.rest(time_in_force="DAY")
    floor.phase(Phase.CLOSED)
    return order_id


def auction_end(floor: Floor) -> int:
    order_id = floor.rest(time_in_force="AuctionOnly")
    floor.phase(Phase.AUCTION)
    floor.phase(Phase.CONTINUOUS)
    return order_id


def stop_would_trigger(floor: Floor) -> int:
    floor.rest()
    floor.place(floor.them, **SELL)
    match()
    return floor.place(side="Buy", order_type="StopMarket", quantity="1", stop_price="99")


def post_only_would_take(floor: Floor) -> int:
    floor.rest(client=floor.them, side="Sell")
    return floor.place(**LIMIT, post_only=True)


def market_halted(floor: Floor) -> int:
    changes.ask_phase(floor.market, Phase.HALTED)
    return floor.place(**LIMIT)


def protection_price(floor: Floor) -> int:
    floor.rest(client=floor.them, side="Sell", quantity="0.5")
    floor.rest(client=floor.them, side="Sell", price="120")
    return floor.place(**MARKET)


def internal_error(floor: Floor) -> int:
    order_id = floor.place(**LIMIT)
    tamper("""UPDATE commands SET payload = payload || '{"price": "low"}' WHERE order_id = %s""", order_id)
    return order_id


WAYS: dict[Reason, Callable[[Floor], int]] = {
    Reason.USER_REQUEST: user_request,
    Reason.MASS_CANCEL: mass_cancel,
    Reason.DEAD_MAN: dead_man,
    Reason.DISCONNECT: disconnect,
    Reason.KILL_SWITCH: kill_switch,
    Reason.MARKET_MAKER_PROTECTION: market_maker_protection,
    Reason.AMENDED_BELOW_FILLED: amended_below_filled,
    Reason.IOC_REMAINDER: lambda floor: floor.place(**LIMIT, time_in_force="IOC"),
    Reason.FOK_UNFILLABLE: lambda floor: floor.place(**LIMIT, time_in_force="FOK"),
    Reason.NO_LIQUIDITY: lambda floor: floor.place(**MARKET),
    Reason.PROTECTION_PRICE: protection_price,
    Reason.SELF_TRADE: self_trade,
    Reason.EXPIRED_TIME: expired_time,
    Reason.AUCTION_END: auction_end,
    Reason.SESSION_CLOSE: session_close,
    Reason.POST_ONLY_WOULD_TAKE: post_only_would_take,
    Reason.STOP_WOULD_TRIGGER: stop_would_trigger,
    Reason.MARKET_HALTED: market_halted,
    Reason.INTERNAL_ERROR: internal_error,
}


@pytest.mark.parametrize(
    "reason",
    [
        # A kill switch waits for a worker that runs beside it.
        pytest.param(reason, marks=pytest.mark.django_db(transaction=reason is Reason.KILL_SWITCH))
        for reason in WAYS
    ],
)
def test_reason_is_read_over_the_api(reason):
    floor = Floor()
    order_id = WAYS[reason](floor)
    match()

    order = floor.me.get(f"/api/v1/orders/{order_id}").json()
    assert (order["status"], order["reason"]) == (STATUS_OF_REASON[reason], reason)
    assert order["remaining_quantity"] == "0.00000"
    history = floor.me.get(f"/api/v1/orders/{order_id}/events").json()["results"]
    if reason is not Reason.INTERNAL_ERROR:
        assert (history[-1]["kind"], history[-1]["reason"]) == ("end", reason)
    check_books_and_ledger()


def test_amendment_that_an_earlier_one_has_made_too_dear_is_refused_with_its_reason():
    floor = Floor()
    order_id = floor.rest(quantity="10")
    for change in ({"price": "10"}, {"price": "100", "quantity": "11"}):
        assert floor.me.patch(f"/api/v1/orders/{order_id}", change, format="json").status_code == 202
    match()

    order = floor.me.get(f"/api/v1/orders/{order_id}").json()
    assert (order["status"], order["price"], order["quantity"]) == ("New", "10.00", "10.00000")
    history = floor.me.get(f"/api/v1/orders/{order_id}/events").json()["results"]
    assert (history[-1]["kind"], history[-1]["reason"]) == ("refuse", "insufficient_funds")
    check_books_and_ledger()


def test_every_reason_has_its_way():
    assert {*WAYS, Reason.INSUFFICIENT_FUNDS} == {*Reason}
