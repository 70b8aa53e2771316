"""Match what tests have placed, and tell what came of it.

The law: nothing here decides anything; a worker is trading/matching.py's own, run in the test's process.
Markets, orders and traders are the other apps' builders.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import F, Sum

from accounts.models import Account, Balance, Transfer, Withdrawal
from orders.models import OPEN, Command, MarketState, Order
from trading.candle_repair import repair_week, weeks_of
from trading.matching import Shard
from trading.models import Batch, Trade


def match(shard: int = 0) -> int:
    """Let a fresh worker match everything that is pending; returns the number of commands."""
    return Shard(shard).drain()


def balance(account: Account, code: str) -> tuple[Decimal, Decimal]:
    """Return an account's available and held of an asset."""
    return Balance.objects.values_list("available", "held").get(account=account, asset__code=code)


def owned(account: Account) -> dict[str, str]:
    """Tell all that an account has: "available" of each asset, or "available + held"."""
    rows = Balance.objects.filter(account=account).select_related("asset").order_by("asset__code")
    return {
        row.asset.code: _plain(row.available) + (f" + {_plain(row.held)}" if row.held else "")
        for row in rows
        if row.available or row.held
    }


def told(order: Order) -> str:
    """Tell how an order stands, as in "PartiallyFilled 0.5 of 1 for 50"."""
    order.refresh_from_db()
    text = f"{order.status} {_plain(order.filled_quantity)}"
    if order.quantity is not None:
        text += f" of {_plain(order.quantity)}"
    text += f" for {_plain(order.filled_quote)}"
    return text + (f": {order.reason}" if order.reason else "")


def trades() -> list[str]:
    """Tell all trades, oldest first, as in "1 @ 100"."""
    return [f"{_plain(trade.quantity)} @ {_plain(trade.price)}" for trade in Trade.objects.order_by("id")]


def check_books_and_ledger() -> None:
    """Assert what must hold of the whole database after every commit."""
    for asset_id, total in Balance.objects.values_list("asset").annotate(total=Sum(F("available") + F("held"))):
        assert total == 0, f"asset {asset_id} sums to {total}"
    for row in Balance.objects.all():
        came = _sum(Transfer.objects.filter(asset_id=row.asset_id, credit_account_id=row.account_id), "amount")
        went = _sum(Transfer.objects.filter(asset_id=row.asset_id, debit_account_id=row.account_id), "amount")
        assert row.total == came - went, f"balance {row} is not the sum of its transfers"
        mine = Order.objects.filter(OPEN, account_id=row.account_id)
        held = _sum(mine.filter(side="Buy", market_id__in=_markets(quote_id=row.asset_id)), "held_amount")
        held += _sum(mine.filter(side="Sell", market_id__in=_markets(base_id=row.asset_id)), "held_amount")
        leaving = Withdrawal.objects.filter(account_id=row.account_id, asset_id=row.asset_id, status="Pending")
        held += _sum(leaving, "amount")
        assert row.held == held, f"balance {row} holds {row.held}, its orders and withdrawals {held}"
    for state in MarketState.objects.select_related("market"):
        check_journal(state)


def check_journal(state: MarketState) -> None:
    """Assert that a market's journal has no gap, and recompute its batches' hashes from it with nothing but json and hashlib."""
    taken = list(Command.objects.filter(market_id=state.market_id, sequence__isnull=False).order_by("sequence"))
    assert [command.sequence for command in taken] == list(range(1, state.last_sequence + 1))
    previous, next_sequence = bytes(32), 1
    for batch in Batch.objects.filter(market_id=state.market_id).order_by("first_sequence"):
        assert batch.first_sequence == next_sequence
        digest = hashlib.sha256(previous)
        for command in taken[batch.first_sequence - 1 : batch.last_sequence]:
            row = [
                command.sequence,
                command.kind,
                command.order_id,
                command.account_id,
                command.payload,
                command.events,
            ]
            line = json.dumps(row, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
            digest.update(line.encode() + b"\n")
        previous, next_sequence = digest.digest(), batch.last_sequence + 1
        assert bytes(batch.hash) == previous
    assert next_sequence == state.last_sequence + 1


def _markets(**fields: int) -> list[int]:
    return list(
        MarketState.objects.filter(**{f"market__{name}": value for name, value in fields.items()}).values_list(
            "market_id", flat=True
        )
    )


def _sum(rows, field: str) -> Decimal:
    return rows.aggregate(total=Sum(field))["total"] or Decimal(0)


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


def database_now() -> datetime:
    """Return the database's now: in a test that is rolled back, one and the same for all of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]


def insert_trades(market_id: int, trades: Iterable[tuple[datetime, str, str]]) -> None:
    """Insert trades at chosen times, by ascending ids: (executed at, price, quantity). They have no orders, and no candles yet."""
    start = Trade.objects.filter(market_id=market_id).count()
    Trade.objects.bulk_create(
        Trade(
            market_id=market_id,
            sequence=10**9 + start + n,
            ordinal=0,
            price=Decimal(price),
            quantity=Decimal(quantity),
            quote_amount=Decimal(price) * Decimal(quantity),
            side="Buy",
            maker_order_id=1,
            taker_order_id=2,
            maker_account_id=101,
            taker_account_id=102,
            maker_fee=0,
            taker_fee=0,
            executed_at=time,
        )
        for n, (time, price, quantity) in enumerate(trades)
    )


def make_candles(market_id: int) -> None:
    """Make a market's candles those of its trades."""
    for week in weeks_of(market_id):
        repair_week(market_id, week)
