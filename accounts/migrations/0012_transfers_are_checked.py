"""Check old transfers against the conditions of 0010, beside trading: whoever writes transfers waits for none of it."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0011_notification_settings"),
    ]

    operations = [
        ValidateConstraint("transfer", name)
        for name in ("transfers_kind", "transfers_trade", "transfers_outside_world")
    ]
