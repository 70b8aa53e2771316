"""Bring assets into being.

The law: an asset's code is short, upper-case and unique, and its scale is fixed once anything refers to it, since every
stored amount was checked against it.
Who owns how much is accounts/ledger.py's.
"""

from django.db import IntegrityError, transaction

from accounts.errors import refusal
from accounts.models import Asset
from accounts.validation import validate_row


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
