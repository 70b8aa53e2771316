"""Two shards and the ledger tell the same accounts at the same moment: nobody waits for ever, skips a number or tells what was.

The law: balances are locked first and the accounts' counters after them, both in id order, and balances are read after that.
"""

import json
from decimal import Decimal

import pytest
from django.db import connection, transaction

from accounts.events import append, last_sequences, note, read_after
from accounts.ledger import deposit, post_balances
from accounts.models import Account, Asset, Channel
from accounts.tests.builders import make_asset, make_trader
from accounts.tests.rivals import at_once, start_waiting
from orders.intake import place_many
from orders.tests.builders import make_market, make_request
from trading.matching import Shard
from trading.tests.builders import check_books_and_ledger, match
from trading.tests.followers import check_streams

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6


def told_balances(account: Account) -> list[str]:
    """Tell an account's USD of each event that told them."""
    told = []
    for event in read_after({account.id: 0}, 1000)[account.id]:
        if event.channel == "balances":
            told += [balance["total"].rstrip("0").rstrip(".") for balance in json.loads(event.payload)]
    return told


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[1])


def usd() -> Asset:
    return make_asset("USD")


@pytest.mark.parametrize("by_deposit", [True, False])
def test_whoever_waited_for_the_counter_tells_the_balance_that_is(by_deposit):
    account = make_trader(funds={"USD": "1"})
    key = (account.id, usd().id)

    def tell() -> None:
        post_balances({}, told=[key])

    def pay() -> None:
        deposit(account=account, asset=usd(), amount=Decimal(2))

    first, second = (pay, tell) if by_deposit else (tell, pay)
    with transaction.atomic():
        first()
        waiting = start_waiting(second)
    waiting.result()

    assert told_balances(account) == (["1", "3", "3"] if by_deposit else ["1", "1", "3"])


def test_first_events_of_an_account_that_are_told_at_once_get_both_their_numbers():
    account = make_trader()

    with transaction.atomic():
        append([note(account.id, Channel.ORDERS, [1])])
        waiting = start_waiting(lambda: append([note(account.id, Channel.ORDERS, [2])]))

    assert waiting.result() == {account.id: 2}
    assert [event.payload for event in read_after({account.id: 0}, 10)[account.id]] == ["[1]", "[2]"]


def test_two_shards_intake_and_deposits_on_the_same_accounts_do_not_deadlock_and_number_all_they_tell():
    make_market("BTC/USD")
    make_market("ETH/USD", shard=1)
    traders = [make_trader(funds={"USD": "100000", "BTC": "1000", "ETH": "1000"}) for _ in range(6)]
    before = deadlocks()

    def trade(symbol: str, turn: int) -> None:
        """Let each trader buy from, and sell to, each other."""
        orders = [
            (trader.id, make_request(symbol=symbol, side=side, price="100", quantity="0.5"))
            for trader in (traders if turn % 2 else reversed(traders))
            for side in ("Buy", "Sell")
        ]
        place_many(orders)

    def pay() -> None:
        for trader in reversed(traders):
            deposit(account=trader, asset=usd(), amount=Decimal(1))

    for turn in range(ROUNDS):
        trade("BTC/USD", turn)
        trade("ETH/USD", turn)
        at_once(
            [
                Shard(0).drain,
                Shard(1).drain,
                pay,
                lambda turn=turn: trade("BTC/USD", turn + 1),
                lambda turn=turn: trade("ETH/USD", turn),
            ]
        )
        match(0)
        match(1)
        check_streams()

    check_books_and_ledger()
    assert deadlocks() == before
    assert all(sequence > 3 * ROUNDS for sequence in last_sequences([trader.id for trader in traders]).values())
