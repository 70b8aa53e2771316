"""Test that trailing stops cost a trade the same however many there are, and are what they were after a rebuild."""

from itertools import count
from random import Random

import pytest

from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Order
from orders.requests import read_amendment
from orders.terms import OrderType, Phase, Side
from orders.tests.builders import make_market, place_order
from trading.books import rebuild
from trading.engine.commands import Cancel, NewOrder, SetPhase, Trigger
from trading.engine.engine import Engine
from trading.integrity.journal import lay_out
from trading.matching import Shard
from trading.tests.builders import check_books_and_ledger
from trading.tests.tampering import differences


def trailing(order_id: int, side: Side, offset: int) -> NewOrder:
    price = 10**9 if side is Side.BUY else 1
    return NewOrder(
        order_id, order_id, side, price, 1, market=True, stop=OrderType.TRAILING_STOP, trailing_offset=offset
    )


class Plain:
    """What each trailing stop follows, worked out stop by stop."""

    def __init__(self) -> None:
        self.stops: dict[int, tuple[Side, int, int]] = {}

    def reached(self, price: int) -> list[int]:
        found = []
        for order_id, (side, offset, extreme) in self.stops.items():
            if side is Side.SELL and price <= extreme * (10_000 - offset) // 10_000:
                found.append((1, -(extreme * (10_000 - offset) // 10_000), order_id))
            if side is Side.BUY and price >= -(-extreme * (10_000 + offset) // 10_000):
                found.append((0, -(-extreme * (10_000 + offset) // 10_000), order_id))
        for _, _, order_id in found:
            del self.stops[order_id]
        for order_id, (side, offset, extreme) in self.stops.items():
            self.stops[order_id] = side, offset, (max if side is Side.SELL else min)(extreme, price)
        return [order_id for _, _, order_id in sorted(found)]


@pytest.mark.parametrize("seed", range(30))
def test_thousands_trigger_just_where_each_by_itself_would(seed):
    chance, ids, sequences = Random(seed), count(1), count(1)
    engine, plain, price = Engine(), Plain(), 10_000

    def trade(at: int) -> list[int]:
        engine.apply(next(sequences), NewOrder(next(ids), 1, Side.SELL, at, 1))
        events = engine.apply(next(sequences), NewOrder(next(ids), 2, Side.BUY, at, 1))
        triggered = [event[1] for event in events if event[0] == "trigger"]
        for order_id in triggered:
            engine.apply(next(sequences), Trigger(order_id))
        return triggered

    trade(price)
    for _ in range(400):
        if chance.random() < 0.6:
            order_id, side = next(ids), chance.choice([*Side])
            offset = chance.randint(1, 400)
            engine.apply(next(sequences), trailing(order_id, side, offset))
            plain.stops[order_id] = side, offset, price
        elif plain.stops and chance.random() < 0.3:
            order_id = chance.choice([*plain.stops])
            engine.apply(next(sequences), Cancel(order_id))
            del plain.stops[order_id]
        else:
            price = max(1, price + chance.randint(-120, 120))
            assert trade(price) == plain.reached(price)
            assert {order_id: stop.extreme for order_id, stop in engine.stops.orders.items()} == {
                order_id: extreme for order_id, (_, _, extreme) in plain.stops.items()
            }


def test_many_stops_do_not_make_a_trade_dearer():
    """By counting what is touched, and not by a clock: what trails one extreme is one trail."""
    engine, ids = Engine(), count(1)
    for sequence in range(1, 2_001):
        engine.apply(sequence, trailing(next(ids), Side.SELL, 100))
    for step in range(50):
        engine.apply(3_000 + 2 * step, NewOrder(next(ids), 1, Side.SELL, 100 + step, 1))
        events = engine.apply(3_001 + 2 * step, NewOrder(next(ids), 2, Side.BUY, 100 + step, 1))
        # All of them are armed by the first trade; of those that follow nothing is said.
        assert len(events) == (2_002 if step == 0 else 2)
    trails = engine.stops._trails[Side.SELL]
    assert len(trails._trails) == 1
    assert len(trails._offers) < 100


@pytest.mark.django_db(transaction=True)
def test_trailing_stop_that_waits_in_a_call_trades_up_to_the_same_price_after_a_rebuild():
    market = make_market(tick_size="1", lot_size="1", volatility_band="0.05", call_seconds=0, call_random_seconds=0)
    maker, taker = (make_trader(funds={"USD": "1000000", "BTC": "1000"}) for _ in range(2))
    shard = Shard(0)

    def trade_at(price: str) -> None:
        place_order(maker, side="Sell", price=price)
        place_order(taker, price=price)
        shard.drain()

    trade_at("100")
    buys = place_order(taker, order_type="TrailingStop", price=None, quantity="5", trailing_offset=1500)
    sells = place_order(maker, side="Sell", order_type="TrailingStop", price=None, quantity="5", trailing_offset=300)
    place_order(taker, price="94", quantity="10")
    trade_at("104")
    trade_at("100")  # triggers the sell, which would trade at 94: beyond the volatility band

    sells.refresh_from_db()
    assert (sells.status, sells.visible_quantity, sells.protection_price) == ("New", None, 90)
    changes.amend(maker.id, sells.id, read_amendment({"quantity": "3"}))
    shard.drain()
    kept, built = shard._books[market.id], rebuild(market.id)
    assert lay_out(kept.engine) == lay_out(built.engine)
    assert kept.live == built.live
    buys.refresh_from_db()
    assert buys.status == "PendingTrigger"
    changes.ask_phase(market, Phase.CONTINUOUS, direct=True)
    shard.drain()
    assert not Order.objects.filter(reason="internal_error").exists()
    check_books_and_ledger()
    assert differences() == []


def test_stop_that_was_passed_when_it_could_not_trigger_does_when_trading_goes_on():
    engine = Engine()
    commands = [
        NewOrder(1, 1, Side.SELL, 96, 1),
        NewOrder(2, 2, Side.BUY, 96, 1),
        NewOrder(3, 3, Side.BUY, 110, 5, market=True, stop=OrderType.STOP_MARKET, stop_price=97),
        SetPhase(Phase.AUCTION),
        NewOrder(4, 1, Side.SELL, 98, 1),
        NewOrder(5, 2, Side.BUY, 98, 1),
        SetPhase(Phase.POST_ONLY),
    ]
    for sequence, command in enumerate(commands, 1):
        events = engine.apply(sequence, command)
    assert "trigger" not in [event[0] for event in events]

    events = engine.apply(8, SetPhase(Phase.CONTINUOUS))

    assert [event[0] for event in events] == ["phase", "trigger"]
