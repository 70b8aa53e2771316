"""Recorded order flow goes through intake and matching, and is compared with what the venue published.

The recordings themselves are not part of the project: their folder is named by EXCHANGE_FLOW_DATA.
"""

import csv
import gzip
import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from accounts.models import Balance
from orders.models import Command, Order
from trading.models import Trade

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = ["seq", "time_ns", "kind", "order_id", "side", "size", "price", "symbol", "aggr", "fifo_ok", "note"]
RECORDINGS = os.environ.get("EXCHANGE_FLOW_DATA", "")

# Two asks of which the first is older, one bid; a sweep of both asks, and what was left of the second is canceled.
EVENTS = [
    "1,0,seed,a1,S,10,105,,,,",
    "2,0,seed,b1,B,7,100,,,,",
    "3,0,new,a2,S,5,105,,,,",
    "4,0,execute_visible,a1,S,4,105,,m1,1,",
    "5,0,execute_hidden,,S,9,105,,,,",
    "6,0,cancel_partial,a2,S,2,105,,,,",
    "7,0,execute_visible,a1,S,6,105,,m2,1,",
    "8,0,execute_visible,a2,S,1,105,,m2,1,",
    "9,0,cancel,a2,S,2,105,,,,",
    "10,0,new,a1,S,3,106,,,,",
    "11,0,execute_visible,b1,B,2,100,,m3,0,",
    "12,0,cancel,b1,B,5,100,,,,",
]
BOOK = [
    "2,105,10,100,7",
    "3,105,15,100,7",
    "4,105,11,100,7",
    "5,105,11,100,7",
    "6,105,9,100,7",
    "7,105,3,100,7",
    "8,105,2,100,7",
    "9,,,100,7",
    "10,106,3,100,7",
    "11,106,3,100,5",
    "12,106,3,,",
]


def test_recording_is_reproduced_event_by_event(tmp_path):
    figures = replay(write_recording(tmp_path))

    assert figures["executions_checked"] == figures["executions_equal"] == "3"
    # The row between the two executions of one sweep is not compared.
    assert figures["book_rows_checked"] == figures["book_rows_equal"] == "10"
    assert figures["cancels_checked"] == figures["cancels_equal"] == "2"
    assert figures["new_orders_traded"] == figures["commands_refused"] == "0"
    assert figures["matched_by"] == "this process"


def test_executions_can_be_sent_one_by_one(tmp_path):
    figures = replay(write_recording(tmp_path), "--single-executions")

    assert figures["executions_equal"] == "3"
    assert figures["book_rows_checked"] == figures["book_rows_equal"] == "11"


def test_orders_are_real_and_the_ledger_balances_after_them(tmp_path):
    replay(write_recording(tmp_path))

    assert Order.objects.count() == 6
    assert Trade.objects.count() == 3
    buyer, seller = (
        Order.objects.filter(side=side).values_list("account__user", flat=True)[0] for side in ("Buy", "Sell")
    )
    assert buyer != seller
    assert not Command.objects.filter(sequence__isnull=True).exists()
    totals = Balance.objects.values("asset").annotate(available=Sum("available"), held=Sum("held"))
    assert all(total["available"] + total["held"] == 0 for total in totals)


@pytest.mark.parametrize(
    ("row", "changed", "figure"),
    [
        ("7,0,execute_visible,a1,S,6,105,,m2,1,", "7,0,execute_visible,a2,S,6,105,,m2,1,", "executions"),
        ("9,0,cancel,a2,S,2,105,,,,", "9,0,cancel,a2,S,3,105,,,,", "cancels"),
    ],
)
def test_disagreement_with_the_venue_is_counted_and_fails(tmp_path, row, changed, figure):
    folder = write_recording(tmp_path, events=[changed if line == row else line for line in EVENTS])

    figures = replay(folder, fails=True)

    assert int(figures[f"{figure}_equal"]) < int(figures[f"{figure}_checked"])


def test_wrong_book_row_is_counted_and_fails(tmp_path):
    folder = write_recording(tmp_path, book=[*BOOK[:-1], "12,106,4,,"])

    figures = replay(folder, fails=True)

    assert (figures["book_rows_checked"], figures["book_rows_equal"]) == ("10", "9")


