"""Let every way to prevent a self-trade be recorded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_amounts_are_numbers"),
        ("orders", "0006_every_order_type"),
        ("trading", "0004_amounts_are_numbers"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="prevention",
            name="preventions_mode",
        ),
        migrations.AlterField(
            model_name="prevention",
            name="mode",
            field=models.CharField(
                choices=[
                    ("CancelNewest", "CancelNewest"),
                    ("CancelOldest", "CancelOldest"),
                    ("CancelBoth", "CancelBoth"),
                    ("Decrement", "Decrement"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="prevention",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["CancelNewest", "CancelOldest", "CancelBoth", "Decrement"])),
                name="preventions_mode",
            ),
        ),
    ]
