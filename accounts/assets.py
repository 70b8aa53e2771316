"""Bring assets into being, and find them by what a trader calls them.

The law: an asset's code is short, upper-case and unique, and its scale is fixed once anything refers to it, since every
stored amount was checked against it.
Who owns how much is accounts/ledger.py's.
"""

from typing import Any

from django.db import IntegrityError, transaction

from accounts.bodies import text_reader
from accounts.errors import refusal
from accounts.models import Asset
from accounts.selectors import asset_of_code
from accounts.validation import validate_row

_read_code = text_reader(16)


def create_asset(*, code: str, scale: int, name: str = "") -> Asset:
    """Create an asset. Raises DomainError invalid_value."""
    asset = Asset(code=code, scale=scale, name=name)
    validate_row(asset)
    try:
        with transaction.atomic():
            asset.save(force_insert=True)
    except IntegrityError:
        raise refusal("invalid_value", "code", f"There is an asset {code} already.", value=code) from None
    return asset


def read_asset(field: str, value: Any) -> Asset:
    """Read an asset's code, in any letter case. One query. Raises DomainError invalid_value, naming the field."""
    code = _read_code(field, value)
    asset = asset_of_code(code)
    if asset is None:
        raise refusal("invalid_value", field, f"There is no asset {code}.", value=code)
    return asset
