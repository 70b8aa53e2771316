"""Say shorter what keeps NaN out of amounts: every statement reads a table's conditions anew."""

from decimal import Decimal

import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_amounts_are_numbers"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="balance",
            name="balances_numbers",
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfers_number",
        ),
        migrations.AddConstraint(
            model_name="balance",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.LessThan(
                    django.db.models.functions.comparison.Greatest("available", "held"), Decimal("1000000000000000000")
                ),
                name="balances_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("1000000000000000000"))), name="transfers_number"
            ),
        ),
    ]
