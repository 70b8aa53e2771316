"""List the operations of orders/api, below /api/v1/."""

from django.urls import path

from orders.api import views
from orders.api.symbols import SYMBOL

urlpatterns = [
    path("time", views.TimeView.as_view(), name="time"),
    path("markets", views.MarketsView.as_view(), name="markets"),
    path(f"markets/{SYMBOL}", views.MarketView.as_view(), name="market"),
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/test", views.OrderTestView.as_view(), name="order-test"),
    path("orders/batch", views.OrderBatchView.as_view(), name="order-batch"),
    path("orders/<int:order_id>", views.OrderView.as_view(), name="order"),
]
