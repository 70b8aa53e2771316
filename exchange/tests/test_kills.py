"""Kill what runs while orders come in, at any moment, and nothing is lost, invented or done twice.

The law: traders send one order after another over HTTP and repeat, under the same client order id, what was not answered; then whatever
they were told has to be in the database, once, and the whole of it has to add up. Moments and orders come from a seed that
is printed; KILL_SEED repeats it, as far as processes can be repeated.
How processes are found and started again is exchange/tests/test_run.py; what one batch does when its connection is lost,
trading/tests/test_matching.py.
"""

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import psycopg2
import pytest

from exchange.tests.platform import Platform, kill, parent_of, wait_for

PASSWORD = "exchange-demo"
EMAILS = ("alice@example.com", "bob@example.com", "admin@example.com")
THREADS_EACH = 2
PAUSE_SECONDS_MAX = 0.1
SOAK_SECONDS = 240
_runs = count(1)


LIMIT = {"order_type": "Limit", "price": ""}
IOC = {**LIMIT, "time_in_force": "IOC"}
DAY = {**LIMIT, "time_in_force": "DAY"}
ICEBERG = {**LIMIT, "quantity": "0.001", "display_quantity": "0.0002"}
STOP_LIMIT = {"order_type": "StopLimit", "price": "", "stop_price": ""}
STOP_MARKET = {"order_type": "StopMarket", "stop_price": ""}
# In a call there are no IOC orders; and before the first trade nothing to trail.
MAY_BE_REFUSED = ("market_halted", "no_reference_price")
TRAILING = {"order_type": "TrailingStop", "trailing_offset": 1}


class Trader:
    """Sends orders, amendments and cancels of one account, one after another, each until it is answered."""

    def __init__(self, platform: Platform, email: str, name: str, seed: int) -> None:
        self.name = name
        self.acknowledged: dict[str, int] = {}
        self.canceled: list[int] = []
        self.unexpected: list[tuple[str, int, str]] = []
        self.repeats = 0
        self._random = Random(seed)
        self._port = int(platform.ports["API_PORT"])
        self._connection: http.client.HTTPConnection | None = None
        _, tokens = self._ask("POST", "/api/v1/auth/token", {"email": email, "password": PASSWORD})
        self._headers = {"Authorization": f"Bearer {tokens['access']}"}

    def trade(self, stop: threading.Event) -> None:
        for number in count(1):
            if stop.is_set():
                break
            time.sleep(self._random.uniform(0, PAUSE_SECONDS_MAX))  # what is started again needs the machine too
            self._place(f"{self.name}-{number}")
            if self.acknowledged and self._random.random() < 0.15:
                self._cancel(self._random.choice(list(self.acknowledged.values())[-20:]))
            if self.acknowledged and self._random.random() < 0.1:
                self._amend(self._random.choice(list(self.acknowledged.values())[-20:]))
        self._hang_up()

    def _place(self, client_order_id: str) -> None:
        random = self._random
        body = {
            "symbol": "BTC/USD",
            "side": random.choice(("Buy", "Sell")),
            "quantity": f"0.000{random.randint(10, 99)}",
            "client_order_id": client_order_id,
            "self_trade_prevention": random.choice(("CancelNewest", "CancelOldest", "CancelBoth", "Decrement")),
            **random.choices((LIMIT, IOC, ICEBERG, DAY, STOP_LIMIT, STOP_MARKET, TRAILING), (12, 4, 2, 2, 2, 2, 1))[0],
        }
        for field in ("price", "stop_price"):
            if field in body:
                body[field] = f"{50_000 + random.randint(-5, 5)}.00"
        before = self.repeats
        status, order = self._ask("POST", "/api/v1/orders", body)
        # Answered with an earlier order is only what has been sent before.
        if status == 201 or (status == 200 and self.repeats > before):
            self.acknowledged[client_order_id] = order["id"]
        elif not (status == 422 and order["code"] in MAY_BE_REFUSED):
            self.unexpected.append((client_order_id, status, str(order)))

    def _amend(self, order_id: int) -> None:
        change = {
            "price": f"{50_000 + self._random.randint(-5, 5)}.00",
            "quantity": f"0.00{self._random.randint(1, 9)}",
        }
        status, answer = self._ask("PATCH", f"/api/v1/orders/{order_id}", change)
        # A market-like stop has no price to amend.
        if status != 202 and answer["code"] not in ("order_not_open", "invalid_value", "market_halted"):
            self.unexpected.append((str(order_id), status, str(answer)))

    def _cancel(self, order_id: int) -> None:
        status, answer = self._ask("DELETE", f"/api/v1/orders/{order_id}")
        if status == 202:
            self.canceled.append(order_id)
        elif (status, answer["code"]) != (409, "order_not_open"):
            self.unexpected.append((str(order_id), status, str(answer)))

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Ask until there is an answer of the exchange's own; one without its database is none."""
        while True:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                headers = {"Content-Type": "application/json", **getattr(self, "_headers", {})}
                self._connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = self._connection.getresponse()
                status, text = answer.status, answer.read()
                if status != 503:
                    return status, json.loads(text)
            except (OSError, http.client.HTTPException):
                self._hang_up()
            self.repeats += 1
            time.sleep(0.05)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@pytest.fixture
