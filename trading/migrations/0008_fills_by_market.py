"""Let an account's fills of one market be read by index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_account_events"),
        ("orders", "0008_trailing_and_protection_know_when"),
        ("trading", "0007_candles"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["maker_account", "market", "id"], name="trades_maker_market"),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["taker_account", "market", "id"], name="trades_taker_market"),
        ),
    ]
