"""Build a little of everything for the integrity check, and tamper with it.

The law: what is built is what services build; what is tampered with goes past every trigger, and touches something.
What must be found is test_tampering.py's, how the check goes about it test_integrity.py's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from accounts import funding
from accounts.integrity import Report
from accounts.tests.builders import confirm_email, make_asset, make_trader, make_user
from orders import changes
from orders.rules import forget_rules
from orders.tests.builders import make_market, place_order
from trading.integrity import verify
from trading.tests.builders import match


def make_scene() -> dict[str, int]:
    """Two markets with orders of each fate, trades with fees, a prevention, a halt, an order that is still pending, and requests
    of one who brings funds in and takes them out."""
    make_market(maker_fee="0.001", taker_fee="0.002")
    make_market("ETH/USD")
    maker = make_trader(funds={"BTC": "10", "USD": "1000"})
    taker = make_trader(funds={"BTC": "10", "USD": "1000"})
    place_order(maker, side="Sell", price="101", quantity="2")
    rests = place_order(maker, side="Sell", price="102", quantity="1")
    match()
    crosses = place_order(taker, price="102", quantity="2.5")
    place_order(maker, price="102", quantity="1", time_in_force="IOC")
    partly = place_order(taker, price="99", quantity="2")
    place_order(maker, side="Sell", price="99", quantity="0.5", time_in_force="IOC")
    match()
    canceled = place_order(taker, price="50")
    changes.cancel(taker.id, canceled.id)
    other = place_order(taker, symbol="ETH/USD", price="10")
    match()
    pending = place_order(maker, price="1")
    ids = {
        "rests": rests,
        "crosses": crosses,
        "partly": partly,
        "canceled": canceled,
        "other": other,
        "pending": pending,
    }
    made = {name: order.id for name, order in ids.items()} | {"maker": maker.id, "taker": taker.id}
    return made | _make_requests()


def _make_requests() -> dict[str, int]:
    funder, operator, usd = confirm_email(make_trader()), make_user(), make_asset("USD")
    deposited = funding.request_deposit(account_id=funder.id, asset=usd, amount=Decimal(50))
    funding.approve_deposit(deposited.id, by=operator)
    asked = [
        funding.request_withdrawal(account_id=funder.id, asset=usd, amount=Decimal(amount), destination="IBAN 1").id
        for amount in (10, 20, 5)
    ]
    withdrawn, rejected, withdrawing = asked
    funding.approve_withdrawal(withdrawn, by=operator)
    funding.reject_withdrawal(rejected, by=operator, reason="No such bank.")
    return {
        "funder": funder.id,
        "deposited": deposited.id,
        "withdrawn": withdrawn,
        "rejected": rejected,
        "withdrawing": withdrawing,
    }


def differences() -> list[tuple[str, str]]:
    report = Report()
    verify(report)
    return [(difference.check, difference.row) for difference in report.differences]


@contextmanager
def put_back() -> Iterator[None]:
    """Have every row of the venue's tables as it was, once the block is done: a scene takes longer to make than to judge."""
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
    try:
        yield
    finally:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for table in _tables():
                cursor.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")  # noqa: S608
                cursor.execute(f"DROP TABLE kept_{table}")
        forget_rules()


def _tables() -> list[str]:
    return [
        model._meta.db_table
        for label in ("accounts", "orders", "trading")
        for model in apps.get_app_config(label).get_models()
    ]


def tamper(statement: str, *parameters: object) -> None:
    """Change rows behind the back of every trigger."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "the tampering touched nothing"


def facts() -> dict[str, Any]:
    """Look up the ids that tamperings name, and the day."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT id FROM assets WHERE code = 'USD') AS usd, (SELECT id FROM markets WHERE symbol = 'BTC/USD') AS btc,
                (SELECT id FROM markets WHERE symbol = 'ETH/USD') AS eth, (SELECT min(id) FROM trades) AS trade,
                (SELECT min(id) FROM transfers WHERE kind = 'fee') AS fee,
                (SELECT to_char(min(open_time), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM candles WHERE interval = '1d') AS day,
                (SELECT min(id) FROM transfers WHERE kind = 'withdrawal') AS withdrawal,
                (SELECT last_value + 4 FROM transfers_id_seq) AS last_transfer_and_4,
                (SELECT last_value + 1 FROM transfers_id_seq) AS next_transfer,
                (SELECT b.id FROM batches b JOIN markets m ON m.id = b.market_id WHERE symbol = 'ETH/USD') AS eth_batch,
                (SELECT c.id FROM commands c JOIN markets m ON m.id = c.market_id WHERE symbol = 'ETH/USD') AS other_command
            """
        )
        return dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))
