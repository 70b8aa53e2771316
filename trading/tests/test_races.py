"""What traders, operators and matching workers do at the same moment adds up, and none of them is turned away for it.

The law: where an order of events can be forced, the test holds the lock that one of them needs; where it cannot, rivals run
freely for a bounded number of rounds, and what is asserted holds of every order they may fall into.
Holds that wait for another's money, without a worker, are orders/tests/test_races.py; equal ids below the API
orders/tests/test_intake.py; servers and workers that die exchange/tests/test_kills.py.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import chain, count
from random import Random

import pytest
from django.db import transaction

from accounts.errors import DomainError
from accounts.ledger import deposit
from accounts.models import Account, Balance
from accounts.tests.builders import make_asset, make_client, make_trader
from accounts.tests.rivals import PATIENCE, at_once, running, start_waiting
from orders import changes, intake
from orders.intake import Outcome, Placed, place
from orders.models import OPEN, Command, Market, MarketState, Order
from orders.requests import NewOrder
from orders.terms import CommandKind
from orders.tests.builders import make_market, make_request, place_order
from trading.matching import Shard
from trading.models import Batch, Trade
from trading.tests.builders import balance, check_books_and_ledger, match, owned, told, trades

pytestmark = pytest.mark.django_db(transaction=True)


# -- intake against settlement ------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["settlement", "intake"])
def test_settlement_and_intake_that_wait_for_the_same_balances_both_get_them(first):
    make_market()
    seller, buyer = make_trader(funds={"BTC": "2"}), make_trader(funds={"USD": "300"})
    sell, buy = place_order(seller, side="Sell"), place_order(buyer, price="110")
    works = [match, lambda: place_order(buyer, price="90", quantity="2")]

    with balances_locked(buyer):
        rivals = [start_waiting(work, n) for n, work in enumerate(works if first == "settlement" else works[::-1], 1)]
    for rival in rivals:
        rival.result()
    match()

    assert (told(sell), told(buy)) == ("Filled 1 of 1 for 100", "Filled 1 of 1 for 100")
    assert (owned(seller), owned(buyer)) == ({"BTC": "1", "USD": "100"}, {"BTC": "1", "USD": "20 + 180"})
    check_books_and_ledger()


def test_order_that_waits_for_settlement_to_free_its_funds_is_placed():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "110"})
    place_order(seller, side="Sell", price="100")
    place_order(buyer, price="110")

    with balances_locked(buyer):
        settlement = start_waiting(match)
        order = start_waiting(lambda: place_order(buyer, price="10"), 2)
    settlement.result()

    assert told(order.result()) == "New 0 of 1 for 0"
    assert owned(buyer) == {"BTC": "1", "USD": "0 + 10"}
    match()
    check_books_and_ledger()


def test_orders_of_few_accounts_all_settle_while_a_worker_drains():
    make_market()
    make_market(
        "ETH/BTC", tick_size="0.0001", lot_size="0.0001", maker_fee=Decimal("0.001"), taker_fee=Decimal("0.002")
    )
    traders = [make_trader(funds={"USD": "1000000", "BTC": "10000", "ETH": "10000"}) for _ in range(3)]

    def trade(seed: int) -> list[Outcome]:
        random, outcomes = Random(seed), []
        for _ in range(15):
            requests = [any_request(random) for _ in range(random.choice((1, 1, 4)))]
            outcomes += place(random.choice(traders).id, requests)
        return outcomes

    with running(drain):
        outcomes = list(chain.from_iterable(at_once([partial(trade, seed) for seed in range(4)])))
        wait_until_all_is_taken()

    assert refusals(outcomes) == []
    assert Command.objects.count() == Order.objects.count() == len(outcomes)
    assert Order.objects.filter(reason="internal_error").count() == 0
    assert Trade.objects.exists()
    check_books_and_ledger()


def test_funds_that_settlement_has_freed_are_never_found_missing():
    """Three threads with a third of the funds each: whoever was told that its order has ended can place the next."""
    make_market()
    account = make_trader(funds={"USD": "300"})

    def spend() -> list[Outcome]:
        outcomes = []
        for _ in range(12):
            (outcome,) = place(account.id, [make_request(time_in_force="IOC")])
            outcomes.append(outcome)
            if isinstance(outcome, Placed):
                assert changes.wait_until_taken([outcome.command_id], int(PATIENCE * 1000))
        return outcomes

    with running(drain):
        outcomes = list(chain.from_iterable(at_once([spend] * 3)))

    assert refusals(outcomes) == []
    assert Order.objects.filter(status="Expired", reason="ioc_remainder").count() == 36
    assert owned(account) == {"USD": "300"}
    check_books_and_ledger()


# -- two workers on one shard -------------------------------------------------------------------------


def test_second_worker_waits_for_the_first_and_takes_only_what_came_behind_it():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    orders = [place_order(account), place_order(account, time_in_force="IOC")]

    with balances_locked(account):
        first = start_waiting(Shard(0).drain)
        second = start_waiting(Shard(0).drain, 2)
        other = make_trader(funds={"USD": "1000"})
        orders.append(place_order(other))
    taken = first.result(), second.result()

    assert sum(taken) == 3
    assert list(Command.objects.order_by("sequence").values_list("order_id", "sequence")) == [
        (order.id, sequence) for sequence, order in enumerate(orders, 1)
    ]
    assert list(Batch.objects.order_by("id").values_list("first_sequence", "last_sequence")) == [(1, 2), (3, 3)]
    check_books_and_ledger()


def test_second_worker_finds_nothing_left_of_what_the_first_has_taken():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    place_order(account, time_in_force="IOC")

    with balances_locked(account):
        first = start_waiting(Shard(0).drain)
        second = start_waiting(Shard(0).drain, 2)

    assert (first.result(), second.result()) == (1, 0)
    assert list(Batch.objects.values_list("first_sequence", "last_sequence")) == [(1, 1)]
    assert owned(account) == {"USD": "1000"}
    check_books_and_ledger()


def test_commands_that_two_workers_race_for_are_taken_once_each():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1000"}), make_trader(funds={"USD": "1000000"})
    shards = Shard(0), Shard(0)
    taken = []
    for _ in range(15):
        place(seller.id, [make_request(side="Sell", quantity="0.5")] * 4)
        place(buyer.id, [make_request(quantity="0.7")] * 2)
        taken.append(sum(at_once([shard.drain for shard in shards])))

    assert taken == [6] * 15
    assert Command.objects.filter(sequence__isnull=True).count() == 0
    assert MarketState.objects.get().last_sequence == 15 * 6
    check_books_and_ledger()


# -- cancel against fill ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "seller_has", "buyer_has", "became"),
    [
        ("cancel", {"BTC": "1"}, {"USD": "0 + 100"}, "Canceled 0 of 1 for 0: user_request"),
        ("fill", {"USD": "100"}, {"BTC": "1"}, "Filled 1 of 1 for 100"),
    ],
)
def test_what_the_journal_has_first_decides_between_a_cancel_and_a_fill(first, seller_has, buyer_has, became):
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    sell = place_order(seller, side="Sell")
    match()
    works = [lambda: changes.cancel(seller.id, sell.id), lambda: place_order(buyer)]
    for work in works if first == "cancel" else reversed(works):
        work()

    match()

    assert told(sell) == became
    assert (owned(seller), owned(buyer)) == (seller_has, buyer_has)
    check_books_and_ledger()


def test_cancel_that_is_asked_while_the_fill_commits_finds_nothing_to_end():
    make_market()
    seller, buyer = make_trader(funds={"BTC": "1"}), make_trader(funds={"USD": "100"})
    sell = place_order(seller, side="Sell")
    match()
    place_order(buyer)

    with balances_locked(buyer):
        settlement = start_waiting(match)
        _, command_id = changes.cancel(seller.id, sell.id)
    settlement.result()
    match()

    assert Command.objects.get(id=command_id).events == []
    assert told(sell) == "Filled 1 of 1 for 100"
    assert (owned(seller), owned(buyer)) == ({"USD": "100"}, {"BTC": "1"})
    check_books_and_ledger()


def test_cancel_and_fill_of_the_same_order_end_it_once_in_every_round():
    rounds = 25
    make_market()
    seller, buyer = make_trader(funds={"BTC": str(rounds)}), make_trader(funds={"USD": str(rounds * 100)})

    with running(drain, drain):
        for _ in range(rounds):
            sell = place_order(seller, side="Sell")
            wait_until_all_is_taken()
            at_once(
                [
                    lambda: changes.cancel_all(seller.id),
                    lambda sell=sell: changes.ask_cancels([(seller.id, sell.id)]),
                    lambda: place_order(buyer, time_in_force="IOC"),
                ]
            )
            wait_until_all_is_taken()

    ended = Counter(Order.objects.filter(account=seller).values_list("status", flat=True))
    filled = ended["Filled"]
    assert filled + ended["Canceled"] == rounds
    assert trades() == ["1 @ 100"] * filled
    assert (balance(seller, "BTC"), balance(seller, "USD")) == ((rounds - filled, 0), (100 * filled, 0))
    assert (balance(buyer, "BTC"), balance(buyer, "USD")) == ((filled, 0), (100 * (rounds - filled), 0))
    check_books_and_ledger()


# -- equal client order ids ---------------------------------------------------------------------------


@pytest.mark.parametrize("funds", ["100", "1000"], ids=["for_one", "for_many"])
def test_request_sent_three_times_at_once_places_one_order(funds):
    make_market()
    account = make_trader(funds={"USD": funds})
    request = make_request(client_order_id="mine")

    with balances_locked(account):
        rivals = [start_waiting(lambda: place(account.id, [request]), n) for n in (1, 2, 3)]
    outcomes = [outcome for rival in rivals for outcome in rival.result()]

    assert refusals(outcomes) == []
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True, True]
    assert {outcome.order.id for outcome in outcomes} == {Order.objects.get().id}
    assert Command.objects.count() == 1
    assert balance(account, "USD") == (Decimal(funds) - 100, 100)


def test_orders_with_one_id_and_two_bodies_at_once_place_one_order():
    make_market()
    account = make_trader(funds={"USD": "100"})
    requests = [make_request(client_order_id="mine"), make_request(client_order_id="mine", price="99")]

    with balances_locked(account):
        rivals = [start_waiting(lambda r=request: place(account.id, [r]), n) for n, request in enumerate(requests, 1)]
    outcomes = [outcome for rival in rivals for outcome in rival.result()]

    assert refusals(outcomes) == ["duplicate_client_order_id"]
    assert Order.objects.count() == Command.objects.count() == 1


def test_posts_of_one_order_at_once_are_answered_201_once_and_then_200_with_the_same_order():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    for number in range(8):
        answers = post_at_once(account, *[{"client_order_id": f"mine-{number}"}] * 4)

        assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
        (order,) = Order.objects.filter(client_order_id=f"mine-{number}")
        assert [body["id"] for _, body in answers] == [order.id] * 4
    assert Order.objects.count() == Command.objects.count() == 8
    assert balance(account, "USD") == (200, 800)


def test_posts_of_other_bodies_under_one_id_at_once_are_answered_409():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    for number in range(8):
        same = {"client_order_id": f"mine-{number}"}
        answers = post_at_once(account, *[same | {"price": price} for price in ("100.00", "99.00", "98.00")])

        assert sorted(status for status, _ in answers) == [201, 409, 409]
        assert [body["code"] for status, body in answers if status == 409] == ["duplicate_client_order_id"] * 2
        (placed,) = (body["id"] for status, body in answers if status == 201)
        assert Order.objects.get(client_order_id=f"mine-{number}").id == placed
    assert Order.objects.count() == Command.objects.count() == 8


def test_batches_with_the_same_pair_in_opposite_orders_place_it_once():
    make_market()
    account = make_trader(funds={"USD": "100000"})
    for number in range(12):
        pair = [make_request(client_order_id=f"{name}-{number}") for name in ("one", "two")]

        forward, backward = at_once([lambda p=pair: place(account.id, p), lambda p=pair: place(account.id, p[::-1])])

        assert refusals(forward + backward) == []
        assert [outcome.order.id for outcome in forward] == [outcome.order.id for outcome in reversed(backward)]
        assert sorted(outcome.repeated for outcome in forward + backward) == [False, False, True, True]
    assert Order.objects.count() == Command.objects.count() == 24
    assert balance(account, "USD") == (100000 - 2400, 2400)


# -- markets that come and change ---------------------------------------------------------------------


def test_market_made_while_others_trade_trades_at_once():
    make_market()
    make_asset("ETH")
    traders = [make_trader(funds={"USD": "1000000", "BTC": "1000", "ETH": "1000"}) for _ in range(3)]
    made = threading.Event()

    def trade(seed: int, account: Account) -> list[Outcome]:
        random, outcomes = Random(seed), []
        while not made.is_set() or len(outcomes) % 10:
            outcomes += place(account.id, [any_request(random, "BTC/USD")])
        for _ in range(10):
            outcomes += place(account.id, [any_request(random, "ETH/USD")])
        return outcomes

    def make() -> list[Outcome]:
        wait_until(lambda: Trade.objects.count() >= 5)
        make_market("ETH/USD")
        made.set()
        return []

    trading = [partial(trade, seed, account) for seed, account in enumerate(traders)]
    with running(drain):
        outcomes = list(chain.from_iterable(at_once([make, *trading])))
        wait_until_all_is_taken()

    assert refusals(outcomes) == []
    assert Order.objects.filter(market__symbol="ETH/USD").count() == 30
    assert Command.objects.count() == len(outcomes)
    check_books_and_ledger()


def test_order_under_rules_that_change_behind_its_back_is_judged_by_the_new_ones(monkeypatch):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    execute, versions = intake.execute, []

    def execute_after_a_change(candidates):
        versions.append(candidates[0].rules.version)
        if len(versions) < 3:
            Market.objects.filter(id=market.id).update(max_open_orders=50 + len(versions))
        return execute(candidates)

    monkeypatch.setattr(intake, "execute", execute_after_a_change)
    (outcome,) = place(account.id, [make_request()])

    assert versions == [1, 2, 3]
    assert outcome.rules.version == 3
    assert Order.objects.count() == Command.objects.count() == 1


def test_rules_that_never_stop_changing_refuse_the_order_and_hold_nothing(monkeypatch):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    execute, limits = intake.execute, count(50)

    def execute_after_a_change(candidates):
        Market.objects.filter(id=market.id).update(max_open_orders=next(limits))
        return execute(candidates)

    monkeypatch.setattr(intake, "execute", execute_after_a_change)
    outcomes = place(account.id, [make_request()])

    assert refusals(outcomes) == ["unavailable"]
    assert (Order.objects.count(), Command.objects.count()) == (0, 0)
    assert balance(account, "USD") == (1000, 0)


def test_no_order_is_lost_while_its_markets_rules_change():
    market = make_market()
    traders = [make_trader(funds={"USD": "1000000", "BTC": "1000"}) for _ in range(3)]

    def change() -> list[Outcome]:
        """Change the rules each time that some more orders are there: faster than that, one could find them stale each time."""
        for orders in range(0, 120, 10):
            wait_until(lambda least=orders: Order.objects.count() >= least)
            Market.objects.filter(id=market.id).update(
                max_open_orders=1000 + orders, maker_fee=Decimal(orders) / 100_000
            )
        return []

    def trade(seed: int, account: Account) -> list[Outcome]:
        random = Random(seed)
        return [outcome for _ in range(40) for outcome in place(account.id, [any_request(random, "BTC/USD")])]

    trading = [partial(trade, seed, account) for seed, account in enumerate(traders)]
    with running(drain):
        outcomes = list(chain.from_iterable(at_once([change, *trading])))
        wait_until_all_is_taken()

    assert refusals(outcomes) == []
    assert Market.objects.get().rules_version == 1 + 12
    assert Command.objects.count() == Order.objects.count() == 120
    assert Order.objects.filter(reason="internal_error").count() == 0
    assert Command.objects.filter(kind=CommandKind.PHASE).count() == 0
    check_books_and_ledger()


# -- deposits while orders take the funds -------------------------------------------------------------


def test_deposits_and_orders_on_one_balance_leave_exactly_the_difference():
    make_market()
    account, asset = make_trader(funds={"USD": "1"}), make_asset("USD")

    def pay_in() -> int:
        for _ in range(10):
            deposit(account=account, asset=asset, amount=Decimal(100))
        return 0

    def spend() -> int:
        """Place ten orders for what one deposit brings, each as often as it takes."""
        refused = 0
        for _ in range(10):
            while refusals(place(account.id, [make_request()])):
                refused += 1
                assert refused < 100_000
        return refused

    with running(drain):
        at_once([pay_in, pay_in, spend, spend])
        wait_until_all_is_taken()

    assert Order.objects.filter(OPEN).count() == Order.objects.count() == 20
    assert balance(account, "USD") == (1, 2000)
    check_books_and_ledger()


def test_first_deposit_of_an_asset_by_several_at_once_is_credited_each_time():
    make_market()
    account, asset = make_trader(), make_asset("USD")

    at_once([lambda: deposit(account=account, asset=asset, amount=Decimal(100))] * 4)

    assert balance(account, "USD") == (400, 0)
    check_books_and_ledger()


# -- what the tests above share -----------------------------------------------------------------------


def drain(stop: threading.Event) -> None:
    """Work as a matching worker does."""
    Shard(0).run(seconds=2 * PATIENCE, should_stop=stop.is_set)


@contextmanager
def balances_locked(account: Account) -> Iterator[None]:
    """Hold the account's balances, so that whoever wants them waits; let go when the block ends."""
    with transaction.atomic():
        list(Balance.objects.select_for_update(no_key=True).filter(account=account).order_by("id"))
        yield


