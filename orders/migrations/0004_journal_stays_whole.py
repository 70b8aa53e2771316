"""Hold in the database what no code may break; the reasons for the triggers stand in the SQL."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_ledger_stays_whole"),
        ("orders", "0003_order_sizes_are_said"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="command",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "phase"), ("order__isnull", True)),
                    models.Q(("account__isnull", False), ("kind", "new"), ("order__isnull", False)),
                    models.Q(("kind__in", ["cancel", "reduce"]), ("order__isnull", False)),
                    _connector="OR",
                ),
                name="commands_name_their_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("min_quantity__isnull", True),
                    ("max_quantity__isnull", True),
                    ("min_quantity__lte", models.F("max_quantity")),
                    _connector="OR",
                ),
                name="markets_min_within_max",
            ),
        ),
        migrations.AddConstraint(
            model_name="marketstate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("last_price__isnull", True), ("last_price__gt", 0), _connector="OR"),
                    models.Q(("last_auction_price__isnull", True), ("last_auction_price__gt", 0), _connector="OR"),
                    models.Q(("best_bid__isnull", True), ("best_bid__gt", 0), _connector="OR"),
                    models.Q(("best_ask__isnull", True), ("best_ask__gt", 0), _connector="OR"),
                ),
                name="market_states_prices_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("order_type__in", ["Limit", "Market"]),
                    ("time_in_force__in", ["GTC", "IOC", "FOK"]),
                    ("self_trade_prevention__in", ["CancelNewest"]),
                ),
                name="orders_terms",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("order_type", "Limit"),
                        ("price__gt", 0),
                        ("price__isnull", False),
                        ("protection_price__isnull", True),
                    ),
                    models.Q(
                        ("order_type", "Market"),
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
                    ("maker_fee__gte", 0), ("maker_fee__lt", 1), ("taker_fee__gte", 0), ("taker_fee__lt", 1)
                ),
                name="orders_fees",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("client_order_id__isnull", True), ("request_digest__isnull", True)),
                    models.Q(("client_order_id__isnull", False), ("request_digest__isnull", False)),
                    _connector="OR",
                ),
                name="orders_digest_with_client_order_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("filled_quantity", 0), ("filled_quote", 0), ("status__in", ["New", "Rejected"])),
                    models.Q(
                        ("filled_quantity__gt", 0),
                        ("filled_quote__gt", 0),
                        ("status__in", ["PartiallyFilled", "Filled"]),
                    ),
                    models.Q(("filled_quantity", 0), ("filled_quote", 0), ("status__in", ["Canceled", "Expired"])),
                    models.Q(
                        ("filled_quantity__gt", 0), ("filled_quote__gt", 0), ("status__in", ["Canceled", "Expired"])
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
                    models.Q(("priority_ordinal__isnull", True), ("priority_sequence__isnull", True)),
                    models.Q(
                        ("priority_ordinal__gte", 0),
                        ("priority_ordinal__isnull", False),
                        ("priority_sequence__gt", 0),
                        ("priority_sequence__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="orders_priority",
            ),
        ),
        migrations.RunSQL(
            (SQL / "journal_stays_whole.sql").read_text(),
            (SQL / "journal_stays_whole_reverse.sql").read_text(),
        ),
    ]
