"""Set engines up from text, and tell in text what they did.

A book is written as a ladder, asks above bids, each order as `id:lots` in the order of priority, an iceberg as
`id:shown+hidden`:

    ask 102 | 3:5
    ask 101 | 1:3 2:2+8
    bid  99 | 4:1

What came of a command is a list of lines such as "trade 3@101 with 1, 0 left" and "end Filled"; of whom they tell is said where
it is not the order that the command is about. Every order has an owner of its own unless one is named.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from orders.terms import STATUS_OF_REASON, OrderStatus, OrderType, Phase, Side, TimeInForce
from trading.engine.book import BookSide, RestingOrder, WaitingOrder
from trading.engine.commands import Amend, Cancel, Command, Expire, NewOrder, Reduce, SetPhase, SetRules, Trigger
from trading.engine.engine import Engine
from trading.engine.events import (
    Amended,
    Awaiting,
    CallSet,
    Ended,
    Event,
    Extended,
    Interrupted,
    Parked,
    PhaseChanged,
    Prevented,
    Protected,
    Reduced,
    Refused,
    Rested,
    RulesChanged,
    Shown,
    Traded,
    Trailed,
    Triggered,
    Uncrossed,
)

ANY_BUY_PRICE = 10**6
ANY_SELL_PRICE = 1
FIRST_INCOMING_ID = 100
_OWNERS_FROM = 10_000
_CALL_END = 1


class Scene:
    """One market's engine, fed by hand. Orders that a test sends get the ids 100, 101, ... unless it names one."""

    def __init__(self, ladder: str = "", owners: dict[int, int] | None = None, **rules: int) -> None:
        self.engine = Engine()
        self.owners = owners or {}
        self._sequences = count(1)
        self._ids = count(FIRST_INCOMING_ID)
        if rules:
            self.do(SetRules(**rules))
        self.fill_book(ladder)

    def fill_book(self, text: str, owners: dict[int, int] | None = None) -> None:
        """Put orders into the book as they are, whatever else is there."""
        self.owners |= owners or {}
        for side, price, orders in _read_ladder(text):
            for order_id, shown, hidden in orders:
                display = shown if hidden else None
                terms = NewOrder(order_id, self._owner(order_id), side, price, shown + hidden, display=display)
                self.engine.restore(RestingOrder(terms, shown, next(self._sequences), 0, hidden))

    def buy(self, lots: int | None, at: int = ANY_BUY_PRICE, **fields: object) -> list[str]:
        return self._new(Side.BUY, lots, at, fields)

    def sell(self, lots: int | None, at: int = ANY_SELL_PRICE, **fields: object) -> list[str]:
        return self._new(Side.SELL, lots, at, fields)

    def cancel(self, order_id: int) -> list[str]:
        return self.do(Cancel(order_id))

    def reduce(self, order_id: int, to: int) -> list[str]:
        return self.do(Reduce(order_id, to))

    def amend(self, order_id: int, to: int, at: int, extra: int = 0) -> list[str]:
        return self.do(Amend(order_id, at, to, extra))

    def expire(self, at: int) -> list[str]:
        return self.do(Expire(at))

    def set_phase(self, phase: Phase, **fields: object) -> list[str]:
        return self.do(SetPhase(phase, **fields))

    def call(self) -> list[str]:
        """Start a call."""
        return self.set_phase(Phase.AUCTION, ends_at=_CALL_END)

    def uncross(self, to: Phase = Phase.CONTINUOUS) -> list[str]:
        """End a call."""
        return self.set_phase(to)

    def end_call(self) -> list[str]:
        """End a call as its time does: the price is judged."""
        return self.set_phase(Phase.CONTINUOUS, through_call=True)

    def trade_at(self, *prices: int) -> list[str]:
        """Trade one lot at each price between strangers, in a market that has nothing in between; tells what else came of it."""
        told = []
        for price in prices:
            self.sell(1, at=price)
            told += self.buy(1, at=price, time_in_force=TimeInForce.IOC)[2:]
        return told

    def enter_triggered(self) -> list[str]:
        """Do what the matching loop does once stops have triggered, to the last; tells each entry, headed by its id."""
        told = []
        while self.engine.triggered:
            order_id = self.engine.triggered[0]
            told += [f"enter {order_id}", *self.do(Trigger(order_id))]
        return told

    def do(self, command: Command) -> list[str]:
        about = getattr(command, "order_id", None)
        return [tell(event, about) for event in self.engine.apply(next(self._sequences), command)]

    def ladder(self) -> list[str]:
        """Tell the book, line by line."""
        asks = [_line("ask", level.price, level.living()) for level in self.engine.asks.levels()]
        bids = [_line("bid", level.price, level.living()) for level in self.engine.bids.levels()]
        return [*reversed(asks), *bids]

    def parked(self) -> list[str]:
        """Tell what waits for the next uncross, earliest first."""
        orders = sorted(self.engine.parked.values(), key=_priority)
        return [
            f"{order.order_id}:{_lots(order) if order.budget is None else f'for {order.budget}'}" for order in orders
        ]

    def awaiting(self) -> list[str]:
        """Tell the stops, earliest first."""
        orders = sorted(self.engine.stops.orders.values(), key=_priority)
        return [f"{order.order_id}:{_lots(order)}{_from(order.extreme)}" for order in orders]

    def _new(self, side: Side, lots: int | None, price: int, fields: dict) -> list[str]:
        order_id = fields.pop("order_id", None) or next(self._ids)
        owner = fields.pop("owner", None) or self._owner(order_id)
        return self.do(NewOrder(order_id, owner, side, price, lots, **fields))

    def _owner(self, order_id: int) -> int:
        return self.owners.get(order_id, _OWNERS_FROM + order_id)