def test_order_driven_recording_trades_by_itself_and_is_reported_not_judged(tmp_path):
    events = ["1,0,seed,s1,S,10,105,BTC,,,", "2,0,new,b1,B,4,106,BTC,,,", "3,0,cancel,s1,S,9,105,BTC,,,"]
    folder = write_recording(tmp_path, events=events, book=None)
    write(folder / "trades.csv.gz", ["after_seq", "time_ns", "trade_id", "price", "size"], ["2,0,1,105,4"])
    write(folder / "order_reports.csv.gz", ["after_seq", "time_ns", "order_id", "side", "remaining"], ["2,0,s1,S,6"])

    figures = replay(folder)

    assert figures["trades"] == figures["trades_equal_in_order"] == figures["trades_equal_in_any_order"] == "1"
    assert figures["order_reports_checked"] == figures["order_reports_equal"] == "1"
    assert (figures["cancels_checked"], figures["cancels_equal"]) == ("1", "0")


def test_repeated_cancel_changes_nothing(tmp_path):
    events = ["1,0,seed,s1,S,10,105,,,,", "2,0,cancel,s1,S,10,105,,,,", "3,0,cancel,s1,S,10,105,,,,"]

    figures = replay(write_recording(tmp_path, events=events, book=["2,,,,", "3,,,,"]))

    assert figures["cancels_checked"] == figures["cancels_equal"] == "1"
    assert figures["book_rows_equal"] == "2"


def test_folder_that_is_no_recording_is_refused_by_name(tmp_path):
    with pytest.raises(CommandError, match=r"events\.csv\.gz is missing"):
        call_command("replay_flow", str(tmp_path))


def test_unknown_event_is_refused_by_its_row(tmp_path):
    folder = write_recording(tmp_path, events=["1,0,seed,a,S,1,1,,,,", "2,0,explode,a,S,1,1,,,,"])

    with pytest.raises(CommandError, match=r"event 2: .*explode"):
        call_command("replay_flow", str(folder))


FIGURES = {
    "aapl_0930": {
        "executions_checked": 2060, "executions_equal": 2060,
        "cancels_checked": 18495, "cancels_equal": 18495,
        "book_rows_checked": 41803, "book_rows_equal": 41803,
        "new_orders_traded": 0, "commands_refused": 0,
    },
    "bats_pitch": {
        "executions_checked": 20, "executions_equal": 20,
        "cancels_checked": 9564, "cancels_equal": 9564,
        "new_orders_traded": 0, "commands_refused": 0,
    },
    "bitstamp": {
        "trades": 575, "trades_equal_in_order": 565, "trades_equal_in_any_order": 568,
        "order_reports_equal": 752,
        "cancels_checked": 24317, "cancels_equal": 24306,
        "book20_best_prices_equal": 4935, "book20_best_equal": 4913, "book20_equal": 3594,
        "commands_refused": 0,
    },
}  # fmt: skip


@pytest.mark.skipif(not RECORDINGS, reason="EXCHANGE_FLOW_DATA names no folder of recordings")
# The shortest in every run, the others in the long one.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "bats_pitch" else [pytest.mark.long]) for name in sorted(FIGURES)]
)
def test_recording_of_a_real_venue_reaches_what_a_correct_engine_reaches(name):
    figures = replay(Path(RECORDINGS) / name)

    assert {key: int(figures[key]) for key in FIGURES[name]} == FIGURES[name]


def replay(folder: Path, *arguments: str, fails: bool = False) -> dict[str, str]:
    out = StringIO()
    if fails:
        with pytest.raises(CommandError) as error:
            call_command("replay_flow", str(folder), *arguments, stdout=out, stderr=StringIO())
        assert error.value.returncode == 1
    else:
        call_command("replay_flow", str(folder), *arguments, stdout=out, stderr=StringIO())
    return dict(line.split(": ", 1) for line in out.getvalue().splitlines())


def write_recording(folder: Path, events: list[str] = EVENTS, book: list[str] | None = BOOK) -> Path:
    write(folder / "events.csv.gz", COLUMNS, events)
    if book is not None:
        write(folder / "book1.csv.gz", ["seq", "ask1", "asize1", "bid1", "bsize1"], book)
    return folder


def write(path: Path, columns: list[str], rows: list[str]) -> None:
    with gzip.open(path, "wt", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        writer.writerows(row.split(",") for row in rows)
