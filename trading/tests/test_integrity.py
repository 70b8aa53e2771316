"""Test that the integrity check passes where all is well, and finds each thing that is not, past all that would refuse it."""

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
from orders.tests.builders import make_market, make_request, place_order
from trading import integrity
from trading.integrity import journal, verify
from trading.integrity import trades as trade_integrity
from trading.matching import Shard
from trading.models import Trade
from trading.tests.builders import match

pytestmark = pytest.mark.django_db(transaction=True)

COUNTS = """\
ok    assets sum to zero: 3 assets
ok    balances are the sums of their transfers: 16 transfers, 11 balances
ok    held is the sum of the open orders' holds: 11 balances
ok    every order is in the journal once: 9 orders
ok    each order's fills add up: 9 orders
ok    transfers are those of their trades: 12 transfers, 3 trades
ok    sequences have no gap: 9 sequences
ok    the journal replays to the same events and hashes: 9 commands, 4 batches
ok    the replay's trades are the trades: 3 trades, 1 preventions
ok    the replay's orders are the orders: 8 orders, 1 pending
ok    a rebuilt book is that of the open orders: 2 markets, 3 orders
ok    no book is crossed: 2 markets
"""


@pytest.fixture
def scene() -> dict[str, int]:
    """Two markets with orders of each fate, trades with fees, a prevention, a halt, and an order that is still pending."""
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
    return {name: order.id for name, order in ids.items()} | {"maker": maker.id, "taker": taker.id}


def differences() -> list[tuple[str, str]]:
    report = Report()
    verify(report)
    return [(difference.check, difference.row) for difference in report.differences]


