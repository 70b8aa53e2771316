"""Change markets' phases by the journal, and wait until matching has done it.

The law: nothing but a journaled command changes a phase; success is reported only once matching has taken it. A market that
was stopped goes on to Continuous through a call, unless the operator says otherwise and why.
Who may place orders in which phase is order intake's.
"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.bodies import term_reader
from accounts.management.operating import OperatorCommand
from accounts.times import render_time
from orders.changes import ask_phase, wait_until_taken
from orders.models import Command as Journal
from orders.models import Market
from orders.rules import rules_of_symbol
from orders.terms import Phase

TIMEOUT_SECONDS = 10.0
ALL = "all"


class Command(OperatorCommand):
    help = "Change a market's phase, such as: set_phase BTC/USD Halted --reason 'maintenance at the bank'"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help=f"a market, or {ALL} of them")
        parser.add_argument("phase", help=", ".join(Phase))
        parser.add_argument("--direct", action="store_true", help="reopen without an auction; needs a reason")
        parser.add_argument("--reason", default="", help="kept in the journal")
        parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds to wait for matching")

    def handle(self, *, symbol: str, phase: str, direct: bool, reason: str, timeout: float, **_options: Any) -> None:
        wanted = term_reader(Phase)("phase", phase)
        if direct and (wanted is not Phase.CONTINUOUS or not reason):
            raise CommandError("--direct goes with Continuous and a --reason.")
        asked = {
            market: ask_phase(market, wanted, reason=reason, by="set_phase", direct=direct)
            for market in _markets(symbol)
        }
        if not wait_until_taken(asked.values(), int(timeout * 1000)):
            raise CommandError(_say_what_is_pending(asked, wanted, timeout))
        for market, command_id in asked.items():
            self.stdout.write(_say_what_came(market, command_id, wanted))


def _markets(symbol: str) -> list[Market]:
    if symbol.lower() == ALL:
        return list(Market.objects.order_by("symbol"))
    return [Market.objects.get(id=rules_of_symbol(symbol).market_id)]


def _say_what_is_pending(asked: dict[Market, int], wanted: Phase, timeout: float) -> str:
    pending = set(Journal.objects.filter(id__in=asked.values(), sequence=None).values_list("id", flat=True))
    late = {market: command_id for market, command_id in asked.items() if command_id in pending}
    symbols = ", ".join(market.symbol for market in late)
    commands = ", ".join(str(command_id) for command_id in late.values())
    shards = ", ".join(str(shard) for shard in sorted({market.shard for market in late}))
    have, are, take = ("has", "is", "takes") if len(late) == 1 else ("have", "are", "take")
    return (
        f"{symbols} {have} not become {wanted} within {timeout:g} s: command {commands} {are} in the journal, "
        f"and {take} effect once matching runs for shard {shards}."
    )


def _say_what_came(market: Market, command_id: int, wanted: Phase) -> str:
    """Say what phase a market is in now. Raises CommandError where the command has not brought about what it was for."""
    sequence = Journal.objects.values_list("sequence", flat=True).get(id=command_id)
    market.state.refresh_from_db()
    phase, ends_at = market.state.phase, market.state.call_ends_at
    if phase == wanted:
        return f"{market} is {wanted} since sequence {sequence}."
    if wanted is Phase.CONTINUOUS and phase == Phase.AUCTION:
        until = "an operator ends it with --direct and a --reason" if ends_at is None else render_time(ends_at)
        return f"{market} is in Auction since sequence {sequence}, until {until}; then it is {wanted}."
    raise CommandError(f"Matching took sequence {sequence}, and yet {market} is {phase}.")
