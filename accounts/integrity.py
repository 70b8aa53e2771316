"""Check that the ledger adds up, and report what does not.

The law: a check only reads, in short statements, each of one moment, so that it may run beside trading and holds no snapshot
that vacuum would wait for. What a sweep over many statements finds is looked at again in one, before it is reported.
Here is the ledger alone; orders/integrity.py and trading/integrity/ check what they know of, and `manage.py verify_integrity`
runs them all.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog
from django.db import Error as DatabaseDriverError
from django.db import connection

from accounts.models import AMOUNT_SCALE_MAX
from accounts.numbers import from_units, to_units

log = structlog.get_logger(__name__)

ASSETS = "assets sum to zero"
BALANCES = "balances are the sums of their transfers"
STREAMS = "what accounts are told has no gap"
FUNDING = "completed deposits and withdrawals are those of their transfers"
RANGE = 50_000
DIFFERENCES_KEPT = 1_000
LOWEST_ID = -(2**63)
BALANCES_A_READ = 500
STREAMS_A_READ = 500
REQUESTS_A_READ = 5_000
SETTLED_WITHIN_SECONDS = 5.0


class Difference(NamedTuple):
    """Something that should be equal and is not: which check found it, at which row, and what it is."""

    check: str
    row: str
    detail: str


class Report:
    """What the checks have counted and found. `show` is told after each step, for whoever waits.

    Of each check the first thousand differences are kept, and all are counted in `found`.
    """

    def __init__(self, show: Callable[["Report"], None] = lambda _: None) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.found: Counter[str] = Counter()
        self.differences: list[Difference] = []
        self._show = show

    def count(self, check: str, **units: int) -> None:
        """Note that so many more of each unit have been checked; without any, that the check begins."""
        self.counts.setdefault(check, Counter()).update(units)
        self._show(self)

    def differ(self, check: str, row: str, detail: str) -> None:
        self.found[check] += 1
        if self.found[check] <= DIFFERENCES_KEPT:
            self.differences.append(Difference(check, row, detail))

    @contextmanager
    def surviving(self, check: str, row: str) -> Iterator[None]:
        """Let rows that nothing was made for end a part of a check, and not the report. A database that is away ends it."""
        try:
            yield
        except DatabaseDriverError:
            raise
        except Exception as error:
            log.exception("integrity_check_broke_off", check=check, row=row)
            self.differ(check, row, f"could not be checked to the end: {error!r}")


def rows(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Read rows with one statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def id_ranges(table: str, last: int | None = None, size: int | None = None) -> Iterator[tuple[int, int]]:
    """Divide a table's ids, up to `last` or those of now, into ranges (above, up to and including) of so many rows."""
    if last is None:
        ((last,),) = rows(f"SELECT max(id) FROM {table}")  # noqa: S608  a name of ours
    low = LOWEST_ID
    while last is not None:
        ((high,),) = rows(
            f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > %s AND id <= %s ORDER BY id LIMIT %s) next",  # noqa: S608
            low,
            last,
            size or RANGE,
        )
        if high is None:
            break
        yield low, high
        low = high


def rows_between(table: str, low: int, high: int) -> int:
    """Count a range's rows: ids have gaps."""
    return int(rows(f"SELECT count(*) FROM {table} WHERE id > %s AND id <= %s", low, high)[0][0])  # noqa: S608  a name of ours