def market(**fields: object) -> dict:
    """Make the fields of a market order."""
    return {"market": True, "time_in_force": TimeInForce.IOC, **fields}


def stop(stop_type: OrderType, stop_price: int | None = None, **fields: object) -> dict:
    """Make the fields of a stop: of one that will be a limit order where its type says so, else a market order."""
    becomes = {} if stop_type in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT) else market()
    return {"stop": stop_type, "stop_price": stop_price, **becomes, **fields}


def trailing(offset: int, **fields: object) -> dict:
    """Make the fields of a trailing stop."""
    return stop(OrderType.TRAILING_STOP, trailing_offset=offset, **fields)


def ladder(text: str) -> list[str]:
    """Read a ladder as Scene.ladder() tells it."""
    return [" ".join(line.replace("|", " | ").split()) for line in text.splitlines() if line.strip()]


def tell(event: Event, about: int | None) -> str:
    """Tell one event in words. What an order does is told without its id where the command is about it."""
    match event:
        case Traded():
            who = "" if event.taker_order_id == about else f"{event.taker_order_id} "
            return f"trade {event.quantity}@{event.price} {who}with {event.maker_order_id}, {event.maker_left} left"
        case Prevented():
            who = "" if event.taker_order_id == about else f"{event.taker_order_id} "
            return f"prevent {event.quantity}@{event.price} {who}with {event.maker_order_id}"
        case Ended(reason=None):
            return f"end{_of(event, about)} {OrderStatus.FILLED}"
        case Ended():
            status = STATUS_OF_REASON[event.reason]
            return f"end{_of(event, about)} {status} {event.reason}, {event.dropped} dropped"
        case Rested():
            return f"rest {event.quantity}@{event.price}"
        case Parked():
            return "park"
        case Awaiting():
            return f"await{_from(event.extreme)}"
        case Amended():
            return f"amend to {event.quantity}@{event.price}"
        case Refused():
            return f"refuse {event.reason}"
        case Reduced():
            return f"reduce {event.order_id} by {event.removed}, {event.left} left"
        case Shown():
            return f"show {event.quantity} of {event.order_id}"
        case _:
            return _tell_of_the_market(event)


def _tell_of_the_market(event: Event) -> str:
    match event:
        case Trailed():
            return f"trail {event.order_id}{_from(event.extreme)}"
        case Triggered():
            return f"trigger {event.order_id} at {event.price}"
        case PhaseChanged():
            return f"phase {event.phase}"
        case Interrupted():
            return f"interrupt at {event.price}"
        case CallSet():
            return "call" if event.ends_at is None else f"call until {event.ends_at}"
        case Extended():
            return f"extend {event.times} at {event.price}"
        case Uncrossed():
            return f"uncross {event.quantity}@{event.price}, surplus {event.surplus}"
        case RulesChanged():
            return "rules"
        case Protected():
            return f"protect {event.account} {'on' if event.on else 'off'}"


