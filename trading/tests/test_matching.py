"""Test the matching loop: in order, one commit a batch, the same after any crash, and never stopped by one bad command."""

import threading
import time
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError, connection, transaction

from accounts import ledger
from accounts.models import Balance
from accounts.tests.attacks import drop_rule, triggers_off
from accounts.tests.builders import make_trader
from accounts.tests.rivals import PATIENCE, another_connection, two_in_flight
from orders import bell, changes, intake
from orders.models import Command, Market, MarketState, Order
from orders.terms import Phase
from orders.tests.builders import make_market, make_request, place_order
from trading import matching, settlement
from trading.books import rebuild
from trading.journal import PendingCommand, failed_command
from trading.matching import LowWater, Shard, is_commands_fault
from trading.models import Batch, Trade
from trading.settlement import Settlement
from trading.tests.builders import balance, check_books_and_ledger, match, owned, told, trades
from trading.tests.engine.scene import check_book

pytestmark = pytest.mark.django_db


# -- batches ------------------------------------------------------------------------------------------


def test_batch_gives_its_commands_the_next_sequences_and_their_events():
    market = make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    sell, buy = place_order(seller, side="Sell"), place_order(buyer)

    assert match() == 2

    first, second = Command.objects.order_by("sequence")
    assert (first.sequence, first.events) == (1, [["rest", sell.id, "Sell", 10_000, 100_000]])
    assert (second.sequence, second.events) == (
        2,
        [["trade", sell.id, buy.id, 10_000, 100_000, 0], ["end", buy.id, None, 0]],
    )
    batch = Batch.objects.get()
    assert (batch.market_id, batch.first_sequence, batch.last_sequence, batch.trades) == (market.id, 1, 2, 1)
    check_books_and_ledger()


def test_batches_are_chained_and_their_hashes_can_be_recomputed():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    shard = Shard(0)
    for price in ("100", "99", "98"):
        order = place_order(account, price=price)
        shard.drain()
    changes.cancel_all(account.id)
    changes.ask_phase(Market.objects.get(), Phase.HALTED, reason='says "ünï"\n€', by="ops@example.com")
    shard.drain()

    assert Batch.objects.count() == 4
    assert len({bytes(batch.hash) for batch in Batch.objects.all()}) == 4
    assert told(order) == "Canceled 0 of 1 for 0: mass_cancel"
    check_books_and_ledger()


def test_one_commit_carries_several_markets_with_a_batch_each():
    btc, eth = make_market(), make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    for symbol in ("BTC/USD", "ETH/USD", "BTC/USD"):
        place_order(account, symbol=symbol)

    assert match() == 3

    assert dict(Batch.objects.values_list("market_id", "last_sequence")) == {btc.id: 2, eth.id: 1}
    check_books_and_ledger()


def test_backlog_longer_than_a_batch_is_matched_in_order(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    monkeypatch.setattr(matching, "BATCH_SIZE", 4)
    orders = [outcome.order.id for outcome in intake.place(account.id, [make_request()] * 10)]

    assert match() == 10

    taken = Command.objects.order_by("sequence").values_list("order_id", flat=True)
    assert list(taken) == orders
    assert [batch.last_sequence for batch in Batch.objects.order_by("id")] == [4, 8, 10]


@pytest.mark.django_db(transaction=True)
def test_lap_ends_in_time_where_orders_never_cease_to_come(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "10000000"})
    place_order(account)
    settle = Settlement.write

    def one_more_order(self: Settlement) -> None:
        settle(self)
        place_order(account)

    monkeypatch.setattr(Settlement, "write", one_more_order)
    began = time.monotonic()
    Shard(0).run(seconds=0.2, should_stop=lambda: time.monotonic() - began > 5)
    assert time.monotonic() - began < 2


