"""Let the triggers know what may wait and what may change, and bring rows that are there up to date; the reasons stand in the SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_every_order_type")]
    operations = [
        migrations.RunSQL(
            (SQL / "orders_may_wait.sql").read_text(),
            (SQL / "orders_may_wait_reverse.sql").read_text(),
        ),
    ]
