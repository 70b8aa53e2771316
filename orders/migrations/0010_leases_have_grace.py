"""Let leases outlast an outage of the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0009_disconnect_leases"),
    ]

    operations = [
        migrations.AddField(
            model_name="disconnectlease",
            name="has_grace",
            field=models.BooleanField(
                db_default=True,
                help_text="It gets more time, once, where nobody could look for those that had run out.",
            ),
        ),
        migrations.CreateModel(
            name="LeaseSweep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("swept_at", models.DateTimeField()),
            ],
            options={
                "db_table": "lease_sweeps",
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="lease_sweeps_one")],
            },
        ),
    ]
