"""The metrics that are read from the database, where rows are set as a test wants them, and what is read beside it."""

import os
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection

from exchange.metrics import certificates, tasks, venue
from exchange.metrics.processes import Processes, living_children
from orders.models import Command, MarketState
from orders.tests.builders import make_market
from trading.models import MaintenanceRun

pytestmark = pytest.mark.django_db

EXPIRES = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)


def read() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in venue.Venue()._collect()
        for sample in metric.samples
    }


def test_checks_and_backups_are_told_by_their_last_run():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for day, differences in enumerate((0, 3)):
        ended = at + timedelta(days=day)
        MaintenanceRun.objects.create(
            kind="integrity", started_at=ended - timedelta(seconds=7), ended_at=ended, differences=differences
        )
    MaintenanceRun.objects.create(kind="backup", started_at=at, ended_at=at, bytes=4096)
    metrics, every = read(), frozenset({("check", "all")})
    assert metrics["exchange_integrity_differences", every] == 3
    assert metrics["exchange_integrity_checked_timestamp_seconds", every] == (at + timedelta(days=1)).timestamp()
    assert metrics["exchange_integrity_duration_seconds", every] == 7
    assert metrics["exchange_backup_timestamp_seconds", frozenset()] == at.timestamp()
    assert metrics["exchange_backup_bytes", frozenset()] == 4096


def test_a_backup_that_never_was_is_absent():
    assert not [name for name, _ in read() if name.startswith("exchange_backup")]


@pytest.mark.parametrize(("by", "failed"), [("matching", 1), ("admin@example.com", 0)])
def test_a_halt_of_matchings_own_is_told_from_an_operators(by, failed):
    halted = make_market()
    MarketState.objects.filter(market=halted).update(phase="Halted")
    command = Command.objects.create(market=halted, kind="phase", payload={"phase": "Halted", "by": by})
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE commands SET sequence = 1, events = '[]', processed_at = now() WHERE id = %s", [command.id]
        )
    metrics = read()
    symbol = ("symbol", halted.symbol)
    assert metrics["exchange_market_halted_by_failure", frozenset({symbol})] == failed
    assert metrics["exchange_market_phase", frozenset({symbol, ("phase", "Halted")})] == 1
    assert metrics["exchange_market_phase", frozenset({symbol, ("phase", "Continuous")})] == 0


def test_a_part_that_cannot_be_read_stops_no_other(monkeypatch):
    monkeypatch.setattr(venue, "_RUNS", "SELECT nonsense")
    metrics = read()
    assert metrics["exchange_collected", frozenset({("part", "runs")})] == 0
    assert metrics["exchange_collected", frozenset({("part", "database")})] == 1
    assert ("exchange_database_size_bytes", frozenset()) in metrics


def test_replicas_of_one_name_are_told_by_the_last_and_a_backup_is_none():
    """A backup comes and goes, and would be missed for a day."""
    with connection.cursor() as cursor:
        # Temporary tables are found before the catalog's.
        cursor.execute(
            "CREATE TEMPORARY TABLE pg_stat_replication ON COMMIT DROP AS"
            " SELECT 1 AS pid, name AS application_name, NULL::inet AS client_addr, make_interval(secs => lag) AS replay_lag"
            " FROM (VALUES ('walreceiver', 9.0), ('walreceiver', 4.0), ('pg_basebackup', NULL)) r (name, lag)"
        )
    metrics = read()
    assert metrics["exchange_database_replicas", frozenset()] == 2
    lags = [sample for m in venue._database() for sample in m.samples if m.name.endswith("replication_lag_seconds")]
    assert [(sample.labels, sample.value) for sample in lags] == [({"replica": "walreceiver"}, 9)]


