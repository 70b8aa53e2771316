"""Bring what many sockets ask for to the database together: one thread, one connection, and a commit for all that has gathered.

The law: what a caller asks for enters the journal in the order it was asked; each request is answered for itself, by a future
that has what came of it, or a DomainError as its exception. Nobody waits in vain: with too much waiting a request is refused at
once, and a database that fails answers `unavailable`, which says nothing of the outcome; what waits behind that is asked for on a
fresh connection.
Placing is orders/intake.py's, changing orders/changes.py's; sockets are trading/streams/'s.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import structlog
from django.db import Error as DatabaseDriverError
from django.db import InterfaceError, OperationalError, connection, transaction

from accounts.connections import drop_closed
from accounts.errors import DomainError
from orders import changes, intake
from orders.batches import merge, read_bodies, read_orders
from orders.changes import AskedAll
from orders.intake import Outcome
from orders.models import Order
from orders.requests import Amendment, NewOrder

log = structlog.get_logger(__name__)

TOGETHER_MAX = 500
"""A batch of more goes by itself."""

WAITING_MAX = 5_000
"""About a second's work."""


class _Request:
    """Something that was asked for; `size` is how many orders it is about."""

    size = 1

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.future: Future[Any] = Future()


class _Place(_Request):
    """Orders to be placed; their bodies are read by the desk's thread, so that no socket waits meanwhile."""

    def __init__(self, account_id: int, *, order: NewOrder | None = None, bodies: Sequence[Any] = ()) -> None:
        super().__init__(account_id)
        self.size = len(bodies) or 1
        self._one = order
        self._bodies = bodies
        self.read: list[NewOrder | DomainError] = []

    def orders(self) -> list[NewOrder]:
        self.read = read_orders(self._bodies) if self._one is None else [self._one]
        return [one for one in self.read if isinstance(one, NewOrder)]

    def result(self, outcomes: list[Outcome]) -> Outcome | list[Outcome]:
        return outcomes[0] if self._one is not None else outcomes


class _Cancel(_Request):
    """An order to be canceled."""

    def __init__(self, account_id: int, order_id: int) -> None:
        super().__init__(account_id)
        self.order_id = order_id


class _Other(_Request):
    """Anything else; it is done by itself."""

    def __init__(self, account_id: int, work: Callable[[], Any]) -> None:
        super().__init__(account_id)
        self.work = work


class Desk:
    """The one thread of a process through which its sockets place and change orders."""

    def __init__(self, *, together_max: int = TOGETHER_MAX, waiting_max: int = WAITING_MAX) -> None:
        self._together_max = together_max
        self._waiting_max = waiting_max
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        self._orders_waiting = 0
        self._open = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take requests."""
        with self._changed:
            self._open = True
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Take no more requests, and wait, for so long, until those that were taken are answered."""
        with self._changed:
            self._open = False
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def submit_place(self, account_id: int, order: NewOrder) -> "Future[Outcome]":
        """Place an order. Raises DomainError unavailable, as all of these do, where too much is waiting."""
        return self._submit(_Place(account_id, order=order))

    def submit_batch(self, account_id: int, bodies: Any) -> "Future[list[Outcome]]":
        """Place orders, each on its own, given their bodies. Raises DomainError too where these are no list, or too many."""
        return self._submit(_Place(account_id, bodies=read_bodies("orders", bodies)))

    def submit_cancel(self, account_id: int, order_id: int) -> "Future[tuple[Order, int]]":
        """Ask for the end of an order, as changes.cancel() does."""
        return self._submit(_Cancel(account_id, order_id))

    def submit_amend(self, account_id: int, order_id: int, amendment: Amendment) -> "Future[tuple[Order, int]]":
        """Ask for other terms of an order, as changes.amend() does."""
        return self._submit(_Other(account_id, lambda: changes.amend(account_id, order_id, amendment)))

    def submit_cancel_all(self, account_id: int, market_id: int | None = None) -> "Future[AskedAll]":
        """Ask for the end of all orders, in one market or in all, as changes.cancel_all() does."""
        return self._submit(_Other(account_id, lambda: changes.cancel_all(account_id, market_id)))

    def _submit(self, request: _Request) -> "Future[Any]":
        with self._changed:
            if not self._open:
                raise DomainError("unavailable", "Order entry is closing here; connect again.")
            if self._orders_waiting and self._orders_waiting + request.size > self._waiting_max:
                raise DomainError("unavailable", "Order entry is busy; try again.")
            self._waiting.append(request)
            self._orders_waiting += request.size
            self._changed.notify()
        return request.future

    def _run(self) -> None:
        try:
            while gathered := self._gather():
                for group in _groups(gathered):
                    _bring(group)
        finally:
            connection.close()

    def _gather(self) -> list[_Request]:
        """Wait for requests; returns those that have come meanwhile, oldest first. None are left once the desk is closed."""
        gathered: list[_Request] = []
        size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            while self._waiting and (not gathered or size + self._waiting[0].size <= self._together_max):
                gathered.append(self._waiting.popleft())
                size += gathered[-1].size
            self._orders_waiting -= size
        return gathered


