"""Keep NaN out of amounts: PostgreSQL takes it for a number greater than all, which passes every `>= 0`."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_amounts_are_numbers"),
        ("orders", "0005_amounts_are_numbers"),
        ("trading", "0003_history_stays_whole"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("price__isnull", True), ("price__lt", Decimal("1000000000000000000")), _connector="OR"),
                    models.Q(
                        ("quantity__isnull", True), ("quantity__lt", Decimal("1000000000000000000")), _connector="OR"
                    ),
                    models.Q(
                        ("quote_amount__isnull", True),
                        ("quote_amount__lt", Decimal("1000000000000000000")),
                        _connector="OR",
                    ),
                    models.Q(
                        ("maker_fee__isnull", True), ("maker_fee__lt", Decimal("1000000000000000000")), _connector="OR"
                    ),
                    models.Q(
                        ("taker_fee__isnull", True), ("taker_fee__lt", Decimal("1000000000000000000")), _connector="OR"
                    ),
                ),
                name="trades_numbers",
            ),
        ),
    ]
