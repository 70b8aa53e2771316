"""Stream one market's book, trades and call to whoever has subscribed.

The law: a subscriber of the book gets a snapshot, then deltas that each begin where the one before ended, or another snapshot. What has
changed between two flushes goes out as one delta, encoded once; a level that is again as it was is left out.
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


class MarketStream:
    """One market in this process. Nothing can be sent of it before its first reset."""

    def __init__(self, rules: MarketRules) -> None:
        self.rules = rules
        self.subscribers: dict[str, set[Outbox]] = {BOOK: set(), TRADES: set(), AUCTION: set()}
        self._scales = Scales(rules)
        self._symbol = rules.symbol.replace("/", "-")
        self._book = BookReplica()
        self._flushed = 0
        self._before: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._trades: list[TradeNews] = []
        self._call: CallNews | None = None
        self._told_call: CallNews | None = None
        self._anew = False

    @property
    def is_known(self) -> bool:
        return self._call is not None

    def subscribe(self, kind: str, outbox: Outbox) -> None:
        """Add a subscriber, and send where the channel stands, once that is known."""
        self.flush()
        self.subscribers[kind].add(outbox)
        if self.is_known and kind != TRADES:
            outbox.push(self._current(kind))

    def reset(self, reset: MarketReset) -> bool:
        """Take a market as it was read from the database; tells whether it has traded meanwhile."""
        if self.is_known and reset.sequence == self._book.sequence:
            return False
        self._book.load(reset.sequence, reset.bids, reset.asks)
        self._before = ({}, {})
        self._trades += reset.missed
        self._call = reset.call
        self._anew = True
        return True

    def apply(self, news: MarketNews) -> None:
        """Take what has changed."""
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

    def flush(self) -> None:
        """Send what has changed since the last flush."""
        if self.subscribers[BOOK] and self._flushed != self._book.sequence:
            self._send(BOOK, self._current(BOOK) if self._anew else self._delta())
        self._anew, self._flushed = False, self._book.sequence
        for before in self._before:
            before.clear()
        trades, self._trades = self._trades, []
        if self.subscribers[TRADES]:
            for first in range(0, len(trades), TRADES_A_FRAME_MAX):
                part = trades[first : first + TRADES_A_FRAME_MAX]
                self._send(TRADES, frames.trades_frame(f"{TRADES}:{self._symbol}", part, self._scales))
        if self._call != self._told_call:
            self._told_call = self._call
            if self.subscribers[AUCTION]:
                self._send(AUCTION, self._current(AUCTION))

    def _current(self, kind: str) -> Frame:
        channel = f"{kind}:{self._symbol}"
        if kind == BOOK:
            return frames.book_snapshot(channel, self._book, self._scales)
        assert self._call is not None
        return frames.auction_frame(channel, self._call, self.rules)

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