def test_shard_leaves_other_shards_markets_alone():
    make_market()
    make_market("ETH/USD", shard=1)
    account = make_trader(funds={"USD": "1000"})
    mine, theirs = place_order(account), place_order(account, symbol="ETH/USD")

    assert match(0) == 1
    assert (mine.commands.get().sequence, theirs.commands.get().sequence) == (1, None)
    assert match(1) == 1


def test_nothing_pending_is_nothing_written():
    make_market()

    assert match() == 0
    assert not Batch.objects.exists()


def test_order_and_its_cancel_in_one_batch():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    changes.cancel(account.id, order.id)
    changes.cancel(account.id, order.id)

    match()

    assert told(order) == "Canceled 0 of 1 for 0: user_request"
    assert [command.events for command in Command.objects.order_by("id")][2] == []
    assert owned(account) == {"USD": "1000"}
    check_books_and_ledger()


def test_waiting_ends_once_the_engine_has_taken_the_commands():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    (placed,) = intake.place(account.id, [make_request()])
    assert changes.wait_until_taken([placed.command_id], 0) is False

    match()

    assert changes.wait_until_taken([placed.command_id], 0) is True
    assert changes.wait_until_taken([], 0) is True


# -- books as a cache of the last commit --------------------------------------------------------------


def test_rebuilt_book_has_the_same_orders_in_the_same_order():
    market = make_market()
    shard = Shard(0)
    place_a_little_of_everything()
    shard.drain()

    kept, built = shard._books[market.id], rebuild(market.id)

    assert book_of(built) == book_of(kept)
    assert built.live == kept.live
    assert (built.last_sequence, built.last_hash, built.engine.last_price) == (
        kept.last_sequence,
        kept.last_hash,
        kept.engine.last_price,
    )
    check_book(built.engine)


@pytest.mark.parametrize("rebuilt", [False, True])
def test_worker_that_rebuilds_its_books_goes_on_as_one_that_kept_them(rebuilt):
    make_market()
    shard = Shard(0)
    place_a_little_of_everything()
    shard.drain()
    if rebuilt:
        shard = Shard(0)
    seller = make_trader(funds={"BTC": "10"})
    place_order(seller, side="Sell", price="97", quantity="4")
    shard.drain()

    assert trades() == ["0.5 @ 101", "0.5 @ 99", "1 @ 98", "2 @ 98"]
    check_books_and_ledger()


def test_book_that_another_worker_has_overtaken_is_noticed_by_its_sequence():
    make_market()
    first, second = Shard(0), Shard(0)
    seller, buyer = make_trader(funds={"BTC": "3"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell", quantity="1")
    first.drain()
    place_order(buyer, quantity="1")
    second.drain()

    buy = place_order(buyer, quantity="1")
    first.drain()

    assert told(buy) == "New 0 of 1 for 0"
    assert trades() == ["1 @ 100"]
    check_books_and_ledger()


def test_changed_rules_reach_a_worker_that_kept_its_book():
    market = make_market()
    shard = Shard(0)
    account = make_trader(funds={"USD": "1000"})
    place_order(account)
    shard.drain()
    version = shard._books[market.id].rules.version
    Market.objects.filter(id=market.id).update(max_open_orders=5)

    place_order(account)
    shard.drain()

    assert shard._books[market.id].rules.version == version + 1


def test_failed_commit_leaves_no_trace_in_the_books(monkeypatch):
    make_market()
    shard = Shard(0)
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    sell = place_order(seller, side="Sell")
    shard.drain()
    buy = place_order(buyer)
    monkeypatch.setattr(matching, "RETRY_SECONDS_MIN", 0)
    shard._pause = 0
    fail_once(monkeypatch, Settlement, "write", OperationalError("deadlock detected"))
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's transaction must outlive it

    shard.drain()

    assert (told(sell), told(buy)) == ("Filled 1 of 1 for 100", "Filled 1 of 1 for 100")
    assert trades() == ["1 @ 100"]
    check_books_and_ledger()


# -- phases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", [Phase.HALTED, Phase.CANCEL_ONLY])
def test_phase_is_changed_by_the_journal_and_orders_behind_it_are_rejected(phase):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    before = place_order(account)
    changes.ask_phase(market, phase, reason="drill")
    behind = place_order(account)

    match()

    assert MarketState.objects.get(market=market).phase == phase
    assert (told(before), told(behind)) == ("New 0 of 1 for 0", "Rejected 0 of 1 for 0: market_halted")
    assert owned(account) == {"USD": "900 + 100"}
    check_books_and_ledger()


def test_orders_can_be_canceled_while_halted_and_the_market_resumes():
    market = make_market()
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "1000"})
    canceled, resting = place_order(seller, side="Sell"), place_order(seller, side="Sell")
    changes.ask_phase(market, Phase.HALTED)
    match()

    changes.cancel(seller.id, canceled.id)
    match()
    assert told(canceled) == "Canceled 0 of 1 for 0: user_request"
    changes.ask_phase(market, Phase.CONTINUOUS, direct=True)
    match()
    place_order(buyer)
    match()

    assert told(resting) == "Filled 1 of 1 for 100"
    check_books_and_ledger()


