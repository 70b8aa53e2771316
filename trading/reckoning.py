"""Work out what the engine's events mean: trades, fees, holds, the state of orders, and the batch's hash.

The law: per asset nothing comes or goes but fees to the market's fee account, which are the one rounding there is (up, at the
asset's scale); an order never gives more than it holds. Nothing is read or written here, so that a replay of the journal
reckons just as the matching worker did.
The engine decided what trades; trading/settlement.py writes what is worked out here.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

from orders.journal import FEE_RATE_SCALE, AmendPayload, NewPayload
from orders.rules import MarketRules
from orders.terms import STATUS_OF_REASON, OrderStatus, Reason, SelfTradePrevention, Side
from trading.books import LiveOrder, MarketBook, new_live_order
from trading.engine.events import (
    Amended,
    Awaiting,
    Ended,
    Event,
    Parked,
    Prevented,
    Protected,
    Reduced,
    Rested,
    Shown,
    Traded,
    Trailed,
)
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


class ProtectionRow(NamedTuple):
    market_id: int
    account_id: int
    on: bool
    sequence: int


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


def _use_lots(order: LiveOrder, lots: int) -> None:
    """Take lots off an order: what it shows first; what it shows next is what it hides."""
    if order.left is None:
        return
    order.left -= lots
    if order.visible is not None:
        assert order.display is not None or order.visible == order.left + lots
        order.visible = order.visible - lots if lots < order.visible else min(order.display or 0, order.left)


def _units_a_lot(rules: MarketRules, side: Side, price: int) -> int:
    """Return what an order holds for one lot, in smallest units of the asset it gives."""
    return price * rules.tick_lot_units if side is Side.BUY else rules.lot_units


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
        self.protections: list[ProtectionRow] = []
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
        for ordinal, event in enumerate(cast(Sequence[Event], taken.events)):
            self._take(book, taken, ordinal, event)
        if isinstance(taken.payload, AmendPayload) and not any(event[0] == "amend" for event in taken.events):
            assert row.account_id is not None
            self._give_back(rules, row.account_id, taken.payload)

    def _take(self, book: MarketBook, taken: TakenCommand, ordinal: int, event: Event) -> None:
        """Work out what one event means. Those that are not named here are of the engine alone."""
        match event:
            case Traded():
                self._trade(book, taken, ordinal, event)
            case Rested():
                self._place(book, event.order_id, (taken.sequence, ordinal), visible=event.quantity)
            case Parked():
                self._place(book, event.order_id, (taken.sequence, ordinal), visible=None)
                self._reprice(book, event)
            case Shown():
                order = self._touch(book, event.order_id)
                order.priority, order.visible = (taken.sequence, ordinal), event.quantity
            case Awaiting() | Trailed():
                order = self._touch(book, event.order_id)
                order.extreme, order.armed = event.extreme, None if event.extreme is None else taken.sequence
                if isinstance(event, Awaiting):
                    order.priority = taken.sequence, ordinal
            case Ended():
                self._end(book, event.order_id, event.reason, taken.sequence)
            case Reduced():
                self._reduce(book, event)
            case Amended():
                assert isinstance(taken.payload, AmendPayload)
                self._amend(book, event, taken.payload.held)
            case Prevented():
                self._prevent(book, taken.sequence, ordinal, event)
            case Protected():
                self._protect(book, taken.sequence, event)

    def _protect(self, book: MarketBook, sequence: int, event: Protected) -> None:
        """Note that a protection has tripped, or begin its window anew."""
        if not event.on:
            book.watch.reset(event.account)
        self.protections.append(ProtectionRow(book.rules.market_id, event.account, event.on, sequence))

    def reject_failed(
        self, book: MarketBook, taken: TakenCommand, *, release: LiveOrder | None, amendment: AmendPayload | None
    ) -> None:
        """Record a command that could not be carried out.

        Its new order, if it has one, is Rejected and its hold freed; so is what was held for an amendment.
        """
        self.commands.append(taken)
        rules = book.rules
        self.scales[rules.base_id], self.scales[rules.quote_id] = rules.base_scale, rules.quote_scale
        if release is not None:
            book.live[release.order_id] = release
            self._end(book, release.order_id, Reason.INTERNAL_ERROR, taken.sequence)
        if amendment is not None:
            assert taken.pending.account_id is not None
            self._give_back(rules, taken.pending.account_id, amendment)

    def taken_from_journal(self) -> int:
        """Count the commands that were pending, and not the loop's own."""
        return sum(1 for taken in self.commands if taken.pending.id)

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

    def _place(self, book: MarketBook, order_id: int, priority: tuple[int, int], visible: int | None) -> None:
        """Note where an order waits: in the book, where it may hide a part, or outside."""
        order = self._touch(book, order_id)
        order.priority, order.visible = priority, visible
        if visible is not None and order.display is not None:
            order.visible = min(visible, order.display)
        if order.status is OrderStatus.PENDING_TRIGGER:
            order.status = OrderStatus.NEW

    def _reprice(self, book: MarketBook, event: Parked) -> None:
        """Let an order hold no more than it may cost: a trailing stop's protection price is known only once it has triggered."""
        order = self._touch(book, event.order_id)
        if order.price == event.price:
            return
        assert order.left is not None  # one by a budget has its price from the start
        order.price = event.price
        needed = order.left * _units_a_lot(book.rules, order.side, order.price)
        self._release(book.rules, order, order.held - needed)

    def _trade(self, book: MarketBook, taken: TakenCommand, ordinal: int, event: Traded) -> None:
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
            _use_lots(order, event.quantity)
        maker_fee, taker_fee = (seller_fee, buyer_fee) if buyer is taker else (buyer_fee, seller_fee)
        self.trades.append(
            TradeRow(
                rules,
                taken.sequence,
                ordinal,
                event.price,
                event.quantity,
                taker.side,
                maker,
                taker,
                maker_fee,
                taker_fee,
            )
        )
        if maker.flagged:
            book.watch.note(maker.account_id, event.quantity, taken.pending.accepted)
        if not event.maker_left:
            self._end(book, maker.order_id, None, taken.sequence)

    def _prevent(self, book: MarketBook, sequence: int, ordinal: int, event: Prevented) -> None:
        """Note a self-trade that did not happen; under Decrement both orders have lost what would have traded."""
        rules = book.rules
        maker, taker = book.live[event.maker_order_id], book.live[event.taker_order_id]
        self.preventions.append(PreventionRow(rules, sequence, ordinal, event, maker, taker))
        if event.mode is not SelfTradePrevention.DECREMENT:
            return
        for order in (maker, taker):
            self._touch(book, order.order_id)
            order.prevented += event.quantity
            _use_lots(order, event.quantity)
            price = event.price if order.quantity is None else order.price
            self._release(rules, order, event.quantity * _units_a_lot(rules, order.side, price))

    def _end(self, book: MarketBook, order_id: int, reason: Reason | None, sequence: int) -> None:
        """End an order: without a reason it is Filled. Nothing of its hold remains."""
        order = self._touch(book, order_id)
        self._release(book.rules, order, order.held)
        order.left = None if order.left is None else 0
        order.visible = None
        order.reason, order.ended = reason, sequence
        order.status = OrderStatus.FILLED if reason is None else STATUS_OF_REASON[reason]
        del book.live[order_id]

    def _reduce(self, book: MarketBook, event: Reduced) -> None:
        order = self._touch(book, event.order_id)
        assert order.quantity is not None
        order.quantity -= event.removed
        order.left = event.left
        if order.visible is not None:
            order.visible = min(order.visible, event.left)
        self._release(book.rules, order, event.removed * _units_a_lot(book.rules, order.side, order.price))

    def _amend(self, book: MarketBook, event: Amended, held: int) -> None:
        """Give an order its new terms, and of what it and the amendment hold, leave it what these need."""
        order = self._touch(book, event.order_id)
        assert order.quantity is not None
        assert order.left is not None
        order.left += event.quantity - order.quantity
        order.quantity, order.price, order.visible = event.quantity, event.price, None
        order.held += held
        needed = order.left * _units_a_lot(book.rules, order.side, order.price)
        self._release(book.rules, order, order.held - needed)

    def _give_back(self, rules: MarketRules, account_id: int, amendment: AmendPayload) -> None:
        """Free what was held for an amendment that did not come about."""
        asset_id = rules.quote_id if amendment.side is Side.BUY else rules.base_id
        self._change(account_id, asset_id, amendment.held, -amendment.held)

    def _release(self, rules: MarketRules, order: LiveOrder, units: int) -> None:
        """Free a part of an order's hold."""
        _use_hold(order, units)
        asset_id = rules.quote_id if order.side is Side.BUY else rules.base_id
        self._change(order.account_id, asset_id, units, -units)

    def _change(self, account_id: int, asset_id: int, available: int, held: int) -> None:
        sums = self.changes.setdefault((account_id, asset_id), [0, 0])
        sums[0] += available
        sums[1] += held
