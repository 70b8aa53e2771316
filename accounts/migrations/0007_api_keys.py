"""Let programs sign with keys of their own."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_numbers_in_short"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64)),
                ("key", models.CharField(help_text="Its public name.", max_length=32, unique=True)),
                (
                    "kind",
                    models.CharField(choices=[("HMAC", "HMAC"), ("Ed25519", "Ed25519")], default="HMAC", max_length=8),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[("read", "Read"), ("trade", "Trade"), ("withdraw", "Withdraw")], max_length=8
                        ),
                        size=None,
                    ),
                ),
                (
                    "allowed_ips",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43), default=list, help_text="Empty: any.", size=None
                    ),
                ),
                ("sealed_secret", models.BinaryField(null=True)),
                ("public_key", models.BinaryField(help_text="32 bytes.", null=True)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                ("last_used_at", models.DateTimeField(editable=False, help_text="To the minute.", null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="api_keys", to="accounts.account"
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "api_keys",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("name", ""), _negated=True), name="api_keys_name"),
                    models.CheckConstraint(
                        condition=models.Q(("key__regex", "^[A-Za-z0-9_-]{32}$")), name="api_keys_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("scopes__contained_by", ["read", "trade", "withdraw"]),
                            ("scopes__len__gte", 1),
                            ("scopes__len__lte", 3),
                        ),
                        name="api_keys_scopes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("allowed_ips__len__lte", 50)), name="api_keys_allowed_ips"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "HMAC"), ("public_key__isnull", True), ("sealed_secret__isnull", False)),
                            models.Q(
                                ("kind", "Ed25519"),
                                ("public_key__isnull", False),
                                ("sealed_secret__isnull", True),
                                django.db.models.lookups.Exact(
                                    django.db.models.functions.text.Length("public_key"), 32
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="api_keys_secret_of_kind",
                    ),
                ],
            },
        ),
    ]