# -- poison -------------------------------------------------------------------------------------------

ENDLESS_PRICE = '{"price": 1' + "0" * 5000 + "}"
CORRUPTED = [
    '{"side": "Hold"}',
    '{"side": null}',
    '{"price": null}',
    '{"price": 1.5}',
    '{"price": "10000"}',
    '{"price": 1%s}' % ("0" * 40),
    '{"quantity": null}',
    '{"tif": "GTX"}',
    '{"owner": null}',
    '{"held": 0}',
    '{"held": "much"}',
    ENDLESS_PRICE,
]


@pytest.mark.parametrize("change", CORRUPTED, ids=lambda change: change[:30])
def test_corrupted_payload_is_journaled_its_order_rejected_and_its_market_halted(change):
    market = make_market()
    make_market("ETH/USD")
    seller, victim, other = (make_trader(funds={"USD": "1000", "BTC": "10"}) for _ in range(3))
    place_order(seller, side="Sell", price="100", quantity="5")
    good = place_order(other, price="90")
    bad = place_order(victim, price="100")
    corrupt(bad, change)
    behind = place_order(other, price="90")
    elsewhere = place_order(other, symbol="ETH/USD", price="90")

    match()

    assert told(bad) == "Rejected 0 of 1 for 0: internal_error"
    assert owned(victim) == {"USD": "1000", "BTC": "10"}
    assert told(good) == "New 0 of 1 for 0"
    assert told(behind) == "Rejected 0 of 1 for 0: market_halted"
    assert told(elsewhere) == "New 0 of 1 for 0"
    assert MarketState.objects.get(market=market).phase == "Halted"
    assert MarketState.objects.get(market__symbol="ETH/USD").phase == "Continuous"
    failed = bad.commands.defer("payload").get()
    assert failed.events[0][0] == "internal_error"
    halt = Command.objects.get(market=market, kind="phase")
    assert halt.sequence == failed.sequence + 1
    assert halt.payload["phase"] == "Halted"
    assert not Command.objects.filter(sequence__isnull=True).exists()
    if change != ENDLESS_PRICE:  # which Python's JSON does not read either
        check_books_and_ledger()


@pytest.mark.parametrize(
    ("kind", "with_order", "payload"),
    [
        ("cancel", True, {"reason": "mood"}),
        ("reduce", True, {}),
        ("phase", False, {"phase": "Lunch"}),
        ("cancel", False, {}),
    ],
)
def test_corrupted_request_about_an_order_is_journaled_and_the_order_stays(kind, with_order, payload):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    drop_rule("commands", "commands_name_their_order")
    command = Command.objects.create(market=market, kind=kind, order=order if with_order else None, payload=payload)

    match()

    command.refresh_from_db()
    assert (command.sequence, command.events[0][0]) == (2, "internal_error")
    assert told(order) == "New 0 of 1 for 0"
    assert MarketState.objects.get(market=market).phase == "Halted"
    check_books_and_ledger()


