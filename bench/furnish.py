"""`python -m bench.furnish TRADERS`: furnish a new venue with markets and funded traders; says as JSON what there is.

The law: the venue's own services make it all, with fees as the demo has them, so that orders cost what they cost in earnest.
All traders have one password, hashed once: hashing is slow on purpose, and is not what is measured.

What is done with them is `service`'s.
"""

import json
import sys
from decimal import Decimal

import django

PASSWORD = "correct horse battery"  # noqa: S105  of traders that live as long as the run
ASSETS = ("REST", "BATCH", "CROSS", "TRIP", "USD")
SCALE = 8
FEES = {"maker_fee": Decimal("0.001"), "taker_fee": Decimal("0.002")}
FUNDS = Decimal(10) ** 12


def email_of(number: int) -> str:
    return f"trader{number}@bench.example.com"


def furnish(traders: int) -> dict[str, int]:
    """Create everything; returns markets' ids by symbol."""
    from django.contrib.auth.hashers import make_password

    from accounts.assets import create_asset
    from accounts.ledger import deposit
    from accounts.models import User
    from accounts.registration import open_account
    from orders.markets import create_market

    assets = [create_asset(code=code, scale=SCALE, name=code.title()) for code in ASSETS]
    markets = {}
    for code in ASSETS[:-1]:
        symbol = f"{code}/{ASSETS[-1]}"
        markets[symbol] = create_market(symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal("0.001"), **FEES).id
    password = make_password(PASSWORD)
    for number in range(traders):
        account = open_account(User.objects.create(email=email_of(number), password=password))
        for asset in assets:
            deposit(account=account, asset=asset, amount=FUNDS, reference="benchmark")
    return markets


def main() -> int:
    django.setup()
    from django.db import transaction

    with transaction.atomic():
        markets = furnish(int(sys.argv[1]))
    sys.stdout.write(json.dumps(markets) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
