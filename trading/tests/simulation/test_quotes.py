"""What the demo's traders decide: prices, ladders, changes and leans, without a venue."""

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.simulation.inventory import FUNDS, lean_of
from trading.simulation.ladder import DISTANCES, lay_ladder, whole_lots
from trading.simulation.prices import BAND, VALUES, FairPrices
from trading.simulation.replacing import MOVES_MAX, plan_changes
from trading.simulation.taker import Taker
from trading.simulation.terms import BUY, SELL, Quote, Standing, Terms
from trading.simulation.trader import Trader

BITCOIN = Terms("BTC/USD", "BTC", "USD", Decimal("0.01"), Decimal("0.00001"))
ETHER = Terms("ETH/BTC", "ETH", "BTC", Decimal("0.00001"), Decimal("0.001"))
FAIRS = {"BTC/USD": 64_000.0, "ETH/BTC": 0.05}

markets = st.sampled_from([BITCOIN, ETHER])
moves = st.floats(min_value=0.9, max_value=1.1)
leans = st.floats(min_value=-1, max_value=1)


def ladder(terms: Terms, move: float = 1.0, lean: float = 0.0, seed: int = 1) -> list[Quote]:
    return lay_ladder(terms, FAIRS[terms.symbol] * move, lean, VALUES[terms.base], Random(seed))


def prices(quotes: list[Quote], side: str) -> list[Decimal]:
    return [quote.price for quote in quotes if quote.side == side]


# -- fair prices --------------------------------------------------------------------------------------


def test_prices_wander_the_same_way_with_the_same_seed_and_all_markets_agree():
    one, other = FairPrices(Random(3)), FairPrices(Random(3))
    for _ in range(1000):
        one.step(1.2)
        other.step(1.2)
    assert one.fair("BTC", "USD") == other.fair("BTC", "USD") != VALUES["BTC"]
    assert one.fair("ETH", "BTC") == pytest.approx(one.fair("ETH", "USD") / one.fair("BTC", "USD"))


def test_prices_stay_in_their_band_and_go_on_from_where_they_were_left():
    fair = FairPrices(Random(5))
    fair.start_at("BTC", 63_210.5)
    assert fair.fair("BTC", "USD") == pytest.approx(63_210.5)
    fair.start_at("BTC", 1.0)
    lowest = VALUES["BTC"] * (1 - BAND)
    assert fair.value("BTC") == pytest.approx(lowest)
    for _ in range(2000):
        fair.step(600)
        assert lowest * 0.999 <= fair.value("BTC") <= VALUES["BTC"] * (1 + BAND) * 1.001
    assert lowest > 50_000  # the bid of the README


# -- ladders ------------------------------------------------------------------------------------------


@given(markets, moves, leans, st.integers(0, 100))
def test_quotes_are_whole_ticks_and_lots_and_never_cross(terms, move, lean, seed):
    quotes = ladder(terms, move, lean, seed)
    bids, asks = prices(quotes, BUY), prices(quotes, SELL)
    assert len(bids) == len(asks) == len(DISTANCES)
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert max(bids) < min(asks)
    assert all(quote.price % terms.tick_size == 0 and quote.quantity % terms.lot_size == 0 for quote in quotes)
    assert all(quote.price > 0 and quote.quantity > 0 for quote in quotes)


def test_levels_that_coarse_ticks_would_merge_stay_apart():
    quotes = ladder(BITCOIN._replace(tick_size=Decimal(100)))
    assert prices(quotes, BUY)[:3] == [Decimal(63_900), Decimal(63_800), Decimal(63_700)]
    assert max(prices(quotes, BUY)) < min(prices(quotes, SELL))


def test_who_has_too_much_asks_for_less():
    wants_less, wants_more = ladder(BITCOIN, lean=1.0), ladder(BITCOIN, lean=-1.0)
    for side in (BUY, SELL):
        assert all(less < more for less, more in zip(prices(wants_less, side), prices(wants_more, side), strict=True))


def test_quantities_obey_the_markets_limits():
    limited = BITCOIN._replace(min_quantity=Decimal("0.5"), max_quantity=Decimal(2), min_notional=Decimal(64_000))
    assert whole_lots(limited, 0.1, Decimal(32_000)) == 2
    assert whole_lots(limited, 0.1, Decimal(128_000)) == Decimal("0.5")
    assert whole_lots(limited, 99.0, Decimal(64_000)) == 2
    assert whole_lots(limited, 0.1, Decimal(10_000)) is None
    assert whole_lots(BITCOIN, 0.0, Decimal(10)) == BITCOIN.lot_size


