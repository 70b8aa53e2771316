"""Create an asset from the command line. The law and the work are accounts/assets.py's; here are only the arguments."""

from typing import Any

from django.core.management.base import CommandParser

from accounts.assets import create_asset
from accounts.management.operating import OperatorCommand


class Command(OperatorCommand):
    help = "Create an asset, such as: create_asset BTC --scale 8 --name Bitcoin"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="1 to 16 of A-Z 0-9")
        parser.add_argument("--scale", type=int, required=True, help="decimal places of its smallest unit, 0 to 18")
        parser.add_argument("--name", default="")

    def handle(self, *, code: str, scale: int, name: str, **_options: Any) -> None:
        asset = create_asset(code=code.upper(), scale=scale, name=name)
        self.stdout.write(f"Created {asset.code}, scale {asset.scale}.")
