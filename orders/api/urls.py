"""List the operations of orders/api, below /api/v1/."""

from django.urls import path

from orders.api import guards, views
from orders.api.symbols import SYMBOL

urlpatterns = [
    path("time", views.TimeView.as_view(), name="time"),
    path("markets", views.MarketsView.as_view(), name="markets"),
    path(f"markets/{SYMBOL}", views.MarketView.as_view(), name="market"),
    path("fees", views.FeesView.as_view(), name="fees"),
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/test", views.OrderTestView.as_view(), name="order-test"),
    path("orders/batch", views.OrderBatchView.as_view(), name="order-batch"),
    path("orders/cancel-after", guards.CancelAfterView.as_view(), name="cancel-after"),
    path("orders/<int:order_id>", views.OrderView.as_view(), name="order"),
    path("market-maker-protection", guards.ProtectionView.as_view(), name="protection"),
    path("market-maker-protection/reset", guards.ProtectionResetView.as_view(), name="protection-reset"),
]