def tamper(statement: str, *parameters: object) -> None:
    """Change rows behind the back of every trigger."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "the tampering touched nothing"


@pytest.mark.usefixtures("scene")
def test_command_prints_what_it_has_counted():
    output = StringIO()
    call_command("verify_integrity", stdout=output)
    assert output.getvalue().rpartition("seconds: ")[0] == COUNTS


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


# What each tampering does, and which check finds it at which row.
TAMPERINGS = {
    "a balance raised": (
        "UPDATE balances SET available = available + 1 WHERE account_id = {taker} AND asset_id = {usd}",
        "balances are the sums of their transfers", "account {taker} USD",
    ),
    "money moved between balances": (
        "UPDATE balances SET available = available + CASE account_id WHEN {taker} THEN 1 ELSE -1 END"
        " WHERE account_id IN ({taker}, {maker}) AND asset_id = {usd}",
        "balances are the sums of their transfers", "account {maker} USD",
    ),
    "a transfer changed": (
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'deposit' AND credit_account_id = {maker}",
        "balances are the sums of their transfers", "account {maker} BTC",
    ),
    "a transfer of an account that is not there": (
        "UPDATE transfers SET credit_account_id = 999999 WHERE kind = 'deposit' AND credit_account_id = {maker}",
        "balances are the sums of their transfers", "account 999999",
    ),
    "available made held": (
        "UPDATE balances SET available = available - 1, held = held + 1 WHERE account_id = {maker} AND asset_id = {usd}",
        "held is the sum of the open orders' holds", "account {maker} USD",
    ),
    "an order that holds what no balance does": (
        "DELETE FROM balances WHERE account_id = {taker} AND asset_id = {usd}",
        "held is the sum of the open orders' holds", "order {partly}",
    ),
    "a pending command lost": (
        "DELETE FROM commands WHERE order_id = {pending}", "every order is in the journal once", "order {pending}",
    ),
    "a command lost": (
        "DELETE FROM commands WHERE order_id = {rests}", "every order is in the journal once", "order {rests}",
    ),
    "a command twice": (
        "INSERT INTO commands (market_id, kind, order_id, account_id, payload)"
        " SELECT market_id, kind, order_id, account_id, payload FROM commands WHERE order_id = {rests}",
        "every order is in the journal once", "order {rests}",
    ),
    "an order canceled past the engine": (
        "UPDATE orders SET status = 'Canceled', reason = 'user_request', held_amount = 0, remaining_quantity = 0"
        " WHERE id = {pending}",
        "every order is in the journal once", "order {pending}",
    ),
    "an order taken from the book": (
        "UPDATE orders SET priority_sequence = NULL, priority_ordinal = NULL WHERE id = {other}",
        "every order is in the journal once", "order {other}",
    ),
    "an order filled by nobody": (
        "UPDATE orders SET filled_quantity = filled_quantity + 0.5, remaining_quantity = remaining_quantity - 0.5"
        " WHERE id = {partly}",
        "each order's fills add up", "order {partly}",
    ),
    "a fill forgotten": (
        "UPDATE orders SET status = 'New', filled_quantity = 0, filled_quote = 0, remaining_quantity = quantity WHERE id = {partly}",
        "each order's fills add up", "order {partly}",
    ),
    "a trade deleted": (
        "DELETE FROM trades WHERE id = {trade}", "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a trade invented": (
        "INSERT INTO trades (market_id, sequence, ordinal, price, quantity, quote_amount, side, maker_order_id, taker_order_id,"
        " maker_account_id, taker_account_id, maker_fee, taker_fee) SELECT market_id, sequence, 9, price, quantity, quote_amount,"
        " side, maker_order_id, taker_order_id, maker_account_id, taker_account_id, maker_fee, taker_fee FROM trades"
        " WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 9",
    ),
    "a trade of the future": (
        "UPDATE trades SET sequence = 99 WHERE id = {trade}", "sequences have no gap", "BTC/USD trades {trade}",
    ),
    "a trade of no market": (
        "UPDATE trades SET market_id = 999999 WHERE id = {trade}", "sequences have no gap", "trades",
    ),
    "a trade's price changed": (
        "UPDATE trades SET price = price + 1, quote_amount = quote_amount + quantity WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a fee changed in trade and transfer": (
        "UPDATE trades SET taker_fee = taker_fee / 2 WHERE id = {trade}",
        "the replay's trades are the trades", "BTC/USD trade of sequence 3, event 0",
    ),
    "a trade whose transfers are gone": (
        "DELETE FROM transfers WHERE trade_id = {trade}", "transfers are those of their trades", "trade {trade}",
    ),
    "a trade without one of its transfers": (
        "DELETE FROM transfers WHERE trade_id = {trade} AND kind = 'fee' AND asset_id = {usd}",
        "transfers are those of their trades", "trade {trade}",
    ),
    "a theft in the name of a trade that is not there": (
        "WITH t AS (INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind, trade_id)"
        " VALUES ({usd}, {maker}, {taker}, 100, 'trade', 1000000000) RETURNING amount)"
        " UPDATE balances SET available = available + CASE account_id WHEN {taker} THEN amount ELSE -amount END FROM t"
        " WHERE account_id IN ({taker}, {maker}) AND asset_id = {usd}",
        "transfers are those of their trades", "transfer {next_transfer}",
    ),
    "a deposit hidden below the first id": (
        "INSERT INTO transfers (id, asset_id, debit_account_id, credit_account_id, amount, kind)"
        " VALUES (-1, {usd}, 1, {maker}, 100, 'deposit')",
        "balances are the sums of their transfers", "account {maker} USD",
    ),
    "an order hidden below the first id": (
        "UPDATE orders SET id = -7 WHERE id = {canceled}", "every order is in the journal once", "order -7",
    ),
    "a trade far beyond the last": (
        "UPDATE trades SET id = 4611686018427387904 WHERE id = {trade}",
        "transfers are those of their trades", "trade 4611686018427387904",
    ),
    "an asset deleted": (
        "DELETE FROM assets WHERE id = {usd}", "the journal replays to the same events and hashes", "BTC/USD market",
    ),
    "a market's state deleted": (
        "DELETE FROM market_states WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD market",
    ),
    "an order of no market": (
        "WITH c AS (UPDATE commands SET market_id = 999999 WHERE order_id = {canceled})"
        " UPDATE orders SET market_id = 999999 WHERE id = {canceled}",
        "every order is in the journal once", "order {canceled}",
    ),
    "a prevention of no market": (
        "UPDATE preventions SET market_id = 999999", "sequences have no gap", "preventions",
    ),
    "a pending command's price changed": (
        "UPDATE commands SET payload = payload || '{{\"price\": 7777}}' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending command given to another user": (
        "UPDATE commands SET payload = payload || '{{\"owner\": 999999}}' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending command made unreadable": (
        "UPDATE commands SET payload = '[]' WHERE order_id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "a pending order made larger": (
        "UPDATE orders SET quantity = 2, remaining_quantity = 2 WHERE id = {pending}",
        "the replay's orders are the orders", "BTC/USD order {pending}",
    ),
    "events that are none": (
        "UPDATE commands SET events = '5' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "events that no parser reads": (
        "UPDATE commands SET events = '[[1e400]]' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a trade settled twice": (
        "INSERT INTO transfers (asset_id, debit_account_id, credit_account_id, amount, kind, trade_id)"
        " SELECT asset_id, debit_account_id, credit_account_id, amount, kind, trade_id FROM transfers WHERE trade_id = {trade}"
        " ORDER BY id",
        "transfers are those of their trades", "transfer {last_transfer_and_4}",
    ),
    "a transfer to somebody else": (
        "UPDATE transfers SET credit_account_id = {maker} WHERE kind = 'fee' AND id = {fee}",
        "transfers are those of their trades", "transfer {fee}",
    ),
    "a transfer of a trade that is not there": (
        "UPDATE transfers SET trade_id = 0 WHERE id = {fee}", "transfers are those of their trades", "transfer {fee}",
    ),
    "a prevention deleted": (
        "DELETE FROM preventions", "the replay's trades are the trades", "BTC/USD prevention of sequence 4, event 0",
    ),
    "an ended order's history rewritten": (
        "UPDATE orders SET reason = 'mass_cancel' WHERE id = {canceled}",
        "the replay's orders are the orders", "BTC/USD order {canceled}",
    ),
    "an open order's price changed": (
        "UPDATE orders SET price = 105 WHERE id = {rests}", "the replay's orders are the orders", "BTC/USD order {rests}",
    ),
    "an open order's price between two ticks": (
        "UPDATE orders SET price = 102.005 WHERE id = {rests}", "a rebuilt book is that of the open orders", "BTC/USD asks",
    ),
    "an open order's place in line changed": (
        "UPDATE orders SET priority_ordinal = 7 WHERE id = {rests}",
        "a rebuilt book is that of the open orders", "BTC/USD order {rests}",
    ),
    "an order's terms changed": (
        "UPDATE orders SET post_only = TRUE WHERE id = {rests}", "the replay's orders are the orders", "BTC/USD order {rests}",
    ),
    "an order moved to another market": (
        "UPDATE orders SET market_id = {eth} WHERE id = {canceled}",
        "the replay's orders are the orders", "BTC/USD order {canceled}",
    ),
    "an account given to another user": (
        "UPDATE accounts SET user_id = (SELECT user_id FROM accounts WHERE id = {taker}) WHERE id = {maker}",
        "a rebuilt book is that of the open orders", "BTC/USD order {rests}",
    ),
    "the best price misstated": (
        "UPDATE market_states SET best_bid = 1 WHERE market_id = {btc}",
        "a rebuilt book is that of the open orders", "BTC/USD state",
    ),
    "the phase changed past the journal": (
        "UPDATE market_states SET phase = 'Halted' WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD phase",
    ),
    "the last price misstated": (
        "UPDATE market_states SET last_price = 1 WHERE market_id = {btc}",
        "the journal replays to the same events and hashes", "BTC/USD last price",
    ),
    "an event changed": (
        "UPDATE commands SET events = jsonb_set(events, '{{0,3}}', '1') WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a payload changed": (
        "UPDATE commands SET payload = payload || '{{\"owner\": 5}}' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a payload that no intake wrote": (
        "UPDATE commands SET payload = '{{}}' WHERE order_id = {rests}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a hold that its order exceeds": (
        "UPDATE commands SET payload = payload || '{{\"held\": 1}}' WHERE order_id = {crosses}",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "a hash changed": (
        "UPDATE batches SET hash = sha256('') WHERE market_id = {btc} AND first_sequence = 3",
        "the journal replays to the same events and hashes", "BTC/USD journal",
    ),
    "the last batch deleted": (
        "DELETE FROM batches WHERE market_id = {eth}", "the journal replays to the same events and hashes", "ETH/USD journal",
    ),
    "a batch of the future": (
        "UPDATE batches SET last_sequence = 99 WHERE market_id = {eth}", "sequences have no gap", "ETH/USD batch {eth_batch}",
    ),
    "a sequence left out": (
        "UPDATE commands SET sequence = 99 WHERE order_id = {other}", "sequences have no gap", "ETH/USD commands {other_command}",
    ),
    "a crossed book": (
        "UPDATE orders SET price = 103 WHERE id = {partly}", "no book is crossed", "BTC/USD book",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "check", "row"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_is_found(scene, statement, check, row):
    names = scene | facts()
    tamper(statement.format(**names))
    assert (check, row.format(**names)) in differences()


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
        "UPDATE orders SET status = 'New', reason = NULL, held_amount = 1, remaining_quantity = 1 WHERE id = %s",
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
    began.wait(10)
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


def test_trade_settled_twice_is_found_though_a_sweep_ends_between(scene, monkeypatch):
    monkeypatch.setattr(ledger_integrity, "RANGE", 4)
    statement, check, row = TAMPERINGS["a trade settled twice"]
    names = scene | facts()
    tamper(statement.format(**names))
    assert (check, row.format(**names)) in differences()


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


def facts() -> dict[str, int]:
    """Look up the ids that tamperings name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT id FROM assets WHERE code = 'USD') AS usd, (SELECT id FROM markets WHERE symbol = 'BTC/USD') AS btc,
                (SELECT id FROM markets WHERE symbol = 'ETH/USD') AS eth, (SELECT min(id) FROM trades) AS trade,
                (SELECT min(id) FROM transfers WHERE kind = 'fee') AS fee,
                (SELECT last_value + 4 FROM transfers_id_seq) AS last_transfer_and_4,
                (SELECT last_value + 1 FROM transfers_id_seq) AS next_transfer,
                (SELECT b.id FROM batches b JOIN markets m ON m.id = b.market_id WHERE symbol = 'ETH/USD') AS eth_batch,
                (SELECT c.id FROM commands c JOIN markets m ON m.id = c.market_id WHERE symbol = 'ETH/USD') AS other_command
            """
        )
        return dict(zip((column.name for column in cursor.description), cursor.fetchone(), strict=True))
