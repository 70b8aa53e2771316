"""Let Django validate a row, and refuse in the terms of the public contract.

The law: every fault is named at once, by field, with the limit and the value got where there are such.
The rules themselves are in the models' fields, clean() and constraints.
"""

from decimal import Decimal
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models

from accounts.errors import DomainError, FieldError


def validate_row(row: models.Model) -> None:
    """Run full_clean(). Raises DomainError invalid_value."""
    try:
        row.full_clean()
    except ValidationError as error:
        values = {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}
        raise as_refusal(error, values) from None


def as_refusal(error: ValidationError, values: dict[str, Any]) -> DomainError:
    """Turn a ValidationError with field names into the refusal that says the same."""
    faults = [
        FieldError(
            "" if field == NON_FIELD_ERRORS else field,
            "invalid_value",
            " ".join(fault.messages),
            _shown((fault.params or {}).get("limit_value", (fault.params or {}).get("max"))),
            _shown(values.get(field)),
        )
        for field, field_faults in error.error_dict.items()
        for fault in field_faults
    ]
    detail = " ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)
    return DomainError("invalid_value", detail, faults)


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value if value is None or isinstance(value, bool | int | str) else str(value)
