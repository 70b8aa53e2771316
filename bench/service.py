"""Measure orders through the API of a whole platform, from the socket to the disk.

The law: one measurement never disturbs the next. Each begins on a warm server with nothing pending and an empty book, and
what it left in the book is canceled outside the clock. CPU time is that of all the platform's processes, from the first
request until nothing is pending, so that matching and settling count too. Yardsticks run within seconds of what they stand
beside, and ratios are taken run by run.

The platform is `venue`'s, the load `load`'s, the database's own speed `pgbench`'s; the figures are printed by `report`.
"""

import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bench import pgbench
from bench.figures import percentile
from bench.load import Connection, LoadError, Outcome, Plan, run_load
from bench.traders import Traders, crossing_price, limit_order, resting_price
from bench.venue import Venue, running_venue, temporary_folder

CONNECTIONS = (1, 16, 64)
BATCH_CONNECTIONS = 4
BATCH = 100
REQUESTS_PER_CONNECTION = 50
WARM_SECONDS = 0.5
WAIT_MILLISECONDS = 2000
POLL_SECONDS = 0.0005
ROUND_TRIP_SECONDS_MAX = 10.0

ORDERS, TEST, INSERT = "POST /orders", "POST /orders/test", "pgbench, one insert"
BATCHES, END_TO_END, TRADES = "POST /orders/batch of 100", "end to end: orders", "end to end: trades"
TRIP_WAIT, TRIP_POLL = "POST to trade, by ?wait", "POST to trade, by polling"
IDLE = "idle"


class Size(NamedTuple):
    """How much is measured."""

    runs: int
    seconds: float
    traders: int
    round_trips: int


FULL = Size(runs=5, seconds=3.0, traders=32, round_trips=100)
QUICK = Size(runs=1, seconds=0.5, traders=8, round_trips=10)


class Key(NamedTuple):
    what: str
    connections: int


Sample = dict[str, float]
"""One run's figures: per_second; p50, p99 and mean in milliseconds; cpu in milliseconds for each order, and each part's share."""


@dataclass
class Result:
    """The samples of each measurement, run by run, and whatever went wrong."""

    samples: dict[Key, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)


def run(size: Size) -> Result:
    """Start a platform, measure, and stop it."""
    _progress("starting a platform")
    with temporary_folder() as folder, running_venue(folder, traders=size.traders) as venue:
        service = Service(venue, Traders(venue.port, size.traders), size)
        for number in range(size.runs):
            service.run_all(f"run {number + 1} of {size.runs}")
        for line in venue.faults_in_logs():
            service.result.errors[f"in the logs: {line}"] += 1
    return service.result


