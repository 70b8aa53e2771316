"""Serve one WebSocket: read what it asks for, and answer.

The law: a request is read as strictly as a REST body, and answered with its own `id`, refusals too. Requests are taken one after another;
orders and cancels are answered when they are on disk, which nothing here waits for. A socket is who it proved to be as long as it lives:
once a minute it is seen whether the user and the key are still good.
What it has subscribed to is subscriptions.py's, what it orders ordering.py's.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from channels.consumer import AsyncConsumer
from django.conf import settings

from accounts.addresses import address_of_scope
from accounts.api.authentication import authenticate_token
from accounts.api_keys import authenticate_socket
from accounts.bodies import BodyReader, decode_json, secret_reader, text_reader
from accounts.callers import Trader
from accounts.errors import DomainError
from accounts.models import Scope
from trading.streams import limits, meters
from trading.streams.answering import Answers
from trading.streams.asking import ask
from trading.streams.inbox import Inbox
from trading.streams.ordering import Ordering
from trading.streams.outbox import Outbox
from trading.streams.process import Process, process
from trading.streams.subscriptions import Subscriptions

log = structlog.get_logger(__name__)

POLICY = 1008
TOO_BIG = 1009
TRY_AGAIN_LATER = 1013
REFUSALS_MAX = 100
"""A socket that goes on sending too fast is dropped after so many refusals more than it had served."""

_read_op = text_reader(32)
_read_token = secret_reader(4096)

Operation = Callable[["Socket", BodyReader, Any], Awaitable[None]]
OrderOperation = Callable[[Ordering, BodyReader, Any, int], Awaitable[None]]


class Socket(AsyncConsumer):
    """A connection. What it has subscribed to, and who it is."""

    _process: Process
    _outbox: Outbox

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a connection from its first message to its end, however it ends."""
        self.scope = scope
        self._trader: Trader | None = None
        self._refusals = 0
        self._failed_auths = 0
        self._pace = limits.Pace()
        self.address = address_of_scope(scope)
        self._heard_at = time.monotonic()
        self._process = process()
        inbox = Inbox(receive)
        self._outbox = Outbox(send, inbox.stop)
        self._answers = Answers(self._outbox)
        self._subscriptions = Subscriptions(self._process.hub, self._answers)
        self._ordering = Ordering(self._process.entry, self._answers)
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
        self._subscriptions.end()
        await self._ordering.end()

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
            meters.messages.labels(op).inc()
            await cast("Operation", operation)(self, reader, request_id)
        except DomainError as error:
            self._answers.refuse(request_id, error if in_time else limits.too_fast())
        except Exception as error:  # noqa: BLE001  it is logged where it is told
            self._answers.refuse(request_id, error)

    def _is_in_time(self, size: int) -> bool:
        """Count a message; tells whether it may be served. A socket of which far more is refused than served is dropped."""
        in_time = self._pace.take(size, is_known=self._trader is not None)
        self._refusals = max(0, self._refusals - 1) if in_time else self._refusals + 1
        if self._refusals > REFUSALS_MAX:
            most = settings.WS_MESSAGES_PER_SECOND
            self._outbox.close(POLICY, f"more than {most} messages a second, again and again")
        return in_time

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
        self._answers.answer("authenticated", request_id, account_id=trader.account_id)

    @property
    def trader(self) -> Trader | None:
        return self._trader

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    async def _ping(self, reader: BodyReader, request_id: Any) -> None:
        reader.finish()
        self._answers.answer("pong", request_id)

    def is_silent(self) -> bool:
        """Tell whether a socket whose end is to cancel orders has said nothing for long: its network may be gone."""
        return self._ordering.has_lease and time.monotonic() - self._heard_at > settings.WS_SILENT_SECONDS_MAX

    async def _subscribe(self, reader: BodyReader, request_id: Any) -> None:
        await self._subscriptions.subscribe(reader, request_id, self._caller)

    async def _unsubscribe(self, reader: BodyReader, request_id: Any) -> None:
        await self._subscriptions.unsubscribe(reader, request_id)


def _of_orders(take: OrderOperation) -> Operation:
    """Make an operation of one that takes orders: whoever asks it must be somebody who may trade."""

    async def operation(socket: Socket, reader: BodyReader, request_id: Any) -> None:
        account_id = socket._caller(Scope.TRADE).account_id
        await take(socket._ordering, reader, request_id, account_id)

    return operation


OPERATIONS: dict[str, Operation] = {
    "auth": Socket._auth,
    "subscribe": Socket._subscribe,
    "unsubscribe": Socket._unsubscribe,
    "ping": Socket._ping,
    "place": _of_orders(Ordering.place),
    "place_batch": _of_orders(Ordering.place_batch),
    "cancel": _of_orders(Ordering.cancel),
    "amend": _of_orders(Ordering.amend),
    "cancel_all": _of_orders(Ordering.cancel_all),
    "cancel_on_disconnect": _of_orders(Ordering.cancel_on_disconnect),
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
