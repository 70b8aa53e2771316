"""Write what the public channels say.

The law: a trade, a ticker, a candle and a call look as they do over REST; levels are [price, quantity] with the market's decimals.
A frame names its channel, and nobody's account.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from accounts.times import from_microseconds, render_time
from orders.rules import MarketRules
from trading.api.rendering import render_auction
from trading.feed import CallNews, Level, TradeNews
from trading.selectors import AuctionState
from trading.streams.outbox import Frame, frame
from trading.streams.replica import BookReplica, Scales


def book_snapshot(channel: str, book: BookReplica, scales: Scales) -> Frame:
    return frame(
        {
            "channel": channel,
            "type": "snapshot",
            "sequence": book.sequence,
            "bids": scales.levels(book.bids.best()),
            "asks": scales.levels(book.asks.best()),
            "checksum": book.checksum(scales),
        }
    )


def book_delta(
    channel: str, previous: int, book: BookReplica, scales: Scales, bids: Iterable[Level], asks: Iterable[Level]
) -> Frame:
    return frame(
        {
            "channel": channel,
            "type": "delta",
            "previous_sequence": previous,
            "sequence": book.sequence,
            "bids": scales.levels(bids),
            "asks": scales.levels(asks),
            "checksum": book.checksum(scales),
        }
    )


def trades_frame(channel: str, trades: Iterable[TradeNews], scales: Scales) -> Frame:
    """Write trades in the order in which they happened."""
    return frame({"channel": channel, "trades": [_trade(trade, scales) for trade in trades]})


def _trade(trade: TradeNews, scales: Scales) -> dict[str, Any]:
    return {
        "id": trade.id,
        "price": scales.price(trade.price),
        "quantity": scales.quantity(trade.quantity),
        "side": trade.side,
        "executed_at": render_time(from_microseconds(trade.executed_at)),
        "sequence": trade.sequence,
    }


def auction_frame(channel: str, call: CallNews, rules: MarketRules) -> Frame:
    state = AuctionState(
        call.phase,
        _decimal(call.indicative_price),
        _decimal(call.indicative_quantity),
        _decimal(call.indicative_surplus),
        None if call.ends_at is None else from_microseconds(call.ends_at),
    )
    return frame({"channel": channel, "auction": render_auction(state, rules)})


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