def test_order_that_is_brought_in_twice_is_journaled_as_an_error_and_rests_once():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    copy = Command.objects.create(
        market=market, kind="new", order=order, account=account, payload=order.commands.get().payload
    )

    match()

    copy.refresh_from_db()
    assert copy.events[0][0] == "internal_error"
    assert told(order) == "New 0 of 1 for 0"
    assert list(rebuild(market.id).live) == [order.id]
    check_books_and_ledger()


def test_order_that_has_ended_is_not_brought_in_again():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, time_in_force="IOC")
    match()
    Command.objects.create(
        market=market, kind="new", order=order, account=account, payload=order.commands.get().payload
    )

    match()

    assert told(order) == "Expired 0 of 1 for 0: ioc_remainder"
    assert owned(account) == {"USD": "1000"}
    assert MarketState.objects.get(market=market).phase == "Halted"
    check_books_and_ledger()


def test_balance_that_cannot_carry_a_trade_fails_the_trade_and_nothing_else():
    market = make_market()
    eth = make_market("ETH/USD")
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "1000"})
    sell = place_order(seller, side="Sell")
    match()
    Balance.objects.filter(account=seller, asset__code="BTC").update(held=Decimal("0.5"))
    buy = place_order(buyer)
    elsewhere = place_order(buyer, symbol="ETH/USD")

    match()

    assert (told(sell), told(buy)) == ("New 0 of 1 for 0", "Rejected 0 of 1 for 0: internal_error")
    assert balance(buyer, "USD") == (900, 100)
    assert told(elsewhere) == "New 0 of 1 for 0"
    assert MarketState.objects.get(market=market).phase == "Halted"
    assert MarketState.objects.get(market=eth).phase == "Continuous"
    assert not Trade.objects.exists()


def test_order_whose_hold_cannot_be_freed_stays_for_an_operator_and_the_rest_goes_on():
    market = make_market()
    make_market("ETH/USD")
    victim, other = make_trader(funds={"USD": "1000"}), make_trader(funds={"USD": "1000"})
    order = place_order(victim, time_in_force="IOC")
    Balance.objects.filter(account=victim, asset__code="USD").update(held=Decimal("0.5"))
    elsewhere = place_order(other, symbol="ETH/USD")

    match()

    assert told(order) == "New 0 of 1 for 0"
    assert order.commands.get().events[0][0] == "internal_error"
    assert MarketState.objects.get(market=market).phase == "Halted"
    assert told(elsewhere) == "New 0 of 1 for 0"
    assert not Command.objects.filter(sequence__isnull=True).exists()


def test_order_whose_own_row_is_broken_too_stays_for_an_operator_and_the_rest_goes_on():
    make_market()
    make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    corrupt(order, '{"price": null}')
    drop_rule("orders", "orders_price")
    with triggers_off():
        Order.objects.filter(id=order.id).update(price=None)
    elsewhere = place_order(account, symbol="ETH/USD")

    match()

    assert told(order) == "New 0 of 1 for 0"
    assert order.commands.get().events[0][0] == "internal_error"
    assert told(elsewhere) == "New 0 of 1 for 0"
    assert MarketState.objects.get(market__symbol="BTC/USD").phase == "Halted"
    check_books_and_ledger()