def random() -> Random:
    seed = int(os.environ.get("KILL_SEED") or Random().randrange(2**32))
    print(f"KILL_SEED={seed}")  # noqa: T201  what pytest shows of a test that failed
    return Random(seed)


def test_matching_worker_killed_at_any_moment_loses_nothing(platform, random):
    with trading(platform, random) as traders:
        for _ in range(2):
            kill_matching(platform, random)

    check_everything(platform, traders)
    assert [trader.repeats for trader in traders] == [0] * len(traders)


def test_api_killed_at_any_moment_has_kept_what_it_acknowledged_and_does_nothing_twice(platform, random):
    with trading(platform, random) as traders:
        for kill_some in (kill_api_worker, kill_api):
            kill_some(platform, random)
            wait_until_all_are_answered(traders)

    check_everything(platform, traders)
    assert sum(trader.repeats for trader in traders) > 0


# A shorter one is in every run: test_streams.py kills Valkey too.
@pytest.mark.long
def test_valkey_killed_and_emptied_at_any_moment_costs_nothing_but_time(platform, random):
    with trading(platform, random) as traders:
        for _ in range(3):
            kill_valkey(platform, random)
            wait_until_all_are_answered(traders)
            wait_until_matching_goes_on(platform)

    check_everything(platform, traders)
    assert [trader.repeats for trader in traders] == [0] * len(traders)


@pytest.mark.long
def test_everything_killed_at_any_moment_for_minutes(platform, random):
    ways = (kill_matching, kill_api_worker, kill_api, kill_valkey, kill_postgresql)
    deadline = time.monotonic() + SOAK_SECONDS
    kills: Counter[str] = Counter()
    with trading(platform, random) as traders:
        while time.monotonic() < deadline:
            kill_some = random.choice(ways)
            kills[kill_some.__name__] += 1
            kill_some(platform, random)
            wait_until_all_are_answered(traders)
            wait_until_matching_goes_on(platform)

    check_everything(platform, traders)
    print(f"{sum(len(trader.acknowledged) for trader in traders)} orders, {dict(kills)}")  # noqa: T201  pytest -rP shows it


# -- what the tests above do --------------------------------------------------------------------------


@contextmanager
def trading(platform: Platform, random: Random) -> Iterator[list[Trader]]:
    """Let traders trade while the block runs."""
    run, stop = next(_runs), threading.Event()
    traders = [
        Trader(platform, email, f"run{run}-{email.partition('@')[0]}{n}", random.randrange(2**32))
        for email in EMAILS
        for n in range(THREADS_EACH)
    ]
    threads = [threading.Thread(target=trader.trade, args=(stop,), name=trader.name) for trader in traders]
    threads.append(threading.Thread(target=_call, args=(platform, stop), name="calls"))
    for thread in threads:
        thread.start()
    try:
        wait_until_all_are_answered(traders)
        yield traders
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert [thread.name for thread in threads if thread.is_alive()] == []


def _call(platform: Platform, stop: threading.Event) -> None:
    """Turn to a call and back, again and again; ends with trading that is continuous."""
    while not stop.is_set():
        for phase, seconds in (("Auction", 0.3), ("Continuous", 0.7)):
            with suppress(psycopg2.Error):  # PostgreSQL may be the one that is killed
                platform.query(_SET_PHASE, json.dumps({"phase": phase}))
            stop.wait(seconds)
    wait_for(lambda: platform.query(_SET_PHASE, json.dumps({"phase": "Continuous"})), "the last call ends")


_SET_PHASE = """
    INSERT INTO commands (market_id, kind, payload) SELECT id, 'phase', %s::jsonb FROM markets WHERE symbol = 'BTC/USD'
    RETURNING id
"""


def kill_matching(platform: Platform, random: Random) -> None:
    _kill_and_wait(platform, random, lambda: platform.processes("matching0"), "matching0")
    wait_until_matching_goes_on(platform)


