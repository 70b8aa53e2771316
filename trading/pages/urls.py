"""List the pages of trading."""

from django.urls import path

from trading.pages import markets

urlpatterns = [
    path("", markets.markets_page, name="markets-page"),
]
