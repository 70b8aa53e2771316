"""Hold in the database what no code may break; the reasons for the triggers stand in the SQL."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_owners_and_scales_stay"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("account_id", 1), _negated=True),
                    models.Q(("available__lte", 0), ("held", 0)),
                    _connector="OR",
                ),
                name="balances_outside_world_owes",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["trade", "fee"]), ("trade_id__isnull", False)),
                    models.Q(("kind", "deposit"), ("trade_id__isnull", True)),
                    ("kind", "correction"),
                    _connector="OR",
                ),
                name="transfers_trade",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("debit_account", 1), ("kind", "deposit")),
                    models.Q(
                        ("kind__in", ["trade", "fee"]),
                        models.Q(("debit_account", 1), _negated=True),
                        models.Q(("credit_account", 1), _negated=True),
                    ),
                    ("kind", "correction"),
                    _connector="OR",
                ),
                name="transfers_outside_world",
            ),
        ),
        migrations.RunSQL(
            (SQL / "ledger_stays_whole.sql").read_text(),
            (SQL / "ledger_stays_whole_reverse.sql").read_text(),
        ),
    ]
