"""Say why an order is refused, in the terms of the public contract.

The law: each refusal has a stable code and names the field, the limit and the value got.
"""

from decimal import Decimal

from accounts.errors import DomainError, refusal
from accounts.numbers import EXACT
from orders.requests import NewOrder
from orders.statement import Candidate, Row
from orders.terms import Phase, Side


def refusal_of(row: Row, candidate: Candidate) -> DomainError:
    """Build the refusal that the statement decided on."""
    order, rules = candidate.order, candidate.rules
    match row.decision:
        case "account_frozen":
            return DomainError("account_frozen", "The account is frozen: it places no orders.")
        case "market_halted":
            return market_halted(row.phase)
        case "price_out_of_band":
            assert row.band_low is not None
            assert row.band_high is not None
            limit = [f"{EXACT.normalize(edge):f}" for edge in (row.band_low, row.band_high)]
            message = f"price must be between {limit[0]} and {limit[1]}."
            return refusal("price_out_of_band", "price", message, limit=limit, value=f"{order.price:f}")
        case "no_reference_price":
            message = f"{rules.symbol} has no price yet to protect a market order with; place a limit order."
            return refusal("no_reference_price", "order_type", message, value=str(order.order_type))
        case "below_min_notional":
            assert rules.min_notional is not None
            assert row.market_price is not None
            assert order.quantity is not None
            limit_text = f"{EXACT.normalize(rules.min_notional):f}"
            value = f"{EXACT.normalize(EXACT.multiply(order.quantity, row.market_price)):f}"
            message = f"quantity × market price must be at least {limit_text} {rules.quote}, got {value}."
            return refusal("below_min_notional", "quantity", message, limit=limit_text, value=value)
        case "too_many_open_orders":  # pragma: no branch  place.sql decides nothing else
            message = f"The account may have {row.open_limit} open orders here and has {row.open_now}."
            return refusal("too_many_open_orders", "symbol", message, limit=row.open_limit, value=row.open_now)
    raise AssertionError(f"place.sql decided {row.decision}")  # pragma: no cover  as said above


def market_halted(phase: str) -> DomainError:
    """Build the refusal of a market whose phase takes no such order."""
    message = f"The market is in phase {phase} and takes no new orders."
    return refusal("market_halted", "symbol", message, limit=[str(Phase.CONTINUOUS)], value=phase)


def duplicate(order: NewOrder) -> DomainError:
    """Build the refusal of a client order id that another order has."""
    message = "This client_order_id belongs to another order."
    return refusal("duplicate_client_order_id", "client_order_id", message, value=order.client_order_id)


def short_of_funds(candidate: Candidate, available: Decimal, needed: Decimal) -> DomainError:
    """Build the refusal of an order that needs more than is available."""
    rules = candidate.rules
    buys = candidate.order.side is Side.BUY
    asset, scale = (rules.quote, rules.quote_scale) if buys else (rules.base, rules.base_scale)
    field = "quote_quantity" if candidate.order.quote_quantity is not None else "quantity"
    limit, value = f"{available:.{scale}f}", f"{needed:.{scale}f}"
    message = f"The order needs {value} {asset}; {limit} {asset} is available."
    return refusal("insufficient_funds", field, message, limit=limit, value=value)
