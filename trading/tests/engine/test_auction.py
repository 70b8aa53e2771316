"""Test calls: which price an uncross has, who trades at it and with whom, and what becomes of the rest."""

import pytest

from orders.terms import Phase, SelfTradePrevention, TimeInForce
from trading.engine.auction import Uncross
from trading.tests.engine.scene import Scene, ladder, market

AUCTION_ONLY = {"time_in_force": TimeInForce.AUCTION_ONLY}
OWN = 7
XETRA_BIDS = [(640, 500), (639, 500), (639, 500), (634, 1000), (633, 500)]
XETRA_ASKS = [(610, 1000), (640, 500), (641, 520), (642, 550), (643, 519)]


def call(text: str = "", reference: int | None = 100, **fields: object) -> Scene:
    """Set a call up, with a book that may be crossed."""
    scene = Scene(reference_price=reference)
    scene.call()
    scene.fill_book(text, **fields)
    return scene


def of_orders(bids: list, asks: list, reference: int | None, market_buy: int = 0, market_sell: int = 0) -> Scene:
    scene = call(reference=reference)
    for price, lots in bids:
        scene.buy(lots, at=price)
    for price, lots in asks:
        scene.sell(lots, at=price)
    if market_buy:
        scene.buy(market_buy, **market())
    if market_sell:
        scene.sell(market_sell, **market())
    return scene


@pytest.mark.parametrize(
    ("bids", "asks", "reference", "price", "lots"),
    [
        (XETRA_BIDS, XETRA_ASKS, 600, 639, 1000),
        ([(102, 100)], [(98, 100)], 90, 98, 100),
        ([(102, 100)], [(98, 100)], 100, 100, 100),
        ([(102, 100)], [(98, 100)], 110, 102, 100),
        ([(102, 100)], [(98, 150)], 100, 98, 100),
        ([(102, 150)], [(98, 100)], 100, 102, 100),
        ([(101, 100), (99, 50)], [(99, 100), (101, 50)], 95, 99, 100),
        ([(101, 100), (99, 50)], [(99, 100), (101, 50)], 100, 100, 100),
        ([(101, 100), (99, 50)], [(99, 100), (101, 50)], 105, 101, 100),
    ],
)
def test_limits_uncross_at_the_price_of_the_ladder(bids, asks, reference, price, lots):
    scene = of_orders(bids, asks, reference)

    indicative = scene.engine.indicative()

    assert indicative[:2] == (price, lots)
    assert scene.uncross()[0] == f"uncross {lots}@{price}, surplus {indicative.surplus}"
    assert (scene.engine.last_price, scene.engine.last_auction_price) == (price, price)


def test_market_orders_alone_uncross_at_the_reference_price():
    assert of_orders([], [], 100, market_buy=50, market_sell=80).engine.indicative() == Uncross(100, 50, -30)


def test_market_orders_alone_uncross_at_no_price_where_there_is_no_reference():
    assert of_orders([], [], None, market_buy=50, market_sell=80).engine.indicative() is None


def test_market_orders_that_alone_cross_uncross_at_the_reference_price_whatever_limits_rest_far_away():
    scene = call("bid 50 | 1:10")
    scene.buy(50, at=110, **market())
    scene.sell(80, at=90, **market())

    assert scene.engine.indicative() == Uncross(100, 50, -30)


def test_what_does_not_cross_has_no_price():
    scene = of_orders([(99, 10)], [(101, 10)], 100)

    assert scene.engine.indicative() is None
    assert scene.uncross() == ["phase Continuous"]


@pytest.mark.parametrize(("reference", "price"), [(95, 99), (100, 100), (105, 101)])
def test_market_orders_within_a_spread_uncross_at_the_reference_clamped_into_it(reference, price):
    indicative = of_orders([(99, 10)], [(101, 10)], reference, market_buy=30, market_sell=30).engine.indicative()

    assert indicative[:2] == (price, 30)


def test_middle_of_the_interval_is_the_price_where_there_is_no_reference():
    assert of_orders([(103, 100)], [(98, 100)], None).engine.indicative() == Uncross(100, 100, 0)


def test_protection_price_limits_a_market_order_and_makes_no_price():
    scene = call("ask 104 | 1:5")
    scene.buy(9, at=103, **market())
    assert scene.engine.indicative() is None

    scene.buy(3, at=108, **market())
    assert scene.engine.indicative() == Uncross(104, 3, -2)


def test_all_trade_at_one_price_market_orders_first_then_by_price_then_by_time():
    scene = call("bid 100 | 1:3 2:3")
    scene.buy(2, at=102, order_id=3)
    scene.buy(1, at=101, order_id=4, **market())
    scene.buy(1, at=110, order_id=5, **market())
    scene.sell(8, at=100, order_id=6)

    assert scene.uncross() == [
        "uncross 8@100, surplus 2",
        "trade 1@100 6 with 4, 0 left",
        "trade 1@100 6 with 5, 0 left",
        "trade 2@100 6 with 3, 0 left",
        "trade 3@100 6 with 1, 0 left",
        "trade 1@100 6 with 2, 2 left",
        "end 6 Filled",
        "phase Continuous",
    ]


