"""Test that no batch keeps the database waiting, whatever its commands bring about."""

import time
from decimal import Decimal

import pytest
from django.db import connection

from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Command, MarketState
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading import matching
from trading.engine.engine import Engine
from trading.matching import Shard
from trading.models import Batch
from trading.tests.builders import check_books_and_ledger, match
from trading.tests.tampering import differences


@pytest.mark.django_db
def test_batch_whose_time_is_up_leaves_the_rest_to_the_next(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    for price in ("100", "99", "98"):
        place_order(account, price=price)
    monkeypatch.setattr(matching, "BATCH_SECONDS", -1.0)
    shard = Shard(0)

    assert shard._guarded(shard._batch) == 1
    assert Command.objects.filter(sequence__isnull=True).count() == 2
    assert shard.drain() == 2

    sequences = Command.objects.order_by("id").values_list("sequence", flat=True)
    assert list(sequences) == [1, 2, 3]
    assert Batch.objects.count() == 3
    check_books_and_ledger()


@pytest.mark.django_db(transaction=True)
def test_long_batch_does_not_lose_its_session_to_the_databases_patience(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    for price in ("100", "99", "98", "97"):
        place_order(account, price=price)
    apply = Engine.apply

    def slowly(engine, sequence, command):
        time.sleep(0.3)
        return apply(engine, sequence, command)

    monkeypatch.setattr(Engine, "apply", slowly)
    monkeypatch.setattr(matching, "KEEP_ALIVE_SECONDS", 0.1)
    shard = Shard(0)
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '700ms'")
    try:
        assert shard._guarded(shard._batch) == 4
    finally:
        connection.close()
    assert Batch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_call_with_more_to_buy_than_a_column_holds_halts_nothing():
    market = make_market(tick_size="0.00000001", lot_size="1", reference_price=Decimal("0.00000001"))
    changes.ask_phase(market, Phase.AUCTION)
    match()
    rich, seller = make_trader(funds={"USD": "100000000000"}), make_trader(funds={"BTC": "10"})
    for _ in range(2):
        place_order(rich, order_type="Market", quote_quantity="10000000000")
    place_order(seller, side="Sell", price="0.00000001")

    match()

    state = MarketState.objects.get()
    assert (state.phase, state.indicative_quantity, state.indicative_surplus) == ("Auction", 1, 10**18 - 1)
    assert not Command.objects.filter(events__0__0="internal_error").exists()
    assert differences() == []
