"""Tell accounts what has become of their orders, fills and balances: rows that a socket later delivers.

The law: an event is written in the commit that brought it about, and an account's events are numbered 1, 2, 3 ... over all
channels, for ever. Counters are locked after balances, both in id order. Balances are read by a statement later than the
counters' lock, so that a later event never tells an older balance. Accounts without a user are told nothing.
What there is to say of orders and fills is trading/announcements.py's; whoever posts to the ledger tells the balances by that.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import NamedTuple

import msgspec
from django.db import connection

from accounts.copying import copy_into, escaped
from accounts.models import Channel
from accounts.prepared import Prepared
from accounts.rendering import render_balance
from accounts.selectors import Holding

KEPT_HOURS = 2
"""An hour is promised."""

PRUNED_A_STATEMENT = 5_000
READ_BYTES_MAX = 1024 * 1024

_encode = msgspec.json.Encoder().encode

_COUNT = Prepared(
    "count_account_events",
    ("bigint[]", "bigint[]"),
    """
    INSERT INTO account_streams AS s (account_id, last_sequence)
    SELECT u.account_id, u.events FROM unnest($1, $2) AS u (account_id, events)
    JOIN accounts a ON a.id = u.account_id AND a.user_id IS NOT NULL
    ORDER BY u.account_id
    ON CONFLICT (account_id) DO UPDATE SET last_sequence = s.last_sequence + EXCLUDED.last_sequence
    RETURNING account_id, last_sequence
""",
)
_BALANCES = Prepared(
    "read_balances_to_tell",
    ("bigint[]", "bigint[]"),
    """
    SELECT b.account_id, a.code, a.scale, b.available, b.held
    FROM unnest($1, $2) AS u (account_id, asset_id)
    JOIN balances b ON b.account_id = u.account_id AND b.asset_id = u.asset_id
    JOIN assets a ON a.id = b.asset_id
    ORDER BY a.code
""",
)
_READ = """
    SELECT u.account_id, e.sequence, e.channel, e.payload
    FROM unnest(%s::bigint[], %s::bigint[]) AS u (account_id, sequence)
    CROSS JOIN LATERAL (
        SELECT sequence, channel, payload,
            sum(octet_length(payload)) OVER (ORDER BY sequence) - octet_length(payload) AS before
        FROM account_events
        WHERE account_id = u.account_id AND sequence > u.sequence ORDER BY sequence LIMIT %s
    ) e
    WHERE e.before < %s
    ORDER BY u.account_id, e.sequence
"""
_LAST = """
    SELECT account_id, last_sequence FROM account_streams WHERE account_id = ANY(%s)
"""
_FIRST_KEPT = """
    SELECT s.account_id, COALESCE(
        (SELECT min(sequence) FROM account_events e WHERE e.account_id = s.account_id), s.last_sequence + 1
    ) FROM account_streams s WHERE s.account_id = ANY(%s)
"""
# What is older by sequence goes too, should the clock have been set back: what is kept has no gap. By index, account by account,
# whatever the planner thinks of the table; nobody moves the rows meanwhile, so that their places name them.
_PRUNE = """
    WITH last AS MATERIALIZED (
        SELECT account_id, max(sequence) AS sequence FROM (
            SELECT account_id, sequence FROM account_events
            WHERE created_at < now() - make_interval(hours => %(hours)s) ORDER BY created_at LIMIT %(limit)s
        ) old GROUP BY account_id
    )
    DELETE FROM account_events WHERE ctid = ANY(ARRAY(
        SELECT gone.ctid FROM last CROSS JOIN LATERAL (
            SELECT e.ctid FROM account_events e
            WHERE e.account_id = last.account_id AND e.sequence <= last.sequence ORDER BY e.sequence LIMIT %(limit)s
        ) gone
    ))
