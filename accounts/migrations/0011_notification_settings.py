"""Keep what users want to be told and where they sign in from; write their addresses down, which are to be confirmed."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

WRITE_ADDRESSES_DOWN = """
    INSERT INTO account_emailaddress (user_id, email, verified, "primary")
    SELECT id, email, false, true FROM users
    WHERE NOT EXISTS (SELECT FROM account_emailaddress WHERE user_id = users.id)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("account", "0009_emailaddress_unique_primary_email"),
        ("accounts", "0010_funding"),
    ]

    operations = [
        migrations.CreateModel(
            name="NotificationSettings",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="notification_settings",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("money", models.BooleanField(default=True, verbose_name="Deposits and withdrawals")),
                ("api_keys", models.BooleanField(default=True, verbose_name="API keys that are made or revoked")),
                ("sign_ins", models.BooleanField(default=True, verbose_name="Sign-ins from a new address or browser")),
            ],
            options={
                "verbose_name_plural": "notification settings",
                "db_table": "notification_settings",
            },
        ),
        migrations.CreateModel(
            name="SignInPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64)),
                ("last_used_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "sign_in_places",
                "constraints": [models.UniqueConstraint(fields=("user", "digest"), name="sign_in_places_user_digest")],
            },
        ),
        migrations.RunSQL(WRITE_ADDRESSES_DOWN, migrations.RunSQL.noop),
    ]
