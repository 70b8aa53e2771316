"""Test that a journal leaves the database as a file that anybody can replay to the same hash, and that no change of it goes unseen."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.tests.builders import make_trader
from orders import changes
from orders.models import Market
from orders.terms import Phase
from orders.tests.builders import make_market, place_order
from trading import selectors
from trading.books import rebuild
from trading.journalfile import check_file
from trading.models import Batch
from trading.replay import JournalBroken
from trading.tests.builders import match
from trading.tests.venue import Venue

NOWHERE = {
    "DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/nowhere",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DJANGO_SETTINGS_MODULE": "exchange.settings",
}


@pytest.fixture
def exported(db: None, tmp_path: Path) -> Path:
    """The journal of a market with three batches, two trades, a failed command and the halt it brought."""
    market = make_market(maker_fee="0.001")
    maker, taker = make_trader(funds={"BTC": "10"}), make_trader(funds={"USD": "10000"})
    place_order(maker, side="Sell", quantity="2")
    place_order(taker, quantity="1.5")
    match()
    place_order(taker, quantity="1")
    match()
    changes.ask_phase(market, Phase.CANCEL_ONLY, reason='says "ünï"\n€', by="ops@example.com")
    broken = place_order(taker, price="99")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """UPDATE commands SET payload = payload || '{"price": "low"}' WHERE order_id = %s""", [broken.id]
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    match()
    file = tmp_path / "btc-usd.journal"
    call_command("export_journal", "btc-usd", str(file), stdout=io.StringIO())
    return file


def test_exported_journal_replays_to_the_same_book_and_hash(exported):
    with exported.open("rb") as lines:
        checked = check_file(lines)

    rebuilt = rebuild(Market.objects.get().id)
    assert checked.hash == rebuilt.last_hash == bytes(Batch.objects.latest("id").hash)
    assert (checked.commands, checked.batches, checked.trades) == (6, Batch.objects.count(), 2)
    assert [(o.order_id, o.left) for o in checked.engine.orders.values()] == [
        (o.order_id, o.left) for o in rebuilt.engine.orders.values()
    ]
    assert checked.engine.phase is rebuilt.engine.phase is Phase.HALTED
    assert checked.header.market == "BTC/USD"
    assert (checked.header.tick_size, checked.header.lot_size) == ("0.01", "0.00001")


def test_replay_needs_no_database_and_no_server(exported, tmp_path):
    command = [sys.executable, "manage.py", "replay_journal", str(exported)]
    done = subprocess.run(
        command, env={**os.environ, **NOWHERE, "EXCHANGE_VAR": str(tmp_path)}, cwd=settings.BASE_DIR,
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    told = dict(line.split(": ") for line in done.stdout.splitlines())
    assert told.pop("seconds")
    assert told == {
        "market": "BTC/USD",
        "commands": "6",
        "batches": str(Batch.objects.count()),
        "trades": "2",
        "orders_resting": "1",
        "hash": bytes(Batch.objects.latest("id").hash).hex(),
    }


def test_journal_of_every_order_type_replays_to_the_same_hash_whatever_seeds_the_hashes(transactional_db, tmp_path):
    Venue(seed=1).run(steps=150)
    file = tmp_path / "btc-usd.journal"
    call_command("export_journal", "BTC/USD", str(file), stdout=io.StringIO())
    kinds = {json.loads(line)[1] for line in file.read_bytes().splitlines() if line.startswith(b"[")}
    assert kinds >= {"new", "cancel", "reduce", "amend", "trigger", "expire", "phase", "rules", "protect"}

    hashes = set()
    for seed in ("0", "1", "4294967295"):
        done = subprocess.run(
            [sys.executable, "manage.py", "replay_journal", str(file)],
            env={**os.environ, **NOWHERE, "EXCHANGE_VAR": str(tmp_path), "PYTHONHASHSEED": seed}, cwd=settings.BASE_DIR,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        hashes |= {line for line in done.stdout.splitlines() if line.startswith("hash: ")}

    assert hashes == {f"hash: {bytes(Batch.objects.latest('id').hash).hex()}"}


def test_journal_of_the_first_version_still_replays():
    with (Path(__file__).parent / "journals" / "version-1.journal").open("rb") as lines:
        checked = check_file(lines)

    assert (checked.commands, checked.trades) == (51, 9)
    assert checked.hash.hex() == "b7515e80ee138d85055b39bdff4d26fa0e8e58c65129f94ce3364f024f82283a"


def test_documented_program_of_a_few_lines_finds_the_same_hash(exported, tmp_path):
    prose = (settings.BASE_DIR / "docs" / "JOURNAL.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", prose, re.DOTALL)
    (tmp_path / "check.py").write_text(program)

    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "check.py"), str(exported)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == bytes(Batch.objects.latest("id").hash).hex()


def test_journal_longer_than_a_read_is_exported_whole(exported, monkeypatch, tmp_path):
    monkeypatch.setattr(selectors, "_BATCHES_A_READ", 2)
    again = tmp_path / "again.journal"

    call_command("export_journal", "BTC/USD", str(again), stdout=io.StringIO())

    assert again.read_bytes() == exported.read_bytes()


@pytest.mark.django_db
def test_journal_of_a_market_that_has_not_traded_is_a_beginning_and_an_end(tmp_path):
    make_market()
    file = tmp_path / "empty.journal"
    output = io.StringIO()

    call_command("export_journal", "BTC/USD", str(file), stdout=output)
    with file.open("rb") as lines:
        checked = check_file(lines)

    assert output.getvalue() == f"Wrote 0 commands of BTC/USD to {file}.\n"
    assert (checked.commands, checked.hash) == (0, bytes(32))
    assert [path.name for path in tmp_path.iterdir()] == ["empty.journal"]


@pytest.mark.django_db
def test_journal_of_a_market_that_is_not_there_is_refused_and_no_file_made(tmp_path):
    with pytest.raises(CommandError, match="There is no market ETH/EUR"):
        call_command("export_journal", "ETH/EUR", str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_folder_that_is_not_there_is_named(tmp_path):
    make_market()
    with pytest.raises(CommandError, match=r"absent/file\.part: No such file or directory"):
        call_command("export_journal", "BTC/USD", str(tmp_path / "absent" / "file"))


def test_journal_whose_batches_end_too_early_is_not_exported(exported):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("DELETE FROM batches WHERE last_sequence = 6")
        cursor.execute("SET LOCAL session_replication_role = origin")
    before = exported.read_bytes()

    with pytest.raises(
        CommandError, match="The journal of BTC/USD goes to 6, and its batches to 4: see verify_integrity"
    ):
        call_command("export_journal", "BTC/USD", str(exported))

    assert exported.read_bytes() == before
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CommandError, match="absent: No such file or directory"):
        call_command("replay_journal", str(tmp_path / "absent"))


def test_command_names_the_line_that_is_broken(exported):
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join([*lines[:2], *lines[3:]]))

    with pytest.raises(CommandError) as failure:
        call_command("replay_journal", str(exported))

    assert failure.value.returncode == 1
    assert str(failure.value) == f"{exported}, line 3: the batch of sequences 1 to 2 has the sequences 1 to 1"


def edited(line: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(line), **changes}, separators=(",", ":")).encode() + b"\n"


def with_event(line: bytes, *event: object) -> bytes:
    command = json.loads(line)
    command[5][0] = list(event)
    return json.dumps(command, separators=(",", ":")).encode() + b"\n"


# Lines 1 header, 2-3 commands, 4 batch, 5 command, 6 batch, then the phase, the failure and the halt.
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "line 0: the file ends before the journal does"),
        (lambda lines: lines[:-1], "the file ends before the journal does"),
        (lambda lines: [*lines, lines[-1]], "there is more after the end"),
        (lambda lines: lines[1:], "line 1: this is not a line of a journal"),
        (lambda lines: [edited(lines[0], journal=2), *lines[1:]], "line 1: this is format 2, and format 1 can be read"),
        (lambda lines: [lines[0], b"nonsense\n", *lines[1:]], "line 2: this is not a line of a journal"),
        (lambda lines: [lines[0], b'[1,"\xff"]\n', *lines[1:]], "line 2: this is not a line of a journal"),
        (lambda lines: [lines[0], b"[" * 100_000 + b"\n", *lines[1:]], "line 2: this is not a line of a journal"),
        (lambda lines: [lines[0], b'[1,"new",1,1,{},[5]]\n', *lines[1:]], "line 2: this is not a line of a journal"),
        (lambda lines: [lines[0], b"\n", *lines[1:]], "line 2: this is not a line of a journal"),
        (lambda lines: [*lines[:1], *lines[2:]], "line 2: sequence 1 is missing: the next one is 2"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2: sequence 1 is missing: the next one is 2"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: sequence 2 is missing: the next one is 1"),
        (lambda lines: [*lines[:3], *lines[4:]], "line 5: the batch of sequences 3 to 3 has the sequences 1 to 3"),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], "line 5: the batch of sequences 1 to 2 has no commands"),
        (lambda lines: [*lines[:-2], lines[-1]], "its batches end with"),
        (lambda lines: [*lines[:-1], b'{"end":7}\n'], "the journal should end with sequence 7, and its batches end with 6"),
        (lambda lines: [lines[0], lines[1].replace(b'"maker_fee":100000', b'"maker_fee":0'), *lines[2:]], "line 4: the batch of sequences 1 to 2 says hash"),
        (lambda lines: [lines[0], lines[1].replace(b'"tif":"GTC"', b'"tif":"IOC"'), *lines[2:]], "line 2: sequence 1 says"),
        (lambda lines: [*lines[:2], with_event(lines[2], "trade", 1, 2, 3, 4, 5), *lines[3:]], "line 3: sequence 2 says"),
        (lambda lines: [lines[0], lines[1].replace(b'"side"', b'"sid"'), *lines[2:]], "line 2: sequence 1 cannot be carried out"),
        (lambda lines: [lines[0], lines[1].replace(b",", b", ", 1), *lines[2:]], "line 2: sequence 1 is not written as the hash covers it"),
        (lambda lines: [*lines[:3], edited(lines[3], trades=0), *lines[4:]], "line 4: the batch of sequences 1 to 2 says 0 trades and has 1"),
        (lambda lines: [*lines[:3], edited(lines[3], engine_version=99), *lines[4:]], "is of engine version 99"),
        (lambda lines: [*lines[:3], edited(lines[3], hash="00" * 32), *lines[4:]], "line 4: the batch of sequences 1 to 2 says hash"),
        (lambda lines: [*lines[:3], edited(lines[3], hash="none"), *lines[4:]], "line 4: the hash 'none' is not hexadecimal"),
        (lambda lines: [line.replace(b"ValidationError", b"KeyError") for line in lines], "says hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_change_of_a_journal_is_noticed(exported, change, message):
    lines = exported.read_bytes().splitlines(keepends=True)
    with pytest.raises(JournalBroken, match=re.escape(message)):
        check_file(change(lines))
