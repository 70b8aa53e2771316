"""Let an account's fills of one market be read by index."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Beside trading. Where this is cut off, drop the indexes that it leaves behind, which may be invalid, and run it again.
    atomic = False

    dependencies = [
        ("accounts", "0008_account_events"),
        ("orders", "0008_trailing_and_protection_know_when"),
        ("trading", "0007_candles"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="trade",
            index=models.Index(fields=["maker_account", "market", "id"], name="trades_maker_market"),
        ),
        AddIndexConcurrently(
            model_name="trade",
            index=models.Index(fields=["taker_account", "market", "id"], name="trades_taker_market"),
        ),
    ]
