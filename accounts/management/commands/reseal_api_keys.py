"""Seal the secrets of all API keys anew, by the first secret in API_KEY_SECRET.

The law: each key goes on working meanwhile; what cannot be opened is named and left as it is. After it, the older secrets may go
from the environment.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.issuing import reseal_keys


class Command(BaseCommand):
    help = "Seal the secrets of all API keys anew, by the first secret in API_KEY_SECRET."

    def handle(self, *arguments: Any, **options: Any) -> None:
        resealed, unopened = reseal_keys()
        self.stdout.write(f"{resealed} secrets are sealed anew.")
        if unopened:
            raise CommandError(f"No secret in API_KEY_SECRET opens those of the keys {', '.join(map(str, unopened))}.")
