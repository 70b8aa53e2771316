"""Tell on a page what is wrong with what was typed.

The law: each fault stands with its field, and says the limit that was passed and the value that was got.
"""

from collections.abc import Collection

from accounts.errors import DomainError, FieldError

FORM = "form"
"""What is wrong with no one field that the form has."""


def faults_of(error: DomainError, fields: Collection[str]) -> dict[str, list[str]]:
    """Tell the faults by the names of these fields; all others are the form's."""
    found: dict[str, list[str]] = {}
    for fault in error.errors:
        found.setdefault(fault.field if fault.field in fields else FORM, []).append(_told(fault))
    return found or {FORM: [error.detail]}


def _told(fault: FieldError) -> str:
    text = fault.message[:1].upper() + fault.message[1:]
    if fault.code == "missing_field":
        return text
    if isinstance(fault.limit, int | str) and str(fault.limit) not in text:
        text += f" The limit is {fault.limit}."
    if fault.value not in (None, "") and str(fault.value) not in text:
        text += f" You gave {fault.value}."
    return text