def test_request_about_an_order_that_was_never_placed_is_journaled_and_halts_its_market():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    payload = order.commands.get().payload
    stray = Command.objects.create(market=market, kind="new", order_id=10**15, account=account, payload=payload)

    match()

    stray.refresh_from_db()
    assert (stray.sequence, stray.events) == (2, [["internal_error", "RowsMissing"]])
    assert MarketState.objects.get().phase == "Halted"
    assert list(rebuild(market.id).live) == [order.id]
    assert owned(account) == {"USD": "900 + 100"}
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_book_that_cannot_be_built_is_waited_for_and_fails_no_command(monkeypatch):
    make_market()
    order = place_order(make_trader(funds={"USD": "1000"}))
    build, calls = matching.rebuild, []

    def fail_three_times(market_id):
        calls.append(market_id)
        if len(calls) <= 3:
            raise AssertionError("a row that contradicts itself")
        return build(market_id)

    monkeypatch.setattr(matching, "rebuild", fail_three_times)

    assert match() == 1

    assert len(calls) == 4
    assert told(order) == "New 0 of 1 for 0"
    assert MarketState.objects.get().phase == "Continuous"
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_connection_lost_while_a_failure_is_journaled_is_waited_out(monkeypatch):
    make_market()
    victim = make_trader(funds={"USD": "1000"})
    order = place_order(victim)
    with transaction.atomic():
        corrupt(order, '{"side": "Hold"}')
    reject, calls = Settlement.reject_failed, []

    def lose_connection_first(*args, **options):
        calls.append(None)
        if len(calls) == 1:
            terminate(connection.connection.get_backend_pid())
        reject(*args, **options)

    monkeypatch.setattr(Settlement, "reject_failed", lose_connection_first)
    match()

    assert len(calls) == 2
    assert told(order) == "Rejected 0 of 1 for 0: internal_error"
    assert Command.objects.filter(kind="phase").count() == 1
    assert owned(victim) == {"USD": "1000"}
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_failure_that_another_worker_has_journaled_meanwhile_is_not_journaled_again(monkeypatch):
    make_market()
    victim = make_trader(funds={"USD": "1000"})
    order = place_order(victim)
    with transaction.atomic():
        corrupt(order, '{"side": "Hold"}')
    write, calls = matching._write_failure, []

    def after_a_rival(*args, **options):
        calls.append(None)
        if len(calls) == 1:
            match()
        write(*args, **options)

    monkeypatch.setattr(matching, "_write_failure", after_a_rival)
    match()

    assert len(calls) == 2
    assert told(order) == "Rejected 0 of 1 for 0: internal_error"
    assert list(Command.objects.order_by("sequence").values_list("kind", "sequence")) == [("new", 1), ("phase", 2)]
    assert owned(victim) == {"USD": "1000"}
    check_books_and_ledger()


def test_missing_balance_fails_the_trade():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "1000"})
    place_order(seller, side="Sell")
    buy = place_order(buyer)
    with triggers_off():
        Balance.objects.filter(account=seller, asset__code="USD").delete()

    match()

    assert told(buy) == "Rejected 0 of 1 for 0: internal_error"
    assert buy.commands.get().events == [["internal_error", "MissingBalance"]]


@pytest.mark.parametrize(
    ("error", "is_fault"),
    [
        (IntegrityError("check"), True),
        (ValueError("a bug"), True),
        (AssertionError(), True),
        (OperationalError("server closed the connection"), False),
        (InterfaceError("connection already closed"), False),
        (DatabaseError("?"), False),
        (MemoryError(), False),
    ],
)
def test_only_what_a_command_brings_about_each_time_is_its_fault(error, is_fault):
    assert is_commands_fault(error) is is_fault


def test_failure_of_a_command_that_no_parser_reads_can_be_journaled():
    row = PendingCommand(1, 1, "new", 1, 1, '{"price": 1' + "0" * 5000 + "}")

    assert failed_command(row, 7, "ValidationError").line().startswith(b'[7,"new",1,1,"{\\"price\\": 1000')


