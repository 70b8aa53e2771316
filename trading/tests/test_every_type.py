"""Test by chance: orders of every type, amended, canceled and expired, through calls, interruptions and halts, in the database.

The law: whatever comes, each commit leaves a book that a starting worker rebuilds to the last field (venue.py), the ledger
balances, verify_integrity finds nothing, and whoever followed the accounts' streams knows what the API shows.
What should come of each is the oracle's (trading/tests/engine).
"""

import pytest

from orders.models import Order
from trading.models import Trade
from trading.tests.builders import check_books_and_ledger
from trading.tests.followers import check_streams
from trading.tests.tampering import differences
from trading.tests.venue import Venue

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = 120


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 60))])
def test_whatever_comes_is_rebuilt_balances_is_told_and_is_found_right(seed):
    Venue(seed).run(STEPS)

    check_books_and_ledger()
    check_streams()
    assert differences() == []
    assert Trade.objects.exists()
    assert not Order.objects.filter(reason="internal_error").exists()
