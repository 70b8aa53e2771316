"""Hold in the database what no code may break; the reasons stand in the SQL."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_transfers_are_final")]
    operations = [
        migrations.RunSQL(
            (SQL / "owners_and_scales_stay.sql").read_text(),
            (SQL / "owners_and_scales_stay_reverse.sql").read_text(),
        ),
    ]
