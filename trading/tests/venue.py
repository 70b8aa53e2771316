"""A market that is run by chance: orders of every type, amended, canceled and expired, through calls, interruptions and halts.

The law: all is drawn from a seed, so that a failure can be seen again. After each match the book that was kept is held against
the one that a starting worker builds from the rows.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import connection

from accounts.errors import DomainError
from accounts.models import Account
from accounts.tests.builders import make_trader, make_user
from orders import changes
from orders.journal import ExpirePayload, ProtectPayload, write_payload
from orders.models import MarketMakerProtection, MarketState, Order
from orders.requests import read_amendment
from orders.terms import OPEN_STATUSES, OrderType, Phase, Reason, SelfTradePrevention, Side, TimeInForce
from orders.tests.builders import make_market, place_order
from trading.books import rebuild
from trading.integrity.journal import lay_out
from trading.matching import Shard

FUNDS = {"USD": "1000000", "BTC": "10000"}
STOPS = (OrderType.STOP_LIMIT, OrderType.STOP_MARKET, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


class Venue:
    """One market with a worker that keeps its book, traders, and chance."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.market = make_market(
            tick_size="1", lot_size="0.1", reference_price=Decimal(100), maker_fee="0.001", taker_fee="0.002",
            volatility_band=Decimal("0.05"), auction_band=Decimal("0.02"), call_seconds=0, call_random_seconds=1,
        )  # fmt: skip
        owner = make_user()
        self.traders = [make_trader(user=owner, funds=FUNDS), make_trader(user=owner, funds=FUNDS)]
        self.traders += [make_trader(funds=FUNDS) for _ in range(3)]
        MarketMakerProtection.objects.create(
            account=self.traders[2], market=self.market, window_ms=60_000, quantity_limit=Decimal(2)
        )
        self.shard = Shard(0)

    def step(self) -> None:
        act = self.chance.choices(
            (self.place, self.amend, self.cancel, self.cancel_all, self.set_phase, self.expire, self.reset, self.rules),
            (60, 12, 8, 1, 10, 2, 2, 1),
        )[0]
        try:
            act()
        except DomainError:
            pass  # refused at the door, as it should be
        if self.chance.random() < 0.5:
            self.match()

    def match(self) -> None:
        """Match what is pending, by a worker that kept its book or by a fresh one, and hold the book against the rows."""
        if self.chance.random() < 0.2:
            self.shard = Shard(0)
        self.shard.drain()
        kept = self.shard._books.get(self.market.id)
        if kept is not None:
            built = rebuild(self.market.id)
            assert lay_out(built.engine) == lay_out(kept.engine)
            assert built.live == kept.live
            assert (built.last_sequence, built.last_hash) == (kept.last_sequence, kept.last_hash)

    def place(self) -> None:
        chance = self.chance
        order_type = chance.choices([*OrderType], (12, 3, 2, 2, 2, 2, 3))[0]
        fields: dict[str, Any] = {
            "order_type": str(order_type),
            "side": str(chance.choice([*Side])),
            "quantity": f"{chance.randint(1, 60) / 10}",
            "price": None,
            "self_trade_prevention": str(chance.choice([*SelfTradePrevention])),
            "market_maker_protection": chance.random() < 0.5,
        }
        if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
            fields["price"] = str(chance.randint(94, 106))
            fields |= self._time(order_type)
        elif order_type is OrderType.MARKET and fields["side"] == "Buy" and chance.random() < 0.4:
            fields |= {"quantity": None, "quote_quantity": str(chance.randint(50, 900))}
        if order_type in STOPS or (order_type is OrderType.TRAILING_STOP and chance.random() < 0.4):
            fields["stop_price"] = str(chance.randint(92, 108))
        if order_type is OrderType.TRAILING_STOP:
            fields["trailing_offset"] = chance.randint(50, 400)
        place_order(chance.choice(self.traders), **fields)

    def _time(self, order_type: OrderType) -> dict[str, Any]:
        chance = self.chance
        times = [*TimeInForce] if order_type is OrderType.LIMIT else [*TimeInForce][:-1]
        time = chance.choices(times, (12, 2, 2, 3, 3, 3)[: len(times)])[0]
        fields: dict[str, Any] = {"time_in_force": str(time)}
        if time is TimeInForce.GTD:
            fields["expires_at"] = (datetime.now(UTC) + timedelta(seconds=chance.randint(1, 100))).isoformat()
        elif time is TimeInForce.GTC:
            if chance.random() < 0.3:
                fields["display_quantity"] = f"{chance.randint(6, 20) / 10}"
            elif chance.random() < 0.2:
                fields["post_only"] = True
        return fields

    def _open(self) -> tuple[Account, Order]:
        orders = list(Order.objects.filter(status__in=OPEN_STATUSES).order_by("id"))
        if not orders:
            raise DomainError("not_found", "There is no order.")
        order = self.chance.choice(orders)
        return next(trader for trader in self.traders if trader.id == order.account_id), order

    def amend(self) -> None:
        trader, order = self._open()
        body: dict[str, str] = {}
        if self.chance.random() < 0.7:
            body["quantity"] = f"{self.chance.randint(1, 80) / 10}"
        if order.price is not None and (not body or self.chance.random() < 0.5):
            body["price"] = str(self.chance.randint(94, 106))
        changes.amend(trader.id, order.id, read_amendment(body or {"quantity": "1"}))

    def cancel(self) -> None:
        trader, order = self._open()
        changes.cancel(trader.id, order.id)

    def cancel_all(self) -> None:
        changes.cancel_all(self.chance.choice(self.traders).id, reason=Reason.DEAD_MAN)

    def set_phase(self) -> None:
        if MarketState.objects.get(market=self.market).phase == Phase.CONTINUOUS:
            phase = self.chance.choices([*Phase], (1, 4, 1, 1, 1, 1, 1))[0]
        else:
            phase = Phase.CONTINUOUS
        changes.ask_phase(self.market, phase, reason="chance", direct=self.chance.random() < 0.5)

    def expire(self) -> None:
        at = int((datetime.now(UTC).timestamp() + self.chance.randint(0, 90)) * 1_000_000)
        self._command("expire", write_payload(ExpirePayload(at)))

    def reset(self) -> None:
        self._command("protect", write_payload(ProtectPayload(on=False)), self.traders[2].id)

    def rules(self) -> None:
        self.market.refresh_from_db()
        self.market.volatility_band = self.chance.choice([None, Decimal("0.03"), Decimal("0.05")])
        self.market.save()

    def _command(self, kind: str, payload: str, account_id: int | None = None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO commands (market_id, kind, account_id, payload) VALUES (%s, %s, %s, %s::jsonb)",
                [self.market.id, kind, account_id, payload],
            )

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        self.match()
