"""Test that rows of before the order types were there are brought up to date by the migration that adds them."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection

import orders.migrations
from accounts.tests.attacks import triggers_off
from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Market, Order
from orders.requests import Amendment
from orders.tests.builders import make_market, place_order
from trading.tests.builders import match

pytestmark = pytest.mark.django_db

SQL = Path(orders.migrations.__file__).parent / "sql" / "orders_may_wait.sql"


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
