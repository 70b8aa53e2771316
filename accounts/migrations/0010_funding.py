"""Let traders ask for deposits and withdrawals, and let what is withdrawn leave by a transfer; the reasons for the triggers stand in the SQL.

The conditions of transfers allow what they did, and more, so no old row is read while trading waits: 0012 does that beside it.
"""

from decimal import Decimal
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

import accounts.models

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_rare_transfers"),
    ]

    operations = [
        migrations.CreateModel(
            name="Deposit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("Pending", "Pending"),
                            ("Completed", "Completed"),
                            ("Rejected", "Rejected"),
                            ("Canceled", "Canceled"),
                        ],
                        default="Pending",
                        max_length=9,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, db_default="", help_text="Why it was rejected; the trader sees it.", max_length=256
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("decided_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "db_table": "deposits",
                "permissions": [("approve_deposit", "Can approve deposits"), ("reject_deposit", "Can reject deposits")],
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Withdrawal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", accounts.models.AmountField(decimal_places=18, max_digits=36)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("Pending", "Pending"),
                            ("Completed", "Completed"),
                            ("Rejected", "Rejected"),
                            ("Canceled", "Canceled"),
                        ],
                        default="Pending",
                        max_length=9,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, db_default="", help_text="Why it was rejected; the trader sees it.", max_length=256
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("decided_at", models.DateTimeField(editable=False, null=True)),
                ("destination", models.CharField(max_length=256)),
            ],
            options={
                "db_table": "withdrawals",
                "permissions": [
                    ("approve_withdrawal", "Can approve withdrawals"),
                    ("reject_withdrawal", "Can reject withdrawals"),
                ],
                "abstract": False,
            },
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfers_kind",
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfers_trade",
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfers_outside_world",
        ),
        migrations.AlterField(
            model_name="transfer",
            name="kind",
            field=models.CharField(
                choices=[
                    ("deposit", "Deposit"),
                    ("withdrawal", "Withdrawal"),
                    ("trade", "Trade"),
                    ("fee", "Fee"),
                    ("correction", "Correction"),
                ],
                max_length=12,
            ),
        ),
        AddConstraintNotValid(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["deposit", "withdrawal", "trade", "fee", "correction"])),
                name="transfers_kind",
            ),
        ),
        AddConstraintNotValid(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["trade", "fee"]), ("trade_id__isnull", False)),
                    models.Q(("kind__in", ["deposit", "withdrawal"]), ("trade_id__isnull", True)),
                    ("kind", "correction"),
                    _connector="OR",
                ),
                name="transfers_trade",
            ),
        ),
        AddConstraintNotValid(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("debit_account", 1), ("kind", "deposit")),
                    models.Q(("credit_account", 1), ("kind", "withdrawal")),
                    models.Q(
                        ("kind__in", ["trade", "fee"]),
                        models.Q(("debit_account", 1), _negated=True),
                        models.Q(("credit_account", 1), _negated=True),
                    ),
                    ("kind", "correction"),
                    _connector="OR",
                ),
                name="transfers_outside_world",
            ),
        ),
        migrations.AddField(
            model_name="deposit",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="%(class)ss",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="deposit",
            name="asset",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.asset"
            ),
        ),
        migrations.AddField(
            model_name="deposit",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                help_text="The operator.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="deposit",
            name="transfer",
            field=models.OneToOneField(
                help_text="What moved, once it is completed.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.transfer",
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="account",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="%(class)ss",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="asset",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.asset"
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                help_text="The operator.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="withdrawal",
            name="transfer",
            field=models.OneToOneField(
                help_text="What moved, once it is completed.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.transfer",
            ),
        ),
        migrations.AddIndex(
            model_name="deposit",
            index=models.Index(fields=["account", "id"], name="deposits_account"),
        ),
        migrations.AddIndex(
            model_name="deposit",
            index=models.Index(
                condition=models.Q(("status", "Pending")), fields=["account", "id"], name="deposits_pending"
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="deposits_amount_positive"),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("1000000000000000000"))), name="deposits_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["Pending", "Completed", "Rejected", "Canceled"])),
                name="deposits_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "Completed"), ("transfer__isnull", False)),
                    models.Q(models.Q(("status", "Completed"), _negated=True), ("transfer__isnull", True)),
                    _connector="OR",
                ),
                name="deposits_completed_moves",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("status", "Pending")),
                    models.Q(models.Q(("status", "Pending"), _negated=True), ("decided_at__isnull", False)),
                    _connector="OR",
                ),
                name="deposits_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_by__isnull", False), ("status__in", ["Completed", "Rejected"])),
                    models.Q(
                        models.Q(("status__in", ["Completed", "Rejected"]), _negated=True), ("decided_by__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="deposits_decided_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="deposit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "Rejected"), models.Q(("reason", ""), _negated=True)),
                    models.Q(models.Q(("status", "Rejected"), _negated=True), ("reason", "")),
                    _connector="OR",
                ),
                name="deposits_rejected_for_a_reason",
            ),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(fields=["account", "id"], name="withdrawals_account"),
        ),
        migrations.AddIndex(
            model_name="withdrawal",
            index=models.Index(
                condition=models.Q(("status", "Pending")), fields=["account", "id"], name="withdrawals_pending"
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="withdrawals_amount_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("1000000000000000000"))), name="withdrawals_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["Pending", "Completed", "Rejected", "Canceled"])),
                name="withdrawals_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "Completed"), ("transfer__isnull", False)),
                    models.Q(models.Q(("status", "Completed"), _negated=True), ("transfer__isnull", True)),
                    _connector="OR",
                ),
                name="withdrawals_completed_moves",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("status", "Pending")),
                    models.Q(models.Q(("status", "Pending"), _negated=True), ("decided_at__isnull", False)),
                    _connector="OR",
                ),
                name="withdrawals_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_by__isnull", False), ("status__in", ["Completed", "Rejected"])),
                    models.Q(
                        models.Q(("status__in", ["Completed", "Rejected"]), _negated=True), ("decided_by__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="withdrawals_decided_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "Rejected"), models.Q(("reason", ""), _negated=True)),
                    models.Q(models.Q(("status", "Rejected"), _negated=True), ("reason", "")),
                    _connector="OR",
                ),
                name="withdrawals_rejected_for_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="withdrawal",
            constraint=models.CheckConstraint(
                condition=models.Q(("destination__regex", "^[^\\u0001-\\u001f\\u007f]+$")),
                name="withdrawals_destination",
            ),
        ),
        migrations.RunSQL(
            (SQL / "requests_are_decided_once.sql").read_text(),
            (SQL / "requests_are_decided_once_reverse.sql").read_text(),
        ),
    ]
