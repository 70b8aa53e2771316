"""Take one socket's orders, amendments and cancels.

The law: they are answered when they are on disk, which nothing here waits for, and enter the journal in the order in which they were sent.
What becomes of them is orders/desk.py's, what of leases orders/leases.py's.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import structlog
from django.conf import settings

from accounts.api.problems import problem_body
from accounts.bodies import BodyReader, read_flag, read_id, text_reader
from accounts.errors import DomainError
from orders.api.rendering import render_order
from orders.intake import Placed
from orders.requests import read_amendment, read_new_order
from orders.rules import rules_of_market, rules_of_symbol
from trading.streams import limits
from trading.streams.answering import Answers
from trading.streams.asking import ask
from trading.streams.entry import OrderEntry

log = structlog.get_logger(__name__)

_read_symbol = text_reader(40)


class Ordering:
    """What one socket has asked for and not been answered, and whether its end cancels the account's orders."""

    def __init__(self, entry: OrderEntry, answers: Answers) -> None:
        self._entry = entry
        self._answers = answers
        self._lease: int | None = None
        self._waiting = 0
        self._none_waiting = asyncio.Event()
        self._none_waiting.set()

    async def end(self) -> None:
        """Cancel the account's orders, where that was asked for: the socket has gone."""
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                # What it has asked for last is to end too.
                await self._none_waiting.wait()
            except BaseException:
                self._entry.let_run_out(lease)
                raise
            await self._entry.fire_lease(lease)

    @property
    def has_lease(self) -> bool:
        return self._lease is not None

    async def place(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        body = reader.take("order")
        reader.must_have("order", "order is required.")
        reader.finish()
        order = read_new_order(body)

        def answer(outcome: Placed | DomainError) -> None:
            if isinstance(outcome, DomainError):
                raise outcome
            self._answers.answer("placed", request_id, order=render_order(outcome.order, outcome.rules))

        self._answer_later(request_id, lambda: self._entry.desk.submit_place(account_id, order), answer)

    async def place_batch(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        bodies = reader.take("orders")
        reader.must_have("orders", "orders is required.")
        reader.finish()

        def answer(outcomes: list[Placed | DomainError]) -> None:
            self._answers.answer("batch_placed", request_id, results=[_result(outcome) for outcome in outcomes])

        self._answer_later(request_id, lambda: self._entry.desk.submit_batch(account_id, bodies), answer)

    async def cancel(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        order_id = reader.required("order_id", read_id)
        reader.finish()
        self._answer_later(
            request_id,
            lambda: self._entry.desk.submit_cancel(account_id, order_id),
            lambda asked: self._answer_asked("cancel_requested", request_id, asked[0]),
        )

    async def amend(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        order_id = reader.required("order_id", read_id)
        change = {name: reader.take(name) for name in ("quantity", "price") if reader.has(name)}
        reader.take("quantity"), reader.take("price")
        reader.finish()
        amendment = read_amendment(change)
        self._answer_later(
            request_id,
            lambda: self._entry.desk.submit_amend(account_id, order_id, amendment),
            lambda asked: self._answer_asked("amend_requested", request_id, asked[0]),
        )

    async def cancel_all(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        symbol = reader.optional("symbol", _read_symbol)
        reader.finish()
        market_id = None if symbol is None else (await ask(rules_of_symbol, symbol)).market_id
        self._answer_later(
            request_id,
            lambda: self._entry.desk.submit_cancel_all(account_id, market_id),
            lambda asked: self._answers.answer("cancel_all_requested", request_id, requested=asked.open),
        )

    async def cancel_on_disconnect(self, reader: BodyReader, request_id: Any, account_id: int) -> None:
        enabled = reader.required("enabled", read_flag)
        replaces = reader.optional("replaces", read_id)
        reader.finish()
        taken = {}
        if enabled:
            lease = self._lease if self._lease is not None else await self._entry.reserve_lease()
            # The socket's from now on: should no answer come, it may be there or not, and fires or is released like any other.
            self._lease = lease
            await self._entry.take_lease(lease, account_id, self._lease_lost, replaces=replaces)
            self._lease = lease  # that it was lost may have been told meanwhile, before it was taken anew
            taken = {"lease": lease}
        elif self._lease is not None:
            await self._entry.release_lease(self._lease)
            self._lease = None
        self._answers.answer(
            "cancel_on_disconnect",
            request_id,
            enabled=enabled,
            **taken,
            silent_seconds_max=settings.WS_SILENT_SECONDS_MAX,
        )

    def _lease_lost(self) -> None:
        self._lease = None
        detail = (
            "The lease has run out, or was replaced by another connection: your orders are being canceled, as when this"
            " socket is cut."
        )
        self._answers.answer("cancel_on_disconnect", None, enabled=False, detail=detail)

    def _answer_asked(self, op: str, request_id: Any, order: Any) -> None:
        self._answers.answer(op, request_id, order=render_order(order, rules_of_market(order.market_id)))

    def _answer_later(
        self, request_id: Any, submit: Callable[[], "Future[Any]"], answer: Callable[[Any], None]
    ) -> None:
        """Ask the desk, and answer when it has."""
        if self._waiting >= settings.WS_REQUESTS_WAITING_MAX:
            raise limits.too_many_waiting()
        future = submit()
        self._waiting += 1
        self._none_waiting.clear()

        def done(future: "Future[Any]") -> None:
            self._waiting -= 1
            if not self._waiting:
                self._none_waiting.set()
            try:
                answer(future.result())
            except Exception as error:  # noqa: BLE001  it is logged where it is told
                self._answers.refuse(request_id, error)

        self._entry.when_done(future, done)


def _result(outcome: Placed | DomainError) -> dict[str, Any]:
    if isinstance(outcome, DomainError):
        return {"error": problem_body(outcome, "")}
    return {"order": render_order(outcome.order, outcome.rules)}
