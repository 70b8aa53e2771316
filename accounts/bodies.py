"""Read what a client sends: JSON bodies and query parameters.

The law: a body is bounded before it is read whole; every fault is found in one reading and named by its field; nothing unknown is passed over; a JSON text that
two parsers could read differently (duplicate names, NaN, lone surrogates) is refused.
Only shape is judged here; what an order's fields mean together is orders/requests.py.
"""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from accounts.errors import DomainError, FieldError, refusal

Term = TypeVar("Term", bound=StrEnum)
Reader = Callable[[str, Any], Any]

_INTEGER_DIGITS_MAX = 18


def read_raw(request: HttpRequest) -> bytes:
    """Read the body as it was sent. Raises DomainError too_large."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        # Django refuses by Content-Length before it reads anything.
        raw = request.body
    except RequestDataTooBig as error:
        raise _too_large(limit) from error
    if len(raw) > limit:
        raise _too_large(limit)
    return raw


def _too_large(limit: int) -> DomainError:
    return DomainError("too_large", f"The body must have at most {limit} bytes.")


def decode_json(raw: bytes) -> Any:
    """Read a JSON text. Raises DomainError malformed."""
    try:
        value = msgspec.json.decode(raw)
        # msgspec is strict but lets the last of two equal names win, which another reader might not.
        _DUPLICATES.decode(raw.decode())
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DomainError("malformed", f"The body is not valid JSON: {error}.") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name[:64]!r} occurs twice in one object")
            seen.add(name)
    return found


_DUPLICATES = json.JSONDecoder(object_pairs_hook=_unique)


class BodyReader:
    """Take fields out of a JSON object one by one, and gather what is wrong with them."""

    def __init__(self, body: Any) -> None:
        if not isinstance(body, Mapping):
            raise DomainError("malformed", "The body must be a JSON object.")
        self._body = body
        self._known: set[str] = set()
        self._faults: list[FieldError] = []

    def has(self, field: str) -> bool:
        return self._body.get(field) is not None

    def take(self, field: str) -> Any:
        self._known.add(field)
        return self._body.get(field)

    def optional(self, field: str, read: Reader) -> Any:
        """Read a field that may be absent or null: then None."""
        value = self.take(field)
        if value is None:
            return None
        try:
            return read(field, value)
        except DomainError as error:
            self._faults.extend(error.errors)
            return None

    def required(self, field: str, read: Reader) -> Any:
        """Read a field that must be there. What it returns after a fault is never used: finish() raises."""
        self.must_have(field, f"{field} is required.")
        return self.optional(field, read)

    def must_have(self, field: str, message: str) -> None:
        if not self.has(field):
            self.refuse(field, "missing_field", message)

    def must_not_have(self, field: str, message: str) -> None:
        if self.has(field):
            self.refuse(field, "invalid_value", message, value=str(self._body[field])[:64])

    def refuse(self, field: str, code: str, message: str, *, limit: Any = None, value: Any = None) -> None:
        self._faults.append(FieldError(field, code, message, limit, value))

    def finish(self) -> None:
        """Name the fields nobody asked for, and raise if anything was wrong."""
        for field in self._body:
            if field not in self._known:
                name = str(field)[:64]
                self.refuse(name, "unknown_field", f"There is no field {name} here.")
        self.raise_faults()

    def raise_faults(self) -> None:
        if self._faults:
            first = self._faults[0]
            raise DomainError(first.code, first.message, self._faults)


def term_reader(terms: type[Term]) -> Callable[[str, Any], Term]:
    """Make a reader of one of an enum's values, in any letter case."""
    by_name = {str(term).lower(): term for term in terms}
    allowed = [str(term) for term in terms]

    def read(field: str, value: Any) -> Term:
        term = by_name.get(value.lower()) if isinstance(value, str) else None
        if term is None:
            message = f"{field} must be one of {', '.join(allowed)}."
            raise refusal("invalid_value", field, message, limit=allowed, value=str(value)[:64])
        return term

    return read


def text_reader(length_max: int) -> Callable[[str, Any], str]:
    """Make a reader of a string of 1 to so many printable characters."""

    def read(field: str, value: Any) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= length_max or not value.isprintable():
            message = f"{field} must be a string of 1 to {length_max} printable characters."
            raise refusal("invalid_value", field, message, limit=length_max, value=repr(str(value)[:64])[1:-1])
        return value

    return read


def secret_reader(length_max: int) -> Callable[[str, Any], str]:
    """Make a reader of a password or token: as text_reader, but what was got is never shown."""

    def read(field: str, value: Any) -> str:
        if not isinstance(value, str) or not 1 <= len(value) <= length_max or "\0" in value:
            message = f"{field} must be a string of 1 to {length_max} characters."
            raise refusal("invalid_value", field, message, limit=length_max)
        return value

    return read


def read_flag(field: str, value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        message = f"{field} must be true or false."
        raise refusal("invalid_value", field, message, limit=[True, False], value=str(value)[:64])
    return value


def integer_reader(least: int, most: int) -> Callable[[str, Any], int]:
    """Make a reader of a whole number, given as JSON number or (in a query) as digits."""

    def read(field: str, value: Any) -> int:
        number = _whole_number(value)
        if number is None or not least <= number <= most:
            message = f"{field} must be a whole number from {least} to {most}."
            limit = least if number is not None and number < least else most
            raise refusal("invalid_value", field, message, limit=limit, value=str(value)[:64])
        return number

    return read


def _whole_number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _INTEGER_DIGITS_MAX:
        return int(value)
    return None


read_id = integer_reader(1, 2**63 - 1)
"""Read the id of an order, trade or other row."""
