"""Make markets: keep quotes on both sides of the fair price.

The law: what stands is asked of the venue each time, so that nothing that was lost, restarted or refused needs to be remembered; all
quotes vanish by themselves soon after their maker has.
"""

from collections.abc import Mapping
from decimal import Decimal
from random import Random

from trading.simulation.inventory import FUNDS, lean_of
from trading.simulation.ladder import lay_ladder
from trading.simulation.prices import FairPrices
from trading.simulation.replacing import plan_changes
from trading.simulation.terms import Quote, Standing, Terms, read_standing
from trading.simulation.trader import Refused, Trader

DEAD_MAN_SECONDS = 60
STANDING_MAX = 200
# They have ended meanwhile, or there is nothing to change: the next visit will see.
_OF_NO_MATTER = ("order_not_open", "not_found")


class Maker:
    def __init__(self, trader: Trader, prices: FairPrices, chance: Random) -> None:
        self._trader = trader
        self._prices = prices
        self._chance = chance
        self._totals: Mapping[str, Decimal] = {}

    def withdraw(self) -> None:
        """Take all quotes away, whoever left them."""
        self._trader.ask("DELETE", "/orders")

    def hold_the_switch(self) -> None:
        """Have the venue take the quotes away if it hears no more."""
        self._trader.ask("POST", "/orders/cancel-after", body={"timeout_seconds": DEAD_MAN_SECONDS})

    def take_stock(self) -> None:
        self._totals = read_totals(self._trader)

    def visit(self, terms: Terms) -> None:
        """Bring a market's quotes nearer to the fair price as it is now. Raises Refused where nothing of it is taken."""
        wanted = self._wanted(terms)
        plan = plan_changes(self._standing(terms), wanted)
        for order_id in plan.cancels:
            self._change("DELETE", order_id)
        for move in plan.moves:
            self._change("PATCH", move.order_id, {"price": f"{move.price:f}", "quantity": f"{move.quantity:f}"})
        self._place(terms, plan.places)

    def _wanted(self, terms: Terms) -> list[Quote]:
        lean = lean_of(self._totals, FUNDS.get(self._trader.email, {}), terms.base, terms.quote)
        fair, value = self._prices.fair(terms.base, terms.quote), self._prices.value(terms.base)
        return lay_ladder(terms, fair, lean, value, self._chance)

    def _standing(self, terms: Terms) -> list[Standing]:
        page = self._trader.ask("GET", "/orders", status="open", symbol=terms.symbol, limit=STANDING_MAX)
        return [read_standing(order) for order in page["results"] if order["order_type"] == "Limit"]

    def _change(self, method: str, order_id: int, body: Mapping[str, str] | None = None) -> None:
        try:
            self._trader.ask(method, f"/orders/{order_id}", body=body)
        except Refused as refusal:
            if refusal.code not in _OF_NO_MATTER:
                raise

    def _place(self, terms: Terms, quotes: list[Quote]) -> None:
        if not quotes:
            return
        orders = [
            {
                "symbol": terms.symbol,
                "side": quote.side,
                "order_type": "Limit",
                "price": f"{quote.price:f}",
                "quantity": f"{quote.quantity:f}",
            }
            for quote in quotes
        ]
        results = self._trader.ask("POST", "/orders/batch", body={"orders": orders})["results"]
        errors = [result["error"] for result in results if "error" in result]
        if len(errors) == len(results):
            raise Refused(errors[0]["code"], errors[0]["detail"])


def read_totals(trader: Trader) -> dict[str, Decimal]:
    """Read what a trader owns of each asset."""
    balances = trader.ask("GET", "/balances")["results"]
    return {balance["asset"]: Decimal(balance["total"]) for balance in balances}
