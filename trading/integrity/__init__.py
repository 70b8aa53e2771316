"""Check everything: the ledger, the orders, the trades, and that the journal brings about just these.

The law: the journal says what was asked; replaying it must give every event, trade, order and hash (journal.py); the orders'
fills, the transfers and the candles must be those of the trades (trades.py, candles.py); the balances those of the transfers,
and what they hold what open orders and pending withdrawals hold (orders/integrity.py, accounts/integrity.py). So an amount anywhere can be followed
back to what somebody asked for. Nothing is written, nothing repaired: what to do about a difference is for people to decide.
"""

import accounts.integrity
import orders.integrity
from accounts.integrity import Report, rows
from trading.integrity import candles, journal, trades

CHECKS = accounts.integrity.CHECKS | orders.integrity.CHECKS | trades.CHECKS | journal.CHECKS | candles.CHECKS


_UNITS = """
    SELECT 2 * (SELECT COALESCE(max(id), 0) FROM transfers) + 2 * (SELECT COALESCE(max(id), 0) FROM balances)
        + 3 * (SELECT COALESCE(max(id), 0) FROM orders) + 3 * (SELECT COALESCE(max(id), 0) FROM trades)
        + 2 * (SELECT COALESCE(sum(last_sequence), 0) FROM market_states)
        + (SELECT COALESCE(max(id), 0) FROM deposits) + (SELECT COALESCE(max(id), 0) FROM withdrawals)
"""


def units_to_check() -> int:
    """Estimate how much a Report will have counted in the end; for a progress bar."""
    return int(rows(_UNITS)[0][0])


def verify(report: Report) -> None:
    """Run every check. A database that is away ends it; rows that a check breaks off at are differences."""
    for name, check in CHECKS.items():
        with report.surviving(name, "check"):
            check(report)
