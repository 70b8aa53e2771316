"""Test what trades mean in money, by examples worked by hand, and that nothing of a hold is left over."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Transfer
from accounts.tests.builders import make_asset, make_trader
from orders import changes
from orders.models import MarketState, Order
from orders.requests import Amendment
from orders.tests.builders import make_market, place_order
from trading.models import Prevention, Trade
from trading.reckoning import fee_of
from trading.tests.builders import balance, check_books_and_ledger, match, owned, told, trades

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_adds_up():
    yield
    check_books_and_ledger()


def test_resting_order_keeps_its_hold():
    make_market()
    buyer = make_trader(funds={"USD": "1000"})
    order = place_order(buyer, price="100", quantity="2")

    match()

    assert told(order) == "New 0 of 2 for 0"
    assert (order.priority_sequence, order.priority_ordinal) == (1, 0)
    assert owned(buyer) == {"USD": "800 + 200"}


def test_trade_moves_base_and_quote_and_takes_each_ones_fee_from_what_it_received():
    market = make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.0025"))
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "1000"})
    sell = place_order(seller, side="Sell", price="100", quantity="2")
    buy = place_order(buyer, price="100", quantity="0.5")

    match()

    # 0.5 BTC for 50 USD: the maker pays 0.1 % of 50 USD, the taker 0.25 % of 0.5 BTC.
    assert owned(seller) == {"USD": "49.95", "BTC": "0 + 1.5"}
    assert owned(buyer) == {"USD": "950", "BTC": "0.49875"}
    assert owned(market.fee_account) == {"USD": "0.05", "BTC": "0.00125"}
    assert (told(sell), told(buy)) == ("PartiallyFilled 0.5 of 2 for 50", "Filled 0.5 of 0.5 for 50")
    assert (sell.remaining_quantity, sell.held_amount) == (Decimal("1.5"), Decimal("1.5"))
    assert (buy.remaining_quantity, buy.held_amount) == (0, 0)


def test_trade_tells_who_made_and_who_took_and_is_two_transfers_and_two_fees():
    market = make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.0025"))
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "1000"})
    sell = place_order(seller, side="Sell", price="100", quantity="2")
    buy = place_order(buyer, price="100", quantity="0.5")

    match()

    trade = Trade.objects.get()
    assert (trade.market_id, trade.sequence, trade.ordinal, trade.side) == (market.id, 2, 0, "Buy")
    assert (trade.price, trade.quantity, trade.quote_amount) == (100, Decimal("0.5"), 50)
    assert (trade.maker_order_id, trade.taker_order_id) == (sell.id, buy.id)
    assert (trade.maker_account_id, trade.taker_account_id) == (seller.id, buyer.id)
    assert (trade.maker_fee, trade.taker_fee) == (Decimal("0.05"), Decimal("0.00125"))
    fees = market.fee_account_id
    rows = Transfer.objects.filter(trade_id=trade.id).order_by("id")
    assert list(rows.values_list("asset__code", "debit_account_id", "credit_account_id", "amount", "kind")) == [
        ("BTC", seller.id, buyer.id, Decimal("0.5"), "trade"),
        ("USD", buyer.id, seller.id, Decimal(50), "trade"),
        ("BTC", buyer.id, fees, Decimal("0.00125"), "fee"),
        ("USD", seller.id, fees, Decimal("0.05"), "fee"),
    ]


def test_selling_taker_pays_the_taker_fee_in_quote():
    market = make_market(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.0025"))
    buyer, seller = make_trader(funds={"USD": "1000"}), make_trader(funds={"BTC": "1"})
    place_order(buyer, price="100")
    place_order(seller, side="Sell", price="90")

    match()

    assert owned(buyer) == {"BTC": "0.999", "USD": "900"}
    assert owned(seller) == {"USD": "99.75"}
    assert owned(market.fee_account) == {"BTC": "0.001", "USD": "0.25"}


def test_fee_is_rounded_up_to_the_assets_smallest_unit():
    make_asset("USD", scale=2)
    market = make_market(tick_size="0.01", lot_size="1", taker_fee=Decimal("0.001"), maker_fee=Decimal("0.001"))
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "0.01"})
    place_order(seller, side="Sell", price="0.01")
    place_order(buyer, price="0.01")

    match()

    # 0.1 % of one cent is one cent: rounded up, and never more than the amount.
    assert owned(seller) == {}
    assert owned(buyer) == {"BTC": "0.999"}
    assert owned(market.fee_account) == {"USD": "0.01", "BTC": "0.001"}


@pytest.mark.parametrize(
    ("received", "rate", "fee"),
    [
        (100, 0, 0),
        (1, 1, 1),
        (10**8, 1, 1),
        (10**8 + 1, 1, 2),
        (1000, 10**5, 1),
        (1001, 10**5, 2),
        (1, 10**8 - 1, 1),
        (10**36 - 1, 10**8 - 1, 10**36 - 10**28),
    ],
)
def test_fee_of_whole_units(received, rate, fee):
    assert fee_of(received, rate) == fee
    assert fee <= received


def test_price_improvement_is_free_at_once():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "300"})
    place_order(seller, side="Sell", price="90", quantity="1")
    buy = place_order(buyer, price="100", quantity="3")

    match()

    # Held 300; one lot cost 90 instead of 100, two still hold 100 each.
    assert told(buy) == "PartiallyFilled 1 of 3 for 90"
    assert buy.held_amount == 200
    assert owned(buyer) == {"USD": "10 + 200", "BTC": "1"}


def test_market_buy_by_quantity_frees_what_its_protection_price_held_too_much():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "5"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="100", quantity="1")
    place_order(seller, side="Sell", price="105", quantity="1")
    place_order(seller, side="Sell", price="120", quantity="1")
    match()

    buy = place_order(buyer, order_type="Market", quantity="3")
    assert owned(buyer) == {"USD": "670 + 330"}
    match()

    assert told(buy) == "Expired 2 of 3 for 205: protection_price"
    assert owned(buyer) == {"USD": "795", "BTC": "2"}


def test_market_buy_by_quote_quantity_spends_whole_lots_and_frees_the_rest():
    make_market(lot_size="0.1")
    seller, buyer = make_trader(funds={"BTC": "5"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="100", quantity="1")
    place_order(seller, side="Sell", price="101", quantity="1")
    match()

    buy = place_order(buyer, order_type="Market", quote_quantity="150.00000001")
    assert owned(buyer) == {"USD": "849.99999999 + 150.00000001"}
    match()

    # 1 @ 100, then 0.4 @ 101 = 40.4; what is left, 9.60000001, buys no tenth.
    assert told(buy) == "Filled 1.4 for 140.4"
    assert (buy.quantity, buy.remaining_quantity, buy.held_amount) == (None, None, 0)
    assert owned(buyer) == {"USD": "859.6", "BTC": "1.4"}


def test_market_buy_by_quote_quantity_spent_to_the_last_unit():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "5"}), make_trader(funds={"USD": "100"})
    place_order(seller, side="Sell", price="100", quantity="1")
    match()

    buy = place_order(buyer, order_type="Market", quote_quantity="100")
    match()

    assert told(buy) == "Filled 1 for 100"
    assert owned(buyer) == {"BTC": "1"}


def test_market_buy_by_quote_quantity_that_finds_nothing_gets_all_back():
    make_market(reference_price=Decimal(100))
    buyer = make_trader(funds={"USD": "100"})
    buy = place_order(buyer, order_type="Market", quote_quantity="100")

    match()

    assert told(buy) == "Expired 0 for 0: no_liquidity"
    assert owned(buyer) == {"USD": "100"}


def test_quote_quantity_too_small_for_a_lot_at_the_best_price_gets_all_back():
    make_market(lot_size="1")
    seller, buyer = make_trader(funds={"BTC": "5"}), make_trader(funds={"USD": "100"})
    place_order(seller, side="Sell", price="100", quantity="1")
    match()
    buy = place_order(buyer, order_type="Market", quote_quantity="99.99")

    match()

    assert told(buy) == "Expired 0 for 0: no_liquidity"
    assert owned(buyer) == {"USD": "100"}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"time_in_force": "IOC", "quantity": "2"}, "Expired 1 of 2 for 100: ioc_remainder"),
        ({"time_in_force": "FOK", "quantity": "2"}, "Expired 0 of 2 for 0: fok_unfillable"),
        ({"post_only": True}, "Rejected 0 of 1 for 0: post_only_would_take"),
        ({"order_type": "Market", "quantity": "2"}, "Expired 1 of 2 for 100: no_liquidity"),
    ],
)
def test_order_that_does_not_rest_holds_nothing_after_it(fields, status):
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="100")
    match()
    buy = place_order(buyer, **fields)

    match()

    assert told(buy) == status
    assert balance(buyer, "USD") == (1000 - buy.filled_quote, 0)


def test_cancel_frees_the_rest_of_the_hold():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "3"}), make_trader(funds={"USD": "1000"})
    sell = place_order(seller, side="Sell", price="100", quantity="3")
    place_order(buyer, price="100", quantity="1")
    match()

    changes.cancel(seller.id, sell.id)
    match()

    assert told(sell) == "Canceled 1 of 3 for 100: user_request"
    assert (sell.remaining_quantity, sell.held_amount) == (0, 0)
    assert owned(seller) == {"BTC": "2", "USD": "100"}


@pytest.mark.parametrize(
    ("side", "to", "status", "has"),
    [
        ("Buy", "2", "PartiallyFilled 1 of 2 for 100", {"USD": "800 + 100", "BTC": "1"}),
        ("Buy", "1", "Canceled 1 of 3 for 100: amended_below_filled", {"USD": "900", "BTC": "1"}),
        ("Buy", "0.5", "Canceled 1 of 3 for 100: amended_below_filled", {"USD": "900", "BTC": "1"}),
        ("Sell", "2.5", "PartiallyFilled 1 of 2.5 for 100", {"USD": "100", "BTC": "7.5 + 1.5"}),
    ],
)
def test_reduce_frees_what_the_order_needs_no_more(side, to, status, has):
    make_market()
    funds = {"USD": "1000"} if side == "Buy" else {"BTC": "10"}
    account, other = make_trader(funds=funds), make_trader(funds={"USD": "1000", "BTC": "10"})
    order = place_order(account, side=side, price="100", quantity="3")
    place_order(other, side="Sell" if side == "Buy" else "Buy", price="100", quantity="1")
    match()

    changes.amend(account.id, order.id, Amendment(Decimal(to)))
    match()

    assert told(order) == status
    assert owned(account) == has


def test_fees_are_those_of_the_moment_the_order_was_accepted():
    market = make_market(maker_fee=Decimal("0.001"))
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "200"})
    place_order(seller, side="Sell", price="100", quantity="1")
    type(market).objects.filter(id=market.id).update(maker_fee=Decimal("0.5"))
    place_order(buyer, price="100", quantity="1")

    match()

    assert owned(seller) == {"BTC": "1", "USD": "99.9"}


def test_one_order_sweeps_many_makers():
    make_market()
    sellers = [make_trader(funds={"BTC": "1"}) for _ in range(3)]
    buyer = make_trader(funds={"USD": "1000"})
    for price, seller in zip(("103", "101", "102"), sellers, strict=True):
        place_order(seller, side="Sell", price=price)
    buy = place_order(buyer, price="103", quantity="3")

    match()

    assert trades() == ["1 @ 101", "1 @ 102", "1 @ 103"]
    assert told(buy) == "Filled 3 of 3 for 306"
    assert [owned(seller) for seller in sellers] == [{"USD": "103"}, {"USD": "101"}, {"USD": "102"}]
    assert owned(buyer) == {"USD": "694", "BTC": "3"}


def test_prevented_self_trade_is_recorded_and_moves_nothing():
    market = make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "1"})
    sell = place_order(account, side="Sell", price="100")
    buy = place_order(account, price="100", quantity="2")

    match()

    prevention = Prevention.objects.get()
    assert (prevention.market_id, prevention.sequence, prevention.ordinal) == (market.id, 2, 0)
    assert (prevention.maker_order_id, prevention.taker_order_id) == (sell.id, buy.id)
    assert (prevention.mode, prevention.price, prevention.quantity) == ("CancelNewest", 100, 1)
    assert (told(sell), told(buy)) == ("New 0 of 1 for 0", "Expired 0 of 2 for 0: self_trade")
    assert owned(account) == {"USD": "1000", "BTC": "0 + 1"}


def test_two_accounts_of_one_user_do_not_trade_with_each_other():
    make_market()
    first = make_trader(funds={"BTC": "1"})
    second = make_trader(user=first.user, funds={"USD": "1000"})
    place_order(first, side="Sell", price="100")
    buy = place_order(second, price="100")

    match()

    assert told(buy) == "Expired 0 of 1 for 0: self_trade"


def test_market_state_tells_best_prices_and_the_last():
    market = make_market()
    seller, buyer = make_trader(funds={"BTC": "10"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", price="101", quantity="2")
    place_order(buyer, price="99", quantity="1")
    place_order(buyer, price="101", quantity="1")

    match()

    state = MarketState.objects.get(market=market)
    assert (state.best_bid, state.best_ask, state.last_price, state.last_sequence) == (99, 101, 101, 3)


def test_largest_and_finest_amounts_settle_to_the_unit():
    make_asset("ETH", scale=18)
    make_asset("WEI", scale=18)
    market = make_market("ETH/WEI", tick_size="1", lot_size="0.000000000000000001", taker_fee=Decimal("0.00000001"))
    seller = make_trader(funds={"ETH": "99999999.999999999999999999"})
    buyer = make_trader(funds={"WEI": "999999999.99999999"})
    place_order(seller, symbol="ETH/WEI", side="Sell", price="7", quantity="99999999.999999999999999999")
    place_order(buyer, symbol="ETH/WEI", price="8", quantity="99999999.999999999999999999")

    match()

    # 7 × 99999999.999999999999999999, and a fee of 10^-8 of the base: 0.99999999999999999999999999 rounded up.
    assert balance(seller, "WEI") == (Decimal("699999999.999999999999999993"), 0)
    assert balance(buyer, "WEI") == (Decimal("300000000.000000000000000007") - Decimal("0.00000001"), 0)
    assert balance(buyer, "ETH") == (Decimal("99999998.999999999999999999"), 0)
    assert balance(market.fee_account, "ETH") == (1, 0)


def test_ended_order_cannot_be_written_to_hold_something():
    make_market()
    order = place_order(make_trader(funds={"USD": "1000"}), time_in_force="IOC")
    match()

    with pytest.raises(Exception, match="final"), transaction.atomic():
        Order.objects.filter(id=order.id).update(held_amount=1)


@pytest.mark.parametrize(
    "change",
    [
        {"held_amount": -1},
        {"filled_quantity": 2},
        {"remaining_quantity": 2},
        {"status": "Filled"},
        {"status": "Canceled"},
    ],
)
def test_order_that_contradicts_itself_is_refused_by_the_database(change):
    make_market()
    order = place_order(make_trader(funds={"USD": "1000"}))

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(id=order.id).update(**change)
