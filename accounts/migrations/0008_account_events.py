"""Let accounts be told what becomes of their orders, fills and balances; the reasons for the triggers stand in the SQL."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

import accounts.models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_api_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountStream",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("last_sequence", models.BigIntegerField()),
            ],
            options={
                "db_table": "account_streams",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("last_sequence__gte", 0)), name="account_streams_sequence"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountEvent",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id", "sequence", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sequence", models.BigIntegerField()),
                (
                    "channel",
                    models.CharField(
                        choices=[("orders", "Orders"), ("fills", "Fills"), ("balances", "Balances")], max_length=8
                    ),
                ),
                ("payload", models.TextField()),
                ("created_at", models.DateTimeField(db_default=accounts.models.ClockTimestamp(), editable=False)),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "db_table": "account_events",
                "indexes": [models.Index(fields=["created_at"], name="account_events_created")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("sequence__gt", 0)), name="account_events_sequence"),
                    models.CheckConstraint(
                        condition=models.Q(("channel__in", ["orders", "fills", "balances"])),
                        name="account_events_channel",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            (SQL / "streams_go_on.sql").read_text(),
            (SQL / "streams_go_on_reverse.sql").read_text(),
        ),
    ]
