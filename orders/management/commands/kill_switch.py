"""Throw a kill switch from the command line. The law and the work are orders/switches.py's; here are only the arguments."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.management.operating import OperatorCommand
from accounts.models import User
from orders.models import Market
from orders.rules import rules_of_symbol
from orders.switches import TIMEOUT_SECONDS, kill_market, kill_user, kill_venue

BY = "kill_switch"


class Command(OperatorCommand):
    help = (
        "Cancel all orders and block entry, such as: kill_switch --user alice@example.com --reason 'runaway algorithm'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--user", metavar="EMAIL", help="freeze a user's accounts and cancel their orders")
        scope.add_argument("--market", metavar="SYMBOL", help="let a market only cancel, and cancel its orders")
        scope.add_argument("--venue", action="store_true", help="do so with all markets")
        parser.add_argument("--reason", required=True, help="kept in the journal or the log")
        parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds to wait for matching")

    def handle(
        self, *, user: str | None, market: str | None, venue: bool, reason: str, timeout: float, **_options: Any
    ) -> None:
        if user is not None:
            found = User.objects.filter(email=user.lower()).first()
            if found is None:
                raise CommandError(f"There is no user {user}.")
            killed = kill_user(found, by=BY, reason=reason, timeout=timeout)
            blocked = f"{found} is frozen"
        elif market is not None:
            of = Market.objects.get(id=rules_of_symbol(market).market_id)
            killed = kill_market(of, by=BY, reason=reason, timeout=timeout)
            blocked = f"{of} is CancelOnly"
        else:
            killed = kill_venue(by=BY, reason=reason, timeout=timeout)
            blocked = "All markets are CancelOnly"
        self.stdout.write(f"{blocked}; {killed.canceled} orders canceled in {killed.seconds:.3f} s.")
