"""Check an order against its market's rules, and turn it into whole ticks and lots.

The law: nothing is rounded. What depends only on the market's own settings is checked here, from a copy cached in the
process; what depends on the moment (phase, reference price, funds) is checked by order intake inside its one statement,
which also refuses a stale copy by its version.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from accounts.errors import DomainError, FieldError, refusal
from accounts.numbers import EXACT, decimals_of, to_units
from accounts.times import render_time
from orders.models import Market
from orders.requests import NewOrder
from orders.terms import LIMIT_TYPES, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class MarketRules:
    """A market's settings, and the whole-number units that follow from them.

    `tick_lot_units` is what one lot costs at a price of one tick, in the quote asset's smallest units; `lot_units` is one
    lot in the base asset's smallest units.
    """

    market_id: int
    symbol: str
    shard: int
    version: int
    base_id: int
    quote_id: int
    base: str
    quote: str
    base_scale: int
    quote_scale: int
    tick_size: Decimal
    lot_size: Decimal
    price_decimals: int
    quantity_decimals: int
    tick_lot_units: int
    lot_units: int
    min_quantity: Decimal | None
    max_quantity: Decimal | None
    min_notional: Decimal | None
    protection_band: Decimal
    volatility_band: Decimal | None
    auction_band: Decimal | None
    reference_price: Decimal | None
    order_types: tuple[str, ...]
    max_open_orders: int | None
    call_seconds: int
    call_random_seconds: int
    closes_at: time | None
    fee_account_id: int

    def ticks(self, price: Decimal) -> int:
        return int(EXACT.divide_int(price, self.tick_size))

    def lots(self, quantity: Decimal) -> int:
        return int(EXACT.divide_int(quantity, self.lot_size))

    def price(self, ticks: int) -> Decimal:
        return EXACT.multiply(self.tick_size, ticks)

    def quantity(self, lots: int) -> Decimal:
        return EXACT.multiply(self.lot_size, lots)


_by_symbol: dict[str, MarketRules] = {}
_by_id: dict[int, MarketRules] = {}


def rules_of_symbol(symbol: str) -> MarketRules:
    """Return the rules of BTC/USD or BTC-USD, in any letter case. Raises DomainError unknown_symbol."""
    name = symbol.upper().replace("-", "/")
    found = _by_symbol.get(name)
    if found is None:
        market = Market.objects.select_related("base", "quote").filter(symbol=name).first()
        if market is None:
            raise refusal("unknown_symbol", "symbol", f"There is no market {symbol[:40]}.", value=symbol[:40])
        found = _remember(market)
    return found


def rules_of_market(market_id: int) -> MarketRules:
    """Return the rules of a market that exists."""
    found = _by_id.get(market_id)
    if found is None:
        found = _remember(Market.objects.select_related("base", "quote").get(id=market_id))
    return found


def current_rules(rules: MarketRules) -> MarketRules:
    """Return a market's rules as they are now: the same copy where nothing has changed."""
    if Market.objects.filter(id=rules.market_id, rules_version=rules.version).exists():
        return rules
    return _remember(Market.objects.select_related("base", "quote").get(id=rules.market_id))


def refresh_rules() -> None:
    """Read every cached copy anew. None is dropped meanwhile: an event loop that asks for one must not read the database."""
    for market in Market.objects.select_related("base", "quote").filter(id__in=list(_by_id)):
        _remember(market)


def forget_rules() -> None:
    """Drop every cached copy, as between two tests; the next use reads the database."""
    _by_symbol.clear()
    _by_id.clear()


def _remember(market: Market) -> MarketRules:
    rules = make_rules(market)
    _by_symbol[rules.symbol] = _by_id[rules.market_id] = rules
    return rules


def make_rules(market: Market) -> MarketRules:
    """Derive the rules of a market, whose assets are loaded."""
    return MarketRules(
        market_id=market.id,
        symbol=market.symbol,
        shard=market.shard,
        version=market.rules_version,
        base_id=market.base_id,
        quote_id=market.quote_id,
        base=market.base.code,
        quote=market.quote.code,
        base_scale=market.base.scale,
        quote_scale=market.quote.scale,
        tick_size=market.tick_size,
        lot_size=market.lot_size,
        price_decimals=decimals_of(market.tick_size),
        quantity_decimals=decimals_of(market.lot_size),
        tick_lot_units=to_units(EXACT.multiply(market.tick_size, market.lot_size), market.quote.scale),
        lot_units=to_units(market.lot_size, market.base.scale),
        min_quantity=market.min_quantity,
        max_quantity=market.max_quantity,
        min_notional=market.min_notional,
        protection_band=market.protection_band,
        volatility_band=market.volatility_band,
        auction_band=market.auction_band,
        reference_price=market.reference_price,
        order_types=tuple(market.order_types),
        max_open_orders=market.max_open_orders,
        call_seconds=market.call_seconds,
        call_random_seconds=market.call_random_seconds,
        closes_at=market.closes_at,
        fee_account_id=market.fee_account_id,
    )


