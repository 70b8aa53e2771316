"""Hold in the database what no code may break; the reasons for the triggers stand in the SQL."""

from pathlib import Path

import django.db.models.expressions
import django.db.models.lookups
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_ledger_stays_whole"),
        ("orders", "0004_journal_stays_whole"),
        ("trading", "0002_history_is_final"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func("hash", function="octet_length", output_field=models.IntegerField()), 32
                ),
                name="batches_hash",
            ),
        ),
        migrations.AddConstraint(
            model_name="prevention",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gt", 0), ("quantity__gt", 0)), name="preventions_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="prevention",
            constraint=models.CheckConstraint(
                condition=models.Q(("ordinal__gte", 0), ("sequence__gt", 0)), name="preventions_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="prevention",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["CancelNewest"])), name="preventions_mode"
            ),
        ),
        migrations.AddConstraint(
            model_name="prevention",
            constraint=models.CheckConstraint(
                condition=models.Q(("maker_order", models.F("taker_order")), _negated=True),
                name="preventions_two_orders",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quote_amount",
                        django.db.models.expressions.CombinedExpression(models.F("price"), "*", models.F("quantity")),
                    )
                ),
                name="trades_quote_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(("ordinal__gte", 0), ("sequence__gt", 0)), name="trades_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("maker_fee__lte", models.F("quote_amount")),
                        ("side", "Buy"),
                        ("taker_fee__lte", models.F("quantity")),
                    ),
                    models.Q(
                        ("maker_fee__lte", models.F("quantity")),
                        ("side", "Sell"),
                        ("taker_fee__lte", models.F("quote_amount")),
                    ),
                    _connector="OR",
                ),
                name="trades_fees_within",
            ),
        ),
        migrations.RunSQL(
            (SQL / "history_stays_whole.sql").read_text(),
            (SQL / "history_stays_whole_reverse.sql").read_text(),
        ),
    ]
