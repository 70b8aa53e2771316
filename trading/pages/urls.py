"""List the pages of trading."""

from django.urls import path

from orders.api.symbols import SYMBOL
from trading.pages import markets, trade

urlpatterns = [
    path("", markets.markets_page, name="markets-page"),
    path(f"trade/{SYMBOL}", trade.trade_page, name="trade-page"),
    path(f"trade/{SYMBOL}/orders", trade.place_order, name="trade-place"),
    path(f"trade/{SYMBOL}/orders/cancel", trade.cancel_orders, name="trade-cancel-all"),
    path(f"trade/{SYMBOL}/orders/<int:order_id>/amend", trade.amend_order, name="trade-amend"),
    path(f"trade/{SYMBOL}/orders/<int:order_id>/cancel", trade.cancel_order, name="trade-cancel"),
]
