"""Keep the dead man's switch of an account: all its orders end, unless it is heard of in time.

The law: the time is the database's, so it runs on while the venue does not. An account has one switch or none, and each
call starts its countdown anew.
What has run out is found by orders/clock.py.
"""

from datetime import datetime

from django.db import connection

from orders.models import DeadManSwitch

SECONDS_MAX = 86_400


def restart(account_id: int, seconds: int) -> datetime:
    """Let the account's orders end so many seconds from now, and no more when they would have; returns the time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO dead_man_switches (account_id, expires_at)
            VALUES (%s, clock_timestamp() + make_interval(secs => %s))
            ON CONFLICT (account_id) DO UPDATE SET expires_at = EXCLUDED.expires_at
            RETURNING expires_at
            """,
            [account_id, seconds],
        )
        expires_at: datetime = cursor.fetchone()[0]
    return expires_at


def turn_off(account_id: int) -> None:
    """Let nothing happen to the account's orders. One that has run out already has fired."""
    DeadManSwitch.objects.filter(account_id=account_id).delete()