def restore_from(engine: Engine) -> Engine:
    """Build an engine as it is rebuilt from what is stored: all orders in priority order, and the market's state."""
    restored = type(engine)(engine.phase)
    live = [*engine.orders.values(), *engine.parked.values(), *engine.stops.orders.values()]
    for order in sorted(live, key=_priority):
        place = replace(order.terms), order.left, order.sequence, order.ordinal
        if isinstance(order, WaitingOrder):
            restored.restore(WaitingOrder(*place, extreme=order.extreme, budget=order.budget))
        else:
            restored.restore(RestingOrder(*place, order.hidden))
    restored.rules = replace(engine.rules)
    restored.last_price = engine.last_price
    restored.last_auction_price = engine.last_auction_price
    restored.call_ends_at = engine.call_ends_at
    restored.call_extensions = engine.call_extensions
    restored.protected = set(engine.protected)
    return restored


def check_book(engine: Engine) -> None:
    """Assert what must hold of every book, and of what waits outside it, at every moment."""
    best_bid, best_ask = engine.bids.best(), engine.asks.best()
    if engine.phase in (Phase.CONTINUOUS, Phase.POST_ONLY) and best_bid is not None and best_ask is not None:
        assert best_bid.price < best_ask.price
    seen = {}
    for side, book_side in ((Side.BUY, engine.bids), (Side.SELL, engine.asks)):
        seen |= _check_side(side, book_side)
    assert seen == engine.orders
    for order_id, order in engine.parked.items():
        assert order.order_id == order_id
        assert order.terms.stop is None
        assert order.terms.market or order.terms.time_in_force is TimeInForce.AUCTION_ONLY
        assert order.budget if order.terms.quantity is None else 0 < order.left <= order.terms.quantity
    for order_id, order in engine.stops.orders.items():
        assert order.order_id == order_id
        assert order.terms.stop is not None
        assert 0 < order.left <= order.terms.quantity


def _check_side(side: Side, book_side: BookSide) -> dict[int, RestingOrder]:
    seen = {}
    prices = []
    for level in book_side.levels():
        orders = list(level.living())
        prices.append(level.price)
        assert level.total == sum(order.left for order in orders)
        assert level.count == len(orders) > 0
        assert [_priority(order) for order in orders] == sorted(_priority(order) for order in orders)
        for order in orders:
            assert order.side is side
            assert order.level is level
            assert order.terms.stop is None
            assert not order.terms.market
            assert order.left > 0
            assert order.hidden >= 0
            assert order.left + order.hidden <= order.quantity
            assert order.left <= (order.terms.display or order.left)
            seen[order.order_id] = order
    assert prices == sorted(prices, reverse=side is Side.BUY)
    return seen


def _priority(order: RestingOrder) -> tuple[int, int]:
    return order.sequence, order.ordinal


def _lots(order: RestingOrder) -> str:
    return f"{order.left}+{order.hidden}" if order.hidden else f"{order.left}"


def _from(extreme: int | None) -> str:
    return "" if extreme is None else f" from {extreme}"


def _of(event: Ended, about: int | None) -> str:
    return "" if event.order_id == about else f" {event.order_id}"


def _line(side: str, price: int, orders: Iterable[RestingOrder]) -> str:
    return f"{side} {price} | " + " ".join(f"{order.order_id}:{_lots(order)}" for order in orders)


def _read_ladder(text: str) -> list[tuple[Side, int, list[tuple[int, int, int]]]]:
    found = []
    for line in ladder(text):
        where, orders = line.split(" | ")
        side, price = where.split()
        found.append((Side.SELL if side == "ask" else Side.BUY, int(price), [_read_order(o) for o in orders.split()]))
    return found


def _read_order(text: str) -> tuple[int, int, int]:
    order_id, lots = text.split(":")
    shown, _, hidden = lots.partition("+")
    return int(order_id), int(shown), int(hidden or 0)
