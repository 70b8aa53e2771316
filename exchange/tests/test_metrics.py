"""Metrics as Prometheus reads them from each process of a running exchange."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exchange.tests import sockets
from exchange.tests.platform import Platform, kill, parent_of, processes_of, wait_for
from exchange.tests.scraping import get, port_of, scrape, value

pytestmark = pytest.mark.usefixtures("platform")


@pytest.mark.parametrize("process", ["api", "frontend", "matching", "worker", "beat", "flower"])
def test_every_process_shows_its_metrics(platform, process):
    metrics = scrape(platform, process)
    names = {name for name, _ in metrics}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= names
    assert metrics["process_resident_memory_bytes", frozenset()] > 10e6


def test_requests_of_all_worker_processes_are_counted_together(platform):
    """Whichever of the two processes of the API answers a scrape: each request is in it, and the sum never falls."""
    labels = {"method": "GET", "route": "/api/v1/time", "status": "200"}
    before = value(platform, "api", "http_requests_total", **labels) or 0
    port = int(platform.ports["API_PORT"])
    with ThreadPoolExecutor(8) as pool:
        assert {status for status, _ in pool.map(lambda _: get(port, "/api/v1/time"), range(80))} == {200}
    counts = [value(platform, "api", "http_requests_total", **labels) for _ in range(6)]
    assert counts == [before + 80] * 6
    timed = value(platform, "api", "http_request_duration_seconds_count", method="GET", route="/api/v1/time")
    assert timed == before + 80


def test_what_a_dead_process_has_counted_stays_and_what_it_was_doing_does_not(platform):
    labels = {"method": "GET", "route": "/api/v1/time", "status": "200"}
    port = int(platform.ports["API_PORT"])
    for _ in range(10):
        get(port, "/api/v1/time")
    before = value(platform, "api", "http_requests_total", **labels)
    used = value(platform, "api", "process_cpu_seconds_total")
    servers = _children_of_api(platform)
    assert before
    kill([max(servers)])
    wait_for(lambda: _children_of_api(platform) - servers, "another in its place")
    (begun,) = _children_of_api(platform) - servers
    wait_for(lambda: list((platform.var / "metrics/api").glob(f"*_{begun}.db")), "it counts")
    wait_for(lambda: get(port, "/api/v1/health/live")[0] == 200, "it answers")
    assert value(platform, "api", "http_requests_total", **labels) == before
    # What the new one has used must not hide what was lost.
    used += _cpu_of(begun)
    assert value(platform, "api", "process_cpu_seconds_total") >= used
    # The scrape itself is being answered.
    wait_for(lambda: value(platform, "api", "http_requests_in_progress") == 1, "nothing else is in progress")


def _children_of_api(platform: Platform) -> set[int]:
    return {
        pid
        for server in processes_of(platform.var, "exchange.wsgi")
        for pid in processes_of(platform.var)
        if parent_of(pid) == server
    }


def _cpu_of(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_path_that_callers_invent_makes_no_label(platform):
    port = int(platform.ports["API_PORT"])
    for number in range(3):
        assert get(port, f"/nothing/{number}")[0] == 404
        assert get(port, f"/api/v1/orders/{number}")[0] == 401
    names = [dict(labels) for name, labels in scrape(platform, "api") if name == "http_requests_total"]
    routes = {labels["route"] for labels in names}
    assert {"unmatched"} < routes
    assert not [route for route in routes if "nothing" in route or route.endswith(("/0", "/1", "/2"))]


@pytest.mark.parametrize("process", ["api", "frontend"])
@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_whoever_comes_through_a_proxy_sees_no_metrics(platform, process, header):
    assert get(port_of(platform, process), "/metrics", {header: "for=1.2.3.4"})[0] == 404


def test_sockets_and_what_they_do_are_counted(platform):
    before = scrape(platform, "frontend")
    sent = frozenset({("op", "subscribe")})
    with sockets.Client(platform) as client:
        client.subscribe("book:BTC/USD", "trades:BTC/USD")
        wait_for(lambda: value(platform, "frontend", "websocket_subscriptions_active") == 2, "two subscriptions")
        now = scrape(platform, "frontend")
        assert now["websocket_connections_active", frozenset()] == 1
        assert now["websocket_messages_total", sent] == before.get(("websocket_messages_total", sent), 0) + 1
        assert now["websocket_frames_sent_total", frozenset()] > before.get(
            ("websocket_frames_sent_total", frozenset()), 0
        )
        assert now["http_connections_active", frozenset()] >= 2
    wait_for(lambda: value(platform, "frontend", "websocket_connections_active") == 0, "nobody is connected")
    assert value(platform, "frontend", "websocket_subscriptions_active") == 0


@pytest.mark.usefixtures("_books_are_empty")
def test_an_order_is_followed_from_its_acceptance_to_its_settlement(platform):
    symbol, kind = {"symbol": "BTC/USD"}, {"symbol": "BTC/USD", "kind": "new"}

    def read(name: str, **labels: str) -> float:
        return value(platform, "matching", name, **labels) or 0

    before = [
        read("exchange_order_processing_seconds_count", **symbol),
        read("exchange_commands_total", **kind),
        read("exchange_trades_total", **symbol),
        read("exchange_batch_size_sum"),
    ]
    order = {"symbol": "BTC/USD", "order_type": "Limit", "quantity": "0.1", "price": "50000.00"}
    sockets.rest(platform, "POST", "/orders", sockets.ALICE, {**order, "side": "Sell"})
    sockets.rest(platform, "POST", "/orders", sockets.BOB, {**order, "side": "Buy"})
    platform.wait_until_taken()
    wait_for(lambda: read("exchange_trades_total", **symbol) == before[2] + 1, "the trade is counted")
    assert read("exchange_order_processing_seconds_count", **symbol) == before[0] + 2
    assert read("exchange_commands_total", **kind) == before[1] + 2
    assert read("exchange_batch_size_sum") >= before[3] + 2
    assert read("exchange_order_processing_seconds_bucket", le="60.0", **symbol) == before[0] + 2


@pytest.mark.usefixtures("_books_are_empty")
def test_the_worker_tells_how_the_venue_stands(platform):
    order = {"symbol": "BTC/USD", "order_type": "Limit", "quantity": "0.25"}
    sockets.rest(platform, "POST", "/orders", sockets.ALICE, {**order, "side": "Buy", "price": "40000.00"})
    sockets.rest(platform, "POST", "/orders", sockets.BOB, {**order, "side": "Sell", "price": "40010.50"})
    platform.wait_until_taken()
    metrics = scrape(platform, "worker")

    def read(name: str, **labels: str) -> float:
        return metrics[name, frozenset(labels.items())]

    symbol = "BTC/USD"
    assert read("exchange_spread", symbol=symbol) == 10.5
    assert read("exchange_best_price", symbol=symbol, side="Buy") == 40000
    assert read("exchange_book_orders", symbol=symbol, side="Buy") == 1
    assert read("exchange_book_depth", symbol=symbol, side="Sell") == 0.25
    assert read("exchange_market_phase", symbol=symbol, phase="Continuous") == 1
    assert read("exchange_market_phase", symbol=symbol, phase="Halted") == 0
    assert read("exchange_market_halted_by_failure", symbol=symbol) == 0
    assert (read("exchange_pending_commands", shard="0"), read("exchange_matching_lag_seconds", shard="0")) == (0, 0)
    assert read("exchange_matching_alive", shard="0") == 1
    assert read("exchange_database_up") == read("exchange_redis_up") == 1
    assert read("exchange_database_size_bytes") > 1e6
    assert read("exchange_database_connections_max") > read("exchange_database_connections", state="idle")
    assert read("exchange_database_transactions_total", outcome="commit") > 0
    parts = {dict(labels)["part"]: said for (name, labels), said in metrics.items() if name == "exchange_collected"}
    assert parts.pop("certificate") == 1
    assert set(parts.values()) == {1}


def test_what_waits_is_seen_while_matching_stands_still(platform):
    (matching,) = [
        pid for pid in platform.processes("matching.0") if parent_of(pid) not in platform.processes("matching.0")
    ]
    os.kill(matching, signal.SIGSTOP)
    try:
        order = {"symbol": "BTC/USD", "order_type": "Limit", "side": "Buy", "quantity": "0.1", "price": "1.00"}
        sockets.rest(platform, "POST", "/orders", sockets.ALICE, order)
        wait_for(lambda: value(platform, "worker", "exchange_matching_lag_seconds", shard="0") > 0.2, "it lags")
        assert value(platform, "worker", "exchange_pending_commands", shard="0") == 1
        wait_for(lambda: value(platform, "worker", "exchange_matching_alive", shard="0") == 0, "it is missed")
    finally:
        os.kill(matching, signal.SIGCONT)
    platform.wait_until_taken()
    wait_for(lambda: value(platform, "worker", "exchange_matching_alive", shard="0") == 1, "it is back")


def test_tasks_are_counted_where_they_run_and_where_they_are_sent(platform):
    task = "orders.tasks.keep_time"
    first = value(platform, "beat", "celery_tasks_sent_total", task=task) or 0
    done = value(platform, "worker", "celery_tasks_total", task=task, state="success") or 0
    time.sleep(1)
    wait_for(lambda: (value(platform, "beat", "celery_tasks_sent_total", task=task) or 0) > first, "sent again")
    wait_for(
        lambda: (value(platform, "worker", "celery_tasks_total", task=task, state="success") or 0) > done, "done again"
    )
    assert value(platform, "worker", "celery_task_duration_seconds_count", task=task) > 0
    lap = {"task": "trading.tasks.run_matching", "state": "success"}
    wait_for(lambda: value(platform, "matching", "celery_tasks_total", **lap), "a first lap has ended")


@pytest.mark.parametrize("process", ["matching", "worker", "beat"])
def test_a_process_that_serves_nothing_else_has_probes(platform, process):
    port = port_of(platform, process)
    assert get(port, "/health/live") == (200, "ok\n")
    assert get(port, "/health/ready") == (200, "ok\n")
    assert get(port, "/")[0] == 404
