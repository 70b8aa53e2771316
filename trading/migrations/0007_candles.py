"""Keep candles, beginning with those of the trades that are there already."""

import datetime
from decimal import Decimal
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models

import accounts.models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0008_trailing_and_protection_know_when"),
        ("trading", "0006_numbers_in_short"),
    ]

    operations = [
        migrations.CreateModel(
            name="Candle",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "market_id",
                        "interval",
                        "open_time",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "interval",
                    models.CharField(
                        choices=[
                            ("1m", "1m"),
                            ("5m", "5m"),
                            ("15m", "15m"),
                            ("30m", "30m"),
                            ("1h", "1h"),
                            ("4h", "4h"),
                            ("1d", "1d"),
                            ("1w", "1w"),
                        ],
                        max_length=3,
                    ),
                ),
                ("open_time", models.DateTimeField()),
                ("open", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                ("high", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                ("low", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                ("close", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                ("volume", accounts.models.AmountField(decimal_places=18, help_text="In base.", max_digits=54)),
                ("quote_volume", accounts.models.AmountField(decimal_places=18, max_digits=54)),
                ("trades", models.BigIntegerField()),
                (
                    "market",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.market",
                    ),
                ),
            ],
            options={
                "db_table": "candles",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("high__lt", Decimal("1000000000000000000"))), name="candles_numbers"
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.LessThan(
                            django.db.models.functions.comparison.Greatest("volume", "quote_volume"),
                            Decimal("1.000000000000000000000000000E+36"),
                        ),
                        name="candles_volumes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("low__gt", 0), ("quote_volume__gt", 0), ("trades__gt", 0), ("volume__gt", 0)
                        ),
                        name="candles_positive",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("close__range", (models.F("low"), models.F("high"))),
                            ("open__range", (models.F("low"), models.F("high"))),
                        ),
                        name="candles_range",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("interval__in", ["1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"])),
                        name="candles_interval",
                    ),
                    models.CheckConstraint(
                        condition=django.db.models.lookups.Exact(
                            models.F("open_time"),
                            models.Func(
                                models.Case(
                                    models.When(interval="1m", then=models.Value(datetime.timedelta(seconds=60))),
                                    models.When(interval="5m", then=models.Value(datetime.timedelta(seconds=300))),
                                    models.When(interval="15m", then=models.Value(datetime.timedelta(seconds=900))),
                                    models.When(interval="30m", then=models.Value(datetime.timedelta(seconds=1800))),
                                    models.When(interval="1h", then=models.Value(datetime.timedelta(seconds=3600))),
                                    models.When(interval="4h", then=models.Value(datetime.timedelta(seconds=14400))),
                                    models.When(interval="1d", then=models.Value(datetime.timedelta(days=1))),
                                    models.When(interval="1w", then=models.Value(datetime.timedelta(days=7))),
                                    output_field=models.DurationField(),
                                ),
                                "open_time",
                                models.Value(datetime.datetime(1970, 1, 5, 0, 0, tzinfo=datetime.UTC)),
                                function="date_bin",
                                output_field=models.DateTimeField(),
                            ),
                        ),
                        name="candles_open_time",
                    ),
                ],
            },
        ),
        migrations.RunSQL((SQL / "candles_of_trades.sql").read_text(), migrations.RunSQL.noop),
    ]
