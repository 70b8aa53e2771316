"""Hold in the database what no code may break; the reasons stand in the SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(
            (SQL / "transfers_are_final.sql").read_text(),
            (SQL / "transfers_are_final_reverse.sql").read_text(),
        ),
    ]
