"""Test market orders: by quantity, by a budget of quote, and how far their protection price lets them go."""

from trading.tests.engine.scene import Scene, market


def test_market_order_takes_what_it_needs():
    scene = Scene("ask 101 | 1:5")

    assert scene.buy(5, **market()) == ["trade 5@101 with 1, 0 left", "end Filled"]


def test_market_order_never_rests():
    scene = Scene("ask 101 | 1:5")

    assert scene.buy(8, **market()) == ["trade 5@101 with 1, 0 left", "end Expired no_liquidity, 3 dropped"]
    assert scene.ladder() == []


def test_market_order_on_an_empty_book_expires():
    assert Scene().sell(8, **market()) == ["end Expired no_liquidity, 8 dropped"]


def test_market_buy_trades_no_further_than_its_protection_price():
    scene = Scene("""
        ask 112 | 2:5
        ask 110 | 1:5
    """)

    told = scene.buy(8, at=110, **market())

    assert told == ["trade 5@110 with 1, 0 left", "end Expired protection_price, 3 dropped"]
    assert scene.ladder() == ["ask 112 | 2:5"]


def test_market_sell_trades_no_further_than_its_protection_price():
    scene = Scene("""
        bid 100 | 1:5
        bid  89 | 2:5
    """)

    told = scene.sell(8, at=90, **market())

    assert told == ["trade 5@100 with 1, 0 left", "end Expired protection_price, 3 dropped"]


def test_budget_spent_exactly_is_filled():
    scene = Scene("""
        ask 102 | 2:5
        ask 101 | 1:2
    """)

    told = scene.buy(None, budget=2 * 101 + 3 * 102, **market())

    assert told == ["trade 2@101 with 1, 0 left", "trade 3@102 with 2, 2 left", "end Filled"]


def test_budget_whose_rest_buys_no_lot_is_filled():
    scene = Scene("ask 101 | 1:5")

    told = scene.buy(None, budget=2 * 101 + 100, **market())

    assert told == ["trade 2@101 with 1, 3 left", "end Filled"]


def test_budget_whose_rest_buys_no_lot_at_the_next_price_is_filled():
    scene = Scene("""
        ask 150 | 2:5
        ask 101 | 1:1
    """)

    assert scene.buy(None, budget=101 + 149, **market()) == ["trade 1@101 with 1, 0 left", "end Filled"]


def test_budget_whose_rest_buys_no_lot_is_filled_also_where_the_book_ends_there():
    scene = Scene("ask 101 | 1:2")

    assert scene.buy(None, budget=2 * 101 + 100, **market()) == ["trade 2@101 with 1, 0 left", "end Filled"]


def test_budget_whose_rest_buys_no_lot_is_filled_also_at_its_protection_price():
    scene = Scene("""
        ask 200 | 2:5
        ask 101 | 1:2
    """)

    assert scene.buy(None, at=111, budget=2 * 101 + 100, **market()) == ["trade 2@101 with 1, 0 left", "end Filled"]


def test_budget_that_outlasts_the_book_expires():
    scene = Scene("ask 101 | 1:2")

    told = scene.buy(None, budget=3 * 101, **market())

    assert told == ["trade 2@101 with 1, 0 left", "end Expired no_liquidity, 0 dropped"]


def test_budget_that_reaches_its_protection_price_expires():
    scene = Scene("""
        ask 112 | 2:5
        ask 101 | 1:2
    """)

    told = scene.buy(None, at=111, budget=1000, **market())

    assert told == ["trade 2@101 with 1, 0 left", "end Expired protection_price, 0 dropped"]


def test_budget_too_small_for_one_lot_buys_nothing_and_expires():
    scene = Scene("ask 101 | 1:2")

    assert scene.buy(None, budget=100, **market()) == ["end Expired no_liquidity, 0 dropped"]
    assert scene.ladder() == ["ask 101 | 1:2"]


def test_budget_on_an_empty_book_expires():
    assert Scene().buy(None, budget=100, **market()) == ["end Expired no_liquidity, 0 dropped"]
