"""Look at the traders' pages."""

from decimal import Decimal

import pytest
from django.test import RequestFactory

from accounts.models import Asset
from orders.models import MarketState
from orders.tests.builders import make_market
from trading.pages.markets import markets_page

pytestmark = pytest.mark.django_db


def test_the_markets_page_shows_prices_with_the_ticks_decimals(rf: RequestFactory) -> None:
    market = make_market("BTC/USD")
    MarketState.objects.filter(market=market).update(last_price=Decimal("50034.5"), phase="Halted")
    page = markets_page(rf.get("/")).content.decode()
    for shown in ("BTC/USD", ">50034.50<", ">–<", ">0.00000<", "phase-halted"):
        assert shown in page
    assert "<script>" not in page
    assert "style=" not in page


def test_names_are_escaped_and_an_empty_exchange_says_what_to_do(rf: RequestFactory) -> None:
    assert "No markets yet" in markets_page(rf.get("/")).content.decode()
    make_market("BTC/USD")
    Asset.objects.filter(code="BTC").update(name="<b>")
    assert "&lt;b&gt;" in markets_page(rf.get("/")).content.decode()


def test_it_is_for_reading_only(rf: RequestFactory) -> None:
    assert markets_page(rf.post("/")).status_code == 405
