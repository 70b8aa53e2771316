"""Hold in the database what no code may break; the reasons stand in the SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_ledger_stays_whole")]
    operations = [
        migrations.RunSQL(
            (SQL / "postings_meet_no_trigger.sql").read_text(),
            (SQL / "postings_meet_no_trigger_reverse.sql").read_text(),
        ),
    ]
