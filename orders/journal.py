"""Write and read the payloads of the journal.

The law: a payload is self-contained, so that the journal replays without any other table; a field is only ever added, with a
default that is not written, so that what was hashed once hashes the same for ever.
Prices are ticks, quantities lots, amounts smallest units of their asset, fee rates and bands units of 10^-8, offsets basis
points, times microseconds since 1970 UTC.
"""

from typing import Any

import msgspec

from orders.terms import CommandKind, OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce

FEE_RATE_SCALE = 8


class NewPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A new order.

    `price` is the worst price it may trade at: its limit, or its protection price. `budget` is the most a market buy by
    quote_quantity may spend, in the cost of one lot at one tick; it then has no quantity. `protection` is the market's
    protection band, of a trailing stop, whose protection price is known only once it triggers.
    """

    owner: int
    side: Side
    type: OrderType
    tif: TimeInForce
    price: int
    held: int
    maker_fee: int
    taker_fee: int
    quantity: int | None = None
    budget: int | None = None
    post_only: bool = False
    stp: SelfTradePrevention = SelfTradePrevention.CANCEL_NEWEST
    stop: int | None = None
    trail: int | None = None
    protection: int = 0
    display: int | None = None
    expires: int | None = None
    mmp: bool = False


class CancelPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A request to cancel an order, and whose wish it was."""

    reason: Reason = Reason.USER_REQUEST


class ReducePayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A new, lower quantity of an order, filled part included."""

    quantity: int


class AmendPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """New terms of an order, which loses its priority.

    `held` is what was held for them beside what the order held; `extra` is the same for a buy in the cost of one lot at one
    tick, for a sell in lots.
    """

    side: Side
    price: int
    quantity: int
    held: int = 0
    extra: int = 0


class CancelAllPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """The end of all orders of the account that the command names, or of an owner's, or where neither is named, of all."""

    reason: Reason = Reason.MASS_CANCEL
    owner: int | None = None
    by: str = ""


class TriggerPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """The entry of a stop that has triggered."""


class ExpirePayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """The end of all orders whose time is up at this moment."""

    at: int


class PhasePayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A change of the market's phase.

    `through_call` asks for a call first where the book has stood still, and for the price to be judged when the call ends.
    `ends_at` is when a call is to end, `random` the share of it, in microseconds, that chance has added.
    """

    phase: Phase
    reason: str = ""
    by: str = ""
    through_call: bool = False
    ends_at: int | None = None
    random: int = 0


class RulesPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """What the engine knows of the market's rules from here on; a band that is null is not checked."""

    reference: int | None = None
    volatility_band: int | None = None
    auction_band: int | None = None


class ProtectPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """The start of a market maker's protection, whose flagged orders end and are refused, or its end."""

    on: bool
    by: str = ""


Payload = (
    NewPayload
    | CancelPayload
    | ReducePayload
    | AmendPayload
    | CancelAllPayload
    | TriggerPayload
    | ExpirePayload
    | PhasePayload
    | RulesPayload
    | ProtectPayload
)

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    CommandKind.NEW.value: msgspec.json.Decoder(NewPayload),
    CommandKind.CANCEL.value: msgspec.json.Decoder(CancelPayload),
    CommandKind.REDUCE.value: msgspec.json.Decoder(ReducePayload),
    CommandKind.AMEND.value: msgspec.json.Decoder(AmendPayload),
    CommandKind.CANCEL_ALL.value: msgspec.json.Decoder(CancelAllPayload),
    CommandKind.TRIGGER.value: msgspec.json.Decoder(TriggerPayload),
    CommandKind.EXPIRE.value: msgspec.json.Decoder(ExpirePayload),
    CommandKind.PHASE.value: msgspec.json.Decoder(PhasePayload),
    CommandKind.RULES.value: msgspec.json.Decoder(RulesPayload),
    CommandKind.PROTECT.value: msgspec.json.Decoder(ProtectPayload),
}


def read_payload(kind: str, text: str | bytes) -> Payload:
    """Read a payload. Raises msgspec.ValidationError or KeyError for one that no intake wrote."""
    payload: Payload = _DECODERS[kind].decode(text)
    return payload


def write_payload(payload: Payload) -> str:
    """Write a payload as JSON."""
    return msgspec.json.encode(payload).decode()
