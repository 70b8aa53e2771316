"""Let what is rare in an account's ledger be read by index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Beside trading. Where this is cut off, drop the indexes that it leaves behind, which may be invalid, and run it again.
    atomic = False

    dependencies = [
        ("accounts", "0008_account_events"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("kind__in", ["trade", "fee"]), _negated=True),
                fields=["debit_account", "id"],
                name="transfers_debit_rare",
            ),
        ),
        AddIndexConcurrently(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("kind__in", ["trade", "fee"]), _negated=True),
                fields=["credit_account", "id"],
                name="transfers_credit_rare",
            ),
        ),
    ]
