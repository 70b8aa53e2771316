"""Read a folder of recorded order flow: gzipped CSV files with whole numbers for prices and sizes.

`events.csv.gz` has one row an event: seq, time_ns, kind, order_id, side (B or S), size, price, symbol, aggr, fifo_ok, note.
`bookN.csv.gz`, each optional, has the best N levels after an event: seq, then ask, its size, bid, its size, best first, blank
where there is no such level. `trades.csv.gz` and `order_reports.csv.gz` are what an order-driven venue published.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orders.terms import Side

Ladder = list[tuple[int, int]]


class FlowError(Exception):
    """A folder that is not recorded order flow; says which file and row."""


class Kind(StrEnum):
    SEED = "seed"
    NEW = "new"
    REDUCE = "cancel_partial"
    CANCEL = "cancel"
    EXECUTE = "execute_visible"
    EXECUTE_HIDDEN = "execute_hidden"


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """One event; `order_id` and `side` are the maker's where it is an execution."""

    seq: int
    kind: Kind
    order_id: str
    side: Side | None
    size: int
    price: int
    symbol: str
    aggressor: str
    fifo_ok: bool


@dataclass(frozen=True, slots=True)
class PublishedBook:
    """The best levels of each side after an event."""

    seq: int
    asks: Ladder
    bids: Ladder


@dataclass(frozen=True, slots=True)
class PublishedTrade:
    after_seq: int
    price: int
    size: int


@dataclass(frozen=True, slots=True)
class OrderReport:
    """How much of an order was left after an event."""

    after_seq: int
    order_id: str
    remaining: int


@dataclass(slots=True)
class Flow:
    """A folder's contents; `books` by their number of levels."""

    name: str
    events: list[FlowEvent]
    books: dict[int, list[PublishedBook]] = field(default_factory=dict)
    trades: list[PublishedTrade] | None = None
    reports: list[OrderReport] | None = None

    @property
    def order_driven(self) -> bool:
        """Tell whether incoming orders trade by themselves, rather than being given as executions of their makers."""
        return self.trades is not None


def read_flow(folder: Path) -> Flow:
    """Read a folder. Raises FlowError where it is missing or not of this form."""
    flow = Flow(
        name=folder.resolve().name, events=[_event(row) for row in _rows(folder / "events.csv.gz", required=True)]
    )
    for path in sorted(folder.glob("book*.csv.gz")):
        match = re.fullmatch(r"book(\d+)\.csv\.gz", path.name)
        if match:
            levels = int(match[1])
            flow.books[levels] = [_book(row, levels) for row in _rows(path)]
    if (folder / "trades.csv.gz").exists():
        flow.trades = [
            PublishedTrade(int(row["after_seq"]), int(row["price"]), int(row["size"]))
            for row in _rows(folder / "trades.csv.gz")
        ]
    if (folder / "order_reports.csv.gz").exists():
        flow.reports = [
            OrderReport(int(row["after_seq"]), row["order_id"], int(row["remaining"]))
            for row in _rows(folder / "order_reports.csv.gz")
        ]
    return flow


def _rows(path: Path, *, required: bool = False) -> Iterator[dict[str, str]]:
    if required and not path.exists():
        raise FlowError(f"{path} is missing: this is no folder of recorded order flow")
    number = 1
    try:
        with gzip.open(path, "rt", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), 2):  # noqa: B007  named in the error below
                yield row
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        raise FlowError(f"{path}, line {number}: {error!r}") from error


def _event(row: dict[str, str]) -> FlowEvent:
    try:
        return FlowEvent(
            seq=int(row["seq"]),
            kind=Kind(row["kind"]),
            order_id=row["order_id"],
            side={"B": Side.BUY, "S": Side.SELL}.get(row["side"]),
            size=int(row["size"] or 0),
            price=int(row["price"] or 0),
            symbol=row["symbol"] or "",
            aggressor=row["aggr"] or "",
            fifo_ok=row["fifo_ok"] != "0",
        )
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(f"event {row.get('seq')}: {error!r}") from error


def _book(row: dict[str, str], levels: int) -> PublishedBook:
    def ladder(side: str) -> Ladder:
        prices = ((row.get(f"{side}{n}"), row.get(f"{side[0]}size{n}")) for n in range(1, levels + 1))
        return [(int(price), int(size or 0)) for price, size in prices if price]

    try:
        return PublishedBook(int(row["seq"]), ladder("ask"), ladder("bid"))
    except (ValueError, KeyError) as error:
        raise FlowError(f"book{levels}, after event {row.get('seq')}: {error!r}") from error
