"""Follow what accounts are told, as a client does, and hold it against the database.

The law: only the stored events are applied, in their order, to nothing; what comes of them must be what the API shows.
"""

import json
from typing import Any

from accounts.events import StoredEvent, last_sequences, read_after
from accounts.models import Account
from accounts.rendering import render_balance
from accounts.selectors import balances_of
from orders.api.rendering import render_order
from orders.models import Command, Order
from orders.rules import rules_of_market
from trading.api.rendering import render_fill
from trading.selectors import fills_of

EVERYTHING = 1_000_000


class Follower:
    """What a client knows that has followed an account's stream from the start."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.sequence = 0
        self.orders: dict[int, Any] = {}
        self.fills: list[Any] = []
        self.balances: dict[str, Any] = {}

    def follow(self) -> None:
        for event in read_after({self.account_id: self.sequence}, EVERYTHING)[self.account_id]:
            self.take(event)

    def take(self, event: StoredEvent) -> None:
        assert event.sequence == self.sequence + 1
        self.sequence = event.sequence
        members = json.loads(event.payload)
        assert members
        match event.channel:
            case "orders":
                self.orders |= {order["id"]: order for order in members}
            case "fills":
                self.fills += members
            case "balances":
                self.balances |= {balance["asset"]: balance for balance in members}


def check_streams() -> None:
    """Assert that each trader was told just what the database has. Expects that nothing is pending."""
    assert not Command.objects.filter(sequence__isnull=True).exists()
    for account in Account.objects.filter(kind="trader"):
        client = Follower(account.id)
        client.follow()
        assert client.sequence == last_sequences([account.id])[account.id]
        orders = {
            order.id: render_order(order, rules_of_market(order.market_id))
            for order in Order.objects.filter(account=account)
        }
        assert client.orders == orders
        fills = [render_fill(fill, rules_of_market(fill.market_id)) for fill in fills_of(account.id, limit=EVERYTHING)]
        # Of two shards, the one that took its trades' ids later may commit first.
        assert sorted(client.fills, key=lambda fill: -fill["trade_id"]) == fills
        balances = {holding.asset: render_balance(holding) for holding in balances_of(account.id)}
        # A row is there from the first order on that may bring some of an asset; nobody is told of nothing.
        empty = {asset for asset, told in balances.items() if not float(told["total"]) and asset not in client.balances}
        assert client.balances == {asset: told for asset, told in balances.items() if asset not in empty}
