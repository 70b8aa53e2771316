"""The demo's traders at a running exchange: they trade as anybody could, and leave the books as they found them."""

import os
import signal
import subprocess
import sys

import pytest

from exchange.tests import sockets
from exchange.tests.platform import PROJECT, wait_for
from trading.simulation.trader import Refused, Trader

SYMBOL, MAKER = "ETH/BTC", "maker@example.com"
OPEN = (
    "SELECT o.id FROM orders o JOIN accounts a ON a.id = o.account_id JOIN users u ON u.id = a.user_id"
    " WHERE u.email = %s AND o.status IN ('New', 'PartiallyFilled')"
)


@pytest.fixture
def simulate(platform):
    """Start it beside the exchange; whatever happens, it ends with the test."""
    running = []

    def start(*arguments):
        url = f"http://127.0.0.1:{platform.ports['API_PORT']}/api/v1"
        command = [sys.executable, PROJECT / "manage.py", "simulate", "--url", url, "--markets", SYMBOL, *arguments]
        environment = {**os.environ, "EXCHANGE_VAR": str(platform.var)}
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_quotes_and_trades_come_and_a_signal_ends_both_at_once(platform, simulate):
    order = {"symbol": SYMBOL, "side": "Buy", "order_type": "Limit", "quantity": "1", "price": "0.01000"}
    leftover = sockets.rest(platform, "POST", "/orders", MAKER, order)
    process = simulate("--pace", "10")
    trades = "SELECT FROM trades t JOIN markets m ON m.id = t.market_id WHERE m.symbol = %s"
    before = len(platform.query(trades, SYMBOL))
    wait_for(lambda: len(platform.query(trades, SYMBOL)) > before + 3, "they trade")
    quotes = {order_id for (order_id,) in platform.query(OPEN, MAKER)}
    assert len(quotes) > 10
    assert leftover["id"] not in quotes
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said.count("\n")) == (0, 1), said
    platform.wait_until_taken()
    assert platform.query(OPEN, MAKER) == []


def test_market_that_is_not_there_is_named(platform, simulate):
    process = simulate("--markets", "DOGE/USD")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "No market with a price known here: DOGE/USD." in said


def test_trader_whose_tokens_are_good_no_longer_gets_others(platform):
    trader = Trader(f"http://127.0.0.1:{platform.ports['API_PORT']}/api/v1", MAKER, sockets.PASSWORD)
    first = trader.ask("GET", "/account")
    trader._access = "stale"
    assert trader.ask("GET", "/account") == first
    trader._access = trader._refresh = "stale"
    assert trader.ask("GET", "/account") == first
    with pytest.raises(Refused, match="not_found"):
        trader.ask("GET", "/orders/999999999")
    trader.close()
