"""Let what is rare in an account's ledger be read by index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_account_events"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("kind__in", ["trade", "fee"]), _negated=True),
                fields=["debit_account", "id"],
                name="transfers_debit_rare",
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("kind__in", ["trade", "fee"]), _negated=True),
                fields=["credit_account", "id"],
                name="transfers_credit_rare",
            ),
        ),
    ]
