"""Serve one WebSocket: read what it asks for, and answer.

The law: a request is read as strictly as a REST body, and answered with its own `id`, refusals too. Requests are taken one after another;
orders and cancels are answered when they are on disk, which nothing here waits for. A socket is who it proved to be as long as it lives:
once a minute it is seen whether the user and the key are still good.
What is streamed is the hub's, what orders become orders/desk.py's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, cast

import structlog
from channels.consumer import AsyncConsumer
from django.conf import settings
from django.db import Error as DatabaseDriverError

from accounts.addresses import address_of_scope
from accounts.api.authentication import authenticate_token
from accounts.api.problems import problem_body
from accounts.api_keys import authenticate_socket
from accounts.bodies import BodyReader, decode_json, integer_reader, read_flag, read_id, secret_reader, text_reader
from accounts.callers import Trader
from accounts.errors import DomainError
from accounts.models import Scope
from orders.api.rendering import render_order
from orders.intake import Placed
from orders.requests import read_amendment, read_new_order
from orders.rules import rules_of_market, rules_of_symbol
from trading.streams import limits
from trading.streams.asking import ask
from trading.streams.channels import CANDLES, TICKER, Channel, PrivateChannel, PublicChannel, read_channels
from trading.streams.inbox import Inbox
from trading.streams.outbox import Outbox, frame
from trading.streams.private import EVENTS_LOST, Subscription
from trading.streams.process import Process, process

log = structlog.get_logger(__name__)

POLICY = 1008
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013
REFUSALS_MAX = 100
"""A socket that goes on sending too fast is dropped after so many refusals more than it had served."""

_read_op = text_reader(32)
_read_sequence = integer_reader(0, 2**63 - 1)
_read_symbol = text_reader(40)
_read_token = secret_reader(4096)

Operation = Callable[["Socket", BodyReader, Any], Awaitable[None]]


class Socket(AsyncConsumer):
    """A connection. What it has subscribed to, and who it is."""

    _process: Process
    _outbox: Outbox

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection from its first message to its end, however it ends."""
        self.scope = scope
        self._channels: dict[str, PublicChannel] = {}
        self._trader: Trader | None = None
        self._subscription: Subscription | None = None
        self._lease: int | None = None
        self._waiting = 0
        self._none_waiting = asyncio.Event()
        self._none_waiting.set()
        self._refusals = 0
        self._failed_auths = 0
        self._subscribing: asyncio.Task[None] | None = None
        self._subscriptions_waiting = 0
        self._pace = limits.Pace()
        self.address = address_of_scope(scope)
        self._heard_at = time.monotonic()
        self._process = process()
        inbox = Inbox(receive)
        self._outbox = Outbox(send, inbox.stop)
        await inbox.hear()
        await send({"type": "websocket.accept"})
        self._outbox.start()
        if not self._process.join(self):
            self._outbox.close(TRY_AGAIN_LATER, "too many sockets are connected; try again later")
        try:
            while (message := await inbox.hear()) is not None:
                await self._receive(message)
        finally:
            try:
                await self._abandon()
            finally:
                await self._outbox.end()
                self._process.leave(self)

    async def _abandon(self) -> None:
        """End all that was done for the socket: it has gone, or takes nothing more."""
        self._unsubscribe([*self._channels.values()])
        self._leave_private()
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                # What it has asked for last is to end too.
                await self._none_waiting.wait()
            except BaseException:
                self._process.entry.let_run_out(lease)
                raise
            await self._process.entry.fire_lease(lease)

    async def _receive(self, message: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        raw = message.get("text") or message.get("bytes") or b""
        raw = raw.encode() if isinstance(raw, str) else raw
        most = settings.WS_FRAME_BYTES_BEFORE_AUTH if self._trader is None else settings.WS_FRAME_BYTES_MAX
        if len(raw) > most:
            self._outbox.close(TOO_BIG, f"a frame may have {most} bytes")
            return
        request_id = None
        in_time = self._is_in_time(len(raw))
        try:
            if not in_time and len(raw) > limits.BYTES_A_MESSAGE:
                raise limits.too_fast()  # without its id, which it would take time to find
            reader = BodyReader(decode_json(raw))
            request_id = _read_request_id(reader)
            if not in_time:
                raise limits.too_fast()
            op = reader.required("op", _read_op)
            reader.raise_faults()
            operation = OPERATIONS.get(op)
            if operation is None:
                reader.refuse("op", "invalid_value", f"op must be one of {', '.join(OPERATIONS)}.", value=op)
                reader.raise_faults()
            await cast("Operation", operation)(self, reader, request_id)
        except DomainError as error:
            self._refuse(request_id, error if in_time else limits.too_fast())
        except DatabaseDriverError as error:
            log.warning("database unavailable", error=str(error))
            self._refuse(request_id, DomainError("unavailable", "The service cannot be reached right now."))
        except Exception:
            log.exception("socket_failed")
            self._refuse(request_id, DomainError("internal_error", "Something went wrong. The outcome is unknown."))

    # -- answers -----------------------------------------------------------------------------------

    def _answer(self, op: str, request_id: Any, **content: Any) -> None:
        named = {} if request_id is None else {"id": request_id}
        self._outbox.push(frame({"op": op, **named, **content}))

    def _refuse(self, request_id: Any, error: DomainError) -> None:
        problem = problem_body(error, "")
        self._answer("error", request_id, **{name: problem[name] for name in ("code", "detail", "errors")})

    def _is_in_time(self, size: int) -> bool:
        """Count a message; tells whether it may be served. A socket of which far more is refused than served is dropped."""
        in_time = self._pace.take(size, is_known=self._trader is not None)
        self._refusals = max(0, self._refusals - 1) if in_time else self._refusals + 1
        if self._refusals > REFUSALS_MAX:
            most = settings.WS_MESSAGES_PER_SECOND
            self._outbox.close(POLICY, f"more than {most} messages a second, again and again")
        return in_time

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
            except DomainError as error:
                self._refuse(request_id, error)
            except Exception:
                log.exception("socket_failed")
                self._refuse(request_id, DomainError("internal_error", "Something went wrong. The outcome is unknown."))

        self._process.entry.when_done(future, done)

    # -- who it is ---------------------------------------------------------------------------------

    def _caller(self, scope: Scope) -> Trader:
        if self._trader is None:
            raise DomainError("unauthenticated", "Send auth first.")
        self._trader.require(scope)
        return self._trader

    async def _auth(self, reader: BodyReader, request_id: Any) -> None:
        token = reader.optional("token", _read_token)
        proof = {name: reader.take(name) for name in ("key", "timestamp", "signature", "recv_window")}
        reader.finish()
        if token is not None and proof["key"] is not None:
            raise DomainError("invalid_value", "Send a token or a key, not both.")
        try:
            if token is not None:
                trader, _ = authenticate_token(token)
            elif proof["key"] is not None:
                trader = await ask(authenticate_socket, **proof, address=self.address)
            else:
                raise DomainError("missing_field", "token is required, or key, timestamp and signature.")
        except DomainError:
            self._failed_auths += 1
            if self._failed_auths >= limits.FAILED_AUTHS_MAX:
                self._outbox.close(POLICY, f"{self._failed_auths} times auth has failed")
            raise
        if self._trader is not None and self._trader.account_id != trader.account_id:
            raise DomainError("forbidden", "This socket belongs to another account; open a new one.")
        if not await ask(self._process.is_valid, trader):
            raise DomainError("unauthenticated", "The user may not sign in any more.")
        self._trader = trader
        self._answer("authenticated", request_id, account_id=trader.account_id)

    @property
    def trader(self) -> Trader | None:
        return self._trader

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    # -- subscriptions -----------------------------------------------------------------------------

    async def _subscribe(self, reader: BodyReader, request_id: Any) -> None:
        channels = await self._read_channels(reader)
        resume_from = reader.optional("resume_from", _read_sequence)
        reader.finish()
        own = [channel.name for channel in channels if isinstance(channel, PrivateChannel)]
        public = [channel for channel in channels if isinstance(channel, PublicChannel)]
        if own:
            self._caller(Scope.READ)
            if self._subscriptions_waiting >= limits.PRIVATE_SUBSCRIPTIONS_WAITING_MAX:
                raise limits.too_many_private_subscriptions()
        owned = set() if self._subscription is None else self._subscription.channels
        count = len(self._channels.keys() | owned | {channel.name for channel in channels})
        if count > settings.WS_SUBSCRIPTIONS_MAX:
            raise limits.too_many_channels(count)
        self._answer("subscribed", request_id, channels=[channel.name for channel in channels])
        for channel in public:
            self._channels[channel.name] = channel
            if channel.kind == TICKER:
                self._process.hub.quotes.subscribe(channel.rules.market_id, self._outbox)
            elif channel.kind in CANDLES:
                self._process.hub.quotes.subscribe((channel.rules.market_id, CANDLES[channel.kind]), self._outbox)
            else:
                self._process.hub.subscribe(channel.rules, channel.kind, self._outbox)
        if own:
            assert self._trader is not None
            if self._subscription is None:
                self._subscription = Subscription(self._trader.account_id, self._outbox)
            self._subscription.channels.update(own)
            # Much may have to be sent, as fast as the socket takes it; what it asks for meanwhile does not wait.
            following = self._follow_own(self._subscription, resume_from, request_id, after=self._subscribing)
            self._subscribing = asyncio.ensure_future(following)

    async def _follow_own(
        self,
        subscription: Subscription,
        resume_from: int | None,
        request_id: Any,
        *,
        after: "asyncio.Task[None] | None",
    ) -> None:
        self._subscriptions_waiting += 1
        try:
            if after is not None:
                await asyncio.wait([after])
            await self._process.hub.private.subscribe(subscription, resume_from)
        except DatabaseDriverError as error:
            log.warning("database unavailable", error=str(error))
            self._refuse(request_id, DomainError("unavailable", "The service cannot be reached right now."))
        except Exception:
            log.exception("socket_failed")
            self._outbox.close(EVENTS_LOST, "something went wrong; connect again")
        finally:
            self._subscriptions_waiting -= 1

    async def _unsubscribe_all(self, reader: BodyReader, request_id: Any) -> None:
        channels = await self._read_channels(reader)
        reader.finish()
        self._unsubscribe([channel for channel in channels if isinstance(channel, PublicChannel)])
        if self._subscription is not None:
            self._subscription.channels -= {channel.name for channel in channels}
            if not self._subscription.channels:
                self._leave_private()
        self._answer("unsubscribed", request_id, channels=[channel.name for channel in channels])

    async def _read_channels(self, reader: BodyReader) -> list[Channel]:
        names = reader.take("channels")
        if isinstance(names, list) and len(names) > settings.WS_SUBSCRIPTIONS_MAX:
            raise limits.too_many_channels(len(names))
        return await ask(read_channels, "channels", names)

    def _unsubscribe(self, channels: list[PublicChannel]) -> None:
        for channel in channels:
            if self._channels.pop(channel.name, None) is None:
                continue
            if channel.kind == TICKER:
                self._process.hub.quotes.unsubscribe(channel.rules.market_id, self._outbox)
            elif channel.kind in CANDLES:
                self._process.hub.quotes.unsubscribe((channel.rules.market_id, CANDLES[channel.kind]), self._outbox)
            else:
                self._process.hub.unsubscribe(channel.rules, channel.kind, self._outbox)

    def _leave_private(self) -> None:
        if self._subscribing is not None:
            self._subscribing.cancel()
            self._subscribing = None
        if self._subscription is not None:
            self._process.hub.private.leave(self._subscription)
            self._subscription = None

    async def _ping(self, reader: BodyReader, request_id: Any) -> None:
        reader.finish()
        self._answer("pong", request_id)

    # -- orders ------------------------------------------------------------------------------------

    async def _place(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        body = reader.take("order")
        reader.must_have("order", "order is required.")
        reader.finish()
        order = read_new_order(body)

        def answer(outcome: Placed | DomainError) -> None:
            if isinstance(outcome, DomainError):
                raise outcome
            self._answer("placed", request_id, order=render_order(outcome.order, outcome.rules))

        self._answer_later(request_id, lambda: self._process.entry.desk.submit_place(account_id, order), answer)

    async def _place_batch(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        bodies = reader.take("orders")
        reader.must_have("orders", "orders is required.")
        reader.finish()

        def answer(outcomes: list[Placed | DomainError]) -> None:
            self._answer("batch_placed", request_id, results=[_result(outcome) for outcome in outcomes])

        self._answer_later(request_id, lambda: self._process.entry.desk.submit_batch(account_id, bodies), answer)

    async def _cancel(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        order_id = reader.required("order_id", read_id)
        reader.finish()
        self._answer_later(
            request_id,
            lambda: self._process.entry.desk.submit_cancel(account_id, order_id),
            lambda asked: self._answer_asked("cancel_requested", request_id, asked[0]),
        )

    async def _amend(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        order_id = reader.required("order_id", read_id)
        change = {name: reader.take(name) for name in ("quantity", "price") if reader.has(name)}
        reader.take("quantity"), reader.take("price")
        reader.finish()
        amendment = read_amendment(change)
        self._answer_later(
            request_id,
            lambda: self._process.entry.desk.submit_amend(account_id, order_id, amendment),
            lambda asked: self._answer_asked("amend_requested", request_id, asked[0]),
        )

    async def _cancel_all(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        symbol = reader.optional("symbol", _read_symbol)
        reader.finish()
        market_id = None if symbol is None else (await ask(rules_of_symbol, symbol)).market_id
        self._answer_later(
            request_id,
            lambda: self._process.entry.desk.submit_cancel_all(account_id, market_id),
            lambda asked: self._answer("cancel_all_requested", request_id, requested=asked.open),
        )

    async def _cancel_on_disconnect(self, reader: BodyReader, request_id: Any) -> None:
        account_id = self._caller(Scope.TRADE).account_id
        enabled = reader.required("enabled", read_flag)
        replaces = reader.optional("replaces", read_id)
        reader.finish()
        taken = {}
        if enabled:
            lease = self._lease if self._lease is not None else await self._process.entry.reserve_lease()
            # The socket's from now on: should no answer come, it may be there or not, and fires or is released like any other.
            self._lease = lease
            await self._process.entry.take_lease(lease, account_id, self._lease_lost, replaces=replaces)
            self._lease = lease  # that it was lost may have been told meanwhile, before it was taken anew
            taken = {"lease": lease}
        elif self._lease is not None:
            await self._process.entry.release_lease(self._lease)
            self._lease = None
        self._answer(
            "cancel_on_disconnect",
            request_id,
            enabled=enabled,
            **taken,
            silent_seconds_max=settings.WS_SILENT_SECONDS_MAX,
        )

    def is_silent(self) -> bool:
        """Tell whether a socket whose end is to cancel orders has said nothing for long: its network may be gone."""
        return self._lease is not None and time.monotonic() - self._heard_at > settings.WS_SILENT_SECONDS_MAX

    def _lease_lost(self) -> None:
        self._lease = None
        detail = (
            "The lease has run out, or was replaced by another connection: your orders are being canceled, as when this"
            " socket is cut."
        )
        self._answer("cancel_on_disconnect", None, enabled=False, detail=detail)

    def _answer_asked(self, op: str, request_id: Any, order: Any) -> None:
        self._answer(op, request_id, order=render_order(order, rules_of_market(order.market_id)))


OPERATIONS: dict[str, Operation] = {
    "auth": Socket._auth,
    "subscribe": Socket._subscribe,
    "unsubscribe": Socket._unsubscribe_all,
    "ping": Socket._ping,
    "place": Socket._place,
    "place_batch": Socket._place_batch,
    "cancel": Socket._cancel,
    "amend": Socket._amend,
    "cancel_all": Socket._cancel_all,
    "cancel_on_disconnect": Socket._cancel_on_disconnect,
}


def _read_request_id(reader: BodyReader) -> Any:
    """Read the id that an answer carries: a number or a short text."""
    request_id = reader.take("id")
    if request_id is None or (isinstance(request_id, int) and not isinstance(request_id, bool)):
        return request_id
    if isinstance(request_id, str) and len(request_id) <= 64:
        return request_id
    message = "id must be a whole number, or a text of at most 64 characters."
    reader.refuse("id", "invalid_value", message, limit=64, value=str(request_id)[:64])
    return None


def _result(outcome: Placed | DomainError) -> dict[str, Any]:
    if isinstance(outcome, DomainError):
        return {"error": problem_body(outcome, "")}
    return {"order": render_order(outcome.order, outcome.rules)}
