"""Attack the rules of trades, preventions, batches and candles in the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.tests.attacks import NAN, refuse_all, triggers_off, truncate, unattacked
from trading.models import VOLUME_LIMIT, Batch, Candle, MaintenanceRun, Prevention, Trade

pytestmark = pytest.mark.django_db

MONDAY = datetime(2024, 1, 1, tzinfo=UTC)

# The database checks no references of these tables: any numbers will do.
MATCH: dict[str, Any] = {
    "market_id": 1, "sequence": 2, "ordinal": 0, "price": Decimal(100), "quantity": Decimal(1),
    "maker_order_id": 1, "taker_order_id": 2, "maker_account_id": 101, "taker_account_id": 102,
}  # fmt: skip
TRADE = MATCH | {"side": "Buy", "quote_amount": Decimal(100), "maker_fee": Decimal(0), "taker_fee": Decimal(0)}
PREVENTION = MATCH | {"mode": "CancelNewest", "taker_account_id": 101}
BATCH: dict[str, Any] = {
    "market_id": 1, "first_sequence": 1, "last_sequence": 2, "engine_version": 1, "trades": 1, "hash": b"\x00" * 32,
}  # fmt: skip
CANDLE: dict[str, Any] = {
    "market_id": 1, "interval": "1m", "open_time": MONDAY, "open": Decimal(100), "high": Decimal(110), "low": Decimal(90),
    "close": Decimal(95), "volume": Decimal(2), "quote_volume": Decimal(200), "trades": 2,
}  # fmt: skip


def _trade(**changes: Any) -> Trade:
    return Trade.objects.create(**(TRADE | {"ordinal": 1} | changes))


def _batch(**changes: Any) -> Batch:
    return Batch.objects.create(**(BATCH | {"first_sequence": 3, "last_sequence": 4} | changes))


def _prevention(**changes: Any) -> Prevention:
    return Prevention.objects.create(**(PREVENTION | {"ordinal": 1} | changes))


def _candle(**changes: Any) -> Candle:
    return Candle.objects.create(**(CANDLE | {"market_id": 2} | changes))


def _run(**changes: Any) -> MaintenanceRun:
    return MaintenanceRun.objects.create(
        **({"kind": "backup", "started_at": MONDAY, "ended_at": MONDAY, "bytes": 1} | changes)
    )


def _past_triggers(**changes: Any) -> None:
    with triggers_off():
        _batch(**changes)


ATTACKS: list[tuple[str, Callable[[], object]]] = [
    ("maintenance_runs_kind", lambda: _run(kind="holiday")),
    ("maintenance_runs_times", lambda: _run(started_at=MONDAY + timedelta(seconds=1))),
    ("maintenance_runs_bytes", lambda: _run(bytes=0)),
    ("maintenance_runs_differences_check", lambda: _run(differences=-1)),
    ("trades_event", lambda: _trade(ordinal=0)),
    *[("trades_positive", lambda name=name: _trade(**{name: 0})) for name in ("price", "quantity", "quote_amount")],
    *[("trades_numbers", lambda name=name: _trade(**{name: NAN})) for name in ("price", "quantity", "quote_amount")],
    ("trades_quote_amount", lambda: _trade(quote_amount=Decimal("100.000000000000000001"))),
    ("trades_number", lambda: _trade(sequence=0)),
    ("trades_number", lambda: _trade(ordinal=-1)),
    ("trades_two_accounts", lambda: _trade(maker_account_id=102)),
    ("trades_fees", lambda: _trade(maker_fee=-1)),
    ("trades_fees", lambda: _trade(taker_fee=-1)),
    *[
        ("trades_fees_within", lambda changes=changes: _trade(**changes))
        for changes in (
            {"side": "Buy", "taker_fee": Decimal("1.00000001")},
            {"side": "Buy", "maker_fee": Decimal("100.00000001")},
            {"side": "Sell", "taker_fee": Decimal("100.00000001")},
            {"side": "Sell", "maker_fee": Decimal("1.00000001")},
        )
    ],
    ("trades_side", lambda: _trade(side="Both")),
    ("trades_are_final", lambda: Trade.objects.update(price=99)),
    ("trades_are_final", lambda: Trade.objects.all().delete()),
    ("trades_are_not_truncated", lambda: truncate("trades")),
    ("preventions_event", lambda: Prevention.objects.create(**PREVENTION)),
    *[("preventions_positive", lambda name=name: _prevention(**{name: 0})) for name in ("price", "quantity")],
    ("preventions_number", lambda: _prevention(sequence=0)),
    ("preventions_number", lambda: _prevention(ordinal=-1)),
    ("preventions_mode", lambda: _prevention(mode="CancelAll")),
    ("preventions_two_orders", lambda: _prevention(maker_order_id=2)),
    ("preventions_are_final", lambda: Prevention.objects.update(quantity=2)),
    ("preventions_are_final", lambda: Prevention.objects.all().delete()),
    ("preventions_are_not_truncated", lambda: truncate("preventions")),
    *[
        ("batches_follow", lambda first=first, last=last: _batch(first_sequence=first, last_sequence=last))
        for first, last in ((1, 2), (2, 2), (2, 3), (1, 3), (4, 4), (0, 0))
    ],
    ("batches_follow", lambda: _batch(market_id=2)),
    ("batches_first", lambda: _past_triggers(first_sequence=1)),
    ("batches_last", lambda: _past_triggers(first_sequence=2, last_sequence=2)),
    ("batches_order", lambda: _batch(last_sequence=2)),
    ("batches_hash", lambda: _batch(hash=b"\x00" * 31)),
    ("batches_are_not_truncated", lambda: truncate("batches")),
    ("batches_are_final", lambda: Batch.objects.update(hash=b"")),
    ("batches_are_final", lambda: Batch.objects.all().delete()),
    ("candles_pkey", lambda: _candle(market_id=1)),
    *[("candles_numbers", lambda name=name: _candle(high=NAN, **{name: NAN})) for name in ("open", "close")],
    *[("candles_volumes", lambda name=name: _candle(**{name: NAN})) for name in ("volume", "quote_volume")],
    *[
        ("candles_positive", lambda name=name: _candle(**{name: 0}))
        for name in ("low", "volume", "quote_volume", "trades")
    ],
    *[("candles_range", lambda name=name: _candle(**{name: 89})) for name in ("open", "high", "close")],
    *[("candles_range", lambda name=name: _candle(**{name: 111})) for name in ("open", "low", "close")],
    ("candles_interval", lambda: _candle(interval="1y")),
    *[
        (
            "candles_open_time",
            lambda interval=interval, minutes=minutes: _candle(interval=interval, open_time=MONDAY + minutes),
        )
        for interval, minutes in (
            ("1m", timedelta(microseconds=1)),
            ("1m", timedelta(seconds=59)),
            ("5m", timedelta(minutes=1)),
            ("15m", timedelta(minutes=5)),
            ("30m", timedelta(minutes=15)),
            ("1h", timedelta(minutes=30)),
            ("4h", timedelta(hours=1)),
            ("1d", timedelta(hours=4)),
            ("1w", timedelta(days=1)),
        )
    ],
]
SAID = {
    **{f"{table}_are_final": f"in {table}: its rows are final" for table in ("trades", "preventions", "batches")},
    **{
        f"{table}_are_not_truncated": f"TRUNCATE of {table}: its rows stay"
        for table in ("trades", "preventions", "batches")
    },
    "trades_side": "trades_side|trades_fees_within",  # of a side that nobody knows, no fee is right
    "batches_follow": "and the one before it ended with",
}
"""What is said instead of the rule's name."""


def test_the_database_refuses(subtests: pytest.Subtests) -> None:
    Trade.objects.create(**TRADE)
    Prevention.objects.create(**PREVENTION)
    Batch.objects.create(**BATCH)
    Candle.objects.create(**CANDLE)
    refuse_all(subtests, ATTACKS, lambda rule: SAID.get(rule, f'"{rule}"'))


def test_every_rule_is_attacked() -> None:
    assert unattacked("trading", [rule for rule, _ in ATTACKS]) == set()


def test_candles_of_any_volume_are_kept() -> None:
    """The same coins may be traded again and again: what is traded is more than there is."""
    _candle(volume=VOLUME_LIMIT / 2, quote_volume=VOLUME_LIMIT / 2)