"""


class Note(NamedTuple):
    """Something to be told to an account: members of one channel, as the API shows them, in JSON."""

    account_id: int
    channel: Channel
    payload: str


class StoredEvent(NamedTuple):
    """Something that an account has been told."""

    sequence: int
    channel: str
    payload: str


def note(account_id: int, channel: Channel, members: Sequence[object]) -> Note:
    """Make the note that tells these members of a channel."""
    return Note(account_id, channel, _encode(members).decode())


def append(notes: Sequence[Note], balances: Iterable[tuple[int, int]] = ()) -> dict[int, int]:
    """Tell accounts these notes in their order, then these balances (account id, asset id), in the current transaction.

    Expects the balances that the transaction changes to be changed already. Returns the last sequence of each account that
    was told something, by account id.
    """
    concerned = set(balances)
    counts = Counter(one.account_id for one in notes)
    counts.update({account_id for account_id, _ in concerned})
    if not counts:
        return {}
    last = _count(counts)
    told = [one for one in notes if one.account_id in last]
    told += _tell_balances({key for key in concerned if key[0] in last})
    _insert(told, {account_id: last[account_id] - counts[account_id] for account_id in last})
    return last


def _count(counts: Mapping[int, int]) -> dict[int, int]:
    """Move the counters of accounts that have a user on by so many events; they stay locked until the commit."""
    return dict(_COUNT.rows(list(counts), list(counts.values())))


def _tell_balances(keys: set[tuple[int, int]]) -> list[Note]:
    """Read balances and note them, one note an account."""
    if not keys:
        return []
    members: dict[int, list[object]] = {account_id: [] for account_id, _ in keys}
    for account_id, *holding in _BALANCES.rows(*(list(column) for column in zip(*keys, strict=True))):
        members[account_id].append(render_balance(Holding(*holding)))
    return [note(account_id, Channel.BALANCES, rendered) for account_id, rendered in members.items()]


def _insert(notes: Iterable[Note], sequence_of: dict[int, int]) -> None:
    """Insert notes, each with the next sequence of its account after the one given."""
    rows = StringIO()
    for account_id, channel, payload in notes:
        sequence_of[account_id] += 1
        rows.write(f"{account_id}\t{sequence_of[account_id]}\t{channel.value}\t{escaped(payload)}\n")
    copy_into("account_events", "account_id, sequence, channel, payload", rows)


def read_after(cursors: Mapping[int, int], limit: int, bytes_max: int = READ_BYTES_MAX) -> dict[int, list[StoredEvent]]:
    """Read what accounts were told after a sequence of theirs, by account id. One statement.

    At most so many events each, and so many bytes of them: the one that passes that is the last. Where an account's first does
    not follow its cursor, what came between is kept no longer (first_kept).
    """
    found: dict[int, list[StoredEvent]] = {account_id: [] for account_id in cursors}
    if not cursors:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list(cursors), list(cursors.values()), limit, bytes_max])
        for account_id, *event in cursor.fetchall():
            found[account_id].append(StoredEvent(*event))
    return found


def last_sequences(account_ids: Iterable[int]) -> dict[int, int]:
    """Read how many events each of these accounts has been told. One statement."""
    ids = list(account_ids)
    return dict.fromkeys(ids, 0) | _numbers(_LAST, ids)


def first_kept(account_ids: Iterable[int]) -> dict[int, int]:
    """Read the lowest sequence of these accounts that is kept; where none is, that of the next. One statement.

    Whoever has seen all up to sequence n can be served from here if n + 1 is not lower.
    """
    ids = list(account_ids)
    return dict.fromkeys(ids, 1) | _numbers(_FIRST_KEPT, ids)


def _numbers(statement: str, account_ids: list[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [account_ids])
        return dict(cursor.fetchall())


def prune(older_than_hours: int = KEPT_HOURS) -> int:
    """Delete events that are older, in short statements, each its own commit; returns how many."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_PRUNE, {"hours": older_than_hours, "limit": PRUNED_A_STATEMENT})
            deleted += cursor.rowcount
            if cursor.rowcount < PRUNED_A_STATEMENT:
                return deleted
