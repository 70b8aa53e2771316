"""Work out what the engine's events mean: trades, fees, holds, the state of orders, and the batch's hash.

The law: per asset nothing comes or goes but fees to the market's fee account, which are the one rounding there is (up, at the
asset's scale); an order never gives more than it holds. Nothing is read or written here, so that a replay of the journal
reckons just as the matching worker did.
The engine decided what trades; trading/settlement.py writes what is worked out here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from orders.journal import FEE_RATE_SCALE, NewPayload
from orders.rules import MarketRules
from orders.terms import STATUS_OF_REASON, OrderStatus, Reason, Side
from trading.books import LiveOrder, MarketBook, new_live_order
from trading.engine.events import Ended, Prevented, Reduced, Rested, Traded
from trading.journal import TakenCommand, chain

_FEE_RATE_ONE = 10**FEE_RATE_SCALE


class TradeRow(NamedTuple):
    rules: MarketRules
    sequence: int
    ordinal: int
    price: int
    quantity: int
    taker_side: Side
    maker: LiveOrder
    taker: LiveOrder
    maker_fee: int
    taker_fee: int


class PreventionRow(NamedTuple):
    rules: MarketRules
    sequence: int
    ordinal: int
    event: Prevented
    maker: LiveOrder
    taker: LiveOrder


class BatchRow(NamedTuple):
    market_id: int
    first_sequence: int
    last_sequence: int
    trades: int
    hash: bytes


def fee_of(received: int, rate: int) -> int:
    """Work out the fee on an amount received, in its asset's smallest units, at a rate in units of 10^-8; rounds up."""
    return -(-received * rate // _FEE_RATE_ONE)


class HoldExceeded(Exception):
    """An order was to give more than it holds; what is held for others must not pay for it."""


def _use_hold(order: LiveOrder, units: int) -> None:
    if not 0 <= units <= order.held:
        raise HoldExceeded(f"order {order.order_id} holds {order.held} and was to use {units}")
    order.held -= units


class Reckoning:
    """All that one commit brings about. Fill it command by command, then close each market's batch.

    `touched` has the orders that changed, by id, as they stand in the end. `changes` says by how much available and held
    of a balance change, by (account id, asset id), in smallest units of the asset, whose decimals are in `scales`.
    """

    def __init__(self) -> None:
        self.commands: list[TakenCommand] = []
        self.touched: dict[int, tuple[MarketRules, LiveOrder]] = {}
        self.trades: list[TradeRow] = []
        self.preventions: list[PreventionRow] = []
        self.changes: dict[tuple[int, int], list[int]] = {}
        self.scales: dict[int, int] = {}
        self.books: list[MarketBook] = []
        self.batches: list[BatchRow] = []

    def settle(self, book: MarketBook, taken: TakenCommand) -> None:
        """Work out what a command's events mean for orders and money."""
        self.commands.append(taken)
        rules = book.rules
        self.scales[rules.base_id], self.scales[rules.quote_id] = rules.base_scale, rules.quote_scale
        row = taken.pending
        if isinstance(taken.payload, NewPayload):
            assert row.order_id is not None
            assert row.account_id is not None
            if row.order_id in book.live:
                raise ValueError(f"command {row.id} brings in order {row.order_id}, which rests already")
            book.live[row.order_id] = new_live_order(row.order_id, row.account_id, taken.payload)
        for ordinal, event in enumerate(taken.events):
            match event:
                case Traded():
                    self._trade(book, taken.sequence, ordinal, event)
                case Rested():
                    self._touch(book, event.order_id).priority = (taken.sequence, ordinal)
                case Ended():
                    self._end(book, event.order_id, event.reason)
                case Reduced():
                    self._reduce(book, event)
                case Prevented():
                    maker, taker = book.live[event.maker_order_id], book.live[event.taker_order_id]
                    self.preventions.append(PreventionRow(rules, taken.sequence, ordinal, event, maker, taker))

    def reject_failed(self, book: MarketBook, taken: TakenCommand, *, release: LiveOrder | None) -> None:
        """Record a command that could not be carried out; its new order, if it has one, is Rejected and its hold freed."""
        self.commands.append(taken)
        rules = book.rules
        self.scales[rules.base_id], self.scales[rules.quote_id] = rules.base_scale, rules.quote_scale
        if release is not None:
            book.live[release.order_id] = release
            self._end(book, release.order_id, Reason.INTERNAL_ERROR)

    def close_batch(self, book: MarketBook, taken: Sequence[TakenCommand]) -> None:
        """Chain the batch's hash and move the book's sequence on."""
        book.last_hash = chain(book.last_hash, (command.line() for command in taken))
        book.last_sequence = taken[-1].sequence
        trades = sum(1 for row in self.trades if row.rules.market_id == book.rules.market_id)
        self.books.append(book)
        self.batches.append(
            BatchRow(book.rules.market_id, taken[0].sequence, book.last_sequence, trades, book.last_hash)
        )

    def _touch(self, book: MarketBook, order_id: int) -> LiveOrder:
        order = book.live[order_id]
        self.touched[order_id] = (book.rules, order)
        return order

    def _trade(self, book: MarketBook, sequence: int, ordinal: int, event: Traded) -> None:
        rules = book.rules
        maker, taker = self._touch(book, event.maker_order_id), self._touch(book, event.taker_order_id)
        buyer, seller = (taker, maker) if taker.side is Side.BUY else (maker, taker)
        base_units = event.quantity * rules.lot_units
        quote_units = event.quantity * event.price * rules.tick_lot_units
        # A buy by quantity held its own price for these lots; what it saved is free at once.
        freed = quote_units if buyer.quantity is None else event.quantity * buyer.price * rules.tick_lot_units
        buyer_fee = fee_of(base_units, buyer.taker_fee if buyer is taker else buyer.maker_fee)
        seller_fee = fee_of(quote_units, seller.taker_fee if seller is taker else seller.maker_fee)
        self._change(buyer.account_id, rules.quote_id, freed - quote_units, -freed)
        self._change(buyer.account_id, rules.base_id, base_units - buyer_fee, 0)
        self._change(seller.account_id, rules.base_id, 0, -base_units)
        self._change(seller.account_id, rules.quote_id, quote_units - seller_fee, 0)
        self._change(rules.fee_account_id, rules.base_id, buyer_fee, 0)
        self._change(rules.fee_account_id, rules.quote_id, seller_fee, 0)
        _use_hold(buyer, freed)
        _use_hold(seller, base_units)
        for order in (maker, taker):
            order.filled += event.quantity
            order.filled_quote += quote_units
            order.status = OrderStatus.PARTIALLY_FILLED
            if order.left is not None:
                order.left -= event.quantity
        maker_fee, taker_fee = (seller_fee, buyer_fee) if buyer is taker else (buyer_fee, seller_fee)
        self.trades.append(
            TradeRow(
                rules, sequence, ordinal, event.price, event.quantity, taker.side, maker, taker, maker_fee, taker_fee
            )
        )
        book.last_price = event.price
        if not event.maker_left:
            self._end(book, maker.order_id, None)

    def _end(self, book: MarketBook, order_id: int, reason: Reason | None) -> None:
        """End an order: without a reason it is Filled. Nothing of its hold remains."""
        order = self._touch(book, order_id)
        self._release(book.rules, order, order.held)
        order.left = None if order.left is None else 0
        order.reason = reason
        order.status = OrderStatus.FILLED if reason is None else STATUS_OF_REASON[reason]
        del book.live[order_id]

    def _reduce(self, book: MarketBook, event: Reduced) -> None:
        order = self._touch(book, event.order_id)
        rules = book.rules
        assert order.quantity is not None
        order.quantity -= event.removed
        order.left = event.left
        units = order.price * rules.tick_lot_units if order.side is Side.BUY else rules.lot_units
        self._release(rules, order, event.removed * units)

    def _release(self, rules: MarketRules, order: LiveOrder, units: int) -> None:
        """Free a part of an order's hold."""
        _use_hold(order, units)
        asset_id = rules.quote_id if order.side is Side.BUY else rules.base_id
        self._change(order.account_id, asset_id, units, -units)

    def _change(self, account_id: int, asset_id: int, available: int, held: int) -> None:
        sums = self.changes.setdefault((account_id, asset_id), [0, 0])
        sums[0] += available
        sums[1] += held
