"""Model what happened: trades, prevented self-trades, and the batches that settled them.

The law: rows are inserted by settlement in the commit that moves the money, and never changed (triggers hold that). They
are the hot insert-only tables, so their references carry no foreign key in the database; verify_integrity checks them.
Candles are the exception: they sum up trades, grow with them, and can be made anew, so no trigger keeps them as they are.
"""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.db.models.lookups import Exact, LessThan

from accounts.models import AMOUNT_SCALE_MAX, Account, AmountField, numbers, one_of
from orders.models import Market, Order, choices
from orders.terms import SelfTradePrevention, Side
from trading.intervals import ORIGIN, STEPS, CandleInterval

VOLUME_DIGITS = 54
VOLUME_LIMIT = Decimal(10) ** (VOLUME_DIGITS - AMOUNT_SCALE_MAX)
"""More than amounts' own limit: the same coins may be traded any number of times, and no sum may stop settlement."""


def _bucket(time: str, interval: str) -> models.Func:
    """Build the expression of when the interval began that a time lies in."""
    step = models.Case(
        *(models.When(**{interval: str(name), "then": models.Value(step)}) for name, step in STEPS.items()),
        output_field=models.DurationField(),
    )
    return models.Func(step, time, models.Value(ORIGIN), function="date_bin", output_field=models.DateTimeField())


def _octet_length(field: str) -> models.Func:
    return models.Func(field, function="octet_length", output_field=models.IntegerField())


