"""Test the book's housekeeping: what is gone is forgotten, what is put back is the same."""

import pytest

from orders.terms import Phase, Side
from trading.engine.book import PRUNE_SLACK, SWEEP_SLACK, BookSide, RestingOrder
from trading.engine.commands import NewOrder
from trading.tests.engine.scene import Scene, check_book, market, restore_from, trailing


def test_far_prices_once_used_are_pruned():
    scene = Scene()
    for price in range(1000, 11_000):
        scene.sell(1, at=price, order_id=price)
        scene.cancel(price)

    asks = scene.engine.asks
    assert len(asks._heap) <= 2 * PRUNE_SLACK
    assert len(asks._levels) == len(asks._heap)
    assert scene.engine.orders == {}


@pytest.mark.parametrize("prices", [range(1000, 1500), range(1499, 999, -1)], ids=["rising", "falling"])
def test_pruning_leaves_the_living_levels_in_order(prices):
    scene = Scene()
    for price in prices:
        scene.sell(1, at=price, order_id=price)
    for price in prices:
        if price % 100:
            scene.cancel(price)

    assert [level.price for level in scene.engine.asks.levels()] == [1000, 1100, 1200, 1300, 1400]
    assert len(scene.engine.asks._heap) <= 5 + PRUNE_SLACK + 5
    check_book(scene.engine)


def test_canceled_orders_are_swept_out_of_a_long_queue():
    scene = Scene()
    for number in range(1, 1001):
        scene.sell(1, at=101, order_id=number)
    for number in range(2, 1000):
        scene.cancel(number)

    level = scene.engine.asks.best()
    assert [order.order_id for order in level.living()] == [1, 1000]
    assert len(level.queue) <= 2 * level.count + SWEEP_SLACK
    assert level.total == level.count == 2


def test_best_passes_over_emptied_levels_of_either_side():
    for side, best, worse in ((Side.BUY, 100, 99), (Side.SELL, 99, 100)):
        book_side = BookSide(side)
        orders = [RestingOrder(NewOrder(number, number, side, 1, 1), 1, number, 0) for number in (1, 2)]
        book_side.add(orders[0], best)
        book_side.add(orders[1], worse)

        assert book_side.best().price == best
        book_side.take(orders[0], 1)
        assert book_side.best().price == worse
        book_side.take(orders[1], 1)
        assert book_side.best() is None


def test_restored_engine_is_the_same_book_with_the_same_future():
    scene = Scene("""
        ask 102 | 1:5 2:5
        ask 101 | 3:5
        bid  99 | 4:5 5:5
    """)
    scene.buy(7, at=102)
    scene.reduce(5, to=2)
    scene.cancel(4)
    restored = Scene(owners=scene.owners)
    restored.engine = restore_from(scene.engine)

    assert restored.ladder() == scene.ladder()
    check_book(restored.engine)
    assert restored.buy(20, at=105, order_id=50) == scene.buy(20, at=105, order_id=50)
    assert restored.sell(20, at=90, order_id=51) == scene.sell(20, at=90, order_id=51)
    assert restored.ladder() == scene.ladder()


def test_restored_engine_knows_what_waits_outside_the_book():
    scene = Scene("ask 101 | 1:2+3", reference_price=100)
    scene.trade_at(100)
    scene.sell(1, order_id=10, **trailing(500))
    scene.set_phase(Phase.AUCTION, ends_at=7)
    scene.buy(None, budget=1000, order_id=11, **market())
    restored = Scene()
    restored.engine = restore_from(scene.engine)

    for either in (scene, restored):
        assert either.ladder() == ["ask 101 | 1:2+3"]
        assert either.parked() == ["11:for 1000"]
        assert either.awaiting() == ["10:1 from 100"]
        assert either.engine.call_ends_at == 7
        assert either.uncross()[-2:] == ["end 11 Expired auction_end, 0 dropped", "phase Continuous"]
        assert either.awaiting() == ["10:1 from 101"]
