"""Compare what a replay brought about with what the venue published.

The law: everything is read from the engine's events in the journal, by sequence; the book they build is the one compared. In
a recording of executions every execution, row of the best prices and cancel must agree; an order-driven recording is
asynchronous, so its figures are reported, not judged.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from orders.models import Command
from orders.terms import Side
from trading.flow.reader import Flow, FlowEvent, Kind, Ladder, PublishedBook
from trading.flow.replay import Replay, Step

_READ_ROWS = 10_000


class EventBook:
    """A market's book, built from the engine's events alone."""

    def __init__(self) -> None:
        self.left: dict[int, int] = {}
        self._place: dict[int, tuple[Side, int]] = {}
        self._sizes: dict[Side, dict[int, int]] = {side: {} for side in Side}
        self._prices: dict[Side, list[int]] = {side: [] for side in Side}

    def apply(self, event: list[object]) -> None:
        match event:
            case ["rest", int(order_id), str(side), int(price), int(lots)]:
                self._place[order_id] = (Side(side), price)
                self.left[order_id] = lots
                self._add(order_id, lots)
            case ["trade", int(maker), int(_), int(_), int(lots), int(left)]:
                self.left[maker] = left
                self._add(maker, -lots)
            case ["reduce", int(order_id), int(removed), int(left)]:
                self.left[order_id] = left
                self._add(order_id, -removed)
            case ["end", int(order_id), _, int(dropped)] if order_id in self._place:
                self.left[order_id] = 0
                self._add(order_id, -dropped)

    def _add(self, order_id: int, lots: int) -> None:
        side, price = self._place[order_id]
        sizes, prices = self._sizes[side], self._prices[side]
        if price not in sizes:
            sizes[price] = 0
            insort(prices, price)
        sizes[price] += lots
        if not sizes[price]:
            del sizes[price]
            del prices[bisect_left(prices, price)]

    def top(self, side: Side, levels: int) -> Ladder:
        """Return the best levels of a side, best first."""
        prices, sizes = self._prices[side], self._sizes[side]
        best = prices[: -levels - 1 : -1] if side is Side.BUY else prices[:levels]
        return [(price, sizes[price]) for price in best]


class Verdict:
    """The figures of a replay. `figures` is what to print; `agrees` is whether all that should agree does."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._flow: Flow = replay.flow
        self.figures: Counter[str] = Counter()
        self._books: dict[str, EventBook] = defaultdict(EventBook)
        self._trades: list[tuple[int, int]] = []
        self._canceled: set[int] = set()
        self._left_after: dict[str, int] = {}
        self._own_id: dict[str, int] = {}
        self._rows = {levels: _by_seq(rows) for levels, rows in self._flow.books.items()}
        self._reports = defaultdict(list)
        for report in self._flow.reports or ():
            self._reports[report.after_seq].append(report)
        self._compare()

    @property
    def agrees(self) -> bool:
        if self._flow.order_driven:
            return True
        return all(
            self.figures[f"{what}_equal"] == self.figures[f"{what}_checked"]
            for what in ("executions", "book_rows", "cancels")
        )

    def _compare(self) -> None:
        for name in ("executions", "book_rows", "cancels"):
            self.figures[f"{name}_checked"] = self.figures[f"{name}_equal"] = 0
        self.figures["new_orders_traded"] = self.figures["commands_refused"] = 0
        for step, events in self._steps_with_events():
            self._apply(step, events)
        if self._flow.trades is not None:
            self._compare_trades()
        if self._flow.reports is not None:
            self._compare_reports()

    def _steps_with_events(self) -> Iterator[tuple[Step, list[list[object]]]]:
        """Read the events of each step's command from the journal."""
        steps = self._replay.steps
        for start in range(0, len(steps), _READ_ROWS):
            chunk = steps[start : start + _READ_ROWS]
            ids = [step.command_id for step in chunk if step.command_id is not None]
            events_of = dict(Command.objects.filter(id__in=ids).values_list("id", "events"))
            for step in chunk:
                yield step, (events_of.get(step.command_id) or []) if step.command_id is not None else []

    def _apply(self, step: Step, events: list[list[object]]) -> None:
        book = self._books[step.symbol]
        last = step.events[-1]
        if step.refused is not None:
            self.figures["commands_refused"] += 1
        if step.kind is Kind.CANCEL:
            self._check_cancel(step, book)
        for event in events:
            book.apply(event)
        trades = [event for event in events if event[0] == "trade"]
        self._trades += [(int(event[3]), int(event[4])) for event in trades]  # type: ignore[call-overload]
        if step.kind in (Kind.SEED, Kind.NEW):
            if step.order_id is not None:
                self._own_id[last.order_id] = step.order_id
            self.figures["new_orders_traded"] += bool(trades)
        elif step.kind is Kind.EXECUTE and last.fifo_ok:
            self._check_executions(step.events, trades)
        for report in self._reports.get(last.seq, ()):
            self._left_after[report.order_id] = self._left(report.order_id, book)
        self._check_rows(last.seq, book)

    def _left(self, order_id: str, book: EventBook) -> int:
        return book.left.get(self._own_id.get(order_id, 0), 0)

    def _check_cancel(self, step: Step, book: EventBook) -> None:
        """Compare what was left of the order with what the venue says; a repeated cancel is no second one."""
        event = step.events[0]
        own_id = self._own_id.get(event.order_id)
        if own_id is None or own_id in self._canceled:
            return
        self._canceled.add(own_id)
        self.figures["cancels_checked"] += 1
        self.figures["cancels_equal"] += book.left.get(own_id, 0) == event.size

    def _check_executions(self, expected: Sequence[FlowEvent], trades: list[list[object]]) -> None:
        """Compare the incoming order's trades, one by one, with the makers that the venue named."""
        left = [[int(trade[1]), int(trade[3]), int(trade[4])] for trade in trades]  # type: ignore[call-overload]
        for event in expected:
            self.figures["executions_checked"] += 1
            if left and left[0][:2] == [self._own_id.get(event.order_id), event.price] and left[0][2] >= event.size:
                self.figures["executions_equal"] += 1
                left[0][2] -= event.size
                if not left[0][2]:
                    left.pop(0)
            elif left:
                left.pop(0)

    def _check_rows(self, seq: int, book: EventBook) -> None:
        for levels, rows in self._rows.items():
            for row in rows.get(seq, ()):
                asks, bids = book.top(Side.SELL, levels), book.top(Side.BUY, levels)
                name = "book_rows" if levels == min(self._rows) and not self._flow.order_driven else None
                if name is not None:
                    self.figures["book_rows_checked"] += 1
                    self.figures["book_rows_equal"] += asks[:1] == row.asks[:1] and bids[:1] == row.bids[:1]
                if levels > 1:
                    self._check_levels(f"book{levels}", row, asks, bids)

    def _check_levels(self, name: str, row: PublishedBook, asks: Ladder, bids: Ladder) -> None:
        self.figures[f"{name}_checked"] += 1
        self.figures[f"{name}_best_prices_equal"] += _prices(asks[:1] + bids[:1]) == _prices(
            row.asks[:1] + row.bids[:1]
        )
        self.figures[f"{name}_best_equal"] += asks[:1] == row.asks[:1] and bids[:1] == row.bids[:1]
        self.figures[f"{name}_equal"] += asks == row.asks and bids == row.bids

    def _compare_trades(self) -> None:
        published = [(trade.price, trade.size) for trade in self._flow.trades or ()]
        matcher = SequenceMatcher(None, published, self._trades, autojunk=False)
        self.figures["trades_published"] = len(published)
        self.figures["trades"] = len(self._trades)
        self.figures["trades_equal_in_order"] = sum(block.size for block in matcher.get_matching_blocks())
        self.figures["trades_equal_in_any_order"] = (Counter(published) & Counter(self._trades)).total()

    def _compare_reports(self) -> None:
        final = {report.order_id: report.remaining for report in self._flow.reports or ()}
        self.figures["order_reports_checked"] = len(final)
        self.figures["order_reports_equal"] = sum(self._left_after.get(key) == left for key, left in final.items())


def _prices(ladder: Ladder) -> list[int]:
    return [price for price, _ in ladder]


def _by_seq(rows: list[PublishedBook]) -> dict[int, list[PublishedBook]]:
    found: dict[int, list[PublishedBook]] = defaultdict(list)
    for row in rows:
        found[row.seq].append(row)
    return found