def any_request(random: Random, symbol: str = "") -> NewOrder:
    """Read a request that crosses about every second time."""
    symbol = symbol or random.choice(("BTC/USD", "ETH/BTC"))
    price = f"{100 + random.randint(-3, 3)}" if symbol.endswith("USD") else f"0.05{random.randint(1, 9)}"
    return make_request(
        symbol=symbol,
        side=random.choice(("Buy", "Sell")),
        price=price,
        quantity=f"0.{random.randint(1, 9)}",
        time_in_force=random.choice(("GTC", "GTC", "GTC", "IOC", "FOK")),
    )


def post_at_once(account: Account, *bodies: dict[str, str]) -> list[tuple[int, dict]]:
    """Post orders from a thread each; returns the status and the body of each answer."""
    order = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "100.00"}
    clients = [make_client(account) for _ in bodies]

    def post(client, body):
        answer = client.post("/api/v1/orders", order | body, format="json")
        return answer.status_code, answer.json()

    return at_once([lambda c=client, b=body: post(c, b) for client, body in zip(clients, bodies, strict=True)])


def refusals(outcomes: Sequence[Outcome]) -> list[str]:
    """Tell the codes of those that were refused."""
    return [outcome.code for outcome in outcomes if isinstance(outcome, DomainError)]


def wait_until_all_is_taken() -> None:
    pending = Command.objects.filter(sequence__isnull=True).values_list("id", flat=True)
    assert changes.wait_until_taken(list(pending), int(PATIENCE * 1000))


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)
