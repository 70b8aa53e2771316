"""Set engines up from text, and tell in text what they did.

A book is written as a ladder, asks above bids, each order as `id:lots` in the order of priority:

    ask 102 | 3:5
    ask 101 | 1:3 2:2
    bid  99 | 4:1

What came of a command is a list of lines such as "trade 3@101 with 1, 0 left" and "end Filled". Every order has an owner of its
own unless one is named.
"""

from itertools import count

from orders.terms import STATUS_OF_REASON, OrderStatus, Phase, Side, TimeInForce
from trading.engine.book import BookSide, RestingOrder
from trading.engine.commands import Cancel, Command, NewOrder, Reduce, SetPhase
from trading.engine.engine import Engine
from trading.engine.events import Ended, Event, PhaseChanged, Prevented, Reduced, Rested, Traded

ANY_BUY_PRICE = 10**6
ANY_SELL_PRICE = 1
FIRST_INCOMING_ID = 100
_OWNERS_FROM = 10_000


class Scene:
    """One market's engine, fed by hand. Orders that a test sends get the ids 100, 101, ... unless it names one."""

    def __init__(self, ladder: str = "", owners: dict[int, int] | None = None) -> None:
        self.engine = Engine()
        self.owners = owners or {}
        self._sequences = count(1)
        self._ids = count(FIRST_INCOMING_ID)
        for side, price, orders in _read_ladder(ladder):
            for order_id, lots in orders:
                resting = RestingOrder(order_id, self._owner(order_id), side, lots, lots, next(self._sequences), 0)
                self.engine.restore(resting, price)

    def buy(self, lots: int | None, at: int = ANY_BUY_PRICE, **fields: object) -> list[str]:
        return self._new(Side.BUY, lots, at, fields)

    def sell(self, lots: int | None, at: int = ANY_SELL_PRICE, **fields: object) -> list[str]:
        return self._new(Side.SELL, lots, at, fields)

    def cancel(self, order_id: int) -> list[str]:
        return self.do(Cancel(order_id))

    def reduce(self, order_id: int, to: int) -> list[str]:
        return self.do(Reduce(order_id, to))

    def set_phase(self, phase: Phase) -> list[str]:
        return self.do(SetPhase(phase))

    def do(self, command: Command) -> list[str]:
        return [tell(event) for event in self.engine.apply(next(self._sequences), command)]

    def ladder(self) -> list[str]:
        """Tell the book, line by line."""
        asks = [_line("ask", level.price, level.living()) for level in self.engine.asks.levels()]
        bids = [_line("bid", level.price, level.living()) for level in self.engine.bids.levels()]
        return [*reversed(asks), *bids]

    def _new(self, side: Side, lots: int | None, price: int, fields: dict) -> list[str]:
        order_id = fields.pop("order_id", None) or next(self._ids)
        owner = fields.pop("owner", None) or self._owner(order_id)
        return self.do(NewOrder(order_id, owner, side, price, lots, **fields))

    def _owner(self, order_id: int) -> int:
        return self.owners.get(order_id, _OWNERS_FROM + order_id)


def market(**fields: object) -> dict:
    """Make the fields of a market order."""
    return {"market": True, "time_in_force": TimeInForce.IOC, **fields}


def ladder(text: str) -> list[str]:
    """Read a ladder as Scene.ladder() tells it."""
    return [" ".join(line.replace("|", " | ").split()) for line in text.splitlines() if line.strip()]


def tell(event: Event) -> str:
    """Tell one event in words."""
    match event:
        case Traded():
            return f"trade {event.quantity}@{event.price} with {event.maker_order_id}, {event.maker_left} left"
        case Rested():
            return f"rest {event.quantity}@{event.price}"
        case Ended(reason=None):
            return f"end {OrderStatus.FILLED}"
        case Ended():
            return f"end {STATUS_OF_REASON[event.reason]} {event.reason}, {event.dropped} dropped"
        case Reduced():
            return f"reduce {event.order_id} by {event.removed}, {event.left} left"
        case Prevented():
            return f"prevent {event.quantity}@{event.price} with {event.maker_order_id}"
        case PhaseChanged():
            return f"phase {event.phase}"


def restore_from(engine: Engine) -> Engine:
    """Build an engine as it is rebuilt from stored orders: all of them in priority order."""
    restored = type(engine)(engine.phase)
    for order in sorted(engine.orders.values(), key=lambda order: (order.sequence, order.ordinal)):
        copy = RestingOrder(
            order.order_id, order.owner, order.side, order.quantity, order.left, order.sequence, order.ordinal
        )
        restored.restore(copy, order.level.price)
    return restored


def check_book(engine: Engine) -> None:
    """Assert what must hold of every book at every moment."""
    best_bid, best_ask = engine.bids.best(), engine.asks.best()
    if engine.phase is Phase.CONTINUOUS and best_bid is not None and best_ask is not None:
        assert best_bid.price < best_ask.price
    seen = {}
    for side, book_side in ((Side.BUY, engine.bids), (Side.SELL, engine.asks)):
        seen |= _check_side(side, book_side)
    assert seen == engine.orders


def _check_side(side: Side, book_side: BookSide) -> dict[int, RestingOrder]:
    seen = {}
    prices = []
    for level in book_side.levels():
        orders = list(level.living())
        prices.append(level.price)
        assert level.total == sum(order.left for order in orders)
        assert level.count == len(orders) > 0
        assert [(order.sequence, order.ordinal) for order in orders] == sorted(
            (order.sequence, order.ordinal) for order in orders
        )
        for order in orders:
            assert order.side is side
            assert order.level is level
            assert 0 < order.left <= order.quantity
            seen[order.order_id] = order
    assert prices == sorted(prices, reverse=side is Side.BUY)
    return seen


def _line(side: str, price: int, orders: object) -> str:
    return f"{side} {price} | " + " ".join(f"{order.order_id}:{order.left}" for order in orders)


def _read_ladder(text: str) -> list[tuple[Side, int, list[tuple[int, int]]]]:
    found = []
    for line in ladder(text):
        where, orders = line.split(" | ")
        side, price = where.split()
        pairs = [(int(order_id), int(lots)) for order_id, lots in (order.split(":") for order in orders.split())]
        found.append((Side.SELL if side == "ask" else Side.BUY, int(price), pairs))
    return found