class Trade(models.Model):
    """A match of an incoming order (taker) with a resting one (maker), at the maker's price."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    sequence = models.BigIntegerField(help_text="Of the command that brought the taker.")
    ordinal = models.IntegerField(help_text="Which of that command's events this is.")
    price = AmountField()
    quantity = AmountField()
    quote_amount = AmountField()
    side = models.CharField(max_length=4, choices=choices(Side), help_text="The taker's.")
    maker_order = models.ForeignKey(Order, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    taker_order = models.ForeignKey(Order, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    maker_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    taker_account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    maker_fee = AmountField(help_text="In the asset that the maker received.")
    taker_fee = AmountField(help_text="In the asset that the taker received.")
    executed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "trades"
        indexes = [
            models.Index(name="trades_market", fields=["market", "id"]),
            models.Index(name="trades_market_time", fields=["market", "executed_at"]),
            models.Index(name="trades_maker", fields=["maker_account", "id"]),
            models.Index(name="trades_taker", fields=["taker_account", "id"]),
            models.Index(name="trades_maker_market", fields=["maker_account", "market", "id"]),
            models.Index(name="trades_taker_market", fields=["taker_account", "market", "id"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="trades_numbers",
                condition=numbers("price", "quantity", "quote_amount", "maker_fee", "taker_fee"),
            ),
            models.UniqueConstraint(name="trades_event", fields=["market", "sequence", "ordinal"]),
            models.CheckConstraint(
                name="trades_positive", condition=Q(price__gt=0, quantity__gt=0, quote_amount__gt=0)
            ),
            models.CheckConstraint(name="trades_two_accounts", condition=~Q(maker_account=F("taker_account"))),
            models.CheckConstraint(name="trades_quote_amount", condition=Q(quote_amount=F("price") * F("quantity"))),
            models.CheckConstraint(name="trades_number", condition=Q(sequence__gt=0, ordinal__gte=0)),
            models.CheckConstraint(name="trades_fees", condition=Q(maker_fee__gte=0, taker_fee__gte=0)),
            models.CheckConstraint(
                # A buyer receives the quantity, a seller the quote amount.
                name="trades_fees_within",
                condition=Q(side="Buy", taker_fee__lte=F("quantity"), maker_fee__lte=F("quote_amount"))
                | Q(side="Sell", taker_fee__lte=F("quote_amount"), maker_fee__lte=F("quantity")),
            ),
            models.CheckConstraint(name="trades_side", condition=one_of("side", Side)),
        ]

    def __str__(self) -> str:
        return f"trade {self.id}"


class Prevention(models.Model):
    """A match that did not happen, because both orders have the same owner."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    sequence = models.BigIntegerField()
    ordinal = models.IntegerField()
    mode = models.CharField(max_length=12, choices=choices(SelfTradePrevention))
    price = AmountField()
    quantity = AmountField(help_text="What would have traded.")
    maker_order = models.ForeignKey(Order, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    taker_order = models.ForeignKey(Order, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    maker_account = models.ForeignKey(Account, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    taker_account = models.ForeignKey(Account, on_delete=models.PROTECT, db_constraint=False, related_name="+")
    prevented_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "preventions"
        constraints = [
            models.UniqueConstraint(name="preventions_event", fields=["market", "sequence", "ordinal"]),
            models.CheckConstraint(name="preventions_positive", condition=Q(price__gt=0, quantity__gt=0)),
            models.CheckConstraint(name="preventions_number", condition=Q(sequence__gt=0, ordinal__gte=0)),
            models.CheckConstraint(name="preventions_mode", condition=one_of("mode", SelfTradePrevention)),
            models.CheckConstraint(name="preventions_two_orders", condition=~Q(maker_order=F("taker_order"))),
        ]

    def __str__(self) -> str:
        return f"prevention {self.id}"


class Batch(models.Model):
    """One commit's share of one market: the sequences it settled, and the hash that chains them to all before."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    first_sequence = models.BigIntegerField()
    last_sequence = models.BigIntegerField()
    engine_version = models.PositiveSmallIntegerField()
    trades = models.PositiveIntegerField()
    hash = models.BinaryField(help_text="SHA-256 over the hash before and this batch's commands and events.")
    committed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "batches"
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(name="batches_first", fields=["market", "first_sequence"]),
            models.UniqueConstraint(name="batches_last", fields=["market", "last_sequence"]),
            models.CheckConstraint(name="batches_order", condition=Q(first_sequence__lte=F("last_sequence"))),
            models.CheckConstraint(name="batches_hash", condition=Exact(_octet_length("hash"), 32)),
        ]

    def __str__(self) -> str:
        return f"batch {self.id}"


class Candle(models.Model):
    """What a market traded in one interval: one row only where something was.

    `open` is the first trade's price by id, `close` the last one's. The key serves what is read: a market's candles of an
    interval, by time.
    """

    pk = models.CompositePrimaryKey("market_id", "interval", "open_time")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+")
    interval = models.CharField(max_length=3, choices=choices(CandleInterval))
    open_time = models.DateTimeField()
    open = AmountField()
    high = AmountField()
    low = AmountField()
    close = AmountField()
    volume = AmountField(max_digits=VOLUME_DIGITS, help_text="In base.")
    quote_volume = AmountField(max_digits=VOLUME_DIGITS)
    trades = models.BigIntegerField()

    class Meta:
        db_table = "candles"
        constraints = [
            models.CheckConstraint(name="candles_numbers", condition=numbers("high")),
            models.CheckConstraint(
                name="candles_volumes", condition=LessThan(Greatest("volume", "quote_volume"), VOLUME_LIMIT)
            ),
            models.CheckConstraint(
                name="candles_positive", condition=Q(low__gt=0, volume__gt=0, quote_volume__gt=0, trades__gt=0)
            ),
            models.CheckConstraint(
                name="candles_range",
                condition=Q(open__range=(F("low"), F("high")), close__range=(F("low"), F("high"))),
            ),
            models.CheckConstraint(name="candles_interval", condition=one_of("interval", CandleInterval)),
            models.CheckConstraint(
                name="candles_open_time", condition=Exact(F("open_time"), _bucket("open_time", "interval"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.interval} candle of {self.open_time}"


class RunKind(models.TextChoices):
    """What is done now and then, and must not be left undone."""

    LEDGER = "ledger"
    INTEGRITY = "integrity"
    BACKUP = "backup"


class MaintenanceRun(models.Model):
    """A check that came to its end, or a backup that succeeded: so that it is seen when they do not any more.

    A backup is made outside, and says so by inserting a row. Nothing depends on these rows; old ones are deleted.
    """

    kind = models.CharField(max_length=9, choices=RunKind)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_default=Now())
    differences = models.PositiveIntegerField(
        db_default=0, help_text="What a check found that should be equal and is not."
    )
    bytes = models.BigIntegerField(null=True, blank=True, help_text="A backup's size.")

    class Meta:
        db_table = "maintenance_runs"
        indexes = [models.Index(name="maintenance_runs_last", fields=["kind", "-ended_at"])]
        constraints = [
            models.CheckConstraint(name="maintenance_runs_kind", condition=one_of("kind", RunKind.values)),
            models.CheckConstraint(name="maintenance_runs_times", condition=Q(started_at__lte=F("ended_at"))),
            models.CheckConstraint(name="maintenance_runs_bytes", condition=Q(bytes__isnull=True) | Q(bytes__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.started_at}"