def kill_api_worker(platform: Platform, random: Random) -> None:
    wait_for(lambda: _workers(platform), "the API has workers")
    _kill_and_wait(platform, random, lambda: [random.choice(_workers(platform))], "wsgi")


def kill_api(platform: Platform, random: Random) -> None:
    _kill_and_wait(platform, random, lambda: [_server(platform)], "wsgi")


def kill_valkey(platform: Platform, random: Random) -> None:
    """It keeps nothing on disk, so the next one is empty."""
    _kill_and_wait(platform, random, lambda: platform.processes("valkey-server"), "valkey-server")


def kill_postgresql(platform: Platform, random: Random) -> None:
    _kill_and_wait(platform, random, lambda: platform.processes("postgres"), "postgres")


def _kill_and_wait(platform: Platform, random: Random, choose: Callable[[], list[int]], word: str) -> None:
    """Kill at some moment, and wait until something runs in the place of it."""
    time.sleep(random.uniform(0.2, 1.0))
    before = set(platform.processes(word))
    kill(choose())
    wait_for(lambda: set(platform.processes(word)) - before, f"{word} runs again")


def _server(platform: Platform) -> int:
    """Find the API's parent process, once there is one alone: a killed one's workers may outlive it for a moment."""
    wait_for(lambda: len(_servers(platform)) == 1 and _workers(platform), "the API has workers")
    return _servers(platform)[0]


def _servers(platform: Platform) -> list[int]:
    pids = platform.processes("wsgi")
    return [pid for pid in pids if parent_of(pid) not in pids]


def _workers(platform: Platform) -> list[int]:
    pids = platform.processes("wsgi")
    return [pid for pid in pids if parent_of(pid) in pids]


def wait_until_all_are_answered(traders: list[Trader]) -> None:
    """Wait until each has had two more orders acknowledged: the second was sent after this began."""
    goals = [len(trader.acknowledged) + 2 for trader in traders]
    wait_for(
        lambda: all(len(trader.acknowledged) >= goal for trader, goal in zip(traders, goals, strict=True)),
        "orders are acknowledged",
    )


def wait_until_matching_goes_on(platform: Platform) -> None:
    """Wait until what was the newest command is taken, and with it all that came before."""
    ((newest,),) = platform.query("SELECT max(id) FROM commands")
    wait_for(
        lambda: not platform.query("SELECT FROM commands WHERE sequence IS NULL AND id <= %s LIMIT 1", newest),
        "commands are taken",
    )


def check_everything(platform: Platform, traders: list[Trader]) -> None:
    """What was acknowledged is there, once, and taken; what was traded is what orders say; and all of it adds up."""
    wait_until_matching_goes_on(platform)
    assert [trader.unexpected for trader in traders] == [[]] * len(traders)
    for trader in traders:
        rows = platform.query(
            "SELECT o.client_order_id, o.id, count(c.sequence) FROM orders o"
            " LEFT JOIN commands c ON c.order_id = o.id AND c.kind = 'new'"
            " WHERE o.client_order_id LIKE %s GROUP BY o.id",
            f"{trader.name}-%",
        )
        assert len(rows) == len(trader.acknowledged)
        assert {name: (order_id, 1) for name, order_id in trader.acknowledged.items()} == {
            name: (order_id, taken) for name, order_id, taken in rows
        }
        assert platform.query(_STILL_OPEN, trader.canceled) == []
    assert platform.query(_TOLD_DIFFERENTLY) == []
    assert platform.query("SELECT DISTINCT phase FROM market_states") == [("Continuous",)]
    assert platform.query("SELECT id FROM orders WHERE reason = 'internal_error'") == []
    ((traded,),) = platform.query("SELECT COALESCE(sum(quantity), 0) FROM trades")
    assert traded > Decimal(0)
    done = platform.manage("verify_integrity")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


_STILL_OPEN = (
    "SELECT id FROM orders WHERE id = ANY(%s::bigint[]) AND status IN ('New', 'PendingTrigger', 'PartiallyFilled')"
)
_TOLD_DIFFERENTLY = """
    WITH traded AS (
        SELECT order_id, sum(quantity) AS quantity, sum(quote_amount) AS quote
        FROM trades, LATERAL (VALUES (maker_order_id), (taker_order_id)) AS o (order_id) GROUP BY 1
    )
    SELECT o.id FROM orders o FULL JOIN traded t ON t.order_id = o.id
    WHERE (o.filled_quantity, o.filled_quote) IS DISTINCT FROM (COALESCE(t.quantity, 0), COALESCE(t.quote, 0))
"""
"""Orders that say they were filled otherwise than their trades do, and trades of no order."""
