"""Make room for every order type: their terms, where they stand, calls, and what guards an account."""

from decimal import Decimal
from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models

import accounts.models
import orders.models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_amounts_are_numbers"),
        ("orders", "0005_amounts_are_numbers"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeadManSwitch",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "dead_man_switches",
            },
        ),
        migrations.CreateModel(
            name="MarketMakerProtection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("window_ms", models.PositiveIntegerField(help_text="Fills of so many milliseconds are added up.")),
                (
                    "quantity_limit",
                    accounts.models.AmountField(
                        decimal_places=18, help_text="More base than this trips it.", max_digits=36
                    ),
                ),
                ("tripped_at", models.DateTimeField(blank=True, null=True)),
                ("tripped_sequence", models.BigIntegerField(blank=True, null=True)),
            ],
            options={
                "db_table": "market_maker_protections",
            },
        ),
        migrations.RemoveConstraint(
            model_name="command",
            name="commands_kind",
        ),
        migrations.RemoveConstraint(
            model_name="command",
            name="commands_name_their_order",
        ),
        migrations.RemoveConstraint(
            model_name="market",
            name="markets_bands",
        ),
        migrations.RemoveConstraint(
            model_name="marketstate",
            name="market_states_phase",
        ),
        migrations.RemoveConstraint(
            model_name="marketstate",
            name="market_states_not_crossed",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_status",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_ended_holds_nothing",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_reason",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_one_size",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_remaining_within",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_terms",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_price",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_status_says_filled",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_numbers",
        ),
        migrations.RemoveIndex(
            model_name="order",
            name="orders_account_open",
        ),
        migrations.RemoveIndex(
            model_name="order",
            name="orders_market_open",
        ),
        migrations.AddField(
            model_name="market",
            name="auction_band",
            field=orders.models.RateField(
                blank=True,
                decimal_places=8,
                help_text="0.1: a call whose price is further than 10 % from the reference price goes on.",
                max_digits=9,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="market",
            name="call_random_seconds",
            field=models.PositiveIntegerField(default=30, help_text="Chance adds as much at most."),
        ),
        migrations.AddField(
            model_name="market",
            name="call_seconds",
            field=models.PositiveIntegerField(default=120, help_text="How long a call lasts at least."),
        ),
        migrations.AddField(
            model_name="market",
            name="closes_at",
            field=models.TimeField(blank=True, help_text="UTC. DAY orders end then, else at midnight.", null=True),
        ),
        migrations.AddField(
            model_name="market",
            name="max_iceberg_orders",
            field=models.PositiveIntegerField(blank=True, help_text="Per account.", null=True),
        ),
        migrations.AddField(
            model_name="market",
            name="max_stop_orders",
            field=models.PositiveIntegerField(blank=True, help_text="Stops that wait, per account.", null=True),
        ),
        migrations.AddField(
            model_name="market",
            name="opens_at",
            field=models.TimeField(
                blank=True, help_text="UTC, every day. Empty: the market does not close.", null=True
            ),
        ),
        migrations.AddField(
            model_name="market",
            name="volatility_band",
            field=orders.models.RateField(
                blank=True,
                decimal_places=8,
                help_text="0.05: a trade further than 5 % from the reference price begins a call instead.",
                max_digits=9,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="call_ends_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="call_extensions",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="indicative_price",
            field=accounts.models.AmountField(
                blank=True, decimal_places=18, help_text="At which the call would end now.", max_digits=36, null=True
            ),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="indicative_quantity",
            field=accounts.models.AmountField(blank=True, decimal_places=18, max_digits=36, null=True),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="indicative_surplus",
            field=accounts.models.AmountField(
                blank=True,
                decimal_places=18,
                help_text="Bought more than sold; negative the other way.",
                max_digits=36,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="marketstate",
            name="rules",
            field=models.JSONField(
                default=dict, editable=False, help_text="What the engine was last told of the market's rules."
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="display_quantity",
            field=accounts.models.AmountField(blank=True, decimal_places=18, max_digits=36, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="ended_sequence",
            field=models.BigIntegerField(blank=True, help_text="Of the command that ended it.", null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="expires_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="extreme_price",
            field=accounts.models.AmountField(
                blank=True,
                decimal_places=18,
                help_text="The price that a trailing stop trails.",
                max_digits=36,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="market_maker_protection",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="order",
            name="prevented_quantity",
            field=accounts.models.AmountField(decimal_places=18, default=Decimal("0"), max_digits=36),
        ),
        migrations.AddField(
            model_name="order",
            name="stop_price",
            field=accounts.models.AmountField(blank=True, decimal_places=18, max_digits=36, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="trailing_offset",
            field=models.SmallIntegerField(blank=True, help_text="In basis points.", null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="visible_quantity",
            field=accounts.models.AmountField(
                blank=True,
                decimal_places=18,
                help_text="What the book shows of it. Empty: not in the book.",
                max_digits=36,
                null=True,
            ),
        ),
        # PostgreSQL keeps the type of a column that a trigger names.
        migrations.RunSQL((SQL / "commands_let_go.sql").read_text(), (SQL / "commands_are_final.sql").read_text()),
        migrations.AlterField(
            model_name="command",
            name="kind",
            field=models.CharField(
                choices=[
                    ("new", "new"),
                    ("cancel", "cancel"),
                    ("reduce", "reduce"),
                    ("amend", "amend"),
                    ("cancel_all", "cancel_all"),
                    ("trigger", "trigger"),
                    ("expire", "expire"),
                    ("phase", "phase"),
                    ("rules", "rules"),
                    ("protect", "protect"),
                ],
                max_length=16,
            ),
        ),
        migrations.RunSQL((SQL / "commands_are_final.sql").read_text(), (SQL / "commands_let_go.sql").read_text()),
        migrations.AlterField(
            model_name="market",
            name="order_types",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("Limit", "Limit"),
                        ("Market", "Market"),
                        ("StopLimit", "StopLimit"),
                        ("StopMarket", "StopMarket"),
                        ("TakeProfit", "TakeProfit"),
                        ("TakeProfitLimit", "TakeProfitLimit"),
                        ("TrailingStop", "TrailingStop"),
                    ],
                    max_length=16,
                ),
                default=orders.models.default_order_types,
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="marketstate",
            name="phase",
            field=models.CharField(
                choices=[
                    ("PreOpen", "PreOpen"),
                    ("Auction", "Auction"),
                    ("Continuous", "Continuous"),
                    ("PostOnly", "PostOnly"),
                    ("CancelOnly", "CancelOnly"),
                    ("Halted", "Halted"),
                    ("Closed", "Closed"),
                ],
                default="Continuous",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="order_type",
            field=models.CharField(
                choices=[
                    ("Limit", "Limit"),
                    ("Market", "Market"),
                    ("StopLimit", "StopLimit"),
                    ("StopMarket", "StopMarket"),
                    ("TakeProfit", "TakeProfit"),
                    ("TakeProfitLimit", "TakeProfitLimit"),
                    ("TrailingStop", "TrailingStop"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("user_request", "user_request"),
                    ("mass_cancel", "mass_cancel"),
                    ("dead_man", "dead_man"),
                    ("disconnect", "disconnect"),
                    ("kill_switch", "kill_switch"),
                    ("market_maker_protection", "market_maker_protection"),
                    ("amended_below_filled", "amended_below_filled"),
                    ("ioc_remainder", "ioc_remainder"),
                    ("fok_unfillable", "fok_unfillable"),
                    ("no_liquidity", "no_liquidity"),
                    ("protection_price", "protection_price"),
                    ("self_trade", "self_trade"),
                    ("expired_time", "expired_time"),
                    ("auction_end", "auction_end"),
                    ("session_close", "session_close"),
                    ("post_only_would_take", "post_only_would_take"),
                    ("stop_would_trigger", "stop_would_trigger"),
                    ("market_halted", "market_halted"),
                    ("insufficient_funds", "insufficient_funds"),
                    ("internal_error", "internal_error"),
                ],
                max_length=32,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="self_trade_prevention",
            field=models.CharField(
                choices=[
                    ("CancelNewest", "CancelNewest"),
                    ("CancelOldest", "CancelOldest"),
                    ("CancelBoth", "CancelBoth"),
                    ("Decrement", "Decrement"),
                ],
                default="CancelNewest",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="status",
            field=models.CharField(
                choices=[
                    ("New", "New"),
                    ("PendingTrigger", "PendingTrigger"),
                    ("PartiallyFilled", "PartiallyFilled"),
                    ("Filled", "Filled"),
                    ("Canceled", "Canceled"),
                    ("Expired", "Expired"),
                    ("Rejected", "Rejected"),
                ],
                default="New",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="time_in_force",
            field=models.CharField(
                choices=[
                    ("GTC", "GTC"),
                    ("IOC", "IOC"),
                    ("FOK", "FOK"),
                    ("GTD", "GTD"),
                    ("DAY", "DAY"),
                    ("AuctionOnly", "AuctionOnly"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="command",
            index=models.Index(condition=models.Q(("kind", "phase")), fields=["market", "id"], name="commands_phase"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["New", "PendingTrigger", "PartiallyFilled"])),
                fields=["account", "market"],
                name="orders_account_open",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("status__in", ["New", "PendingTrigger", "PartiallyFilled"])),
                fields=["market"],
                name="orders_market_open",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["New", "PendingTrigger", "PartiallyFilled"]), ("expires_at__isnull", False)
                ),
                fields=["expires_at"],
                name="orders_expiring",
            ),
        ),
        migrations.AddConstraint(
            model_name="command",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "new",
                            "cancel",
                            "reduce",
                            "amend",
                            "cancel_all",
                            "trigger",
                            "expire",
                            "phase",
                            "rules",
                            "protect",
                        ],
                    )
                ),
                name="commands_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="command",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account__isnull", True), ("kind__in", ["phase", "rules", "expire"]), ("order__isnull", True)
                    ),
                    models.Q(("kind", "cancel_all"), ("order__isnull", True)),
                    models.Q(("account__isnull", False), ("kind", "protect"), ("order__isnull", True)),
                    models.Q(("account__isnull", False), ("kind", "new"), ("order__isnull", False)),
                    models.Q(("kind__in", ["cancel", "reduce", "amend", "trigger"]), ("order__isnull", False)),
                    _connector="OR",
                ),
                name="commands_name_their_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("protection_band__gte", 0),
                    ("protection_band__lt", 1),
                    models.Q(
                        ("price_band__isnull", True),
                        models.Q(("price_band__gt", 0), ("price_band__lt", 1)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("volatility_band__isnull", True),
                        models.Q(("volatility_band__gt", 0), ("volatility_band__lt", 1)),
                        _connector="OR",
                    ),
                    models.Q(
                        ("auction_band__isnull", True),
                        models.Q(("auction_band__gt", 0), ("auction_band__lt", 1)),
                        _connector="OR",
                    ),
                ),
                name="markets_bands",
            ),
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closes_at__isnull", True), ("opens_at__isnull", True)),
                    models.Q(
                        ("closes_at__isnull", False),
                        ("opens_at__isnull", False),
                        models.Q(("opens_at", models.F("closes_at")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="markets_hours",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("phase__in", ["PreOpen", "Auction", "Continuous", "PostOnly", "CancelOnly", "Halted", "Closed"])
                ),
                name="market_states_phase",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("phase__in", ["Continuous", "PostOnly"]), _negated=True),
                    ("best_bid__isnull", True),
                    ("best_ask__isnull", True),
                    ("best_bid__lt", models.F("best_ask")),
                    _connector="OR",
                ),
                name="market_states_not_crossed",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("phase__in", ["PreOpen", "Auction"]),
                    models.Q(
                        ("call_ends_at__isnull", True), ("call_extensions", 0), ("indicative_price__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="market_states_call",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(("call_extensions__lte", 3)), name="market_states_extensions"
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("indicative_price__isnull", True),
                        ("indicative_quantity__isnull", True),
                        ("indicative_surplus__isnull", True),
                    ),
                    models.Q(
                        ("indicative_price__gt", 0),
                        ("indicative_price__isnull", False),
                        ("indicative_quantity__gt", 0),
                        ("indicative_quantity__isnull", False),
                        ("indicative_surplus__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="market_states_indicative",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.LessThan(
                    django.db.models.functions.comparison.Greatest(
                        "last_price",
                        "last_auction_price",
                        "best_bid",
                        "best_ask",
                        "indicative_price",
                        "indicative_quantity",
                        "indicative_surplus",
                    ),
                    Decimal("1000000000000000000"),
                ),
                name="market_states_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["New", "PendingTrigger", "PartiallyFilled", "Filled", "Canceled", "Expired", "Rejected"],
                    )
                ),
                name="orders_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "order_type__in",
                        ["Limit", "Market", "StopLimit", "StopMarket", "TakeProfit", "TakeProfitLimit", "TrailingStop"],
                    ),
                    ("time_in_force__in", ["GTC", "IOC", "FOK", "GTD", "DAY", "AuctionOnly"]),
                    ("self_trade_prevention__in", ["CancelNewest", "CancelOldest", "CancelBoth", "Decrement"]),
                ),
                name="orders_terms",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("order_type", "Market"), _negated=True), ("time_in_force", "IOC"), _connector="OR"
                    ),
                    models.Q(
                        models.Q(("time_in_force", "AuctionOnly"), _negated=True),
                        ("order_type", "Limit"),
                        _connector="OR",
                    ),
                    models.Q(
                        models.Q(("time_in_force", "FOK"), _negated=True), ("price__isnull", False), _connector="OR"
                    ),
                    models.Q(
                        ("post_only", False),
                        models.Q(("price__isnull", False), ("time_in_force__in", ["GTC", "GTD", "DAY"])),
                        _connector="OR",
                    ),
                ),
                name="orders_time_in_force",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("order_type__in", ["Limit", "StopLimit", "TakeProfitLimit"]),
                        ("price__gt", 0),
                        ("price__isnull", False),
                        ("protection_price__isnull", True),
                    ),
                    models.Q(
                        models.Q(("order_type__in", ["Limit", "StopLimit", "TakeProfitLimit"]), _negated=True),
                        ("price__isnull", True),
                        ("protection_price__gt", 0),
                        ("protection_price__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="orders_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(
                            ("order_type__in", ["Limit", "Market"]),
                            ("stop_price__isnull", True),
                            ("trailing_offset__isnull", True),
                        ),
                        models.Q(
                            ("stop_price__isnull", False),
                            ("trailing_offset__isnull", True),
                            models.Q(("order_type__in", ["Limit", "Market", "TrailingStop"]), _negated=True),
                        ),
                        models.Q(("order_type", "TrailingStop"), ("trailing_offset__isnull", False)),
                        _connector="OR",
                    ),
                    models.Q(("stop_price__isnull", True), ("stop_price__gt", 0), _connector="OR"),
                    models.Q(
                        ("trailing_offset__isnull", True),
                        models.Q(("trailing_offset__gte", 1), ("trailing_offset__lte", 9999)),
                        _connector="OR",
                    ),
                ),
                name="orders_stop",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("display_quantity__isnull", True),
                    models.Q(("display_quantity__gt", 0), ("price__isnull", False), ("time_in_force", "GTC")),
                    _connector="OR",
                ),
                name="orders_display",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("time_in_force__in", ["GTD", "DAY"]), ("expires_at__isnull", False)),
                    models.Q(
                        models.Q(("time_in_force__in", ["GTD", "DAY"]), _negated=True), ("expires_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="orders_expiry",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("extreme_price__isnull", True),
                    models.Q(("extreme_price__gt", 0), ("trailing_offset__isnull", False)),
                    _connector="OR",
                ),
                name="orders_extreme",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__gt", 0), ("quantity__isnull", False), ("quote_quantity__isnull", True)),
                    models.Q(
                        ("order_type", "Market"),
                        ("quantity__isnull", True),
                        ("quote_quantity__gt", 0),
                        ("quote_quantity__isnull", False),
                        ("side", "Buy"),
                    ),
                    _connector="OR",
                ),
                name="orders_one_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("prevented_quantity__gte", 0),
                    models.Q(
                        ("quantity__isnull", True),
                        (
                            "prevented_quantity__lte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("quantity"), "-", models.F("filled_quantity")
                            ),
                        ),
                        _connector="OR",
                    ),
                ),
                name="orders_prevented_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__isnull", True), ("remaining_quantity__isnull", True)),
                    models.Q(
                        ("quantity__isnull", False),
                        ("remaining_quantity__gte", 0),
                        ("remaining_quantity__isnull", False),
                        models.Q(
                            models.Q(("status__in", ["New", "PendingTrigger", "PartiallyFilled"]), _negated=True),
                            (
                                "remaining_quantity",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("quantity"), "-", models.F("filled_quantity")
                                    ),
                                    "-",
                                    models.F("prevented_quantity"),
                                ),
                            ),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="orders_remaining_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "Filled"), _negated=True),
                    ("quantity__isnull", True),
                    (
                        "quantity",
                        django.db.models.expressions.CombinedExpression(
                            models.F("filled_quantity"), "+", models.F("prevented_quantity")
                        ),
                    ),
                    _connector="OR",
                ),
                name="orders_filled_is_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("visible_quantity__isnull", True),
                    models.Q(
                        ("priority_sequence__isnull", False),
                        ("remaining_quantity__isnull", False),
                        ("status__in", ["New", "PartiallyFilled"]),
                        ("visible_quantity__gt", 0),
                        ("visible_quantity__lte", models.F("remaining_quantity")),
                    ),
                    _connector="OR",
                ),
                name="orders_visible",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "PendingTrigger"), _negated=True),
                    models.Q(
                        ("prevented_quantity", 0),
                        models.Q(("stop_price__isnull", False), ("trailing_offset__isnull", False), _connector="OR"),
                    ),
                    _connector="OR",
                ),
                name="orders_awaiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ended_sequence__isnull", True),
                    models.Q(
                        models.Q(("status__in", ["New", "PendingTrigger", "PartiallyFilled"]), _negated=True),
                        ("ended_sequence__gt", 0),
                    ),
                    _connector="OR",
                ),
                name="orders_ended_sequence",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["New", "PendingTrigger", "PartiallyFilled"]),
                    models.Q(
                        ("held_amount", 0),
                        models.Q(("remaining_quantity__isnull", True), ("remaining_quantity", 0), _connector="OR"),
                    ),
                    _connector="OR",
                ),
                name="orders_ended_holds_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.LessThan(
                    django.db.models.functions.comparison.Greatest(
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
                    Decimal("1000000000000000000"),
                ),
                name="orders_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("filled_quantity", 0),
                        ("filled_quote", 0),
                        models.Q(("status__in", ["PartiallyFilled", "Filled"]), _negated=True),
                    ),
                    models.Q(
                        ("filled_quantity__gt", 0),
                        ("filled_quote__gt", 0),
                        models.Q(("status__in", ["New", "PendingTrigger", "Rejected"]), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="orders_status_says_filled",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reason__isnull", True),
                        models.Q(("status__in", ["Canceled", "Expired", "Rejected"]), _negated=True),
                    ),
                    models.Q(("reason__isnull", False), ("status__in", ["Canceled", "Expired", "Rejected"])),
                    _connector="OR",
                ),
                name="orders_reason",
            ),
        ),
        migrations.AddField(
            model_name="marketmakerprotection",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddField(
            model_name="marketmakerprotection",
            name="market",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="orders.market"),
        ),
        migrations.AddConstraint(
            model_name="marketmakerprotection",
            constraint=models.UniqueConstraint(fields=("account", "market"), name="market_maker_protections_scope"),
        ),
        migrations.AddConstraint(
            model_name="marketmakerprotection",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity_limit__gt", 0), ("window_ms__gt", 0)),
                name="market_maker_protections_limits",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketmakerprotection",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity_limit__lt", Decimal("1000000000000000000"))),
                name="market_maker_protections_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketmakerprotection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("tripped_at__isnull", True), ("tripped_sequence__isnull", True)),
                    models.Q(
                        ("tripped_at__isnull", False), ("tripped_sequence__gt", 0), ("tripped_sequence__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="market_maker_protections_tripped",
            ),
        ),
    ]
