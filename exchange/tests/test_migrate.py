"""Migrations that are started from several places at once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2

from accounts.management.commands.migrate import LOCK
from exchange.tests.platform import wait_for

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"


def test_whoever_migrates_second_waits_for_the_first(platform):
    with closing(psycopg2.connect(platform.servers()["database_url"])) as first, ThreadPoolExecutor(1) as pool:
        with first.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        second = pool.submit(platform.manage, "migrate", "--no-input")
        wait_for(lambda: platform.query(WAITING, LOCK) == [(1,)], "the second waits")
        assert not second.done()
        first.close()
        done = second.result(timeout=60)
    assert done.returncode == 0, done.stderr
    assert "No migrations to apply" in done.stdout
