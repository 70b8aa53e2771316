"""Let operators' commands refuse as the API refuses.

The law: whatever a rule forbids ends a command with one line that says what was wrong, and an exit code that is not 0.
What the commands do is in the services that they call.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.errors import DomainError


class OperatorCommand(BaseCommand):
    """A management command whose DomainErrors become CommandErrors."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(error.detail) from error
