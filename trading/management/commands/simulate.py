"""Trade on a demo exchange, as a market maker and a taker, until told to stop."""

import logging
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from trading.management.commands.seed_demo import PASSWORD
from trading.simulation.inventory import FUNDS
from trading.simulation.running import Login, Simulation, SimulationError, Stop

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    help = (
        "Be the demo's market maker and taker (maker@example.com, taker@example.com), by the public API. It waits for the API, "
        "goes on when that comes back, and takes its quotes away when it is stopped."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default=f"http://127.0.0.1:{settings.API_PORT}/api/v1", help="where the API is")
        parser.add_argument(
            "--markets", nargs="*", default=[], metavar="SYMBOL", help="default: all of BTC, ETH and USD"
        )
        parser.add_argument("--seed", type=int, default=1, help="the same seed decides the same way (1)")
        parser.add_argument("--pace", type=_positive, default=1.0, help="2 is twice as much of everything (1)")
        parser.add_argument("--seconds", type=_positive, help="stop after so long")
        parser.add_argument("--password", default=PASSWORD)

    def handle(
        self, *args: Any, url: str, markets: list[str], seed: int, pace: float, seconds: float | None, **options: Any
    ) -> None:
        maker, taker = (Login(email, options["password"]) for email in FUNDS)
        symbols = [symbol.upper().replace("-", "/") for symbol in markets]
        logging.getLogger("httpx").setLevel(logging.WARNING)  # which has a line for each request
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            Simulation(url.rstrip("/"), maker, taker, symbols=symbols, seed=seed, pace=pace).run(_until(seconds))
        except SimulationError as error:
            raise CommandError(str(error)) from error


def _until(seconds: float | None) -> Stop:
    """Make a stop that waits for a signal, or for the time to be over. No request is ever cut by it."""
    end = None if seconds is None else time.monotonic() + seconds

    def stop(wait: float) -> bool:
        left = wait if end is None else min(wait, max(end - time.monotonic(), 0.0))
        heard = signal.sigtimedwait(STOP_SIGNALS, left) is not None
        return heard or (end is not None and time.monotonic() >= end)

    return stop


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text} is not more than 0")
    return value
