"""Say which stops a command's trades trigger, and how far trailing stops follow them.

The law: for each trade price in turn, first the stops that wait for a rise to it, lowest first, then those that wait for a
fall to it, highest first, at one price the earliest; then what still waits takes note of the price.
"""

from orders.terms import OrderType, triggers_on_rise
from trading.tests.engine.oracle_order import Order


def would_trigger(order: Order, last_price: int | None) -> bool:
    """Tell whether a new stop is on the wrong side of the market; of a trailing stop it is its arming that is due."""
    stop_price = order.terms.stop_price
    if last_price is None or stop_price is None:
        return False
    if order.terms.stop is OrderType.TRAILING_STOP:
        return _arms(order, last_price)
    return last_price >= stop_price if _rises(order) else last_price <= stop_price


def pick_triggered(waiting: list[Order], price: int) -> list[Order]:
    """List the stops that a trade at a price triggers, in the order in which they do."""
    known = [(order, order.trigger_price()) for order in waiting if order.trigger_price() is not None]
    rising = [(reached, order.priority, order) for order, reached in known if _rises(order) and reached <= price]
    falling = [(-reached, order.priority, order) for order, reached in known if not _rises(order) and reached >= price]
    return [order for *_, order in [*sorted(rising, key=_first_two), *sorted(falling, key=_first_two)]]


def follow(order: Order, price: int) -> None:
    """Let a stop that still waits take note of a trade's price."""
    if order.terms.stop is not OrderType.TRAILING_STOP:
        return
    if order.extreme is not None:
        order.extreme = min(order.extreme, price) if order.is_buy else max(order.extreme, price)
    elif order.terms.stop_price is None or _arms(order, price):
        order.extreme = price


def _rises(order: Order) -> bool:
    return triggers_on_rise(order.terms.stop, order.terms.side)


def _arms(order: Order, price: int) -> bool:
    """Tell whether a trade price arms a trailing stop: a sell's stop price is above the market, a buy's below."""
    return price <= order.terms.stop_price if order.is_buy else price >= order.terms.stop_price


def _first_two(ranked: tuple) -> tuple:
    return ranked[:2]