def test_earlier_of_two_orders_is_the_maker_on_either_side():
    scene = call("ask 99 | 1:2")
    scene.buy(3, at=101, order_id=2)
    scene.sell(1, at=100, order_id=3)

    assert scene.uncross()[1:-1] == [
        "trade 2@100 2 with 1, 0 left",
        "trade 1@100 3 with 2, 0 left",
        "end 3 Filled",
    ]


def test_rest_of_a_limit_order_enters_the_book_with_its_old_time():
    scene = call("bid 100 | 1:5 2:5")
    scene.sell(3, at=100)

    scene.uncross()

    assert scene.ladder() == ["bid 100 | 1:2 2:5"]
    assert (scene.engine.orders[1].sequence, scene.engine.orders[1].ordinal) < (scene.engine.orders[2].sequence, 0)


def test_rests_of_market_and_auction_only_orders_expire_in_order_of_priority():
    scene = call("ask 100 | 1:4")
    scene.buy(3, at=100, order_id=2, **AUCTION_ONLY)
    scene.buy(3, order_id=3, **market())

    assert scene.parked() == ["2:3", "3:3"]
    assert scene.uncross() == [
        "uncross 4@100, surplus 2",
        "trade 3@100 3 with 1, 1 left",
        "end 3 Filled",
        "trade 1@100 2 with 1, 0 left",
        "end 2 Expired auction_end, 2 dropped",
        "phase Continuous",
    ]


def test_what_waits_for_an_uncross_expires_also_where_nothing_crosses():
    scene = call()
    scene.buy(3, at=100, **AUCTION_ONLY)
    scene.sell(2, at=120, **market())

    assert scene.uncross() == [
        "end 100 Expired auction_end, 3 dropped",
        "end 101 Expired auction_end, 2 dropped",
        "phase Continuous",
    ]


def test_auction_only_order_waits_through_continuous_trading():
    scene = Scene("ask 101 | 1:5")

    assert scene.buy(3, at=105, **AUCTION_ONLY) == ["park"]
    assert scene.set_phase(Phase.CONTINUOUS) == ["phase Continuous"]
    scene.call()
    assert scene.uncross()[:3] == ["uncross 3@101, surplus -2", "trade 3@101 100 with 1, 2 left", "end 100 Filled"]


def test_auction_only_orders_make_a_price():
    scene = call()
    scene.buy(3, at=105, **AUCTION_ONLY)
    scene.sell(3, at=103, **AUCTION_ONLY)

    assert scene.engine.indicative() == Uncross(103, 3, 0)


def test_order_with_a_budget_counts_the_lots_that_it_buys_at_the_price():
    scene = call("ask 100 | 1:9")
    scene.buy(None, budget=350, **market())

    assert scene.uncross() == [
        "uncross 3@100, surplus -6",
        "trade 3@100 100 with 1, 6 left",
        "end 100 Filled",
        "phase Continuous",
    ]


def test_order_with_a_budget_that_has_not_bought_all_it_could_expires():
    scene = call("ask 100 | 1:2")
    scene.buy(None, budget=350, **market())

    assert scene.uncross()[1:3] == ["trade 2@100 100 with 1, 0 left", "end 100 Expired auction_end, 0 dropped"]


def test_order_with_a_budget_is_the_maker_of_a_later_one():
    scene = call()
    scene.buy(None, budget=350, **market())
    scene.sell(2, at=100)
    scene.sell(1, at=100)

    assert scene.uncross()[1:4] == [
        "trade 2@100 101 with 100, 1 left",
        "end 101 Filled",
        "trade 1@100 102 with 100, 0 left",
    ]


def test_iceberg_takes_part_with_all_its_lots_and_keeps_its_place():
    scene = call("bid 100 | 1:2+8 2:5")
    scene.sell(5, at=100, order_id=3)

    assert scene.uncross()[:3] == ["uncross 5@100, surplus 10", "trade 5@100 3 with 1, 5 left", "end 3 Filled"]
    assert scene.ladder() == ["bid 100 | 1:2+3 2:5"]


def test_iceberg_whose_shown_part_is_not_used_up_shows_the_rest_of_it():
    scene = call("bid 100 | 1:5+5")
    scene.sell(3, at=100)

    scene.uncross()

    assert scene.ladder() == ["bid 100 | 1:2+5"]


def test_iceberg_may_be_the_later_order():
    scene = call("bid 100 | 1:7")
    scene.sell(9, at=100, order_id=2, display=4)

    assert scene.uncross()[1:-1] == ["trade 7@100 2 with 1, 0 left"]
    assert scene.ladder() == ["ask 100 | 2:2"]


