"""Test that what was there before order types, or candles, is brought up to date by the migration that adds them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction

import orders.migrations
import trading.migrations
from accounts.tests.attacks import triggers_off
from accounts.tests.builders import make_trader
from accounts.tests.rivals import start_waiting
from orders import changes
from orders.models import Market, Order
from orders.requests import Amendment
from orders.tests.builders import make_market, place_order
from trading.models import Candle
from trading.tests.builders import insert_trades, make_candles, match

pytestmark = pytest.mark.django_db

SQL = Path(orders.migrations.__file__).parent / "sql" / "orders_may_wait.sql"
CANDLES_SQL = Path(trading.migrations.__file__).parent / "sql" / "candles_of_trades.sql"


def test_what_has_ended_or_rests_is_completed_from_the_journal():
    make_market(reference_price=Decimal(100))
    buyer, seller = make_trader(funds={"USD": "1000"}), make_trader(funds={"BTC": "10"})
    place_order(buyer, quantity="2")
    for quantity in ("0.5", "1.5", "1"):  # two fill it, the third rests
        place_order(seller, side="Sell", quantity=quantity)
    place_order(seller, side="Sell", time_in_force="FOK")
    canceled, reduced = (place_order(seller, side="Sell", price="120") for _ in range(2))
    changes.cancel(seller.id, canceled.id)
    match()
    place_order(buyer, price="120", quantity="1.5")
    changes.amend(seller.id, reduced.id, Amendment(Decimal("0.5")))
    place_order(buyer, price="90")
    match()
    place_order(buyer, price="80")
    names = ("id", "ended_sequence", "visible_quantity")
    before = list(Order.objects.order_by("id").values_list(*names))
    assert {ended is None for _, ended, _ in before} == {shown is None for _, _, shown in before} == {True, False}

    with triggers_off():
        Order.objects.update(ended_sequence=None, visible_quantity=None)
        Market.objects.update(order_types=["Market", "Limit"])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(SQL.read_text())

    assert list(Order.objects.order_by("id").values_list(*names)) == before
    assert len(Market.objects.get().order_types) == 7


def test_trades_of_before_have_their_candles():
    market, other = make_market(), make_market("ETH/USD")
    monday = datetime(2024, 1, 1, tzinfo=UTC)
    steps = (0, 1, 59, 60, 3599, 3600, 86_399, 86_400, 604_799, 604_800, 5)
    trades = [(monday + timedelta(seconds=step), f"{100 + n % 4}", f"{1 + n}") for n, step in enumerate(steps)]
    insert_trades(market.id, trades)
    insert_trades(other.id, trades[3:4])
    buyer, seller = make_trader(funds={"USD": "1000"}), make_trader(funds={"BTC": "10"})
    place_order(buyer)
    place_order(seller, side="Sell")
    match()
    make_candles(market.id)
    make_candles(other.id)
    before = set(Candle.objects.values_list())
    assert len(before) > 40

    Candle.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(CANDLES_SQL.read_text())

    assert set(Candle.objects.values_list()) == before


@pytest.mark.django_db(transaction=True)
def test_trades_that_are_about_to_be_committed_have_their_candles():
    market = make_market()

    def make() -> None:
        with connection.cursor() as cursor:
            cursor.execute(CANDLES_SQL.read_text())

    with transaction.atomic():
        insert_trades(market.id, [(datetime(2024, 1, 1, tzinfo=UTC), "100", "1")])
        making = start_waiting(transaction.atomic()(make))
    making.result()

    assert Candle.objects.count() == 8
