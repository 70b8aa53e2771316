"""Bring funds in from the outside world. The law and the work are accounts/ledger.py's; here are only the arguments."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.ledger import deposit
from accounts.management.operating import OperatorCommand
from accounts.models import Account, AccountKind, Asset, Balance
from accounts.numbers import parse_positive, render


class Command(OperatorCommand):
    help = "Give a trader funds from the outside world, such as: deposit alice@example.com USD 1000.00"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("asset", help="an asset's code")
        parser.add_argument("amount")
        parser.add_argument("--reference", default="", help="kept with the transfer")

    def handle(self, *, email: str, asset: str, amount: str, reference: str, **_options: Any) -> None:
        account = Account.objects.filter(user__email=email.lower(), kind=AccountKind.TRADER).order_by("id").first()
        if account is None:
            raise CommandError(f"There is no trader {email}.")
        found = Asset.objects.filter(code=asset.upper()).first()
        if found is None:
            raise CommandError(f"There is no asset {asset}.")
        deposit(account=account, asset=found, amount=parse_positive("amount", amount), reference=reference)
        balance = Balance.objects.get(account=account, asset=found)
        available = render(balance.available, found.scale)
        self.stdout.write(f"Deposited {amount} {found.code} for {email}; available now: {available}.")