@contextmanager
def serving_https(tmp_path):
    """A web server with a certificate that nobody trusts, which ends at EXPIRES."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(EXPIRES)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "pem"
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(key.private_bytes(*private) + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def test_the_public_certificates_end_is_read(settings, tmp_path):
    with serving_https(tmp_path) as port:
        settings.PUBLIC_URL = f"https://localhost:{port}"
        host = frozenset({("host", "localhost")})
        assert read()["exchange_certificate_expiry_timestamp_seconds", host] == EXPIRES.timestamp()


def test_without_https_there_is_no_certificate_and_where_nobody_answers_it_is_said(settings):
    assert certificates.expiry_of("http://localhost") is None
    settings.PUBLIC_URL = "https://localhost:1"
    assert read()["exchange_collected", frozenset({("part", "certificate")})] == 0


def test_a_url_that_is_none_stops_no_other_part(settings):
    settings.PUBLIC_URL = "https://localhost:port"
    metrics = read()
    assert metrics["exchange_collected", frozenset({("part", "certificate")})] == 0
    assert metrics["exchange_collected", frozenset({("part", "markets")})] == 1


def test_a_certificate_that_is_long_in_coming_is_not_waited_for(settings, monkeypatch):
    come = threading.Event()
    monkeypatch.setattr(certificates, "SECONDS_MAX", 0.1)
    monkeypatch.setattr(certificates, "_read", lambda *_: come.wait(10) and 7.0)
    settings.PUBLIC_URL = "https://slow.example"
    assert read()["exchange_collected", frozenset({("part", "certificate")})] == 0
    come.set()
    monkeypatch.setattr(certificates, "SECONDS_MAX", 5)
    assert certificates.expiry_of(settings.PUBLIC_URL) == (("slow.example",), 7.0)


def test_a_probe_leaves_no_connection_open():
    """Its thread ends, but what was its own stays open until garbage is collected, which a process at rest seldom does."""
    left: list[object] = []

    def ask() -> None:
        left.extend((tasks._is_ready(), connection.connection))

    probe = threading.Thread(target=ask)
    probe.start()
    probe.join()
    assert left == [True, None]


def values_of(pids: list[int]) -> dict[str, float]:
    return {metric.name: metric.samples[0].value for metric in Processes(pids).collect()}


def test_of_open_files_the_fullest_process_tells():
    """Or a worker that has none left would not be seen beside a server that has many."""
    full = values_of([os.getpid()])
    with subprocess.Popen(["sleep", "10"]) as other:
        both = values_of([os.getpid(), other.pid])
        other.kill()
    assert both["process_open_fds"] >= full["process_open_fds"] > 4
    assert both["process_open_fds"] < full["process_open_fds"] + 4
    assert both["process_max_fds"] == full["process_max_fds"]


def test_a_number_that_was_given_to_another_is_not_a_worker():
    """Neither that of a process of somebody else's, nor that of a thread."""
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait)
    thread.start()
    with subprocess.Popen(["sleep", "10"]) as worker:
        others = {os.getpid(), os.getppid(), thread.native_id, 2**22 + 1}
        assert living_children(os.getpid(), {worker.pid, *others}) == {worker.pid}
        assert living_children(os.getppid(), {thread.native_id}) == set()
        worker.kill()
    waiting.set()


def test_what_an_ended_process_has_used_stays_counted():
    before = values_of([os.getpid()])["process_cpu_seconds"]
    subprocess.run([sys.executable, "-c", "while __import__('time').process_time() < 0.6: pass"], check=True)
    assert values_of([os.getpid()])["process_cpu_seconds"] >= before + 0.5


def test_processes_that_are_gone_are_passed_over():
    alone = {metric.name: metric.samples[0].value for metric in Processes([os.getpid()]).collect()}
    both = {metric.name: metric.samples[0].value for metric in Processes([os.getpid(), 2**22 + 1]).collect()}
    assert alone.keys() == both.keys()
    assert both["process_max_fds"] == alone["process_max_fds"]


@pytest.mark.parametrize("name", ["JWT_SECRET", "DATABASE_URL"])
def test_a_placeholder_is_no_secret(name):
    begun = subprocess.run(
        [sys.executable, "-c", "import exchange.settings"],
        env={**os.environ, name: "x-replace-me-x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{name} is still the placeholder" in begun.stderr
