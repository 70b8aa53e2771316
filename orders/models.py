"""Model what may be asked and what was: markets, their rules and state, orders, the journal, and what guards an account.

The law: a Command enters with `sequence` empty, which is what makes it pending; the matching loop gives it the market's
next sequence and its events, once, and from then on nothing changes it (a trigger holds that). An order's columns change
only in the commit that settles a command.
Order intake (orders/intake.py) inserts orders and commands, orders/changes.py commands; settlement (trading/settlement.py) updates them.
"""

from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import Account, AmountField, Asset, numbers, one_of
from accounts.numbers import EXACT, decimals_of
from orders.terms import (
    CALL_PHASES,
    LIMIT_TYPES,
    OPEN_STATUSES,
    RESTING_TIMES,
    CommandKind,
    OrderStatus,
    OrderType,
    Phase,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)


def choices(terms: Any) -> list[tuple[str, str]]:
    return [(str(term), str(term)) for term in terms]


class RateField(models.DecimalField):
    """Hold a fraction such as a fee rate or a band: 0.001 is a tenth of a percent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_digits", 9)
        kwargs.setdefault("decimal_places", 8)
        super().__init__(*args, **kwargs)


def default_order_types() -> list[str]:
    return [str(order_type) for order_type in OrderType]


class Market(models.Model):
    """A pair that trades, and the rules its orders obey. An empty limit or band means: not checked."""

    symbol = models.CharField(max_length=33, unique=True, editable=False)
    base = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    quote = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="+")
    tick_size = AmountField(help_text="Prices are whole multiples of it. Fixed from the first order on.")
    lot_size = AmountField(help_text="Quantities are whole multiples of it. Fixed from the first order on.")
    min_quantity = AmountField(null=True, blank=True)
    max_quantity = AmountField(null=True, blank=True)
    min_notional = AmountField(null=True, blank=True, help_text="Least price × quantity, in quote.")
    price_band = RateField(null=True, blank=True, help_text="0.1: limit prices within ±10 % of the reference price.")
    protection_band = RateField(
        default=Decimal("0.1"), help_text="How far a market order may trade from the best price."
    )
    volatility_band = RateField(
        null=True,
        blank=True,
        help_text="0.05: a trade further than 5 % from the reference price begins a call instead.",
    )
    auction_band = RateField(
        null=True,
        blank=True,
        help_text="0.1: a call whose price is further than 10 % from the reference price goes on.",
    )
    reference_price = AmountField(null=True, blank=True, help_text="Used until the market has traded.")
    maker_fee = RateField(default=Decimal(0))
    taker_fee = RateField(default=Decimal(0))
    max_open_orders = models.PositiveIntegerField(null=True, blank=True, help_text="Per account.")
    max_stop_orders = models.PositiveIntegerField(null=True, blank=True, help_text="Stops that wait, per account.")
    max_iceberg_orders = models.PositiveIntegerField(null=True, blank=True, help_text="Per account.")
    call_seconds = models.PositiveIntegerField(default=120, help_text="How long a call lasts at least.")
    call_random_seconds = models.PositiveIntegerField(default=30, help_text="Chance adds as much at most.")
    opens_at = models.TimeField(null=True, blank=True, help_text="UTC, every day. Empty: the market does not close.")
    closes_at = models.TimeField(null=True, blank=True, help_text="UTC. DAY orders end then, else at midnight.")
    order_types = ArrayField(models.CharField(max_length=16, choices=choices(OrderType)), default=default_order_types)
    shard = models.PositiveSmallIntegerField(default=0, help_text="Which matching worker serves it.")
    fee_account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", editable=False)
    rules_version = models.IntegerField(db_default=1, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "markets"
        constraints = [
            models.UniqueConstraint(name="markets_base_quote", fields=["base", "quote"]),
            models.CheckConstraint(name="markets_two_assets", condition=~Q(base=F("quote"))),
            models.CheckConstraint(name="markets_tick_positive", condition=Q(tick_size__gt=0)),
            models.CheckConstraint(name="markets_lot_positive", condition=Q(lot_size__gt=0)),
            models.CheckConstraint(
                name="markets_fees",
                condition=Q(maker_fee__gte=0, maker_fee__lt=1, taker_fee__gte=0, taker_fee__lt=1),
            ),
            models.CheckConstraint(
                name="markets_bands",
                condition=Q(protection_band__gte=0, protection_band__lt=1)
                & (Q(price_band__isnull=True) | Q(price_band__gt=0, price_band__lt=1))
                & (Q(volatility_band__isnull=True) | Q(volatility_band__gt=0, volatility_band__lt=1))
                & (Q(auction_band__isnull=True) | Q(auction_band__gt=0, auction_band__lt=1)),
            ),
            models.CheckConstraint(
                name="markets_hours",
                condition=Q(opens_at__isnull=True, closes_at__isnull=True)
                | (Q(opens_at__isnull=False, closes_at__isnull=False) & ~Q(opens_at=F("closes_at"))),
            ),
            models.CheckConstraint(
                name="markets_limits",
                condition=(Q(min_quantity__isnull=True) | Q(min_quantity__gt=0))
                & (Q(max_quantity__isnull=True) | Q(max_quantity__gt=0))
                & (Q(min_notional__isnull=True) | Q(min_notional__gt=0))
                & (Q(reference_price__isnull=True) | Q(reference_price__gt=0)),
            ),
            models.CheckConstraint(
                name="markets_min_within_max",
                condition=Q(min_quantity__isnull=True)
                | Q(max_quantity__isnull=True)
                | Q(min_quantity__lte=F("max_quantity")),
            ),
        ]

    def __str__(self) -> str:
        return self.symbol

    def clean(self) -> None:
        """Check the rules that hold between fields, so that every fill is a whole number of the quote's units."""
        if any(value is None for value in (self.base_id, self.quote_id, self.tick_size, self.lot_size)):
            return  # a form has said already that they are required
        errors: dict[str, str] = {}
        if self.base_id == self.quote_id:
            errors["quote"] = "A market needs two different assets."
        for field in ("tick_size", "lot_size"):
            if getattr(self, field) <= 0:
                errors[field] = f"Must be more than 0, got {getattr(self, field)}."
        if not errors:
            errors |= self._scale_errors() | self._range_errors()
        if self.pk is not None:
            errors |= self._change_errors()
        if errors:
            raise ValidationError(errors)

    def _scale_errors(self) -> dict[str, str]:
        errors = {}
        if decimals_of(self.lot_size) > self.base.scale:
            errors["lot_size"] = f"{self.lot_size:f} has more decimals than {self.base}'s scale of {self.base.scale}."
        unit = EXACT.normalize(EXACT.multiply(self.tick_size, self.lot_size))
        if decimals_of(unit) > self.quote.scale:
            errors["tick_size"] = (
                f"tick × lot = {unit:f} has more decimals than {self.quote}'s scale of {self.quote.scale}: "
                "a fill's cost would have to be rounded."
            )
        for field, step in (
            ("min_quantity", self.lot_size),
            ("max_quantity", self.lot_size),
            ("reference_price", self.tick_size),
        ):
            value = getattr(self, field)
            if value is not None and (value <= 0 or EXACT.remainder(value, step)):
                errors[field] = f"Must be a positive multiple of {step:f}, got {value:f}."
        return errors

    def _range_errors(self) -> dict[str, str]:
        """Say by field what the CHECK constraints below the form would say of the whole row."""
        errors = {}
        for field in ("maker_fee", "taker_fee", "protection_band"):
            if not 0 <= getattr(self, field) < 1:
                errors[field] = f"Must be at least 0 and less than 1, got {getattr(self, field):f}."
        for field in ("price_band", "volatility_band", "auction_band"):
            band = getattr(self, field)
            if band is not None and not 0 < band < 1:
                errors[field] = f"Must be more than 0 and less than 1, got {band:f}."
        if (self.opens_at is None) is not (self.closes_at is None):
            errors["closes_at"] = "A market has both times or neither."
        elif self.opens_at is not None and self.opens_at == self.closes_at:
            errors["closes_at"] = f"Must differ from opens_at, {self.opens_at}."
        if self.min_notional is not None and self.min_notional <= 0:
            errors["min_notional"] = f"Must be more than 0, got {self.min_notional:f}."
        if self.min_quantity is not None and self.max_quantity is not None and self.min_quantity > self.max_quantity:
            errors["max_quantity"] = f"Must be at least min_quantity, {self.min_quantity:f}, got {self.max_quantity:f}."
        return errors

    def _change_errors(self) -> dict[str, str]:
        stored = Market.objects.get(pk=self.pk)
        fixed = [
            name
            for name in ("base_id", "quote_id", "tick_size", "lot_size")
            if getattr(stored, name) != getattr(self, name)
        ]
        if fixed and Order.objects.filter(market_id=self.pk).exists():
            return {name.removesuffix("_id"): "Fixed since the market's first order." for name in fixed}
        return {}


