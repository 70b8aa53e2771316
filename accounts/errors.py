"""Say what was wrong, in the terms of the public contract.

Every refusal of a rule is a DomainError with a stable code; its FieldErrors name the field, the limit and the value got.
The API's exception handler turns it into application/problem+json; it knows no other way to refuse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STATUS_OF_CODE = {
    "malformed": 400,
    "unknown_field": 400,
    "missing_field": 400,
    "invalid_value": 400,
    "unauthenticated": 401,
    "bad_signature": 401,
    "stale_timestamp": 401,
    "forbidden": 403,
    "account_frozen": 403,
    "not_found": 404,
    "unknown_symbol": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "duplicate_client_order_id": 409,
    "order_not_open": 409,
    "not_pending": 409,
    "protection_tripped": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "insufficient_funds": 422,
    "price_off_tick": 422,
    "quantity_off_lot": 422,
    "below_min_quantity": 422,
    "above_max_quantity": 422,
    "below_min_notional": 422,
    "price_out_of_band": 422,
    "no_reference_price": 422,
    "market_halted": 422,
    "order_type_not_allowed": 422,
    "too_many_open_orders": 422,
    "too_many_api_keys": 422,
    "too_many_pending": 422,
    "market_maker_protection": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "unavailable": 503,
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `limit` and `value` are rendered as the API renders such a thing."""

    field: str
    code: str
    message: str
    limit: Any = None
    value: Any = None


class DomainError(Exception):
    """A refusal with a stable code; nothing was done."""

    def __init__(self, code: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)

    @property
    def status(self) -> int:
        return STATUS_OF_CODE[self.code]


def refusal(code: str, field: str, message: str, *, limit: Any = None, value: Any = None) -> DomainError:
    """Build the refusal of one field."""
    return DomainError(code, message, [FieldError(field, code, message, limit, value)])


class RateLimited(DomainError):
    """A refusal that ends by itself, in so many seconds."""

    def __init__(self, detail: str, *, limit: int, seconds: int) -> None:
        super().__init__("rate_limited", detail)
        self.headers = {
            "Retry-After": str(seconds),
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(seconds),
        }
