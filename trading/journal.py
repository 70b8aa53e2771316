"""Turn journal rows into engine commands, and both with their events into the hash that proves them.

The law: the hash of a batch is SHA-256 over the hash before it and one line a command, which is the JSON array
[sequence, kind, order id, account id, payload, events] in UTF-8, without spaces, keys sorted, and a newline; before a market's
first batch stand 32 zero bytes. A third party can recompute it from the journal with any JSON and SHA-256.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from orders.journal import (
    AmendPayload,
    CancelAllPayload,
    CancelPayload,
    ExpirePayload,
    NewPayload,
    Payload,
    PhasePayload,
    ProtectPayload,
    ReducePayload,
    RulesPayload,
    TriggerPayload,
    read_payload,
)
from orders.terms import LIMIT_TYPES, STOP_TYPES, CommandKind
from trading.engine.commands import (
    Amend,
    Cancel,
    CancelAll,
    Command,
    Expire,
    NewOrder,
    Protect,
    Reduce,
    SetPhase,
    SetRules,
    Trigger,
)
from trading.engine.events import Event

FIRST_HASH = bytes(32)
INTERNAL_ERROR_TAG = "internal_error"

_encoder = msgspec.json.Encoder(order="sorted")


class PendingCommand(NamedTuple):
    """A row of the journal that has no sequence yet; one of id 0 is the loop's own, and not in the journal yet either.

    `accepted` is when it was accepted, in microseconds since 1970 UTC; 0 where nobody needs it.
    """

    id: int
    market_id: int
    kind: str
    order_id: int | None
    account_id: int | None
    payload_text: str
    accepted: int = 0


class TakenCommand(NamedTuple):
    """A command that the engine has taken, with what came of it; one that failed has no payload, and its failure as event.

    One that is read back has no payload either, and its events as JSON has them.
    """

    pending: PendingCommand
    sequence: int
    payload: Payload | None
    events: Sequence[Event] | Sequence[Sequence[Any]]

    def events_text(self) -> str:
        return _encoder.encode(self.events).decode()

    def line(self) -> bytes:
        """Encode the command and its events as the batch hash covers them."""
        row = self.pending
        # As the journal has it, and not as it was understood: that leaves nothing out that a third party would see there.
        payload = json_or_text(row.payload_text)
        return _encoder.encode([self.sequence, row.kind, row.order_id, row.account_id, payload, self.events]) + b"\n"


def engine_command(row: PendingCommand, payload: Payload) -> Command:
    """Make the engine's command of a journal row. Raises ValueError for one that cannot be."""
    match payload:
        case PhasePayload():
            return SetPhase(payload.phase, payload.through_call, payload.ends_at)
        case RulesPayload():
            return set_rules(payload)
        case ExpirePayload():
            return Expire(payload.at)
        case CancelAllPayload():
            return CancelAll(payload.reason, row.account_id, payload.owner)
        case ProtectPayload():
            if row.account_id is None:
                raise ValueError(f"command {row.id} of kind {row.kind} names no account")
            return Protect(row.account_id, payload.on)
        case _:
            if row.order_id is None:
                raise ValueError(f"command {row.id} of kind {row.kind} names no order")
            return _order_command(row.order_id, row.account_id, payload)


def _order_command(
    order_id: int,
    account_id: int | None,
    payload: NewPayload | CancelPayload | ReducePayload | AmendPayload | TriggerPayload,
) -> Command:
    """Make the engine's command about one order."""
    match payload:
        case NewPayload():
            return new_order(order_id, account_id or 0, payload)
        case CancelPayload():
            return Cancel(order_id, payload.reason)
        case ReducePayload():
            return Reduce(order_id, payload.quantity)
        case AmendPayload():
            return Amend(order_id, payload.price, payload.quantity, payload.extra)
        case TriggerPayload():  # pragma: no branch  mypy sees that these are all payloads there are
            return Trigger(order_id)


def new_order(order_id: int, account_id: int, payload: NewPayload) -> NewOrder:
    """Make the engine's order of what was asked."""
    return NewOrder(
        order_id=order_id,
        owner=payload.owner,
        side=payload.side,
        price=payload.price,
        quantity=payload.quantity,
        budget=payload.budget,
        time_in_force=payload.tif,
        market=payload.type not in LIMIT_TYPES,
        post_only=payload.post_only,
        self_trade_prevention=payload.stp,
        account=account_id,
        display=payload.display,
        expires_at=payload.expires,
        stop=payload.type if payload.type in STOP_TYPES else None,
        stop_price=payload.stop,
        trailing_offset=payload.trail,
        protection=payload.protection,
        market_maker_protection=payload.mmp,
    )


def set_rules(payload: RulesPayload) -> SetRules:
    """Make the engine's command of the rules that hold."""
    return SetRules(payload.reference, payload.volatility_band, payload.auction_band)


def rules_payload(rules: SetRules) -> RulesPayload:
    """Write down the rules that hold, as a payload says them."""
    return RulesPayload(rules.reference_price, rules.volatility_band, rules.auction_band)


def read_command(row: PendingCommand) -> Payload:
    """Read a row's payload. Raises msgspec.ValidationError or KeyError for one that no intake wrote."""
    return read_payload(row.kind, row.payload_text)


def failed_command(row: PendingCommand, sequence: int, failure: str) -> TakenCommand:
    """Record that the engine or settlement could not carry out a command; replay skips it."""
    return TakenCommand(row, sequence, None, [(INTERNAL_ERROR_TAG, failure)])


def json_or_text(text: str) -> Any:
    """Return the value of JSON, or its text where it holds a number too long for a parser."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def chain(previous: bytes, lines: Iterable[bytes]) -> bytes:
    """Return a batch's hash."""
    digest = hashlib.sha256(previous)
    for line in lines:
        digest.update(line)
    return digest.digest()


def is_new_order(row: PendingCommand) -> bool:
    return row.kind == CommandKind.NEW and row.order_id is not None
