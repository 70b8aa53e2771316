"""Keep the orders that live, each in one of three homes: in the book, parked outside it for the next uncross, or a stop.

The law: an order is found by its id wherever it is; what is said of all orders is said in the order of priority.
What moves an order from one home to another is engine.py's to decide.
"""

from collections import deque
from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from itertools import chain, groupby

from orders.terms import Reason, Side, TimeInForce
from trading.engine.auction import Interest
from trading.engine.book import BookSide, RestingOrder, WaitingOrder, priority
from trading.engine.commands import NewOrder
from trading.engine.events import Ended, Event, Trailed, Triggered
from trading.engine.stops import Stops

EXPIRIES_SLACK = 64
_BUY = Side.BUY


class LiveOrders:
    """One market's orders, by id in `orders` (the book's), `parked` and `stops.orders`."""

    def __init__(self) -> None:
        self.orders: dict[int, RestingOrder] = {}
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.parked: dict[int, WaitingOrder] = {}
        self.stops = Stops()
        self.triggered: deque[int] = deque()
        self.entering: dict[int, WaitingOrder] = {}
        self._expiries: list[tuple[int, int]] = []
        self._expiries_limit = EXPIRIES_SLACK

    def restore(self, order: RestingOrder) -> None:
        """Put an order where its terms say that it belongs, behind those put there so far."""
        terms = order.terms
        if terms.stop is None and not terms.market and terms.time_in_force is not TimeInForce.AUCTION_ONLY:
            self.put_in_book(order, terms)
            return
        assert isinstance(order, WaitingOrder)
        if terms.stop is not None:
            self.stops.add(order)
        else:
            self.parked[order.order_id] = order
        self._note_expiry(terms)

    def put_in_book(self, order: RestingOrder, terms: NewOrder) -> None:
        (self.bids if terms.side is _BUY else self.asks).add(order, terms.price)
        self.orders[order.order_id] = order
        if terms.expires_at is not None:
            self._note_expiry(terms)

    def _note_expiry(self, terms: NewOrder) -> None:
        if terms.expires_at is None:
            return
        heappush(self._expiries, (terms.expires_at, terms.order_id))
        if len(self._expiries) > self._expiries_limit:
            # Those that ended before their time would stay until it comes.
            self._expiries = [entry for entry in set(self._expiries) if self.find(entry[1]) is not None]
            heapify(self._expiries)
            self._expiries_limit = 2 * len(self._expiries) + EXPIRIES_SLACK

    def side(self, side: Side) -> BookSide:
        return self.bids if side is Side.BUY else self.asks

    def find(self, order_id: int) -> RestingOrder | None:
        return self.orders.get(order_id) or self.parked.get(order_id) or self.stops.orders.get(order_id)

    def living(self, wanted: Callable[[RestingOrder], bool] = lambda _: True) -> list[RestingOrder]:
        """List all orders, or those wanted, earliest priority first."""
        everywhere = chain(self.orders.values(), self.parked.values(), self.stops.orders.values())
        return sorted(filter(wanted, everywhere), key=priority)

    def end(self, order: RestingOrder, reason: Reason) -> Ended:
        """Take an order out, with all that is left of it."""
        dropped = order.left + order.hidden
        self.take_out(order)
        return Ended("end", order.order_id, reason, dropped)

    def end_all(self, orders: Iterable[RestingOrder], reason: Reason) -> list[Event]:
        return [self.end(order, reason) for order in orders]

    def take_out(self, order: RestingOrder) -> None:
        """Take an order out of its home."""
        if self.orders.pop(order.order_id, None) is not None:
            side = self.bids if order.terms.side is _BUY else self.asks
            if order.hidden:
                side.remove(order)
            else:
                side.take(order, order.left)
        elif self.parked.pop(order.order_id, None) is None:
            assert isinstance(order, WaitingOrder)
            self.stops.remove(order)

    # -- stops ------------------------------------------------------------------------------------

    def look_at_stops(self, events: list[Event], *, may_trigger: bool, last: int | None = None) -> None:
        """See what the trades among these events mean for the stops, or where there are none, the `last` price there was.

        Those triggered are to enter in the order of `triggered`.
        """
        prices = [price for price, _ in groupby(event[3] for event in events if event[0] == "trade")]
        if not prices and last is not None:
            prices = [last]
        look = self.stops.look(prices, may_trigger=may_trigger)
        for stop in look.armed:
            assert stop.extreme is not None
            events.append(Trailed("trail", stop.order_id, stop.extreme))
        for stop, price in look.triggered:
            self.entering[stop.order_id] = stop
            self.triggered.append(stop.order_id)
            events.append(Triggered("trigger", stop.order_id, price))

    # -- times ------------------------------------------------------------------------------------

    def next_expiry(self) -> int | None:
        """Return when the next order's time is up."""
        expiries = self._expiries
        while expiries and self.find(expiries[0][1]) is None:
            heappop(expiries)
        return expiries[0][0] if expiries else None

    def expired(self, at: int) -> list[RestingOrder]:
        """List the orders whose time is up, by that time, then by priority. They must be ended."""
        due = set()
        while self._expiries and self._expiries[0][0] <= at:
            due.add(heappop(self._expiries)[1])
        orders = [order for order in map(self.find, due) if order is not None]
        return sorted(orders, key=lambda order: (order.terms.expires_at, priority(order)))

    # -- what an uncross needs --------------------------------------------------------------------

    def is_crossed(self) -> bool:
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid.price >= ask.price

    def has_unmatched(self) -> bool:
        """Tell whether there is what only an uncross can match."""
        return self.is_crossed() or any(order.terms.market for order in self.parked.values())

    def interest(self, side: Side) -> Interest:
        """Sum up what a side would trade in an uncross, by price."""
        limits = [(level.price, level.total + level.hidden) for level in self.side(side).levels()]
        markets: list[tuple[int, int]] = []
        budgets: list[tuple[int, int]] = []
        for order in self.parked.values():
            if order.terms.side is not side:
                continue
            if order.budget is not None:
                budgets.append((order.price, order.budget))
            else:
                (markets if order.terms.market else limits).append((order.price, order.left))
        return Interest(self.side(side).key(1), limits, markets, budgets)

    def line_up(self, side: Side, price: int) -> deque[RestingOrder]:
        """Line up a side's orders that trade at a price: market orders first, then by price, then by time."""
        key = self.side(side).key
        orders = [
            order
            for order in (*self.orders.values(), *self.parked.values())
            if order.side is side and key(order.price) <= key(price) and order.lots_at(price)
        ]

        def rank(order: RestingOrder) -> tuple[bool, int, tuple[int, int]]:
            # A protection price is no bid: it gives a market order no better place.
            return not order.terms.market, 0 if order.terms.market else key(order.price), priority(order)

        return deque(sorted(orders, key=rank))

    def fill(self, order: RestingOrder, lots: int, price: int) -> None:
        """Take lots off an order in an uncross; one that trades no more is out."""
        in_book = order.order_id in self.orders
        if isinstance(order, WaitingOrder) and order.budget is not None:
            order.budget -= lots * price
        elif in_book:
            self.side(order.side).fill(order, lots)
        else:
            order.left -= lots
        if not order.lots_at(price):
            del (self.orders if in_book else self.parked)[order.order_id]
