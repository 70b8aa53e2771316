"""Stream tickers and candles.

The law: both are read from the database, four times a second at most for all that is subscribed, and sent where they have changed; so
they are the same as over REST, to the last trade and the last second of the rolling day. A candle that has closed is sent once
more as closed, and again should a commit that began in its last moment end later.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import Error as DatabaseDriverError

from orders.rules import rules_of_market
from trading.api.rendering import render_candle, render_ticker
from trading.candles import Candle, LatestCandles, read_candles_since
from trading.intervals import STEPS, CandleInterval
from trading.selectors import Ticker, read_tickers_of
from trading.streams.asking import ask
from trading.streams.outbox import Frame, Outbox, frame

log = structlog.get_logger(__name__)

READ_SECONDS = 0.25
# Of a market where nothing happens the rolling day still moves on.
LOOK_SECONDS = 5.0

CandleKey = tuple[int, CandleInterval]


class _Channel:
    """A ticker or the candles of one interval: its subscribers, those who have not had anything yet, and what was sent last."""

    __slots__ = ("boundary", "fresh", "looked_at", "open_time", "sent", "subscribers")

    def __init__(self) -> None:
        self.subscribers: set[Outbox] = set()
        self.fresh: set[Outbox] = set()
        self.sent: dict[str, Frame] = {}
        self.looked_at = 0.0
        self.open_time: datetime | None = None
        self.boundary = 0.0

    def send(self, frames: dict[str, Frame]) -> None:
        """Send what differs from what was sent last, by its name; those who are new get the last one in any case."""
        oldest = min(self.sent, default="")
        for name, written in frames.items():
            if name >= oldest and self.sent.get(name) != written:
                for outbox in self.subscribers - self.fresh:
                    outbox.push(written)
        if frames:
            latest = frames[next(reversed(frames))]
            for outbox in self.fresh:
                outbox.push(latest)
        self.fresh.clear()
        self.sent = frames


class Quotes:
    """The tickers and candles that are subscribed to in this process."""

    def __init__(self) -> None:
        self.tickers: dict[int, _Channel] = {}
        self.candles: dict[CandleKey, _Channel] = {}
        self._changed: set[int] = set()
        self._traded: set[int] = set()

    def subscribe(self, key: int | CandleKey, outbox: Outbox) -> None:
        """Add a subscriber of a market's ticker, or of its candles; where it stands is sent with the next reading."""
        channel = self._channels(key).setdefault(key, _Channel())
        channel.subscribers.add(outbox)
        channel.fresh.add(outbox)

    def unsubscribe(self, key: int | CandleKey, outbox: Outbox) -> None:
        channels = self._channels(key)
        channel = channels.get(key)
        if channel is not None:
            channel.subscribers.discard(outbox)
            channel.fresh.discard(outbox)
            if not channel.subscribers:
                del channels[key]

    def note(self, market_id: int, *, traded: bool) -> None:
        """Hear that a market has changed."""
        self._changed.add(market_id)
        if traded:
            self._traded.add(market_id)

    async def run(self) -> None:
        """Read and send, until canceled."""
        while True:
            try:
                await self._read()
            except DatabaseDriverError as error:
                log.warning("quotes_not_read", error=str(error))
            except Exception:
                log.exception("quotes_not_read")
            await asyncio.sleep(READ_SECONDS)

    def _channels(self, key: Any) -> dict[Any, _Channel]:
        return self.tickers if isinstance(key, int) else self.candles

    async def _read(self) -> None:
        now = asyncio.get_running_loop().time()
        changed, self._changed = self._changed, set()
        traded, self._traded = self._traded, set()
        tickers = [
            market_id
            for market_id, channel in self.tickers.items()
            if channel.fresh or market_id in changed or now - channel.looked_at >= LOOK_SECONDS
        ]
        candles = [
            (*key, channel.open_time)
            for key, channel in self.candles.items()
            if channel.fresh or key[0] in traded or now >= channel.boundary
        ]
        try:
            if tickers:
                self._send_tickers(await ask(read_tickers_of, tickers), now)
            if candles:
                self._send_candles(await ask(read_candles_since, candles), now)
        except DatabaseDriverError:
            self._changed |= changed
            self._traded |= traded
            raise

    def _send_tickers(self, tickers: Iterable[Ticker], now: float) -> None:
        for ticker in tickers:
            channel = self.tickers.get(ticker.market_id)
            if channel is not None:
                rules = rules_of_market(ticker.market_id)
                content = {"channel": f"ticker:{_name(rules.symbol)}", "ticker": render_ticker(ticker, rules)}
                channel.looked_at = now
                channel.send({"ticker": frame(content)})

    def _send_candles(self, latest: LatestCandles, now: float) -> None:
        for key, candles in latest.candles.items():
            channel = self.candles.get(key)
            if channel is None:
                continue
            step = STEPS[key[1]]
            if not candles:
                channel.boundary = now + LOOK_SECONDS
                channel.fresh.clear()
                continue
            # Two are kept in view: the one that is open, and the one before it, which may still change.
            channel.open_time = candles[-1].open_time - step
            channel.boundary = now + max((candles[-1].open_time + step - latest.now).total_seconds(), 0.0) + 0.05
            channel.send({str(one.open_time): _candle_frame(key, one, step, latest.now) for one in candles})


def _candle_frame(key: CandleKey, candle: Candle, step: timedelta, now: datetime) -> Frame:
    rules = rules_of_market(key[0])
    return frame(
        {
            "channel": f"candles.{key[1]}:{_name(rules.symbol)}",
            "candle": render_candle(candle, rules),
            "closed": candle.open_time + step <= now,
        }
    )


def _name(symbol: str) -> str:
    return symbol.replace("/", "-")
