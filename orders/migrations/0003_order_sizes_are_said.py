"""Close a gap: with both quantities null, or a remainder without a quantity, the old CHECKs came out as null and passed."""

import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_transfers_are_final"),
        ("orders", "0002_journal_is_final"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_one_size",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="orders_remaining_within",
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("quantity__gt", 0), ("quantity__isnull", False), ("quote_quantity__isnull", True)),
                    models.Q(("quantity__isnull", True), ("quote_quantity__gt", 0), ("quote_quantity__isnull", False)),
                    _connector="OR",
                ),
                name="orders_one_size",
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
                        (
                            "remaining_quantity__lte",
                            django.db.models.expressions.CombinedExpression(
                                models.F("quantity"), "-", models.F("filled_quantity")
                            ),
                        ),
                    ),
                    _connector="OR",
                ),
                name="orders_remaining_within",
            ),
        ),
    ]