EXTENSIONS_MAX = 3
"""A call goes on twice by itself; after that an operator ends it."""


class MarketState(models.Model):
    """Where a market stands after its last commit; also the fence that matching locks.

    Settlement writes it in each commit and order intake reads it. Nothing refers to it by foreign key, so that no insert
    ever queues behind the fence.
    """

    market = models.OneToOneField(Market, on_delete=models.PROTECT, primary_key=True, related_name="state")
    phase = models.CharField(max_length=12, choices=choices(Phase), default=str(Phase.CONTINUOUS))
    last_sequence = models.BigIntegerField(default=0)
    last_price = AmountField(null=True, blank=True)
    last_auction_price = AmountField(null=True, blank=True)
    best_bid = AmountField(null=True, blank=True)
    best_ask = AmountField(null=True, blank=True)
    call_ends_at = models.DateTimeField(null=True, blank=True)
    call_extensions = models.PositiveSmallIntegerField(default=0)
    indicative_price = AmountField(null=True, blank=True, help_text="At which the call would end now.")
    indicative_quantity = AmountField(null=True, blank=True)
    indicative_surplus = AmountField(null=True, blank=True, help_text="Bought more than sold; negative the other way.")
    rules = models.JSONField(
        default=dict, editable=False, help_text="What the engine was last told of the market's rules."
    )
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "market_states"
        constraints = [
            models.CheckConstraint(name="market_states_phase", condition=one_of("phase", Phase)),
            models.CheckConstraint(name="market_states_sequence", condition=Q(last_sequence__gte=0)),
            models.CheckConstraint(
                # A call collects what may cross, and a market that is stopped keeps it.
                name="market_states_not_crossed",
                condition=~one_of("phase", (Phase.CONTINUOUS, Phase.POST_ONLY))
                | Q(best_bid__isnull=True)
                | Q(best_ask__isnull=True)
                | Q(best_bid__lt=F("best_ask")),
            ),
            models.CheckConstraint(
                name="market_states_call",
                condition=one_of("phase", CALL_PHASES)
                | Q(call_ends_at__isnull=True, call_extensions=0, indicative_price__isnull=True),
            ),
            models.CheckConstraint(name="market_states_extensions", condition=Q(call_extensions__lte=EXTENSIONS_MAX)),
            models.CheckConstraint(
                name="market_states_indicative",
                condition=Q(
                    indicative_price__isnull=True, indicative_quantity__isnull=True, indicative_surplus__isnull=True
                )
                | Q(
                    indicative_price__isnull=False,
                    indicative_quantity__isnull=False,
                    indicative_surplus__isnull=False,
                    indicative_price__gt=0,
                    indicative_quantity__gt=0,
                ),
            ),
            models.CheckConstraint(
                name="market_states_numbers",
                condition=numbers(
                    "last_price",
                    "last_auction_price",
                    "best_bid",
                    "best_ask",
                    "indicative_price",
                    "indicative_quantity",
                    "indicative_surplus",
                ),
            ),
            models.CheckConstraint(
                name="market_states_prices_positive",
                condition=(Q(last_price__isnull=True) | Q(last_price__gt=0))
                & (Q(last_auction_price__isnull=True) | Q(last_auction_price__gt=0))
                & (Q(best_bid__isnull=True) | Q(best_bid__gt=0))
                & (Q(best_ask__isnull=True) | Q(best_ask__gt=0)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.market_id} {self.phase} at {self.last_sequence}"


class FeeRate(models.Model):
    """A departure from a market's default fees, for an account or a tier, in one market or in all."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    market = models.ForeignKey(Market, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    maker_fee = RateField()
    taker_fee = RateField()

    class Meta:
        db_table = "fee_rates"
        constraints = [
            models.UniqueConstraint(name="fee_rates_scope", fields=["account", "tier", "market"], nulls_distinct=False),
            models.CheckConstraint(
                name="fee_rates_account_or_tier",
                condition=Q(account__isnull=False, tier__isnull=True, market__isnull=False)
                | Q(account__isnull=True, tier__isnull=False),
            ),
            models.CheckConstraint(
                name="fee_rates_range",
                condition=Q(maker_fee__gte=0, maker_fee__lt=1, taker_fee__gte=0, taker_fee__lt=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id or f'tier {self.tier}'} in {self.market_id or 'every market'}"


OPEN = one_of("status", OPEN_STATUSES)
_EXPIRING = one_of("time_in_force", (TimeInForce.GTD, TimeInForce.DAY))
_BY_LIMIT = one_of("order_type", LIMIT_TYPES)
_ENDED_FOR_A_REASON = Q(status__in=["Canceled", "Expired", "Rejected"])


class Order(models.Model):
    """An order as it stands after the last commit. Its fee rates are those of the moment it was accepted."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="orders")
    # No foreign key in the database: with one on a row that matching locks, inserts run at half the speed.
    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    client_order_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  null: none given
    request_digest = models.BinaryField(null=True, editable=False)
    side = models.CharField(max_length=4, choices=choices(Side))
    order_type = models.CharField(max_length=16, choices=choices(OrderType))
    time_in_force = models.CharField(max_length=12, choices=choices(TimeInForce))
    post_only = models.BooleanField(default=False)
    self_trade_prevention = models.CharField(
        max_length=12, choices=choices(SelfTradePrevention), default=str(SelfTradePrevention.CANCEL_NEWEST)
    )
    market_maker_protection = models.BooleanField(default=False)
    price = AmountField(null=True, blank=True)
    protection_price = AmountField(null=True, blank=True)
    stop_price = AmountField(null=True, blank=True)
    trailing_offset = models.SmallIntegerField(null=True, blank=True, help_text="In basis points.")
    quantity = AmountField(null=True, blank=True)
    quote_quantity = AmountField(null=True, blank=True)
    display_quantity = AmountField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    filled_quantity = AmountField(default=Decimal(0))
    filled_quote = AmountField(default=Decimal(0))
    prevented_quantity = AmountField(default=Decimal(0))
    remaining_quantity = AmountField(null=True, blank=True)
    visible_quantity = AmountField(
        null=True, blank=True, help_text="What the book shows of it. Empty: not in the book."
    )
    extreme_price = AmountField(
        null=True, blank=True, help_text="What a trailing stop was armed with; trades since may be beyond."
    )
    armed_sequence = models.BigIntegerField(null=True, blank=True, help_text="Of the command that armed it.")
    held_amount = AmountField()
    maker_fee = RateField()
    taker_fee = RateField()
    status = models.CharField(max_length=16, choices=choices(OrderStatus), default=str(OrderStatus.NEW))
    reason = models.CharField(max_length=32, choices=choices(Reason), null=True, blank=True)  # noqa: DJ001  null: none
    priority_sequence = models.BigIntegerField(null=True, blank=True)
    priority_ordinal = models.IntegerField(null=True, blank=True)
    ended_sequence = models.BigIntegerField(null=True, blank=True, help_text="Of the command that ended it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "orders"
        indexes = [
            models.Index(name="orders_account", fields=["account", "id"]),
            models.Index(name="orders_account_open", fields=["account", "market"], condition=OPEN),
            models.Index(name="orders_market_open", fields=["market"], condition=OPEN),
            models.Index(name="orders_expiring", fields=["expires_at"], condition=OPEN & Q(expires_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                name="orders_client_order_id",
                fields=["account", "client_order_id"],
                condition=Q(client_order_id__isnull=False),
            ),
            models.CheckConstraint(name="orders_side", condition=one_of("side", Side)),
            models.CheckConstraint(name="orders_status", condition=one_of("status", OrderStatus)),
            models.CheckConstraint(
                name="orders_terms",
                condition=one_of("order_type", OrderType)
                & one_of("time_in_force", TimeInForce)
                & one_of("self_trade_prevention", SelfTradePrevention),
            ),
            models.CheckConstraint(
                # What has a price has a limit (orders_price).
                name="orders_time_in_force",
                condition=(~Q(order_type="Market") | Q(time_in_force="IOC"))
                & (~Q(time_in_force="AuctionOnly") | Q(order_type="Limit"))
                & (~Q(time_in_force="FOK") | Q(price__isnull=False))
                & (Q(post_only=False) | (Q(price__isnull=False) & one_of("time_in_force", RESTING_TIMES))),
            ),
            models.CheckConstraint(
                name="orders_price",
                condition=(_BY_LIMIT & Q(price__isnull=False, price__gt=0, protection_price__isnull=True))
                | (~_BY_LIMIT & Q(price__isnull=True, protection_price__isnull=False, protection_price__gt=0)),
            ),
            models.CheckConstraint(
                name="orders_stop",
                condition=(
                    Q(stop_price__isnull=True, trailing_offset__isnull=True, order_type__in=["Limit", "Market"])
                    | Q(stop_price__isnull=False, trailing_offset__isnull=True)
                    & ~Q(order_type__in=["Limit", "Market", "TrailingStop"])
                    | Q(trailing_offset__isnull=False, order_type="TrailingStop")
                )
                & (Q(stop_price__isnull=True) | Q(stop_price__gt=0))
                & (Q(trailing_offset__isnull=True) | Q(trailing_offset__gte=1, trailing_offset__lte=9999)),
            ),
            models.CheckConstraint(
                # Not that it is within the quantity, which may be reduced to less.
                name="orders_display",
                condition=Q(display_quantity__isnull=True)
                | Q(display_quantity__gt=0, price__isnull=False, time_in_force="GTC"),
            ),
            models.CheckConstraint(
                name="orders_expiry",
                condition=(_EXPIRING & Q(expires_at__isnull=False)) | (~_EXPIRING & Q(expires_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="orders_extreme",
                condition=Q(extreme_price__isnull=True, armed_sequence__isnull=True)
                | Q(extreme_price__gt=0, armed_sequence__gt=0, trailing_offset__isnull=False),
            ),
            models.CheckConstraint(
                name="orders_fees",
                condition=Q(maker_fee__gte=0, maker_fee__lt=1, taker_fee__gte=0, taker_fee__lt=1),
            ),
            models.CheckConstraint(
                name="orders_digest_with_client_order_id",
                condition=Q(client_order_id__isnull=True, request_digest__isnull=True)
                | Q(client_order_id__isnull=False, request_digest__isnull=False),
            ),
            models.CheckConstraint(
                name="orders_one_size",
                # IS NOT NULL is said as well, since a CHECK that comes out as null passes.
                condition=Q(quantity__isnull=False, quantity__gt=0, quote_quantity__isnull=True)
                | Q(
                    quantity__isnull=True,
                    quote_quantity__isnull=False,
                    quote_quantity__gt=0,
                    side="Buy",
                    order_type="Market",
                ),
            ),
            models.CheckConstraint(
                name="orders_filled_within",
                condition=Q(filled_quantity__gte=0, filled_quote__gte=0)
                & (Q(quantity__isnull=True) | Q(filled_quantity__lte=F("quantity")))
                & (Q(quote_quantity__isnull=True) | Q(filled_quote__lte=F("quote_quantity"))),
            ),
            models.CheckConstraint(
                name="orders_prevented_within",
                condition=Q(prevented_quantity__gte=0)
                & (Q(quantity__isnull=True) | Q(prevented_quantity__lte=F("quantity") - F("filled_quantity"))),
            ),
            models.CheckConstraint(
                # While it is open, what was asked for and has not come is all still to come.
                name="orders_remaining_within",
                condition=Q(quantity__isnull=True, remaining_quantity__isnull=True)
                | (
                    Q(quantity__isnull=False, remaining_quantity__isnull=False, remaining_quantity__gte=0)
                    & (~OPEN | Q(remaining_quantity=F("quantity") - F("filled_quantity") - F("prevented_quantity")))
                ),
            ),
            models.CheckConstraint(
                name="orders_filled_is_whole",
                condition=~Q(status="Filled")
                | Q(quantity__isnull=True)
                | Q(quantity=F("filled_quantity") + F("prevented_quantity")),
            ),
            models.CheckConstraint(
                name="orders_visible",
                condition=Q(visible_quantity__isnull=True)
                | Q(
                    status__in=["New", "PartiallyFilled"],
                    priority_sequence__isnull=False,
                    remaining_quantity__isnull=False,
                    visible_quantity__gt=0,
                    visible_quantity__lte=F("remaining_quantity"),
                ),
            ),
            models.CheckConstraint(
                name="orders_awaiting",
                condition=~Q(status="PendingTrigger")
                | (Q(prevented_quantity=0) & (Q(stop_price__isnull=False) | Q(trailing_offset__isnull=False))),
            ),
            models.CheckConstraint(
                name="orders_ended_sequence",
                condition=Q(ended_sequence__isnull=True) | (~OPEN & Q(ended_sequence__gt=0)),
            ),
            models.CheckConstraint(
                name="orders_ended_holds_nothing",
                condition=OPEN | (Q(held_amount=0) & (Q(remaining_quantity__isnull=True) | Q(remaining_quantity=0))),
            ),
            models.CheckConstraint(name="orders_held_not_negative", condition=Q(held_amount__gte=0)),
            models.CheckConstraint(
                name="orders_numbers",
                condition=numbers(
                    "price",
                    "protection_price",
                    "stop_price",
                    "quantity",
                    "quote_quantity",
                    "display_quantity",
                    "filled_quantity",
                    "filled_quote",
                    "prevented_quantity",
                    "remaining_quantity",
                    "visible_quantity",
                    "extreme_price",
                    "held_amount",
                ),
            ),
            models.CheckConstraint(
                name="orders_status_says_filled",
                condition=Q(filled_quantity=0, filled_quote=0) & ~Q(status__in=["PartiallyFilled", "Filled"])
                | Q(filled_quantity__gt=0, filled_quote__gt=0) & ~Q(status__in=["New", "PendingTrigger", "Rejected"]),
            ),
            models.CheckConstraint(
                name="orders_priority",
                condition=Q(priority_sequence__isnull=True, priority_ordinal__isnull=True)
                | Q(
                    priority_sequence__isnull=False,
                    priority_ordinal__isnull=False,
                    priority_sequence__gt=0,
                    priority_ordinal__gte=0,
                ),
            ),
            models.CheckConstraint(
                name="orders_reason",
                condition=Q(reason__isnull=True) & ~_ENDED_FOR_A_REASON | Q(reason__isnull=False) & _ENDED_FOR_A_REASON,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.side} order {self.id}"


class Command(models.Model):
    """One entry of a market's journal: what was asked, and once it has a sequence, what came of it."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    kind = models.CharField(max_length=16, choices=choices(CommandKind))
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="commands",
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    accepted_at = models.DateTimeField(db_default=Now(), editable=False)
    sequence = models.BigIntegerField(null=True, blank=True)
    events = models.JSONField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "commands"
        indexes = [
            models.Index(name="commands_pending", fields=["market", "id"], condition=Q(sequence__isnull=True)),
            models.Index(name="commands_order", fields=["order", "id"]),
            models.Index(name="commands_phase", fields=["market", "id"], condition=Q(kind="phase")),
        ]
        constraints = [
            models.UniqueConstraint(name="commands_sequence", fields=["market", "sequence"]),
            models.CheckConstraint(name="commands_kind", condition=one_of("kind", CommandKind)),
            models.CheckConstraint(
                name="commands_name_their_order",
                condition=Q(kind__in=["phase", "rules", "expire"], order__isnull=True, account__isnull=True)
                | Q(kind="cancel_all", order__isnull=True)
                | Q(kind="protect", order__isnull=True, account__isnull=False)
                | Q(kind="new", order__isnull=False, account__isnull=False)
                | Q(kind__in=["cancel", "reduce", "amend", "trigger"], order__isnull=False),
            ),
            models.CheckConstraint(
                name="commands_sequence_positive", condition=Q(sequence__isnull=True) | Q(sequence__gt=0)
            ),
            models.CheckConstraint(
                name="commands_events_with_sequence",
                condition=Q(sequence__isnull=True, events__isnull=True, processed_at__isnull=True)
                | Q(sequence__isnull=False, events__isnull=False, processed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class MarketMakerProtection(models.Model):
    """How much a market maker's flagged orders may fill in a window of time before they all end, until it is reset."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="+")
    window_ms = models.PositiveIntegerField(help_text="Fills of so many milliseconds are added up.")
    quantity_limit = AmountField(help_text="More base than this trips it.")
    tripped_at = models.DateTimeField(null=True, blank=True)
    tripped_sequence = models.BigIntegerField(null=True, blank=True)
    reset_sequence = models.BigIntegerField(
        null=True, blank=True, help_text="Of the command that reset it last; only fills after it count."
    )

    class Meta:
        db_table = "market_maker_protections"
        constraints = [
            models.UniqueConstraint(name="market_maker_protections_scope", fields=["account", "market"]),
            models.CheckConstraint(
                name="market_maker_protections_limits", condition=Q(window_ms__gt=0, quantity_limit__gt=0)
            ),
            models.CheckConstraint(name="market_maker_protections_numbers", condition=numbers("quantity_limit")),
            models.CheckConstraint(
                name="market_maker_protections_tripped",
                condition=Q(tripped_at__isnull=True, tripped_sequence__isnull=True)
                | Q(tripped_at__isnull=False, tripped_sequence__isnull=False, tripped_sequence__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} in {self.market_id}: {self.quantity_limit} in {self.window_ms} ms"


class DeadManSwitch(models.Model):
    """When all of an account's orders end, unless it is heard of in time."""

    account = models.OneToOneField(Account, on_delete=models.PROTECT, primary_key=True, related_name="+")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "dead_man_switches"

    def __str__(self) -> str:
        return f"{self.account_id} at {self.expires_at}"


class DisconnectLease(models.Model):
    """A socket that has asked that all of its account's orders end when it is cut, and until when it was heard of."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, db_index=False, related_name="+")
    expires_at = models.DateTimeField(db_index=True)
    has_grace = models.BooleanField(
        db_default=True, help_text="It gets more time, once, where nobody could look for those that had run out."
    )

    class Meta:
        db_table = "disconnect_leases"

    def __str__(self) -> str:
        return f"{self.account_id} until {self.expires_at}"


class LeaseSweep(models.Model):
    """When somebody last looked for leases that have run out: one row."""

    swept_at = models.DateTimeField()

    class Meta:
        db_table = "lease_sweeps"
        constraints = [models.CheckConstraint(name="lease_sweeps_one", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"{self.swept_at}"