def _groups(requests: Iterable[_Request]) -> Iterable[list[_Request]]:
    """Divide requests into those that go together, in their order, leaving out those that nobody waits for any more."""
    group: list[_Request] = []
    for request in requests:
        if not request.future.set_running_or_notify_cancel():
            continue
        if isinstance(request, _Other):
            yield from ([group] if group else [])
            yield [request]
            group = []
        else:
            group.append(request)
    if group:
        yield group


def _bring(group: list[_Request]) -> None:
    """Bring a group to the database and answer each request."""
    try:
        drop_closed()
        if len(group) == 1:
            answers = [_bring_alone(group[0])]
        else:
            with transaction.atomic():
                answers = _bring_together(group)
    except Exception as error:  # noqa: BLE001  told to those who wait
        _see_to(group, error)
    else:
        for request, answer in zip(group, answers, strict=True):
            if isinstance(answer, DomainError) and not isinstance(request, _Place):
                request.future.set_exception(answer)
            else:
                request.future.set_result(answer)


def _bring_alone(request: _Request) -> Any:
    """Bring one request: an order alone is one statement, which is its own commit."""
    if isinstance(request, _Other):
        try:
            return request.work()
        except DomainError as error:
            return error
    return _bring_together([request])[0]


def _bring_together(group: Sequence[_Request]) -> list[Any]:
    """Bring places and cancels in two statements, each with its place in the journal, where there are both."""
    places = [(request, request.orders()) for request in group if isinstance(request, _Place)]
    cancels = [request for request in group if isinstance(request, _Cancel)]
    position_of: dict[_Request, list[int]] = {}
    if places and cancels:
        free = iter(changes.journal_positions(sum(request.size for request in group)))
        position_of = {request: [next(free) for _ in range(request.size)] for request in group}
    answers: dict[_Request, Any] = {}
    # Places last, for they lock balances.
    if cancels:
        answers.update(_bring_cancels(cancels, position_of))
    if places:
        answers.update(_bring_places(places, position_of))
    return [answers[request] for request in group]


def _bring_places(
    places: Sequence[tuple[_Place, list[NewOrder]]], position_of: dict[_Request, list[int]]
) -> dict[_Request, Any]:
    requests = [(place.account_id, order) for place, orders in places for order in orders]
    positions = [position for place, orders in places for position in position_of.get(place, ())[: len(orders)]] or None
    placed = iter(intake.place_many(requests, positions) if requests else [])
    return {place: place.result(merge(place.read, placed)) for place, _ in places}


def _bring_cancels(cancels: Sequence[_Cancel], position_of: dict[_Request, list[int]]) -> dict[_Request, Any]:
    requests = [(cancel.account_id, cancel.order_id) for cancel in cancels]
    positions = [position_of[cancel][0] for cancel in cancels] if position_of else None
    return dict(zip(cancels, changes.cancel_many(requests, positions), strict=True))


def _see_to(group: list[_Request], error: Exception) -> None:
    """Answer a group that failed: where one request may have spoiled it for the others, by bringing each alone."""
    is_lost = isinstance(error, OperationalError | InterfaceError)
    log.warning("desk_failed", requests=len(group), error=repr(error), exc_info=not is_lost)
    code = "internal_error"
    if isinstance(error, DatabaseDriverError):
        code = "unavailable"
        connection.close()
    if len(group) > 1 and not is_lost:
        # It was one transaction, of which nothing is left.
        for request in group:
            _bring([request])
        return
    for request in group:
        request.future.set_exception(DomainError(code, "The outcome is unknown: ask for the order."))
