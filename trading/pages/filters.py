"""Read which of their orders, fills or preventions traders want to see.

The law: an empty field is no filter, and what is wrong is said beside its field: nothing is left out silently. The same words make the page
and its CSV file.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from accounts.bodies import BodyReader, read_id, term_reader, text_reader
from accounts.errors import DomainError
from orders.requests import read_client_order_id
from orders.rules import rules_of_symbol
from orders.terms import CLOSED_STATUSES, OPEN_STATUSES, OrderStatus, Side

_GROUPS = {"open": OPEN_STATUSES, "closed": CLOSED_STATUSES}
STATUSES = [
    ("", "All"),
    ("open", "Open"),
    ("closed", "Closed"),
    *((str(status), str(status)) for status in OrderStatus),
]
SIDES = [("", "Both"), *((str(side), str(side)) for side in Side)]
_read_side = term_reader(Side)
_read_one_status = term_reader(OrderStatus)
_read_text = text_reader(40)


class Filters(NamedTuple):
    """What was asked: as words of a selector, as typed, and what is wrong with it by field."""

    chosen: dict[str, Any]
    typed: dict[str, str]
    faults: dict[str, str]
    before: int | None

    @property
    def words(self) -> str:
        """The same filters for another address."""
        return urlencode(self._filled)

    def words_before(self, row_id: int) -> str:
        """The same filters for the page of what came before a row."""
        return urlencode({**self._filled, "before": row_id})

    @property
    def _filled(self) -> dict[str, str]:
        return {name: text for name, text in self.typed.items() if text}


def read_order_filters(query: Mapping[str, str]) -> Filters:
    return _read(
        query,
        market_id=("symbol", _read_market),
        side=("side", _read_side),
        statuses=("status", _read_statuses),
        client_order_id=("client_order_id", read_client_order_id),
    )


def read_fill_filters(query: Mapping[str, str]) -> Filters:
    return _read(query, market_id=("symbol", _read_market), order_id=("order_id", read_id))


def read_no_filters(query: Mapping[str, str]) -> Filters:
    return _read(query)


def _read(query: Mapping[str, str], **fields: tuple[str, Callable[[str, Any], Any]]) -> Filters:
    typed = {field: query.get(field, "").strip() for field, _ in fields.values()}
    given = {field: text for field, text in typed.items() if text}
    reader = BodyReader(given | {name: query[name] for name in ("before",) if query.get(name)})
    chosen = {name: reader.optional(field, read) for name, (field, read) in fields.items()}
    before = reader.optional("before", read_id)
    try:
        reader.raise_faults()
    except DomainError as error:
        return Filters({}, typed, {fault.field: fault.message for fault in error.errors}, None)
    return Filters({name: value for name, value in chosen.items() if value is not None}, typed, {}, before)


def _read_market(field: str, text: Any) -> int:
    return rules_of_symbol(_read_text(field, text)).market_id


def _read_statuses(field: str, text: str) -> tuple[OrderStatus, ...] | None:
    if text.lower() == "all":
        return None
    return _GROUPS.get(text.lower()) or (_read_one_status(field, text),)
