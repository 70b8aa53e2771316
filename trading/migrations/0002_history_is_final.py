"""Hold in the database what no code may break; the reasons stand in the SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial"), ("accounts", "0002_transfers_are_final")]
    operations = [
        migrations.RunSQL(
            (SQL / "history_is_final.sql").read_text(),
            (SQL / "history_is_final_reverse.sql").read_text(),
        ),
    ]
