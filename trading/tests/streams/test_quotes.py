"""Test which candles and tickers are sent, to whom, as they are read again and again."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orders.rules import rules_of_market
from orders.tests.builders import make_market
from trading.candles import Candle, LatestCandles
from trading.intervals import CandleInterval
from trading.streams.quotes import Quotes

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Box:
    """Keeps what is pushed to a subscriber."""

    def __init__(self) -> None:
        self.frames: list[dict] = []

    def push(self, frame) -> None:
        self.frames.append(json.loads(frame.message["text"]))

    def candles(self) -> list[tuple[str, str, bool]]:
        """Take what came: at which minute each candle opened, its close, and whether it has closed."""
        frames, self.frames = self.frames, []
        return [
            (frame["candle"][0][11:16], frame["candle"][4].removesuffix(".00"), frame["closed"]) for frame in frames
        ]


def candle(minute: int, close: str) -> Candle:
    price = Decimal(close)
    return Candle(NOON + minute * MINUTE, price, price, price, price, Decimal(1), price, 1)


@pytest.mark.django_db
def test_candle_that_closes_is_sent_once_more_as_closed_and_again_if_it_changes_then():
    key = (make_market().id, CandleInterval.MINUTE)
    rules_of_market(key[0])

    async def follow() -> None:
        quotes, box, late = Quotes(), Box(), Box()

        def read(second: int, *candles: Candle) -> list[tuple[str, str, bool]]:
            now = NOON + timedelta(seconds=second)
            quotes._send_candles(LatestCandles(now, {key: list(candles)}), float(second))
            return box.candles()

        quotes.subscribe(key, box)
        assert read(10, candle(0, "100")) == [("12:00", "100", False)]
        # From then on the one before is read too; it was never sent, and is not now.
        assert read(20, candle(-1, "99"), candle(0, "100")) == []
        assert read(30, candle(-1, "99"), candle(0, "101")) == [("12:00", "101", False)]
        assert read(61, candle(0, "101"), candle(1, "101")) == [("12:00", "101", True), ("12:01", "101", False)]
        quotes.subscribe(key, late)
        assert read(62, candle(0, "102"), candle(1, "101")) == [("12:00", "102", True)]
        assert late.candles() == [("12:01", "101", False)]
        quotes.unsubscribe(key, box)
        assert read(63, candle(0, "102"), candle(1, "103")) == []
        assert late.candles() == [("12:01", "103", False)]

    asyncio.run(follow())
