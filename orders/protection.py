"""Look after market makers' protections: how much their flagged orders may fill in a window of time before all of them end.

The law: matching counts the fills, trips a protection and writes that down; from here come its limits and the wish to reset
it. Matching compares the limits with those it knows at each batch.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from django.db import connection, transaction

from accounts.errors import DomainError, refusal
from accounts.numbers import EXACT
from orders.changes import ring_markets
from orders.journal import ProtectPayload
from orders.models import Command, MarketMakerProtection
from orders.rules import MarketRules
from orders.terms import CommandKind

WINDOW_MS_MAX = 3_600_000


def protections_of(account_id: int) -> Sequence[MarketMakerProtection]:
    """List an account's protections, by market."""
    return list(MarketMakerProtection.objects.filter(account_id=account_id).order_by("market_id"))


def own_protection(account_id: int, rules: MarketRules) -> MarketMakerProtection:
    """Return an account's protection in a market. Raises DomainError not_found."""
    protection = MarketMakerProtection.objects.filter(account_id=account_id, market_id=rules.market_id).first()
    if protection is None:
        raise DomainError("not_found", f"There is no protection in {rules.symbol}.")
    return protection


def check_limits(rules: MarketRules, window_ms: int, quantity_limit: Decimal) -> None:
    """Raise DomainError for limits that are out of range, or no whole number of lots."""
    if not 1 <= window_ms <= WINDOW_MS_MAX:
        message = f"window_ms must be from 1 to {WINDOW_MS_MAX}."
        raise refusal("invalid_value", "window_ms", message, limit=WINDOW_MS_MAX, value=str(window_ms))
    if quantity_limit <= 0 or EXACT.remainder(quantity_limit, rules.lot_size):
        message = f"quantity_limit must be a positive multiple of the lot size, {rules.lot_size:f}."
        raise refusal(
            "quantity_off_lot", "quantity_limit", message, limit=f"{rules.lot_size:f}", value=f"{quantity_limit:f}"
        )


def set_protection(
    account_id: int, rules: MarketRules, window_ms: int, quantity_limit: Decimal
) -> MarketMakerProtection:
    """Protect an account in a market, by these limits from now on; one that has tripped stays so until it is reset.

    Raises DomainError as check_limits() does.
    """
    check_limits(rules, window_ms, quantity_limit)
    protection, _ = MarketMakerProtection.objects.update_or_create(
        account_id=account_id,
        market_id=rules.market_id,
        defaults={"window_ms": window_ms, "quantity_limit": quantity_limit},
    )
    protection.refresh_from_db()  # as the database writes its numbers
    return protection


def remove_protection(account_id: int, rules: MarketRules) -> None:
    """Protect an account in a market no more. Raises DomainError not_found, or protection_tripped until it is reset."""
    with transaction.atomic():
        # Matching holds the fence while it trips one: what it writes it to must then still be there.
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM market_states WHERE market_id = %s FOR NO KEY UPDATE", [rules.market_id])
        protection = own_protection(account_id, rules)
        if protection.tripped_at is not None:
            raise refusal(
                "protection_tripped",
                "symbol",
                "The protection has tripped: reset it before you remove it.",
                value=rules.symbol,
            )
        protection.delete()


def reset_protection(account_id: int, rules: MarketRules, *, by: str = "") -> tuple[MarketMakerProtection, int]:
    """Ask that flagged orders be taken again; returns the protection as it stands, and the command's id.

    Raises DomainError not_found.
    """
    protection = own_protection(account_id, rules)
    payload = msgspec.to_builtins(ProtectPayload(on=False, by=by))
    command = Command.objects.create(
        market_id=rules.market_id, kind=CommandKind.PROTECT, account_id=account_id, payload=payload
    )
    ring_markets([rules.market_id])
    return protection, command.id
