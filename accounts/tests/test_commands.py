"""Run the operators' commands of accounts."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Account, Asset, Balance, Transfer
from accounts.tests.builders import make_asset, make_trader

pytestmark = pytest.mark.django_db


def test_create_asset_creates_it_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_asset", "btc", "--scale", "8", "--name", "Bitcoin")
    assert Asset.objects.values_list("code", "scale", "name").get() == ("BTC", 8, "Bitcoin")
    assert capsys.readouterr().out == "Created BTC, scale 8.\n"


@pytest.mark.parametrize(
    ("code", "scale", "message"),
    [
        ("USD", "2", "code: Asset with this Code already exists."),
        ("B-C", "8", "code: Must be 1 to 16 of A-Z 0-9"),
        ("ABCDEFGHIJKLMNOPQ", "8", "code: "),
        ("BTC", "19", "scale: Ensure this value is less than or equal to 18."),
        ("BTC", "-1", "scale: Ensure this value is greater than or equal to 0."),
        ("BTC", "2.5", "invalid int value"),
    ],
)
def test_create_asset_refuses(code: str, scale: str, message: str) -> None:
    make_asset("USD")
    with pytest.raises(CommandError, match=message):
        call_command("create_asset", code, f"--scale={scale}")
    assert Asset.objects.get().code == "USD"


def test_deposit_moves_funds_in_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    account = make_trader(email="alice@example.com", funds={"USD": "1"})
    call_command("deposit", "Alice@example.com", "usd", "10.5", "--reference", "wire 7")
    assert Balance.objects.get(account=account).available == Decimal("11.5")
    transfer = Transfer.objects.order_by("-id")[0]
    assert (transfer.kind, transfer.amount, transfer.reference) == ("deposit", Decimal("10.5"), "wire 7")
    assert "available now: 11.50000000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("email", "asset", "amount", "message"),
    [
        ("bob@example.com", "USD", "1", "There is no trader bob@example.com."),
        ("alice@example.com", "XYZ", "1", "There is no asset XYZ."),
        ("alice@example.com", "USD", "0", "amount must be more than 0."),
        ("alice@example.com", "USD", "-1", "amount must be more than 0."),
        ("alice@example.com", "USD", "NaN", "amount must be a plain decimal number"),
        ("alice@example.com", "USD", "1e3", "amount must be a plain decimal number"),
        ("alice@example.com", "USD", "0.000000001", "amount must be more than 0 and have at most 8 decimals."),
        ("alice@example.com", "USD", "1000000000000000000", "amount must be less than"),
    ],
)
def test_deposit_refuses(email: str, asset: str, amount: str, message: str) -> None:
    make_trader(email="alice@example.com", funds={"USD": "1"})
    with pytest.raises(CommandError, match=message):
        call_command("deposit", email, asset, amount)
    assert Transfer.objects.count() == 1


def test_deposit_gives_nothing_to_the_venues_own_accounts() -> None:
    make_asset("USD")
    Account.objects.create(kind="fees", name="alice@example.com")
    with pytest.raises(CommandError, match="There is no trader"):
        call_command("deposit", "alice@example.com", "USD", "1")