# -- changes ------------------------------------------------------------------------------------------


def stand(quotes: list[Quote]) -> list[Standing]:
    return [Standing(n, quote.side, quote.price, Decimal(0), quote.quantity) for n, quote in enumerate(quotes, 1)]


def carry_out(standing: list[Standing], wanted: list[Quote]) -> list[Standing]:
    """Do what is planned, and see after each step that nothing of one's own crosses."""
    plan = plan_changes(standing, wanted)
    orders = {order.id: order for order in standing if order.id not in plan.cancels}
    for move in plan.moves:
        old = orders[move.order_id]
        orders[old.id] = old._replace(price=move.price, left=move.quantity - old.filled)
        assert_uncrossed(orders.values())
    for n, quote in enumerate(plan.places):
        order = Standing(max(orders, default=0) + 1 + n, quote.side, quote.price, Decimal(0), quote.quantity)
        orders[order.id] = order
        assert_uncrossed(orders.values())
    assert len(plan.moves) <= MOVES_MAX
    return list(orders.values())


def assert_uncrossed(orders):
    bids = [order.price for order in orders if order.side == BUY]
    asks = [order.price for order in orders if order.side == SELL]
    assert not bids or not asks or max(bids) < min(asks)


def test_an_empty_book_gets_the_whole_ladder_and_then_nothing_is_left_to_do():
    wanted = ladder(BITCOIN)
    plan = plan_changes([], wanted)
    assert (plan.cancels, plan.moves, plan.places) == ([], [], wanted)
    assert plan_changes(stand(wanted), wanted) == ([], [], [])


@given(markets, moves, moves, st.sets(st.integers(0, 15)))
def test_a_ladder_follows_the_price_in_a_few_rounds_without_crossing_itself(terms, move, further, filled):
    standing = [order for n, order in enumerate(stand(ladder(terms, move))) if n not in filled]
    wanted = ladder(terms, further)
    for _ in range(12):
        standing = carry_out(standing, wanted)
    assert plan_changes(standing, wanted) == ([], [], [])
    assert len(standing) == len(wanted)


def test_what_is_used_up_is_filled_up_where_it_stands_and_what_is_over_goes():
    wanted = ladder(BITCOIN)
    used_up, *rest = stand(wanted)
    used_up = used_up._replace(filled=used_up.left * Decimal("0.9"), left=used_up.left * Decimal("0.1"))
    over = used_up._replace(id=99, price=Decimal(1), filled=Decimal(0))
    plan = plan_changes([used_up, *rest, over], wanted)
    assert plan == ([99], [(used_up.id, used_up.price, used_up.filled + wanted[0].quantity)], [])


# -- inventory, and the taker --------------------------------------------------------------------------


def test_lean_grows_with_what_one_has_too_much_of_up_to_its_bound():
    funds = FUNDS["maker@example.com"]
    assert lean_of(funds, funds, "BTC", "USD") == 0
    some, more = ({**funds, "BTC": funds["BTC"] * Decimal(share)} for share in ("1.01", "1.02"))
    assert 0 < lean_of(some, funds, "BTC", "USD") < lean_of(more, funds, "BTC", "USD") < 1
    assert lean_of(some, funds, "ETH", "BTC") < 0
    assert lean_of({**funds, "BTC": Decimal(0)}, funds, "BTC", "USD") == -1
    assert lean_of({}, {}, "BTC", "USD") == 0


def test_a_taker_sends_orders_that_cannot_rest_and_trades_back_what_it_has_too_much_of():
    taker = Taker(Trader("http://venue", "taker@example.com", ""), FairPrices(Random(1)), Random(2))
    taker._totals = FUNDS["taker@example.com"] | {"BTC": Decimal(2_000)}
    orders = [taker.choose(BITCOIN) for _ in range(400)]
    assert {(order["order_type"], order.get("time_in_force")) for order in orders} == {
        ("Market", None), ("Limit", "IOC"),
    }  # fmt: skip
    sold = sum(order["side"] == SELL for order in orders)
    assert 0.65 * 400 < sold < 400
    assert all(Decimal(order["quantity"]) % BITCOIN.lot_size == 0 for order in orders)