def settled_id(table: str) -> int:
    """Return an id of an insert-only table below which no row will appear any more; 0 for an empty one.

    Ids commit out of order, so the highest of now counts once every transaction has ended that had a number before this one,
    since whoever inserts takes a number first and an id after. One that goes on for longer than some seconds is not waited
    for: it can only bring about a second look.
    """
    ((last, own_number),) = rows(
        f"SELECT COALESCE(max(id), 0), pg_current_xact_id()::text::bigint FROM {table}"  # noqa: S608  a name of ours
    )
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        ((oldest,),) = rows("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        if oldest >= own_number:
            break
        time.sleep(0.005)
    return int(last)


def check_assets(report: Report) -> None:
    """Every asset sums to zero over all accounts, the outside world included."""
    check = ASSETS
    report.count(check)
    found = rows(
        "SELECT COALESCE(a.code, b.asset_id::text), sum(b.available + b.held)"
        " FROM balances b LEFT JOIN assets a ON a.id = b.asset_id GROUP BY 1 ORDER BY 1"
    )
    for code, total in found:
        if total:
            report.differ(check, f"asset {code}", f"sums to {total:f}")
    report.count(check, assets=len(found))


_MOVED = """
    SELECT account_id, asset_id, sum(amount), count(*) FILTER (WHERE amount > 0) FROM (
        SELECT credit_account_id AS account_id, asset_id, amount FROM transfers WHERE id > %s AND id <= %s
        UNION ALL
        SELECT debit_account_id, asset_id, -amount FROM transfers WHERE id > %s AND id <= %s
    ) moved GROUP BY account_id, asset_id
"""
_SUM_SINCE = """
    COALESCE((SELECT sum(t.amount) FROM transfers t
              WHERE t.credit_account_id = b.account_id AND t.asset_id = b.asset_id AND t.id > %s), 0)
  - COALESCE((SELECT sum(t.amount) FROM transfers t
              WHERE t.debit_account_id = b.account_id AND t.asset_id = b.asset_id AND t.id > %s), 0)
"""
_BALANCES = """
    SELECT b.id, b.account_id, b.asset_id, b.available + b.held, {since}
    FROM (SELECT * FROM balances WHERE id > %s ORDER BY id LIMIT %s) b ORDER BY b.id
""".replace("{since}", _SUM_SINCE)
_ONE_BALANCE = """
    SELECT b.available + b.held, {since}, COALESCE(a.code, b.asset_id::text)
    FROM balances b LEFT JOIN assets a ON a.id = b.asset_id WHERE b.id = %s
""".replace("{since}", _SUM_SINCE)


def check_balances(report: Report) -> None:
    """Every balance, available and held together, is the sum of its transfers; no transfer is of a balance that is not there."""
    check = BALANCES
    report.count(check)
    last = settled_id("transfers")
    moved: defaultdict[tuple[int, int], int] = defaultdict(int)
    for low, high in id_ranges("transfers", last):
        found = rows(_MOVED, low, high, low, high)
        for account_id, asset_id, amount, _ in found:
            moved[account_id, asset_id] += to_units(amount, AMOUNT_SCALE_MAX)
        report.count(check, transfers=sum(count for _, _, _, count in found))
    balance_id = LOWEST_ID
    while found := rows(_BALANCES, last, last, balance_id, BALANCES_A_READ):
        for balance_id, account_id, asset_id, total, since in found:
            units = moved.pop((account_id, asset_id), 0) + to_units(since, AMOUNT_SCALE_MAX)
            if units != to_units(total, AMOUNT_SCALE_MAX):
                _look_again(report, check, balance_id, account_id)
        report.count(check, balances=len(found))
    for (account_id, asset_id), units in moved.items():
        amount = from_units(units, AMOUNT_SCALE_MAX)
        report.differ(
            check, f"account {account_id}", f"has no balance of asset {asset_id}, and transfers of {amount:f}"
        )


def _look_again(report: Report, check: str, balance_id: int, account_id: int) -> None:
    ((total, transferred, code),) = rows(_ONE_BALANCE, LOWEST_ID, LOWEST_ID, balance_id)
    if total != transferred:
        report.differ(check, f"account {account_id} {code}", f"has {total:f}, and its transfers sum to {transferred:f}")


_STREAMS = """
    SELECT s.account_id, s.last_sequence, kept.first, kept.last, kept.events
    FROM (SELECT * FROM account_streams WHERE account_id > %s ORDER BY account_id LIMIT %s) s
    CROSS JOIN LATERAL (
        SELECT min(e.sequence) AS first, max(e.sequence) AS last, count(*) AS events
        FROM account_events e WHERE e.account_id = s.account_id
    ) kept
    ORDER BY s.account_id
"""
# Walks the index from account to account, and not over all events.
_WITHOUT_STREAM = """
    WITH RECURSIVE told AS (
        (SELECT account_id FROM account_events ORDER BY account_id LIMIT 1)
        UNION ALL
        SELECT (SELECT e.account_id FROM account_events e WHERE e.account_id > told.account_id ORDER BY account_id LIMIT 1)
        FROM told WHERE told.account_id IS NOT NULL
    )
    SELECT account_id FROM told
    WHERE account_id IS NOT NULL AND NOT EXISTS (SELECT FROM account_streams s WHERE s.account_id = told.account_id)
    ORDER BY account_id
"""


def check_streams(report: Report) -> None:
    """Of each account, the last event that is kept is the last it was told, and none before it is missing but the oldest."""
    check = STREAMS
    report.count(check)
    account_id = LOWEST_ID
    while found := rows(_STREAMS, account_id, STREAMS_A_READ):
        for account_id, counted, first, last, events in found:
            if events and last != counted:
                report.differ(check, f"account {account_id}", f"was told {counted} events, and the last kept is {last}")
            elif events and last - first + 1 != events:
                report.differ(check, f"account {account_id}", f"has {events} of the events from {first} to {last}")
        report.count(check, accounts=len(found), events=sum(events for *_, events in found))
    for (account_id,) in rows(_WITHOUT_STREAM):
        report.differ(check, f"account {account_id}", "has events and no counter of them")


# A request and its transfer are of one commit, so one statement sees both or neither.
_REQUESTS = """
    SELECT r.id, r.status = 'Completed' AND (t.id IS NULL OR
        (t.kind, t.{own}_account_id, t.{other}_account_id, t.asset_id, t.amount)
            IS DISTINCT FROM ('{kind}', r.account_id, 1, r.asset_id, r.amount))
    FROM (SELECT * FROM {kind}s WHERE id > %s ORDER BY id LIMIT %s) r LEFT JOIN transfers t ON t.id = r.transfer_id
    ORDER BY r.id
"""
_REQUESTS_OF = {
    "deposit": _REQUESTS.format(kind="deposit", own="credit", other="debit"),
    "withdrawal": _REQUESTS.format(kind="withdrawal", own="debit", other="credit"),
}
# Deposits need no request: operators make them too. What goes out is all that the outside world is credited with, by index.
_WITHDRAWN = """
    SELECT t.id, w.id FROM transfers t LEFT JOIN withdrawals w ON w.transfer_id = t.id
    WHERE t.credit_account_id = 1 AND t.kind = 'withdrawal' AND (t.credit_account_id, t.id) > (1, %s)
    ORDER BY t.credit_account_id, t.id LIMIT %s
"""


def check_funding(report: Report) -> None:
    """Every completed deposit and withdrawal has its transfer, of the same account and amount, and whatever left was asked for."""
    check = FUNDING
    report.count(check)
    for kind, statement in _REQUESTS_OF.items():
        request_id = LOWEST_ID
        while found := rows(statement, request_id, REQUESTS_A_READ):
            for request_id, differs in found:
                if differs:
                    report.differ(check, f"{kind} {request_id}", "is Completed, and no such transfer is there")
            report.count(check, **{f"{kind}s": len(found)})
    transfer_id = LOWEST_ID
    while found := rows(_WITHDRAWN, transfer_id, REQUESTS_A_READ):
        for transfer_id, withdrawal_id in found:
            if withdrawal_id is None:
                report.differ(check, f"transfer {transfer_id}", "is a withdrawal that nobody asked for")


CHECKS = {ASSETS: check_assets, BALANCES: check_balances, STREAMS: check_streams, FUNDING: check_funding}