# -- several workers, lost connections ----------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_one_shard_by_mistake_stay_serial_and_correct():
    make_market()
    make_market("ETH/USD")
    accounts = [make_trader(funds={"USD": "100000", "BTC": "1000", "ETH": "1000"}) for _ in range(4)]
    stop, failures = threading.Event(), []

    def work():
        try:
            Shard(0).run(seconds=2 * PATIENCE, should_stop=stop.is_set)
        except Exception as error:  # noqa: BLE001  told to the test
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for number in range(40):
        for account in accounts:
            side = "Buy" if (number + account.id) % 2 else "Sell"
            symbol = "BTC/USD" if number % 3 else "ETH/USD"
            price = 100 + (number * 7 + account.id) % 5 - 2
            place_order(account, side=side, symbol=symbol, price=str(price), quantity="0.3")
    commands = Command.objects.values_list("id", flat=True)
    try:
        assert changes.wait_until_taken(list(commands), 10_000)
    finally:
        stop.set()
        for worker in workers:
            worker.join()

    assert failures == []
    assert Trade.objects.count() > 20
    assert not Command.objects.filter(kind="phase").exists()
    check_books_and_ledger()
    for market in Market.objects.all():
        check_book(rebuild(market.id).engine)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (Settlement, "_write_trades"),
        (settlement, "_copy"),
        (ledger, "write_transfers"),
        (Settlement, "_write_orders"),
        (Settlement, "_write_balances"),
    ],
)
def test_connection_lost_in_the_middle_of_a_batch_is_waited_out(monkeypatch, owner, step):
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    place_order(seller, side="Sell")
    match()
    buy = place_order(buyer)
    original, calls = getattr(owner, step), []

    def lose_connection_first(*args):
        calls.append(None)
        if len(calls) == 1:
            terminate(connection.connection.get_backend_pid())
        original(*args)

    monkeypatch.setattr(owner, step, lose_connection_first)
    began = time.monotonic()

    assert match() == 1

    assert len(calls) == 2
    assert time.monotonic() - began < 2
    assert told(buy) == "Filled 1 of 1 for 100"
    assert trades() == ["1 @ 100"]
    assert MarketState.objects.get().phase == "Continuous"
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_connection_lost_between_batches_is_waited_out():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    shard = Shard(0)
    place_order(account)
    shard.drain()
    order = place_order(account)
    terminate(connection.connection.get_backend_pid())

    assert shard.drain() == 1
    assert told(order) == "New 0 of 1 for 0"


@pytest.mark.django_db(transaction=True)
def test_fence_held_by_another_is_waited_for_and_intake_does_not_care():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    locked, release = threading.Event(), threading.Event()

    def hold_fence():
        with transaction.atomic():
            MarketState.objects.select_for_update(no_key=True).get(market=market)
            locked.set()
            release.wait(PATIENCE)
        connection.close()

    holder = threading.Thread(target=hold_fence)
    holder.start()
    assert locked.wait(PATIENCE)
    order = place_order(account)
    worker = threading.Thread(target=lambda: (match(), connection.close()))
    worker.start()
    time.sleep(0.1)
    assert order.commands.get().sequence is None

    release.set()
    holder.join()
    worker.join()

    assert order.commands.get().sequence == 1


@pytest.mark.django_db(transaction=True)
def test_ring_wakes_a_waiting_worker_at_once():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    place_order(account)
    match()
    while bell.wait(0, 0.01):
        pass
    stop = threading.Event()
    worker = threading.Thread(
        target=lambda: (Shard(0).run(seconds=PATIENCE, should_stop=stop.is_set), connection.close())
    )
    worker.start()
    try:
        time.sleep(0.4)  # longer than one wait for the bell: the worker is in its second by now
        (placed,) = intake.place(account.id, [make_request()])
        assert changes.wait_until_taken([placed.command_id], 2000)
    finally:
        stop.set()
        worker.join()