class Service:
    """The measurements, on a platform that runs."""

    def __init__(self, venue: Venue, traders: Traders, size: Size) -> None:
        self.result = Result()
        self._venue = venue
        self._traders = traders
        self._size = size

    def run_all(self, name: str) -> None:
        """Take each figure once."""
        _progress(f"{name}: warming up")
        # As many as ever: a server that has rested has let threads go, and with them their connections and plans.
        self._warm(self._single_orders("/orders", max(CONNECTIONS)), seconds=2 * WARM_SECONDS)
        measurements: list[tuple[str, int, Callable[[int], None]]] = [(IDLE, 0, self._idle)]
        for connections in CONNECTIONS:
            measurements += [
                (ORDERS, connections, self._orders),
                (TEST, connections, self._tests),
                (INSERT, connections, self._inserts),
            ]
        measurements += [
            (BATCHES, BATCH_CONNECTIONS, self._batches),
            (END_TO_END, BATCH_CONNECTIONS, self._end_to_end),
            (TRIP_WAIT, 1, self._trips_by_wait),
            (TRIP_POLL, 1, self._trips_by_poll),
        ]
        for what, connections, measure in measurements:
            _progress(f"{name}: {what}, {connections} connections" if connections else f"{name}: {what}")
            self._traders.renew()
            measure(connections)
            self._clear()

    def _idle(self, _connections: int) -> None:
        seconds = max(2.0, self._size.seconds)
        with self._venue.spending() as spent:
            time.sleep(seconds)
        self._note(Key(IDLE, 0), _each(spent, seconds))

    def _orders(self, connections: int) -> None:
        self._load(Key(ORDERS, connections), self._single_orders("/orders", connections))

    def _tests(self, connections: int) -> None:
        self._load(Key(TEST, connections), self._single_orders("/orders/test", connections))

    def _inserts(self, connections: int) -> None:
        inserts = pgbench.insert(self._venue, clients=connections, seconds=self._size.seconds)
        sample = {
            "per_second": inserts.per_second,
            "mean": inserts.mean_milliseconds,
            "cpu": inserts.cpu_milliseconds,
        }
        self._note(Key(INSERT, connections), sample)

    def _batches(self, connections: int) -> None:
        requests = [
            [self._batch(trader, "BATCH/USD", resting_price, buys=trader % 2 == 0, start=start) for start in range(5)]
            for trader in range(connections)
        ]
        self._load(Key(BATCHES, connections), requests, orders_each=BATCH)

    def _end_to_end(self, connections: int) -> None:
        """A batch of asks, then a batch of bids that cross, of two traders a connection: each order meets one other."""
        symbol = "CROSS/USD"
        requests = [
            [
                self._batch(2 * connection + buys, symbol, crossing_price, buys=bool(buys), start=connection)
                for buys in (0, 1)
            ]
            for connection in range(connections)
        ]
        self._warm(requests, whole_rounds=True)
        trades = self._venue.trades(symbol)
        with self._venue.spending() as spent:
            outcome = run_load(Plan(self._venue.port, requests, self._size.seconds, whole_rounds=True))
            seconds = self._venue.drain() - outcome.began
        orders, trades = outcome.answers * BATCH, self._venue.trades(symbol) - trades
        self._take_errors(END_TO_END, outcome)
        if trades * 2 != orders or self._venue.open_orders():
            self.result.errors[f"{END_TO_END}: {orders} orders gave {trades} trades, not half as many"] += 1
        self._note(Key(END_TO_END, connections), {"per_second": orders / seconds, **_each(spent, orders)})
        self._note(Key(TRADES, connections), {"per_second": trades / seconds, **_each(spent, trades)})

    def _trips_by_wait(self, _connections: int) -> None:
        self._trips(TRIP_WAIT, self._trip_by_wait)

    def _trips_by_poll(self, _connections: int) -> None:
        self._trips(TRIP_POLL, self._trip_by_poll)

    def _trips(self, what: str, trip: Callable[[Connection, bytes], float]) -> None:
        """An ask that rests, then a bid that takes it, again and again with pauses."""
        symbol, price = "TRIP/USD", "100.00"
        rest = self._traders.request(
            0, "POST", f"/orders?wait={WAIT_MILLISECONDS}", limit_order(symbol, buys=False, price=price)
        )
        path = "/orders" if what == TRIP_POLL else f"/orders?wait={WAIT_MILLISECONDS}"
        take = self._traders.request(1, "POST", path, limit_order(symbol, buys=True, price=price))
        milliseconds = []
        begin = time.perf_counter()
        with (
            Connection(self._venue.port) as maker,
            Connection(self._venue.port) as taker,
            self._venue.spending() as spent,
        ):
            for _ in range(self._size.round_trips):
                maker.send(rest)
                maker.answer().json()
                # Not in step with anything that ticks.
                time.sleep(random.uniform(0.02, 0.06))
                milliseconds.append(trip(taker, take) * 1000)
        seconds = time.perf_counter() - begin
        sample = {"p50": percentile(milliseconds, 50), "p99": percentile(milliseconds, 99)}
        if what == TRIP_WAIT:
            # Most of the time nothing happens: what the idle platform uses is not the orders'.
            idle = self.result.samples[Key(IDLE, 0)][-1]
            beyond = {part: max(0.0, used - idle.get(part, 0.0) / 1000 * seconds) for part, used in spent.items()}
            sample |= _each(beyond, 2 * self._size.round_trips)
        self._note(Key(what, 1), sample)

    def _trip_by_wait(self, taker: Connection, request: bytes) -> float:
        begin = time.perf_counter()
        taker.send(request)
        order = taker.answer().json()
        seconds = time.perf_counter() - begin
        if order["status"] != "Filled":
            self.result.errors[f"{TRIP_WAIT}: {order['status']} after {WAIT_MILLISECONDS} ms"] += 1
        return seconds

    def _trip_by_poll(self, taker: Connection, request: bytes) -> float:
        market = self._venue.markets["TRIP/USD"]
        newest = "SELECT COALESCE(max(id), 0) FROM trades WHERE market_id = %s"
        before = self._venue.value(newest, market)
        begin = time.perf_counter()
        taker.send(request)
        while self._venue.value(newest, market) == before:
            if time.perf_counter() - begin > ROUND_TRIP_SECONDS_MAX:
                raise LoadError(f"No trade {ROUND_TRIP_SECONDS_MAX:g} seconds after an order that crosses.")
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - begin
        taker.answer().json()
        return seconds

    def _single_orders(self, path: str, connections: int) -> list[list[bytes]]:
        """Orders that rest, of traders in turn; connections of one trader sell and buy, so that they hold other funds."""
        requests = []
        for connection in range(connections):
            turn, trader = divmod(connection, len(self._traders))
            buys = (turn + trader) % 2 == 0
            numbers = range(connection, connection + REQUESTS_PER_CONNECTION)
            bodies = [limit_order("REST/USD", buys=buys, price=resting_price(n, buys=buys)) for n in numbers]
            requests.append([self._traders.request(trader, "POST", path, body) for body in bodies])
        return requests

    def _batch(self, trader: int, symbol: str, price: Callable[..., str], *, buys: bool, start: int) -> bytes:
        numbers = range(start * BATCH, (start + 1) * BATCH)
        orders = [limit_order(symbol, buys=buys, price=price(n, buys=buys)) for n in numbers]
        return self._traders.request(trader, "POST", "/orders/batch", {"orders": orders})

    def _load(self, key: Key, requests: list[list[bytes]], *, orders_each: int = 1) -> None:
        self._warm(requests)
        with self._venue.spending() as spent:
            outcome = run_load(Plan(self._venue.port, requests, self._size.seconds))
            self._venue.drain()
        self._take_errors(key.what, outcome)
        sample = {
            "per_second": outcome.per_second * orders_each,
            "p50": percentile(outcome.latencies, 50),
            "p99": percentile(outcome.latencies, 99),
            **_each(spent, outcome.answers * orders_each),
        }
        self._note(key, sample)

    def _warm(self, requests: list[list[bytes]], *, seconds: float = WARM_SECONDS, whole_rounds: bool = False) -> None:
        """Let every thread of the server have its connection and its prepared statement, then tidy up."""
        self._take_errors("warming up", run_load(Plan(self._venue.port, requests, seconds, whole_rounds)))
        self._clear()

    def _clear(self) -> None:
        """End all orders, and wait until that is done."""
        self._venue.drain()
        if not self._venue.open_orders():
            return
        with Connection(self._venue.port) as connection:
            for request in self._traders.cancel_requests():
                connection.send(request)
                connection.answer().json()
        self._venue.drain()
        if left := self._venue.open_orders():
            self.result.errors["orders that were canceled are still open"] += left

    def _note(self, key: Key, sample: Sample) -> None:
        self.result.samples[key].append(sample)

    def _take_errors(self, what: str, outcome: Outcome) -> None:
        for error, count in outcome.errors.items():
            _progress(f"ERROR: {what}: {count} × {error}")
            self.result.errors[f"{what}: {error}"] += count


def _each(spent: dict[str, float], count: float) -> Sample:
    """Turn CPU seconds into milliseconds for each of so many."""
    return {part: seconds * 1000 / max(1, count) for part, seconds in spent.items()}


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
