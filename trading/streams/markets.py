"""Stream one market's book, trades and call to whoever has subscribed.

The law: a subscriber of the book gets a snapshot, then deltas that each begin where the one before ended, or another snapshot. What has
changed between two flushes goes out as one delta, encoded once; a level that is again as it was is left out. A snapshot is encoded
once too, and not more than four times a second, however often it is asked for: whoever comes between waits for the next.
What has changed comes from the follower; when to flush is for the hub to say.
"""

from orders.rules import MarketRules
from trading.feed import CallNews, MarketNews, TradeNews
from trading.streams import frames
from trading.streams.follower import MarketReset
from trading.streams.outbox import Frame, Outbox
from trading.streams.replica import BookReplica, Scales, SideReplica

BOOK, TRADES, AUCTION = "book", "trades", "auction"
TRADES_A_FRAME_MAX = 1000
SNAPSHOT_SECONDS = 0.25


class MarketStream:
    """One market in this process. Nothing can be sent of it before its first reset."""

    def __init__(self, rules: MarketRules) -> None:
        self.rules = rules
        self.subscribers: dict[str, set[Outbox]] = {BOOK: set(), TRADES: set(), AUCTION: set()}
        self._scales = Scales(rules)
        self._symbol = rules.symbol.replace("/", "-")
        self._book = BookReplica()
        self._flushed = -1  # nothing yet
        self._before: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._trades: list[TradeNews] = []
        self._call: CallNews | None = None
        self._told_call: CallNews | None = None
        self._anew = False
        self._joining: dict[str, set[Outbox]] = {BOOK: set(), TRADES: set(), AUCTION: set()}
        self._snapshot: tuple[int, Frame] | None = None
        self._snapshot_not_before = 0.0

    @property
    def is_known(self) -> bool:
        return self._call is not None

    def subscribe(self, kind: str, outbox: Outbox) -> None:
        """Add a subscriber. Where the channel stands is sent with the next flush, or with one soon after."""
        if kind != TRADES:
            self.subscribers[kind].discard(outbox)
        self._joining[kind].add(outbox)

    def unsubscribe(self, kind: str, outbox: Outbox) -> None:
        self.subscribers[kind].discard(outbox)
        self._joining[kind].discard(outbox)

    def reset(self, reset: MarketReset) -> bool:
        """Take a market as it was read from the database; tells whether it may have traded meanwhile."""
        if self.is_known and reset.sequence == self._book.sequence:
            return False
        self._book.load(reset.sequence, reset.bids, reset.asks)
        self._snapshot = None
        self._before = ({}, {})
        self._trades += reset.missed
        self._call = reset.call
        self._anew = True
        return True

    def doubt(self) -> None:
        """Trust nothing that is known: whatever comes next, it is a reset."""
        self._book.sequence = -1

    def apply(self, news: MarketNews) -> bool:
        """Take what has changed, which must go on from what is known; tells whether it has traded."""
        assert news.previous == self._book.sequence, f"{self.rules.symbol}: {news.previous} after {self._book.sequence}"
        for side, before, levels in (
            (self._book.bids, self._before[0], news.bids),
            (self._book.asks, self._before[1], news.asks),
        ):
            for price, lots in levels:
                before.setdefault(price, side.lots_at(price))
                side.change(price, lots)
        self._book.sequence = news.sequence
        self._trades += news.trades
        self._call = news.call
        return bool(news.trades)

    def flush(self, now: float) -> float | None:
        """Send what has changed since the last flush; returns when to do so again, should somebody wait for a snapshot."""
        if not self.is_known:
            return None
        self._flush_book(now)
        trades, self._trades = self._trades, []
        if self.subscribers[TRADES]:
            for first in range(0, len(trades), TRADES_A_FRAME_MAX):
                part = trades[first : first + TRADES_A_FRAME_MAX]
                self._send(TRADES, frames.trades_frame(f"{TRADES}:{self._symbol}", part, self._scales))
        self.subscribers[TRADES] |= self._joining[TRADES]
        self._joining[TRADES].clear()
        self._flush_call()
        return self._snapshot_not_before if self._joining[BOOK] else None

    def _flush_book(self, now: float) -> None:
        subscribers, joining = self.subscribers[BOOK], self._joining[BOOK]
        if self._anew:
            # For all of them the book begins anew, and nobody is left to wait.
            joining |= subscribers
            subscribers.clear()
        elif subscribers and self._flushed != self._book.sequence:
            self._send(BOOK, self._delta())
        self._anew, self._flushed = False, self._book.sequence
        for before in self._before:
            before.clear()
        if joining and (self._has_snapshot() or now >= self._snapshot_not_before):
            snapshot = self._book_snapshot(now)
            for outbox in joining:
                outbox.push(snapshot)
            subscribers |= joining
            joining.clear()

    def _flush_call(self) -> None:
        joining = self._joining[AUCTION]
        if not joining and self._call == self._told_call:
            return
        written = self._call_frame()
        for outbox in joining if self._call == self._told_call else joining | self.subscribers[AUCTION]:
            outbox.push(written)
        self._told_call = self._call
        self.subscribers[AUCTION] |= joining
        joining.clear()

    def _has_snapshot(self) -> bool:
        return self._snapshot is not None and self._snapshot[0] == self._book.sequence

    def _book_snapshot(self, now: float) -> Frame:
        if self._snapshot is None or not self._has_snapshot():
            written = frames.book_snapshot(f"{BOOK}:{self._symbol}", self._book, self._scales)
            self._snapshot = (self._book.sequence, written)
            self._snapshot_not_before = now + SNAPSHOT_SECONDS
        return self._snapshot[1]

    def _call_frame(self) -> Frame:
        assert self._call is not None
        return frames.auction_frame(f"{AUCTION}:{self._symbol}", self._call, self.rules)

    def _delta(self) -> Frame:
        book = self._book
        bids, asks = (_changed(side, before) for side, before in zip((book.bids, book.asks), self._before, strict=True))
        return frames.book_delta(f"{BOOK}:{self._symbol}", self._flushed, book, self._scales, bids, asks)

    def _send(self, kind: str, frame: Frame) -> None:
        for outbox in self.subscribers[kind]:
            outbox.push(frame)


def _changed(side: SideReplica, before: dict[int, int]) -> list[tuple[int, int]]:
    """Return the levels that are not as they were, best first."""
    now = [(price, side.lots_at(price)) for price in before]
    return side.sort((price, lots) for price, lots in now if lots != before[price])
