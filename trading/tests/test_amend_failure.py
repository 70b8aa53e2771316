"""Test that an amendment that cannot be carried out gives back what it holds."""

import pytest

from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Command, MarketState
from orders.requests import read_amendment
from orders.tests.builders import make_market, place_order
from trading.engine.engine import Engine
from trading.tests.builders import check_books_and_ledger, match, owned, told
from trading.tests.tampering import differences


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("side", "change", "more"), [("Buy", {"price": "120"}, "880 + 120"), ("Sell", {"quantity": "3"}, "7 + 3")]
)
def test_hold_of_an_amendment_that_fails_is_given_back_and_the_order_stands(monkeypatch, side, change, more):
    make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "10"})
    order = place_order(account, side=side)
    match()
    before = owned(account)
    changes.amend(account.id, order.id, read_amendment(change))
    assert more in owned(account).values()

    def fails(engine, sequence, command):
        raise RuntimeError("out of order")

    monkeypatch.setattr(Engine, "_amend", fails)
    match()

    assert owned(account) == before
    assert told(order) == "New 0 of 1 for 0"
    assert Command.objects.get(kind="amend").events == [["internal_error", "RuntimeError"]]
    assert MarketState.objects.get().phase == "Halted"
    check_books_and_ledger()
    assert differences() == []
