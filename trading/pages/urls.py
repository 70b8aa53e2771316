"""List the pages of trading."""

from django.urls import path

from orders.api.symbols import SYMBOL
from trading.pages import exports, fees, markets, orders, portfolio, trade

urlpatterns = [
    path("", markets.markets_page, name="markets-page"),
    path("trade", trade.any_market, name="trade"),
    path(f"trade/{SYMBOL}", trade.trade_page, name="trade-page"),
    path(f"trade/{SYMBOL}/orders", trade.place_order, name="trade-place"),
    path(f"trade/{SYMBOL}/orders/cancel", trade.cancel_orders, name="trade-cancel-all"),
    path(f"trade/{SYMBOL}/orders/<int:order_id>/amend", trade.amend_order, name="trade-amend"),
    path(f"trade/{SYMBOL}/orders/<int:order_id>/cancel", trade.cancel_order, name="trade-cancel"),
    path("orders", orders.orders_page, name="orders-page"),
    path("orders/fills", orders.fills_page, name="fills-page"),
    path("orders/preventions", orders.preventions_page, name="preventions-page"),
    path("orders/cancel-all", orders.cancel_all_page, name="orders-cancel-all"),
    path("orders/<int:order_id>", orders.order_page, name="order-page"),
    path("orders/<int:order_id>/cancel", orders.cancel_order, name="order-cancel"),
    path("portfolio", portfolio.portfolio_page, name="portfolio-page"),
    path("fees", fees.fees_page, name="fees-page"),
    path("orders.csv", exports.orders_csv, name="orders-csv"),
    path("fills.csv", exports.fills_csv, name="fills-csv"),
]