def check_order(order: NewOrder, rules: MarketRules) -> None:
    """Check everything that the market's settings alone decide. Raises one DomainError with all that is wrong."""
    errors: list[FieldError] = []
    if order.order_type not in rules.order_types:
        message = f"{rules.symbol} takes no {order.order_type} orders."
        errors.append(
            FieldError("order_type", "order_type_not_allowed", message, list(rules.order_types), str(order.order_type))
        )
    for field, price in (("price", order.price), ("stop_price", order.stop_price)):
        if price is not None:
            errors += check_price(field, price, rules)
    if order.quantity is not None:
        errors += check_quantity(order.quantity, rules)
    if order.display_quantity is not None:
        errors += _check_multiple(
            "display_quantity", "quantity_off_lot", order.display_quantity, rules.lot_size, "lot size"
        )
    if order.quote_quantity is not None:
        errors += _check_quote_quantity(order.quote_quantity, rules)
    price = order.stop_price if order.price is None else order.price
    if price is not None and order.quantity is not None:
        errors += check_notional(price, order.quantity, rules)
    if order.expires_at is not None:
        errors += _check_expiry(order.expires_at)
    if errors:
        raise DomainError(errors[0].code, errors[0].message, errors)


def check_price(field: str, price: Decimal, rules: MarketRules) -> list[FieldError]:
    """Check a price against the tick."""
    return _check_multiple(field, "price_off_tick", price, rules.tick_size, "tick size")


def check_quantity(quantity: Decimal, rules: MarketRules) -> list[FieldError]:
    """Check a quantity against lot, minimum and maximum."""
    errors = _check_multiple("quantity", "quantity_off_lot", quantity, rules.lot_size, "lot size")
    decimals = rules.quantity_decimals
    if rules.min_quantity is not None and quantity < rules.min_quantity:
        limit = f"{rules.min_quantity:.{decimals}f}"
        errors.append(
            FieldError("quantity", "below_min_quantity", f"quantity must be at least {limit}.", limit, f"{quantity:f}")
        )
    if rules.max_quantity is not None and quantity > rules.max_quantity:
        limit = f"{rules.max_quantity:.{decimals}f}"
        errors.append(
            FieldError("quantity", "above_max_quantity", f"quantity must be at most {limit}.", limit, f"{quantity:f}")
        )
    return errors


def _check_quote_quantity(amount: Decimal, rules: MarketRules) -> list[FieldError]:
    if decimals_of(amount) > rules.quote_scale:
        message = f"quote_quantity must have at most {rules.quote_scale} decimals."
        return [FieldError("quote_quantity", "invalid_value", message, rules.quote_scale, f"{amount:f}")]
    least = EXACT.normalize(EXACT.multiply(rules.tick_size, rules.lot_size))
    if amount < least:
        message = f"quote_quantity must be at least {least:f}: less buys no lot at any price."
        return [FieldError("quote_quantity", "invalid_value", message, f"{least:f}", f"{amount:f}")]
    return _check_least_notional("quote_quantity", amount, rules)


def _check_multiple(field: str, code: str, value: Decimal, step: Decimal, name: str) -> list[FieldError]:
    if EXACT.remainder(value, step) == 0:
        return []
    limit = f"{step.normalize(EXACT):f}"
    return [FieldError(field, code, f"{field} must be a multiple of the {name}, {limit}.", limit, f"{value:f}")]


def check_notional(price: Decimal, quantity: Decimal, rules: MarketRules) -> list[FieldError]:
    """Check that price × quantity is worth the trouble. A stop without a limit is judged by its stop price."""
    return _check_least_notional("quantity", EXACT.multiply(price, quantity), rules)


def _check_least_notional(field: str, notional: Decimal, rules: MarketRules) -> list[FieldError]:
    if rules.min_notional is None or notional >= rules.min_notional:
        return []
    limit, value = (f"{EXACT.normalize(amount):f}" for amount in (rules.min_notional, notional))
    message = f"price × quantity must be at least {limit} {rules.quote}, got {value}."
    return [FieldError(field, "below_min_notional", message, limit, value)]


def _check_expiry(expires_at: datetime) -> list[FieldError]:
    """Check that there is still time. Not part of reading a request, whose repeat may come when its time is up."""
    now = datetime.now(UTC)
    if expires_at > now:
        return []
    return [time_is_up(expires_at, now)]


def time_is_up(expires_at: datetime, now: datetime) -> FieldError:
    """Name what is wrong with an order that would expire at once."""
    message = "expires_at must be in the future."
    return FieldError("expires_at", "invalid_value", message, render_time(now), render_time(expires_at))


def expiry_of(order: NewOrder, rules: MarketRules) -> datetime | None:
    """Return when the order's time will be up: of a DAY order with the market's next close, or at midnight UTC."""
    if order.time_in_force is not TimeInForce.DAY:
        return order.expires_at
    now = datetime.now(UTC)
    ends_at = datetime.combine(now.date(), rules.closes_at or time.min, UTC)
    return ends_at if ends_at > now else ends_at + timedelta(days=1)


def limit_hold(order: NewOrder, rules: MarketRules) -> int | None:
    """Return what the order holds in smallest units, or None where the price it holds at is not known yet.

    A sell holds its quantity of base; a buy holds price × quantity of quote, or its quote_quantity.
    """
    if order.side is Side.SELL:
        assert order.quantity is not None
        return rules.lots(order.quantity) * rules.lot_units
    if order.quote_quantity is not None:
        return to_units(order.quote_quantity, rules.quote_scale)
    if order.order_type in LIMIT_TYPES:
        assert order.price is not None
        assert order.quantity is not None
        return rules.ticks(order.price) * rules.lots(order.quantity) * rules.tick_lot_units
    return None
