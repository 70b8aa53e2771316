"""Keep NaN out of amounts: PostgreSQL takes it for a number greater than all, which passes every `>= 0`."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_ledger_stays_whole"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("available__isnull", True), ("available__lt", Decimal("1000000000000000000")), _connector="OR"
                    ),
                    models.Q(("held__isnull", True), ("held__lt", Decimal("1000000000000000000")), _connector="OR"),
                ),
                name="balances_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__isnull", True), ("amount__lt", Decimal("1000000000000000000")), _connector="OR"
                ),
                name="transfers_number",
            ),
        ),
    ]
