"""Keep NaN out of amounts: PostgreSQL takes it for a number greater than all, which passes every `>= 0`."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_amounts_are_numbers"),
        ("orders", "0004_journal_stays_whole"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("price__isnull", True), ("price__lt", Decimal("1000000000000000000")), _connector="OR"),
                    models.Q(
                        ("protection_price__isnull", True),
                        ("protection_price__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("quantity__isnull", True), ("quantity__lt", Decimal("1000000000000000000")), _connector="OR"
                    ),
                    models.Q(
                        ("quote_quantity__isnull", True),
                        ("quote_quantity__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("filled_quantity__isnull", True),
                        ("filled_quantity__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("filled_quote__isnull", True),
                        ("filled_quote__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("remaining_quantity__isnull", True),
                        ("remaining_quantity__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("held_amount__isnull", True),
                        ("held_amount__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                ),
                name="orders_numbers",
            ),
        ),
    ]
