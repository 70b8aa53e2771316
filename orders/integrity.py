"""Check that what accounts hold is what their orders and withdrawals hold, and that every order is in the journal.

The law: a check only reads, in short statements, each of one moment (accounts/integrity.py).
What the engine made of the orders is trading/integrity/'s.
"""

from accounts.integrity import BALANCES_A_READ, LOWEST_ID, Report, id_ranges, rows, rows_between

HOLDS = "held is the sum of what open orders and pending withdrawals hold"
# What an amendment that is still pending holds beside its order is in its payload, in units of 10^-scale.
JOURNALED = "every order is in the journal once"
ORDERS_A_READ = 5_000

_HELD = """
    WITH amendments AS MATERIALIZED (
        SELECT c.account_id, CASE c.payload->>'side' WHEN 'Buy' THEN m.quote_id ELSE m.base_id END AS asset_id,
            sum((c.payload->>'held')::numeric) AS held
        FROM commands c JOIN markets m ON m.id = c.market_id
        WHERE c.sequence IS NULL AND c.kind = 'amend' GROUP BY 1, 2
    )
    SELECT b.id, b.account_id, COALESCE(a.code, b.asset_id::text), b.held,
        COALESCE(orders_of.held, 0) + COALESCE(amendments.held, 0) * power(10::numeric, -a.scale)
            + COALESCE(withdrawals_of.held, 0)
    FROM (SELECT * FROM balances WHERE id > %s ORDER BY id LIMIT %s) b
    LEFT JOIN assets a ON a.id = b.asset_id
    CROSS JOIN LATERAL (
        SELECT sum(o.held_amount) AS held FROM orders o JOIN markets m ON m.id = o.market_id
        WHERE o.account_id = b.account_id AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
          AND CASE o.side WHEN 'Buy' THEN m.quote_id ELSE m.base_id END = b.asset_id
    ) orders_of
    CROSS JOIN LATERAL (
        SELECT sum(w.amount) AS held FROM withdrawals w
        WHERE w.account_id = b.account_id AND w.status = 'Pending' AND w.asset_id = b.asset_id
    ) withdrawals_of
    LEFT JOIN amendments ON amendments.account_id = b.account_id AND amendments.asset_id = b.asset_id
    ORDER BY b.id
"""
_HOLDS_NOWHERE = """
    SELECT 'order ' || o.id, o.account_id, o.held_amount FROM orders o LEFT JOIN markets m ON m.id = o.market_id
    LEFT JOIN balances b
        ON b.account_id = o.account_id AND b.asset_id = CASE o.side WHEN 'Buy' THEN m.quote_id ELSE m.base_id END
    WHERE o.status IN ('New', 'PendingTrigger', 'PartiallyFilled') AND b.id IS NULL
    UNION ALL
    SELECT 'withdrawal ' || w.id, w.account_id, w.amount
    FROM withdrawals w LEFT JOIN balances b ON b.account_id = w.account_id AND b.asset_id = w.asset_id
    WHERE w.status = 'Pending' AND b.id IS NULL
"""


def check_holds(report: Report) -> None:
    """What a balance holds is the sum of what its account's open orders and pending withdrawals hold."""
    check = HOLDS
    report.count(check)
    balance_id = LOWEST_ID
    while found := rows(_HELD, balance_id, BALANCES_A_READ):
        for _, account_id, code, held, asked in found:
            if held != asked:
                what = f"holds {held:f}, and its orders and withdrawals {asked:f}"
                report.differ(check, f"account {account_id} {code}", what)
        report.count(check, balances=len(found))
        balance_id = found[-1][0]
    for what, account_id, held in rows(_HOLDS_NOWHERE):
        report.differ(check, what, f"holds {held:f} in no balance of account {account_id}")


# An order that was rejected for an error of the exchange, and whose hold could not be freed, waits for an operator.
_NOT_JOURNALED = """
    SELECT o.id, o.status, count(c.id), count(c.id) FILTER (WHERE c.sequence IS NULL)
    FROM orders o LEFT JOIN commands c
        ON c.order_id = o.id AND c.kind = 'new' AND c.market_id = o.market_id AND c.account_id = o.account_id
    WHERE o.id > %s AND o.id <= %s
    GROUP BY o.id
    HAVING count(c.id) <> 1 OR NOT EXISTS (SELECT FROM markets m WHERE m.id = o.market_id)
        OR (count(c.sequence) = 0 AND (o.priority_sequence IS NOT NULL OR o.status <> 'New'))
        OR (o.status IN ('New', 'PendingTrigger', 'PartiallyFilled') AND o.priority_sequence IS NULL
            AND bool_and(c.sequence IS NOT NULL AND c.events->0->>0 <> 'internal_error'))
"""


def check_orders(report: Report) -> None:
    """Every order was brought in by one command of its market and account, and waits, rests or has ended as that says."""
    check = JOURNALED
    report.count(check)
    for low, high in id_ranges("orders", size=ORDERS_A_READ):
        for order_id, status, commands, pending in rows(_NOT_JOURNALED, low, high):
            report.differ(
                check, f"order {order_id}", f"is {status}, with {commands} commands, {pending} of them pending"
            )
        report.count(check, orders=rows_between("orders", low, high))


CHECKS = {HOLDS: check_holds, JOURNALED: check_orders}
