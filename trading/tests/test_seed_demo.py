"""Seed the demo, again and again."""

from decimal import Decimal
from threading import Thread

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum

from accounts.models import Asset, Balance, Transfer, User
from accounts.tests.builders import make_asset
from orders.intake import Placed, place
from orders.models import Market, Order
from orders.requests import read_new_order


@pytest.mark.django_db
def test_everything_is_there_and_a_repeat_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo")
    assert sorted(Market.objects.values_list("symbol", flat=True)) == ["BTC/USD", "ETH/BTC", "ETH/USD"]
    assert [user.email for user in User.objects.order_by("email") if user.check_password("exchange-demo")] == [
        "admin@example.com", "alice@example.com", "bob@example.com", "maker@example.com", "taker@example.com",
    ]  # fmt: skip
    assert User.objects.get(is_superuser=True).email == "admin@example.com"
    funds = Balance.objects.filter(account__user__email="alice@example.com").values_list("asset__code", "available")
    assert dict(funds) == {"BTC": Decimal(100), "ETH": Decimal(1_000), "USD": Decimal(10_000_000)}
    before = (User.objects.count(), Transfer.objects.count())
    call_command("seed_demo")
    assert (User.objects.count(), Transfer.objects.count()) == before
    assert capsys.readouterr().out.endswith("The demo data is there already.\n")
    assert Balance.objects.aggregate(Sum("available"))["available__sum"] == 0


@pytest.mark.django_db
def test_what_an_operator_made_is_left_as_it_is() -> None:
    make_asset("BTC", name="Mine")
    call_command("seed_demo")
    assert Asset.objects.get(code="BTC").name == "Mine"


@pytest.mark.django_db
@pytest.mark.parametrize("price", ["30000", "50000"])
def test_the_first_order_is_taken_at_any_sensible_price(price: str) -> None:
    call_command("seed_demo")
    account = User.objects.get(email="alice@example.com").accounts.get()
    body = {"symbol": "BTC/USD", "side": "Buy", "order_type": "Limit", "quantity": "1.0", "price": price}
    (outcome,) = place(account.id, [read_new_order(body)])
    assert isinstance(outcome, Placed)
    assert Order.objects.get().status == "New"


@pytest.mark.django_db(transaction=True)
def test_two_starts_at_once_seed_once() -> None:
    def seed() -> None:
        call_command("seed_demo")
        connection.close()

    threads = [Thread(target=seed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (User.objects.count(), Market.objects.count(), Transfer.objects.count()) == (5, 3, 15)
