"""Write and read the payloads of the journal.

The law: a payload is self-contained, so that the journal replays without any other table; a field is only ever added, with a
default that is not written, so that what was hashed once hashes the same for ever.
Prices are ticks, quantities lots, amounts smallest units of their asset, fee rates units of 10^-8.
"""

from typing import Any

import msgspec

from orders.terms import CommandKind, OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce

FEE_RATE_SCALE = 8


class NewPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A new order.

    `price` is the worst price it may trade at: a limit order's own, a market order's protection price. `budget` is the
    most a market buy by quote_quantity may spend, in the cost of one lot at one tick; it then has no quantity.
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


class CancelPayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A request to cancel an order, and whose wish it was."""

    reason: Reason = Reason.USER_REQUEST


class ReducePayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A new, lower quantity of an order, filled part included."""

    quantity: int


class PhasePayload(msgspec.Struct, omit_defaults=True, frozen=True):
    """A change of the market's phase."""

    phase: Phase
    reason: str = ""
    by: str = ""


Payload = NewPayload | CancelPayload | ReducePayload | PhasePayload

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    CommandKind.NEW.value: msgspec.json.Decoder(NewPayload),
    CommandKind.CANCEL.value: msgspec.json.Decoder(CancelPayload),
    CommandKind.REDUCE.value: msgspec.json.Decoder(ReducePayload),
    CommandKind.PHASE.value: msgspec.json.Decoder(PhasePayload),
}


def read_payload(kind: str, text: str | bytes) -> Payload:
    """Read a payload. Raises msgspec.ValidationError or KeyError for one that no intake wrote."""
    payload: Payload = _DECODERS[kind].decode(text)
    return payload


def write_payload(payload: Payload) -> str:
    """Write a payload as JSON."""
    return msgspec.json.encode(payload).decode()