# -- low water ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_command_that_commits_late_with_a_low_id_is_not_lost(monkeypatch):
    market = make_market()
    account = make_trader(funds={"USD": "10000000"})
    monkeypatch.setattr(matching, "LOW_WATER_SECONDS", 0)
    shard = Shard(0)
    written, commit = threading.Event(), threading.Event()

    def write_and_wait():
        with transaction.atomic():
            Command.objects.create(market=market, kind="phase", payload={"phase": "Continuous"})
            written.set()
            commit.wait(PATIENCE)
        connection.close()

    late = threading.Thread(target=write_and_wait)
    late.start()
    assert written.wait(PATIENCE)
    for _ in range(6):
        place_order(account)
        shard.drain()
    low = Command.objects.order_by("id").first().id
    mark_while_in_flight = shard._low_water.id
    commit.set()
    late.join()
    taken = shard.drain()

    assert mark_while_in_flight < low
    assert taken == 1
    deadline = time.monotonic() + 2 * PATIENCE
    while shard._low_water.id < low and time.monotonic() < deadline:  # transactions of other tests count as well
        place_order(account)
        shard.drain()
    assert shard._low_water.id >= low
    assert not Command.objects.filter(sequence__isnull=True).exists()
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_mark_waits_for_a_transaction_though_none_after_it_has_ended(monkeypatch):
    monkeypatch.setattr(matching, "LOW_WATER_SECONDS", 0)
    mark = LowWater()
    with two_in_flight() as (first, second):
        first.commit()
        for taken in (10, 11, 12, 13):
            mark.advance(taken)
        mark_while_in_flight = mark.id
        second.commit()

    deadline = time.monotonic() + 2 * PATIENCE
    while not mark.id and time.monotonic() < deadline:  # transactions of other tests count as well
        mark.advance(14)

    assert (mark_while_in_flight, mark.id) == (0, 10)


def test_command_pending_below_the_mark_is_found_by_the_net_under_it():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    shard = Shard(0)
    shard._low_water.id = order.commands.get().id

    assert shard.drain() == 0
    shard.run(seconds=0.3, should_stop=lambda: False)

    assert order.commands.get().sequence == 1


def test_mark_stays_where_nothing_is_pending_below():
    make_market()
    mark = LowWater()
    mark.id = 10**9

    mark.look_below(0)

    assert mark.id == 10**9


# -- what the tests above share -----------------------------------------------------------------------


def place_a_little_of_everything():
    """Leave bids and asks of several accounts behind, some partly filled, reduced or canceled."""
    first, second = (make_trader(funds={"USD": "1000", "BTC": "10"}) for _ in range(2))
    place_order(first, price="99", quantity="0.5")
    place_order(second, price="98")
    place_order(first, price="98", quantity="2")
    canceled = place_order(first, price="97")
    place_order(second, side="Sell", price="101", quantity="2")
    place_order(first, price="101", quantity="0.5", time_in_force="IOC")
    place_order(second, side="Sell", price="102", post_only=True)
    match()
    changes.cancel(first.id, canceled.id)


def book_of(book):
    """Tell a book's orders in the order in which they would trade."""
    engine = book.engine
    return engine.phase, [
        (
            level.price,
            [
                (order.order_id, order.owner, order.quantity, order.left, order.sequence, order.ordinal)
                for order in level.living()
            ],
        )
        for side in (engine.bids, engine.asks)
        for level in side.levels()
    ]


def corrupt(order: Order, change: str) -> None:
    """Change the payload of an order's pending command behind the trigger's back."""
    with triggers_off(), connection.cursor() as cursor:
        cursor.execute("UPDATE commands SET payload = payload || %s::jsonb WHERE order_id = %s", [change, order.id])


def fail_once(monkeypatch, owner, name, error):
    """Let a method fail the first time it is called, after it has done its work."""
    original, calls = getattr(owner, name), []

    def failing(*args):
        original(*args)
        calls.append(None)
        if len(calls) == 1:
            raise error

    monkeypatch.setattr(owner, name, failing)


def terminate(pid: int) -> None:
    """End another connection to the database, as a failing server would."""
    own = another_connection()
    try:
        with own, own.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])
    finally:
        own.close()
