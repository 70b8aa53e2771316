from importlib import import_module

from django.apps import AppConfig
from django.conf import settings


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts.addresses import parse_networks

        import_module("accounts.identity")  # it follows allauth's signals

        # What is wrong in the environment is said at the start, not at the first request.
        parse_networks(settings.TRUSTED_PROXIES)
