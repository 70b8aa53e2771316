"""Say shorter what keeps NaN out of amounts: every statement reads a table's conditions anew."""

from decimal import Decimal

import django.db.models.functions.comparison
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_numbers_in_short"),
        ("orders", "0007_orders_may_wait"),
        ("trading", "0005_every_prevention_mode"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="trade",
            name="trades_numbers",
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.LessThan(
                    django.db.models.functions.comparison.Greatest(
                        "price", "quantity", "quote_amount", "maker_fee", "taker_fee"
                    ),
                    Decimal("1000000000000000000"),
                ),
                name="trades_numbers",
            ),
        ),
    ]
