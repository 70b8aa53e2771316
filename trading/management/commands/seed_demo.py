"""Furnish a new exchange with demo assets, markets and traders.

The law: safe to run at every start. All of it is one transaction, behind a lock; what exists already is left as it is,
and funds come with the trader, so nobody is ever paid twice.
The books start empty; who fills them is manage.py simulate, by the two traders whose funds are named there.
"""

from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts.assets import create_asset
from accounts.ledger import deposit
from accounts.management.operating import OperatorCommand
from accounts.models import Asset, User
from accounts.registration import confirm_address, register_trader
from orders.markets import create_market
from orders.models import Market
from trading.simulation.inventory import FUNDS as FUNDS_OF_THE_SIMULATION

ASSETS = {"BTC": "Bitcoin", "ETH": "Ether", "USD": "US dollar"}
SCALE = 8
MARKETS = {"BTC/USD": ("0.01", "0.00001"), "ETH/USD": ("0.01", "0.0001"), "ETH/BTC": ("0.00001", "0.001")}
FEES = {"maker_fee": Decimal("0.001"), "taker_fee": Decimal("0.002")}
TRADERS = ("alice@example.com", "bob@example.com", "admin@example.com", *FUNDS_OF_THE_SIMULATION)
ADMIN = "admin@example.com"
PASSWORD = "exchange-demo"  # noqa: S105  the documented one of the demo
FUNDS = {"BTC": Decimal(100), "ETH": Decimal(1_000), "USD": Decimal(10_000_000)}

_LOCK = 7_305_001
"""Key of the advisory lock that keeps two starts from seeding at once."""


class Command(OperatorCommand):
    help = "Create the demo assets, markets and funded traders that do not exist yet."

    @transaction.atomic
    def handle(self, **_options: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        created = [*_seed_assets(), *_seed_markets(), *_seed_traders()]
        self.stdout.write(f"Created {', '.join(created)}." if created else "The demo data is there already.")


def _seed_assets() -> list[str]:
    missing = [code for code in ASSETS if not Asset.objects.filter(code=code).exists()]
    return [create_asset(code=code, scale=SCALE, name=ASSETS[code]).code for code in missing]


def _seed_markets() -> list[str]:
    missing = [symbol for symbol in MARKETS if not Market.objects.filter(symbol=symbol).exists()]
    for symbol in missing:
        tick, lot = MARKETS[symbol]
        create_market(symbol=symbol, tick_size=Decimal(tick), lot_size=Decimal(lot), **FEES)
    return missing


def _seed_traders() -> list[str]:
    missing = [email for email in TRADERS if not User.objects.filter(email=email).exists()]
    assets = {asset.code: asset for asset in Asset.objects.filter(code__in=FUNDS)}
    for email in missing:
        user, account = register_trader(email=email, password=PASSWORD)
        confirm_address(user)
        if email == ADMIN:
            user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_staff", "is_superuser"])
        for code, amount in FUNDS_OF_THE_SIMULATION.get(email, FUNDS).items():
            deposit(account=account, asset=assets[code], amount=amount, reference="demo funds")
    return missing
