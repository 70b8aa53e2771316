"""Change a market's phase by the journal, and wait until matching has done it.

The law: nothing but a journaled command changes a phase; success is reported only once matching has taken it.
Who may place orders in which phase is order intake's.
"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.bodies import term_reader
from accounts.management.operating import OperatorCommand
from orders.changes import ask_phase, wait_until_taken
from orders.models import Command as Journal
from orders.models import Market
from orders.rules import rules_of_symbol
from orders.terms import Phase

TIMEOUT_SECONDS = 10.0


class Command(OperatorCommand):
    help = "Change a market's phase, such as: set_phase BTC/USD Halted --reason 'maintenance at the bank'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("phase", help=", ".join(Phase))
        parser.add_argument("--direct", action="store_true", help="reopen without an auction; needs a reason")
        parser.add_argument("--reason", default="", help="kept in the journal")
        parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds to wait for matching")

    def handle(self, *, symbol: str, phase: str, direct: bool, reason: str, timeout: float, **_options: Any) -> None:
        wanted = term_reader(Phase)("phase", phase)
        if direct and (wanted is not Phase.CONTINUOUS or not reason):
            raise CommandError("--direct goes with Continuous and a --reason.")
        market = Market.objects.get(id=rules_of_symbol(symbol).market_id)
        command_id = ask_phase(market, wanted, reason=reason, by="set_phase")
        if not wait_until_taken([command_id], int(timeout * 1000)):
            raise CommandError(
                f"{market} has not become {wanted} within {timeout:g} s: command {command_id} is in the journal, "
                f"and takes effect once matching runs for shard {market.shard}."
            )
        sequence = Journal.objects.values_list("sequence", flat=True).get(id=command_id)
        market.state.refresh_from_db()
        if market.state.phase != wanted:
            raise CommandError(f"Matching took sequence {sequence}, and yet {market} is {market.state.phase}.")
        self.stdout.write(f"{market} is {wanted} since sequence {sequence}.")
