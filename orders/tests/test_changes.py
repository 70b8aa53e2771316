"""Test what is asked of orders and markets that are there: the end, other terms, other phases."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.errors import DomainError
from accounts.models import Account, Balance
from accounts.tests.builders import make_trader
from accounts.times import to_microseconds
from orders import amending, changes
from orders.models import Command, Market, MarketState, Order
from orders.requests import Amendment
from orders.terms import Phase, Reason
from orders.tests.builders import make_market, place_order

pytestmark = pytest.mark.django_db

ENDED = {"status": "Canceled", "reason": "user_request", "held_amount": 0, "remaining_quantity": 0}


# -- the end of orders --------------------------------------------------------------------------------


def test_cancel_asks_and_changes_nothing_yet():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)

    stands, command_id = changes.cancel(account.id, order.id)

    command = Command.objects.get(id=command_id)
    assert (stands.id, stands.status) == (order.id, "New")
    assert (command.kind, command.market_id, command.order_id, command.payload) == ("cancel", market.id, order.id, {})


def test_stop_that_waits_can_be_canceled():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, order_type="StopMarket", stop_price="100")

    stands, command_id = changes.cancel(account.id, order.id)

    assert (stands.status, Command.objects.get(id=command_id).order_id) == ("PendingTrigger", order.id)


def test_order_that_ends_while_its_cancel_is_asked_for_is_not_open(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    ask_cancels = changes.ask_cancels

    def ask_after_the_end(requests):
        Order.objects.filter(id=order.id).update(**ENDED)
        return ask_cancels(requests)

    monkeypatch.setattr(changes, "ask_cancels", ask_after_the_end)
    with pytest.raises(DomainError) as caught:
        changes.cancel(account.id, order.id)

    assert (caught.value.code, caught.value.errors[0].value) == ("order_not_open", "Canceled")
    assert Command.objects.count() == 1


def test_nobody_elses_order_can_be_canceled_or_amended():
    make_market()
    order = place_order(make_trader(funds={"USD": "1000"}))
    other = make_trader()

    for ask in (changes.cancel, lambda *ids: changes.amend(*ids, Amendment(Decimal("0.5")))):
        with pytest.raises(DomainError) as caught:
            ask(other.id, order.id)
        assert caught.value.code == "not_found"
    assert Command.objects.count() == 1


def test_cancel_all_asks_once_a_market_for_the_end_of_the_accounts_open_orders():
    btc, eth = make_market(), make_market("ETH/USD")
    account = make_trader(funds={"USD": "1000"})
    place_order(account)
    place_order(account, order_type="StopMarket", stop_price="100")
    place_order(account, symbol="ETH/USD")
    ended = place_order(account, symbol="ETH/USD")
    Order.objects.filter(id=ended.id).update(**ENDED)
    place_order(make_trader(funds={"USD": "1000"}))

    in_one = changes.cancel_all(account.id, btc.id)
    in_all = changes.cancel_all(account.id, reason=Reason.DEAD_MAN)

    assert (in_one.open, in_all.open) == (2, 3)
    asked = Command.objects.filter(kind="cancel_all").order_by("id")
    assert [command.id for command in asked] == in_one.command_ids + in_all.command_ids
    assert [(command.market_id, command.account_id, command.order_id) for command in asked] == [
        (btc.id, account.id, None), (btc.id, account.id, None), (eth.id, account.id, None),
    ]  # fmt: skip
    assert [command.payload for command in asked] == [{}, {"reason": "dead_man"}, {"reason": "dead_man"}]


def test_cancel_all_of_nothing_asks_for_nothing():
    make_market()

    assert changes.cancel_all(make_trader().id) == (0, [])
    assert not Command.objects.exists()


# -- less quantity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amendment", "lots"),
    [
        (Amendment(Decimal("0.5")), 50_000),
        (Amendment(Decimal("0.5"), Decimal("100.00")), 50_000),
        (Amendment(Decimal(1)), 100_000),
        (Amendment(None, Decimal(100)), 100_000),
    ],
)
def test_less_quantity_alone_is_asked_for_in_place(amendment, lots):
    make_market()
    account = make_trader(funds={"USD": "100"})
    order = place_order(account)

    stands, command_id = changes.amend(account.id, order.id, amendment)

    command = Command.objects.get(id=command_id)
    assert (command.kind, command.order_id, command.payload) == ("reduce", order.id, {"quantity": lots})
    assert (stands.id, stands.quantity, stands.held_amount) == (order.id, 1, 100)


@pytest.mark.parametrize("price", [None, Decimal(200)])
def test_quantity_that_is_used_up_already_ends_the_order_in_place_whatever_its_price(price):
    make_market()
    account = make_trader(funds={"USD": "100"})
    order = place_order(account)
    used = {"filled_quantity": Decimal("0.5"), "filled_quote": 50, "prevented_quantity": Decimal("0.25")}
    Order.objects.filter(id=order.id).update(status="PartiallyFilled", remaining_quantity=Decimal("0.25"), **used)

    _, command_id = changes.amend(account.id, order.id, Amendment(Decimal("0.75"), price))

    assert Command.objects.values_list("kind", "payload").get(id=command_id) == ("reduce", {"quantity": 75_000})


def test_rule_loosened_behind_the_cache_holds_at_once_for_amendments():
    market = make_market(min_quantity=Decimal(1))
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, quantity="2")
    Market.objects.filter(id=market.id).update(min_quantity=None)

    changes.amend(account.id, order.id, Amendment(Decimal("0.5")))


# -- other terms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "amendment", "price", "lots", "extra"),
    [
        ({}, {"price": "110"}, 11_000, 100_000, "10"),
        ({}, {"quantity": "3"}, 10_000, 300_000, "200"),
        ({}, {"quantity": "2", "price": "110"}, 11_000, 200_000, "120"),
        ({}, {"price": "90"}, 9_000, 100_000, "0"),
        ({}, {"quantity": "0.5", "price": "150"}, 15_000, 50_000, "0"),
        # Were all of the old order filled first, the added lot would still cost its new price.
        ({}, {"quantity": "2", "price": "50"}, 5_000, 200_000, "50"),
        ({"side": "Sell"}, {"price": "90"}, 9_000, 100_000, "0"),
        ({"side": "Sell"}, {"quantity": "1.5"}, 10_000, 150_000, "0.5"),
        ({"order_type": "StopMarket", "stop_price": "100"}, {"quantity": "2"}, 11_000, 200_000, "110"),
        ({"order_type": "StopLimit", "stop_price": "100"}, {"price": "101"}, 10_100, 100_000, "1"),
        ({"display_quantity": "0.5"}, {"quantity": "5"}, 10_000, 500_000, "400"),
    ],
)
def test_amend_holds_what_the_new_terms_need_beside_the_old(fields, amendment, price, lots, extra):
    make_market()
    account = make_trader(funds={"USD": "1000", "BTC": "10"})
    order = place_order(account, **fields)
    asset = "USD" if order.side == "Buy" else "BTC"
    before = available(account, asset)

    stands, command_id = amend(account, order, **amendment)

    command = Command.objects.get(id=command_id)
    assert (command.kind, command.order_id, command.account_id) == ("amend", order.id, account.id)
    assert (command.payload, command.sequence) == (new_terms(order.side, price, lots, extra), None)
    assert available(account, asset) == before - Decimal(extra)
    assert held(account, asset) == order.held_amount + Decimal(extra)
    assert (stands.price, stands.quantity, stands.held_amount) == (order.price, order.quantity, order.held_amount)


def test_amend_holds_for_what_is_left_of_the_order():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, quantity="4")
    used = {"filled_quantity": 2, "filled_quote": 200, "prevented_quantity": 1}
    Order.objects.filter(id=order.id).update(status="PartiallyFilled", remaining_quantity=1, **used)

    _, command_id = amend(account, order, quantity="5", price="110")

    assert Command.objects.get(id=command_id).payload == new_terms("Buy", 11_000, 500_000, "120")


def test_market_order_in_a_call_can_only_be_made_less():
    market = make_market(reference_price=Decimal(100))
    MarketState.objects.filter(market=market).update(phase="Auction")
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, order_type="Market")

    _, command_id = amend(account, order, quantity="0.5")

    assert Command.objects.get(id=command_id).kind == "reduce"
    assert refused(account, order, quantity="2") == ("invalid_value", "quantity", "1.00000", "2")


def test_amend_that_funds_do_not_reach_for_leaves_the_order_as_it_is():
    make_market()
    account = make_trader(funds={"USD": "109.99"})
    order = place_order(account)

    assert refused(account, order, price="110") == ("insufficient_funds", "price", "9.99000000", "10.00000000")
    assert refused(account, order, quantity="2")[:2] == ("insufficient_funds", "quantity")
    assert (available(account, "USD"), held(account, "USD")) == (Decimal("9.99"), 100)
    assert Command.objects.count() == 1


def test_seller_is_told_what_is_missing_in_base():
    make_market()
    account = make_trader(funds={"BTC": "1"})
    order = place_order(account, side="Sell")

    assert refused(account, order, quantity="3") == ("insufficient_funds", "quantity", "0.00000000", "2.00000000")


@pytest.mark.parametrize(
    ("fields", "amendment", "fault"),
    [
        ({}, {"price": "100.001"}, ("price_off_tick", "price", "0.01", "100.001")),
        ({}, {"quantity": "1.000001"}, ("quantity_off_lot", "quantity", "0.00001", "1.000001")),
        ({}, {"quantity": "0.3"}, ("below_min_quantity", "quantity", "0.40000", "0.3")),
        ({}, {"quantity": "11"}, ("above_max_quantity", "quantity", "10.00000", "11")),
        ({}, {"price": "19.99"}, ("below_min_notional", "quantity", "20", "19.99")),
        ({}, {"price": "151"}, ("price_out_of_band", "price", ["50", "150"], "151")),
        (
            {"order_type": "StopLimit", "stop_price": "60"},
            {"price": "90.01"},
            ("price_out_of_band", "price", ["30", "90"], "90.01"),
        ),
        (
            {"order_type": "StopMarket", "stop_price": "40"},
            {"quantity": "0.45"},
            ("below_min_notional", "quantity", "20", "18"),
        ),
        (
            {"order_type": "StopMarket", "stop_price": "60"},
            {"price": "90"},
            ("invalid_value", "price", None, "90"),
        ),
        ({"order_type": "Market"}, {"price": "90"}, ("invalid_value", "price", None, "90")),
        ({"order_type": "Market", "quote_quantity": "50"}, {"quantity": "1"}, ("invalid_value", "quantity", None, None)),
        ({"order_type": "Market", "quote_quantity": "50"}, {"price": "1"}, ("invalid_value", "price", None, None)),
        ({"display_quantity": "0.5"}, {"quantity": "5.1"}, ("invalid_value", "quantity", "5.00000", "5.1")),
    ],
)  # fmt: skip
def test_new_terms_that_break_a_rule_are_refused(fields, amendment, fault):
    make_market(
        min_quantity=Decimal("0.4"), max_quantity=Decimal(10), min_notional=Decimal(20), price_band=Decimal("0.5"),
        reference_price=Decimal(100),
    )  # fmt: skip
    account = make_trader(funds={"USD": "1000"})
    order = place_order(
        account, **({"price": "60"} if "stop_price" in fields and fields["order_type"] == "StopLimit" else {}) | fields
    )

    assert refused(account, order, **amendment) == fault
    assert Command.objects.count() == 1


def test_frozen_account_changes_nothing_but_may_ask_for_less():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    Account.objects.filter(id=account.id).update(status="frozen")

    with pytest.raises(DomainError) as caught:
        amend(account, order, quantity="2")

    assert caught.value.code == "account_frozen"
    amend(account, order, quantity="0.5")


@pytest.mark.parametrize(
    ("fields", "phase", "phases"),
    [
        ({}, "Halted", ["Continuous", "PreOpen", "Auction"]),
        ({}, "PostOnly", ["Continuous", "PreOpen", "Auction"]),
        ({"post_only": True}, "Auction", ["Continuous", "PostOnly"]),
        ({"order_type": "StopLimit", "stop_price": "100", "post_only": True}, "PostOnly", ["Continuous", "PreOpen", "Auction"]),
    ],
)  # fmt: skip
def test_phase_that_would_not_take_the_order_takes_no_other_terms(fields, phase, phases):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, **fields)
    MarketState.objects.filter(market=market).update(phase=phase)

    assert refused(account, order, price="90") == ("market_halted", "symbol", phases, phase)
    amend(account, order, quantity="0.5")


def test_stop_that_has_triggered_is_judged_as_what_it_has_become():
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account, order_type="StopLimit", stop_price="100", post_only=True)
    Order.objects.filter(id=order.id).update(status="New")
    MarketState.objects.filter(market=market).update(phase="PostOnly")

    _, command_id = amend(account, order, price="90")

    assert Command.objects.get(id=command_id).kind == "amend"


def test_order_that_has_ended_cannot_be_amended():
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    Order.objects.filter(id=order.id).update(**ENDED)

    assert refused(account, order, price="90") == ("order_not_open", "status", None, "Canceled")


def test_order_that_ends_while_other_terms_are_asked_for_is_not_open(monkeypatch):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    before_ask(monkeypatch, lambda: Order.objects.filter(id=order.id).update(**ENDED))

    assert refused(account, order, price="110") == ("order_not_open", "status", None, "Canceled")
    assert held(account, "USD") == 100


def test_rules_that_change_while_other_terms_are_asked_for_are_read_anew(monkeypatch):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    before_ask(monkeypatch, lambda: Market.objects.filter(id=market.id).update(min_notional=95))

    assert refused(account, order, price="90") == ("below_min_notional", "quantity", "95", "90")


def test_rules_that_keep_changing_are_given_up_on(monkeypatch):
    market = make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    before_ask(monkeypatch, lambda: Market.objects.filter(id=market.id).update(min_notional=5), always=True)

    with pytest.raises(DomainError) as caught:
        amend(account, order, price="90")

    assert caught.value.code == "unavailable"


@pytest.mark.django_db(transaction=True)
def test_amend_costs_two_queries(django_assert_num_queries):
    make_market()
    account = make_trader(funds={"USD": "1000"})
    order = place_order(account)
    amend(account, order, price="101")

    with django_assert_num_queries(2):
        amend(account, order, price="102")


# -- phases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "direct", "payload"),
    [
        (Phase.CONTINUOUS, False, {"phase": "Continuous", "reason": "drill", "by": "me", "through_call": True}),
        (Phase.CONTINUOUS, True, {"phase": "Continuous", "reason": "drill", "by": "me"}),
        (Phase.POST_ONLY, False, {"phase": "PostOnly", "reason": "drill", "by": "me"}),
        (Phase.HALTED, False, {"phase": "Halted", "reason": "drill", "by": "me"}),
    ],
)
def test_continuous_trading_is_asked_for_through_a_call_unless_directly(phase, direct, payload):
    market = make_market()

    command_id = changes.ask_phase(market, phase, reason="drill", by="me", direct=direct)

    command = Command.objects.get(id=command_id)
    assert (command.kind, command.market_id, command.order_id, command.account_id) == ("phase", market.id, None, None)
    assert command.payload == payload


def test_call_lasts_its_time_and_a_random_share_that_the_journal_keeps():
    market = make_market(call_seconds=60, call_random_seconds=10)
    began = to_microseconds(datetime.now(UTC))

    asked = [changes.ask_phase(market, Phase.AUCTION) for _ in range(20)]

    payloads = list(Command.objects.filter(id__in=asked).values_list("payload", flat=True))
    lag = to_microseconds(datetime.now(UTC)) - began
    for payload in payloads:
        assert 0 <= payload.get("random", 0) <= 10_000_000
        assert 0 <= payload["ends_at"] - began - 60_000_000 - payload.get("random", 0) <= lag
    assert len({payload.get("random", 0) for payload in payloads}) > 1


def test_call_without_a_random_share_ends_on_time():
    market = make_market(call_seconds=0, call_random_seconds=0)

    changes.ask_phase(market, Phase.AUCTION)

    payload = Command.objects.get().payload
    assert set(payload) == {"phase", "ends_at"}
    assert payload["ends_at"] <= to_microseconds(timezone.now())


def test_waiting_ends_when_time_is_up():
    market = make_market()
    command_id = changes.ask_phase(market, Phase.HALTED)
    began = time.monotonic()

    assert changes.wait_until_taken([command_id], 50) is False
    assert 0.05 <= time.monotonic() - began < 1


# -- what the tests above share -----------------------------------------------------------------------


def available(account, code):
    return Balance.objects.get(account=account, asset__code=code).available


def held(account, code):
    return Balance.objects.get(account=account, asset__code=code).held


def new_terms(side, price, lots, extra):
    """Write the payload of an amend: `extra` is in the asset that the order holds, of scale 8 as all here."""
    payload = {"side": side, "price": price, "quantity": lots}
    units = int(Decimal(extra) * 10**8)
    # One lot costs 10 units at one tick; 1000 units of base are one lot.
    return payload | ({"held": units, "extra": units // (10 if side == "Buy" else 1000)} if units else {})


def amend(account, order, quantity=None, price=None):
    numbers = (None if text is None else Decimal(text) for text in (quantity, price))
    return changes.amend(account.id, order.id, Amendment(*numbers))


def refused(account, order, **amendment):
    """Ask for what must be refused; returns code, field, limit and value of its one fault."""
    with pytest.raises(DomainError) as caught:
        amend(account, order, **amendment)
    (fault,) = caught.value.errors
    assert caught.value.code == fault.code
    return fault.code, fault.field, fault.limit, fault.value


def before_ask(monkeypatch, rival, always=False):
    """Let a rival act just before the statement is brought to the database, the first time or always."""
    acted = []

    def ask(*arguments):
        if always or not acted:
            acted.append(rival())
        return amending.ask_amend(*arguments)

    monkeypatch.setattr(changes, "ask_amend", ask)
