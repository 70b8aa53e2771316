"""Say why an order is refused, in the terms of the public contract.

The law: each refusal has a stable code and names the field, the limit and the value got.
"""

from collections.abc import Sequence
from decimal import Decimal

from accounts.errors import DomainError, refusal
from accounts.numbers import EXACT
from orders.requests import NewOrder
from orders.rules import time_is_up
from orders.statement import Candidate, Row
from orders.terms import Side


def refusal_of(row: Row, candidate: Candidate) -> DomainError:
    """Build the refusal that the statement decided on."""
    order, rules = candidate.order, candidate.rules
    match row.decision:
        case "account_frozen":
            return account_frozen()
        case "market_halted":
            return market_halted(row.phase, candidate.phases())
        case "market_maker_protection":
            message = (
                "The account's market maker protection has tripped here: it takes no flagged orders until it is reset."
            )
            return refusal("market_maker_protection", "market_maker_protection", message, value=True)
        case "price_out_of_band":
            return price_out_of_band(row.band_low, row.band_high, order.price)
        case "time_is_up":
            assert order.expires_at is not None
            fault = time_is_up(order.expires_at, row.created_at)
            return DomainError(fault.code, fault.message, [fault])
        case "no_reference_price":
            message = f"{rules.symbol} has no price yet to protect a market order with; place a limit order."
            return refusal("no_reference_price", "order_type", message, value=str(order.order_type))
        case "below_min_notional":
            assert rules.min_notional is not None
            assert row.base_price is not None
            assert order.quantity is not None
            limit_text = f"{EXACT.normalize(rules.min_notional):f}"
            value = f"{EXACT.normalize(EXACT.multiply(order.quantity, row.base_price)):f}"
            message = f"quantity × market price must be at least {limit_text} {rules.quote}, got {value}."
            return refusal("below_min_notional", "quantity", message, limit=limit_text, value=value)
        case "too_many_stops" | "too_many_icebergs" | "too_many_in_market" | "too_many_of_account":  # pragma: no branch
            return _too_many(row.decision, row.open_limit, row.open_now)
    raise AssertionError(f"place.sql decided {row.decision}")  # pragma: no cover  it decides nothing else


_LIMITED = {
    "too_many_stops": ("order_type", "stops that wait here"),
    "too_many_icebergs": ("display_quantity", "icebergs here"),
    "too_many_in_market": ("symbol", "open orders here"),
    "too_many_of_account": ("symbol", "open orders"),
}


def _too_many(decision: str, limit: int | None, open_now: int | None) -> DomainError:
    field, what = _LIMITED[decision]
    message = f"The account may have {limit} {what} and has {open_now}."
    return refusal("too_many_open_orders", field, message, limit=limit, value=open_now)


def account_frozen() -> DomainError:
    """Build the refusal of an account that may only cancel."""
    return DomainError("account_frozen", "The account is frozen: it places no orders.")


def price_out_of_band(low: Decimal | None, high: Decimal | None, price: Decimal | None) -> DomainError:
    """Build the refusal of a limit price too far from the reference price, or a stop's limit from its stop price."""
    assert low is not None
    assert high is not None
    limit = [f"{EXACT.normalize(edge):f}" for edge in (low, high)]
    message = f"price must be between {limit[0]} and {limit[1]}."
    return refusal("price_out_of_band", "price", message, limit=limit, value=f"{price:f}")


def market_halted(phase: str, phases: Sequence[str]) -> DomainError:
    """Build the refusal of a market whose phase takes no such order."""
    message = f"The market is in phase {phase}; it takes such an order in {' or '.join(phases)}."
    return refusal("market_halted", "symbol", message, limit=list(phases), value=phase)


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
