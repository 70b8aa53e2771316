"""Let a socket's end be the end of its account's orders."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_numbers_in_short"),
        ("orders", "0008_trailing_and_protection_know_when"),
    ]

    operations = [
        migrations.CreateModel(
            name="DisconnectLease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "db_table": "disconnect_leases",
            },
        ),
    ]