@pytest.mark.parametrize("mode", SelfTradePrevention)
def test_orders_of_one_owner_lose_what_they_would_have_traded_whatever_their_mode(mode):
    scene = call("bid 100 | 1:4", owners={1: OWN})
    scene.sell(6, at=100, owner=OWN, order_id=2, self_trade_prevention=mode)
    scene.buy(1, at=100, order_id=3)

    assert scene.uncross() == [
        "uncross 5@100, surplus -1",
        "prevent 4@100 2 with 1",
        "end 1 Expired self_trade, 0 dropped",
        "trade 1@100 3 with 2, 1 left",
        "end 3 Filled",
        "phase Continuous",
    ]
    assert scene.ladder() == ["ask 100 | 2:1"]


def test_uncross_within_one_owner_is_no_trade_and_leaves_the_last_price():
    scene = call("bid 102 | 1:4", owners={1: OWN})
    scene.sell(4, at=98, owner=OWN, order_id=2)

    assert scene.uncross() == [
        "uncross 4@100, surplus 0",
        "prevent 4@100 2 with 1",
        "end 1 Expired self_trade, 0 dropped",
        "end 2 Expired self_trade, 0 dropped",
        "phase Continuous",
    ]
    assert scene.engine.last_price is None


def test_what_protection_prices_leave_crossed_uncrosses_once_more():
    # At 100 the market sells trade first, the one that stops at 99 too; the one that stops at 95 then meets the bid of 97.
    scene = call()
    scene.buy(5, at=100, order_id=1)
    scene.buy(5, at=97, order_id=2)
    scene.sell(5, at=99, order_id=3, **market())
    scene.sell(5, at=95, order_id=4, **market())

    told = scene.uncross()

    assert told == [
        "uncross 5@100, surplus -5",
        "trade 5@100 3 with 1, 0 left",
        "end 3 Filled",
        "uncross 5@97, surplus 0",
        "trade 5@97 4 with 2, 0 left",
        "end 4 Filled",
        "phase Continuous",
    ]


def test_call_says_when_it_ends_and_may_be_given_another_end():
    scene = Scene()

    assert scene.set_phase(Phase.AUCTION, ends_at=120) == ["phase Auction", "call until 120"]
    assert scene.set_phase(Phase.AUCTION, ends_at=150) == ["call until 150"]
    assert scene.engine.call_ends_at == 150
    scene.uncross()
    assert scene.engine.call_ends_at is None


def test_price_outside_the_band_extends_the_call_twice_and_then_waits_for_an_operator():
    scene = Scene(reference_price=100, auction_band=10_000_000)
    scene.call()
    scene.buy(5, at=111)
    scene.sell(5, at=111)

    for times in (1, 2):
        assert scene.end_call() == [f"extend {times} at 111"]
        assert scene.engine.call_wanted
        assert scene.call() == ["call until 1"]
    for _ in range(2):
        assert scene.end_call() == ["extend 3 at 111", "call"]
        assert not scene.engine.call_wanted
    assert scene.uncross()[0] == "uncross 5@111, surplus 0"
    assert scene.engine.call_extensions == 0


@pytest.mark.parametrize("price", [90, 110])
def test_price_at_the_edge_of_the_band_ends_the_call(price):
    scene = Scene(reference_price=100, auction_band=10_000_000)
    scene.call()
    scene.buy(5, at=price)
    scene.sell(5, at=price)

    assert scene.end_call()[-1] == "phase Continuous"


def test_band_without_a_reference_extends_nothing():
    scene = Scene(auction_band=10_000_000)
    scene.call()
    scene.buy(5, at=111)
    scene.sell(5, at=111)

    assert scene.end_call()[0] == "uncross 5@111, surplus 0"


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CANCEL_ONLY, Phase.CLOSED, Phase.PRE_OPEN])
def test_call_that_is_broken_off_leaves_all_orders_where_they_are(phase):
    book = """
        ask 99  | 1:5
        bid 101 | 2:5
    """
    scene = call(book)
    scene.buy(1, **market())

    assert scene.set_phase(phase) == [f"phase {phase}"]
    assert scene.ladder() == ladder(book)
    assert scene.parked() == ["100:1"]


def test_orders_in_a_call_are_reduced_amended_and_canceled():
    scene = call("bid 100 | 1:5")
    scene.sell(5, **market())
    scene.sell(5, at=99, **AUCTION_ONLY)

    assert scene.reduce(100, to=2) == ["reduce 100 by 3, 2 left"]
    assert scene.amend(101, to=9, at=98, extra=4) == ["amend to 9@98", "park"]
    assert scene.amend(1, to=5, at=101, extra=5) == ["amend to 5@101", "rest 5@101"]
    assert scene.parked() == ["100:2", "101:9"]
    assert scene.cancel(101) == ["end Canceled user_request, 9 dropped"]
