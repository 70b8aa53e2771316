"""List the operations of trading/api, below /api/v1/."""

from django.urls import path

from orders.api.symbols import SYMBOL
from trading.api import views

urlpatterns = [
    path(f"markets/{SYMBOL}/book", views.BookView.as_view(), name="book"),
    path(f"markets/{SYMBOL}/auction", views.AuctionView.as_view(), name="auction"),
    path(f"markets/{SYMBOL}/trades", views.TradesView.as_view(), name="trades"),
    path(f"markets/{SYMBOL}/candles", views.CandlesView.as_view(), name="candles"),
    path(f"markets/{SYMBOL}/ticker", views.TickerView.as_view(), name="ticker"),
    path("tickers", views.TickersView.as_view(), name="tickers"),
    path("fills", views.FillsView.as_view(), name="fills"),
    path("preventions", views.PreventionsView.as_view(), name="preventions"),
    path("orders/<int:order_id>/events", views.OrderEventsView.as_view(), name="order-events"),
]
