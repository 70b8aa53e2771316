"""Test how intake's statement is run: what it does is tested in test_intake.py."""

import pytest
from django.db import connection

from accounts.tests.builders import make_trader
from orders.intake import place
from orders.tests.builders import make_market, make_request

pytestmark = pytest.mark.django_db


def test_statement_is_planned_once_a_connection_and_never_for_what_it_is_given():
    make_market()
    account = make_trader(funds={"USD": "1000000"})
    before = plans()

    for size in (1, 100, 1, 1, 1, 1, 1, 1):
        place(account.id, [make_request() for _ in range(size)])

    assert plans() == (before[0] + 8, before[1])


def plans() -> tuple[int, int]:
    """Count how often the prepared statement ran with its one plan, and with a plan made for the moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'place_orders'")
        return cursor.fetchone() or (0, 0)
