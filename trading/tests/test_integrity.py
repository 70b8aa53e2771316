"""Test how the integrity check goes about it: what it prints, beside trading, and where rows or the database fail it.

What it finds is test_tampering.py's.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from io import StringIO
from itertools import count

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction

from accounts import integrity as ledger_integrity
from accounts.integrity import Report
from accounts.ledger import deposit
from accounts.models import Account, Asset, Balance, Transfer
from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE, Rival, another_connection, two_in_flight
from orders import changes, intake
from orders.models import Command, Order
from orders.tests.builders import make_market, make_request
from trading import integrity
from trading.integrity import journal, verify
from trading.integrity import trades as trade_integrity
from trading.matching import Shard
from trading.models import Candle, Trade
from trading.tests.builders import match
from trading.tests.tampering import differences, facts, make_scene, tamper

pytestmark = pytest.mark.django_db(transaction=True)

COUNTS = """\
ok    assets sum to zero: 3 assets
ok    balances are the sums of their transfers: 18 transfers, 12 balances
ok    what accounts are told has no gap: 3 accounts, 20 events
ok    completed deposits and withdrawals are those of their transfers: 1 deposits, 3 withdrawals
ok    held is the sum of what open orders and pending withdrawals hold: 12 balances
ok    every order is in the journal once: 9 orders
ok    each order's fills add up: 9 orders
ok    transfers are those of their trades: 12 transfers, 3 trades
ok    sequences have no gap: 9 sequences
ok    the journal replays to the same events and hashes: 9 commands, 4 batches
ok    the replay's trades are the trades: 3 trades, 1 preventions
ok    the replay's orders are the orders: 8 orders, 1 pending
ok    a rebuilt book is that of the open orders: 2 markets, 3 orders
ok    no book is crossed: 2 markets
ok    candles are what their trades add up to: {candles} candles, 3 trades
"""


@pytest.fixture
def scene() -> dict[str, int]:
    return make_scene()


@pytest.mark.usefixtures("scene")
def test_command_prints_what_it_has_counted():
    output = StringIO()
    call_command("verify_integrity", stdout=output)
    assert output.getvalue().rpartition("seconds: ")[0] == COUNTS.format(candles=Candle.objects.count())


def test_empty_exchange_adds_up():
    assert differences() == []


def test_command_prints_the_rows_that_differ_and_fails(scene):
    maker = scene["maker"]
    tamper("UPDATE balances SET available = available + 1 WHERE account_id = %s", maker)
    output = StringIO()

    with pytest.raises(CommandError) as failure:
        call_command("verify_integrity", stdout=output)

    assert failure.value.returncode == 1
    assert str(failure.value).splitlines() == [
        "assets sum to zero: asset BTC sums to 1.000000000000000000",
        "assets sum to zero: asset USD sums to 1.000000000000000000",
        f"balances are the sums of their transfers: account {maker} BTC has 8.000000000000000000, and its transfers"
        " sum to 7.000000000000000000",
        f"balances are the sums of their transfers: account {maker} USD has 1303.148000000000000000, and its transfers"
        " sum to 1302.148000000000000000",
        "4 differences",
    ]
    assert "WRONG assets sum to zero: 3 assets" in output.getvalue()


def test_at_most_so_many_rows_of_a_check_are_printed(scene):
    tamper("UPDATE balances SET held = held + 1 WHERE account_id = %s", scene["maker"])

    with pytest.raises(CommandError) as failure:
        call_command("verify_integrity", "--rows=1", stdout=StringIO())

    lines = str(failure.value).splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["assets sum to zero"] * 2
    assert lines[1] == "assets sum to zero: 1 more"


def test_replay_skips_what_failed_and_tells_of_an_order_that_an_operator_must_see_to(scene):
    corrupt(scene["pending"], owner="nobody")
    match()
    order = Order.objects.get(id=scene["pending"])
    assert (order.status, order.reason) == ("Rejected", "internal_error")

    report = Report()
    verify(report)

    assert report.differences == []
    assert report.counts["the replay's orders are the orders"]["rejected_for_an_error"] == 1

    tamper(
        "UPDATE orders SET status = 'New', reason = NULL, held_amount = 1, remaining_quantity = 1, ended_sequence = NULL"
        " WHERE id = %s",
        order.id,
    )
    tamper(
        "UPDATE balances SET held = held + 1, available = available - 1 WHERE account_id = %s AND asset_id = %s",
        scene["maker"], facts()["usd"],
    )  # fmt: skip
    report = Report()
    verify(report)

    assert report.differences == []
    assert report.counts["the replay's orders are the orders"]["left_to_an_operator"] == 1

    tamper(
        "UPDATE orders SET status = 'Canceled', reason = 'user_request', held_amount = 0, remaining_quantity = 0 WHERE id = %s",
        order.id,
    )
    assert ("the replay's orders are the orders", f"BTC/USD order {order.id}") in differences()


def test_failed_command_whose_order_is_gone_is_named(scene):
    corrupt(scene["pending"], owner="nobody")
    match()
    tamper("DELETE FROM orders WHERE id = %s", scene["pending"])

    assert differences() == [("the replay's orders are the orders", f"BTC/USD order {scene['pending']}")]


def test_failed_command_about_an_order_that_lives_changes_nothing_of_it(scene):
    (command_id,) = changes.ask_cancels([(scene["maker"], scene["rests"])])
    tamper("""UPDATE commands SET payload = '{"reason": "whim"}' WHERE id = %s""", command_id)
    match()
    assert Command.objects.get(id=command_id).events == [["internal_error", "ValidationError"]]

    assert differences() == []


def test_check_follows_an_exchange_that_trades(monkeypatch):
    make_market(maker_fee="0.001", taker_fee="0.002")
    make_market("ETH/USD", shard=1, taker_fee="0.001")
    accounts = [make_trader(funds={"BTC": "1000", "ETH": "1000", "USD": "100000"}) for _ in range(3)]
    usd = Asset.objects.get(code="USD")
    monkeypatch.setattr(ledger_integrity, "RANGE", 7)
    over = threading.Event()

    def trade(number: int) -> None:
        for symbol in ("BTC/USD", "ETH/USD"):
            for account in accounts:
                request = make_request(
                    symbol=symbol, side=("Buy", "Sell")[number % 2], price=str(100 + number % 3), quantity="0.1"
                )
                intake.place(account.id, [request])
        if number % 5 == 0:
            changes.cancel_all(accounts[number % 3].id)

    shards = [Shard(0), Shard(1)]
    rivals = [
        Rival(until(over, trade)),
        Rival(until(over, lambda number: deposit(account=accounts[number % 3], asset=usd, amount=Decimal(1)))),
        *(Rival(lambda shard=shard: shard.run(seconds=60, should_stop=over.is_set)) for shard in shards),
    ]
    traded, found = [], []
    try:
        while len(traded) < 6:
            before, deadline = Trade.objects.count(), time.monotonic() + PATIENCE
            while Trade.objects.count() < before + 10:
                assert time.monotonic() < deadline, "nobody trades"
            found += differences()
            traded.append(Trade.objects.count() - before)
    finally:
        over.set()
        for rival in rivals:
            rival.result()

    assert found == []
    assert min(traded) >= 10
    match(0)
    match(1)
    assert differences() == []


def until(over: threading.Event, step: Callable[[int], object]) -> Callable[[], None]:
    """Make work that does a step again and again until it is over."""

    def work() -> None:
        for number in count():
            if over.is_set():
                break
            step(number)

    return work


def test_sweep_that_misses_a_late_commit_looks_again_before_it_reports(scene, monkeypatch):
    """A mark that is too high, as where a transaction takes longer than the check waits for it, is no false alarm."""
    monkeypatch.setattr(ledger_integrity, "settled_id", lambda table: Transfer.objects.latest("id").id + 2)
    balance = Balance.objects.get(account_id=scene["maker"], asset__code="USD")
    read = ledger_integrity.rows
    deposited = []

    def deposit_behind_the_sweep(statement: str, *parameters: object) -> list[tuple]:
        if statement == ledger_integrity._BALANCES and not deposited:
            deposited.append(True)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind)"
                    " VALUES (%s, 1, %s, 5, 'deposit')",
                    [balance.asset_id, balance.account_id],
                )
                cursor.execute(
                    "UPDATE balances SET available = available + CASE account_id WHEN 1 THEN -5 ELSE 5 END"
                    " WHERE asset_id = %s AND account_id IN (1, %s)",
                    [balance.asset_id, balance.account_id],
                )
        return read(statement, *parameters)

    monkeypatch.setattr(ledger_integrity, "rows", deposit_behind_the_sweep)

    assert differences() == []
    balance.refresh_from_db()
    assert balance.available > 1000


def test_transaction_in_flight_is_waited_for(scene):
    """One that has taken a lower id and not committed yet: what it brings is there once the mark is said."""
    (lower,) = rows_of("SELECT nextval('transfers_id_seq')")
    began = threading.Event()

    def commit_late() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO transfers (id, asset_id, debit_account_id, credit_account_id, amount, kind)"
                " VALUES (%s, %s, 1, %s, 1, 'deposit')",
                [lower, facts()["usd"], scene["maker"]],
            )
            began.set()
            time.sleep(0.3)

    rival = Rival(commit_late)
    assert began.wait(PATIENCE)
    deposit(account=Account.objects.get(id=scene["taker"]), asset=Asset.objects.get(code="USD"), amount=Decimal(1))

    mark = ledger_integrity.settled_id("transfers")

    assert mark > lower
    assert Transfer.objects.filter(id=lower).exists()
    rival.result()


def test_transaction_in_flight_is_waited_for_though_none_after_it_has_ended(scene):
    """It has the higher number of two, and the lower id; the other one has committed."""
    lower, higher = (rows_of("SELECT nextval('transfers_id_seq')")[0] for _ in range(2))
    insert = (
        "INSERT INTO transfers (id, asset_id, debit_account_id, credit_account_id, amount, kind)"
        " VALUES (%s, %s, 1, %s, 1, 'deposit')"
    )
    of_whom = [facts()["usd"], scene["maker"]]
    with two_in_flight() as (first, second):
        second.cursor().execute(insert, [lower, *of_whom])
        first.cursor().execute(insert, [higher, *of_whom])
        first.commit()
        late = threading.Timer(0.3, second.commit)
        late.start()

        mark = ledger_integrity.settled_id("transfers")

        assert mark == higher
        assert Transfer.objects.filter(id=lower).exists()
        late.join()


def test_transaction_in_flight_is_not_waited_for_for_ever(scene, monkeypatch):
    monkeypatch.setattr(ledger_integrity, "SETTLED_WITHIN_SECONDS", 0.1)
    with closing(another_connection()) as own:
        own.cursor().execute("SELECT pg_current_xact_id()")
        assert ledger_integrity.settled_id("transfers") == Transfer.objects.latest("id").id


def test_journal_longer_than_a_look_is_compared_look_by_look(scene, monkeypatch):
    monkeypatch.setattr(journal, "COMMANDS_A_LOOK", 1)
    assert differences() == []
    tamper("UPDATE orders SET reason = 'mass_cancel' WHERE id = %s", scene["canceled"])
    assert differences() == [("the replay's orders are the orders", f"BTC/USD order {scene['canceled']}")]


def test_trade_whose_commit_takes_longer_than_the_check_waits_is_looked_for_again(scene, monkeypatch):
    """The sweep passes by its transfers; once it looks again, they are there."""
    late = Trade.objects.earliest("id").id
    sweep = trade_integrity.rows

    def miss_them(statement: str, *parameters: object) -> list[tuple]:
        found = sweep(statement, *parameters)
        return [row for row in found if row[0] != late] if statement == trade_integrity._LEGS_BETWEEN else found

    monkeypatch.setattr(trade_integrity, "rows", miss_them)

    assert differences() == []


def test_what_cannot_be_checked_to_the_end_keeps_no_other_market_from_being_checked(scene):
    tamper("DELETE FROM market_states WHERE market_id = %s", facts()["btc"])
    tamper("UPDATE market_states SET last_price = 5 WHERE market_id = %s", facts()["eth"])

    assert differences() == [
        ("the journal replays to the same events and hashes", "BTC/USD market"),
        ("the journal replays to the same events and hashes", "ETH/USD last price"),
    ]


def test_check_that_breaks_off_is_a_difference_and_the_others_go_on(scene, monkeypatch):
    def broken(_: Report) -> None:
        raise ValueError("what is this?")

    monkeypatch.setitem(integrity.CHECKS, "assets sum to zero", broken)
    tamper("UPDATE market_states SET last_price = 5 WHERE market_id = %s", facts()["eth"])

    assert differences() == [
        ("assets sum to zero", "check"),
        ("the journal replays to the same events and hashes", "ETH/USD last price"),
    ]


def test_database_that_is_away_ends_the_check(monkeypatch):
    def lost(*_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ledger_integrity, "rows", lost)
    with pytest.raises(OperationalError):
        differences()


def test_of_many_differences_a_thousand_a_check_are_kept_and_all_are_counted():
    report = Report()
    for number in range(1_500):
        report.differ("check", f"row {number}", "differs")
    assert (len(report.differences), report.found["check"]) == (1_000, 1_500)


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(scene):
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), StringIO()
    call_command("verify_integrity", stdout=StringIO(), stderr=terminal)
    call_command("verify_integrity", stdout=StringIO(), stderr=file)

    assert "%  assets sum to zero" in terminal.getvalue()
    assert file.getvalue() == ""


def corrupt(order_id: int, **payload: object) -> None:
    """Change the payload of an order's pending command, and let intake's triggers know nothing of it."""
    tamper("UPDATE commands SET payload = payload || %s::jsonb WHERE order_id = %s", json.dumps(payload), order_id)


def rows_of(statement: str) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()
