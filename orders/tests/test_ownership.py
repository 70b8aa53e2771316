"""Whoever names another's order by its id finds nothing, also where callers have looked already."""

import pytest

from accounts.tests.builders import make_trader
from orders.changes import ask_cancels
from orders.intake import place
from orders.models import Command
from orders.selectors import orders_by_id
from orders.terms import CommandKind
from orders.tests.builders import make_market, make_request

pytestmark = pytest.mark.django_db


def test_cancels_and_reads_of_several_orders_leave_those_of_others_out():
    make_market()
    owner, other = (make_trader(funds={"USD": "1000"}) for _ in range(2))
    own, foreign = (place(account.id, [make_request()])[0].order for account in (owner, other))

    command_id, nothing = ask_cancels([(owner.id, own.id), (owner.id, foreign.id)])

    assert nothing is None
    assert Command.objects.get(kind=CommandKind.CANCEL).id == command_id
    assert set(orders_by_id(owner.id, [own.id, foreign.id])) == {own.id}
