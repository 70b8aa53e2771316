"""Check that orders' fills and the ledger's transfers are those of the trades.

The law: a check only reads, in short statements (accounts/integrity.py). A trade and its transfers are of one commit, so
once the trades up to some id are settled, all their transfers are there.
Whether the trades are right is for journal.py to find out.
"""

from accounts.integrity import Report, id_ranges, rows, rows_between, settled_id

ORDERS_A_READ = 2_000

_FILLS = """
    SELECT o.id, o.status, o.filled_quantity, o.filled_quote, fills.quantity, fills.quote
    FROM orders o CROSS JOIN LATERAL (
        SELECT COALESCE(sum(quantity), 0) AS quantity, COALESCE(sum(quote_amount), 0) AS quote FROM (
            SELECT quantity, quote_amount FROM trades WHERE maker_order_id = o.id
            UNION ALL
            SELECT quantity, quote_amount FROM trades WHERE taker_order_id = o.id
        ) met
    ) fills
    WHERE o.id > %s AND o.id <= %s AND (
        (o.filled_quantity, o.filled_quote) IS DISTINCT FROM (fills.quantity, fills.quote)
        OR (o.filled_quantity > 0) <> (o.status IN ('PartiallyFilled', 'Filled', 'Canceled', 'Expired') AND fills.quantity > 0)
        OR (o.status = 'New') <> (o.status IN ('New', 'PartiallyFilled') AND o.filled_quantity = 0)
        OR (o.status = 'Filled' AND o.quantity IS NOT NULL AND o.filled_quantity <> o.quantity)
        OR (o.status IN ('New', 'PartiallyFilled') AND o.remaining_quantity <> o.quantity - o.filled_quantity)
    )
"""


def check_fills(report: Report) -> None:
    """Each order has been filled by the sum of its trades, and its status and what remains say so."""
    check = "each order's fills add up"
    ((last,),) = rows("SELECT COALESCE(max(id), 0) FROM orders")
    for low, high in id_ranges(last, ORDERS_A_READ):
        for order_id, status, quantity, quote, traded, traded_quote in rows(_FILLS, low, high):
            detail = f"is {status}, filled {quantity:f} for {quote:f}, and traded {traded:f} for {traded_quote:f}"
            report.differ(check, f"order {order_id}", detail)
        report.count(check, orders=rows_between("orders", low, high))


# Which of its trade's transfers each is: 1 base, 2 quote, 4 the buyer's fee, 8 the seller's; 0 for none of them.
_LEGS = """
    SELECT trade_id, bit_or(leg), sum(leg), bool_or(leg = 0), min(due),
        COALESCE(min(id) FILTER (WHERE leg = 0), max(id)), count(*) FROM (
        SELECT f.id, f.trade_id,
            CASE
                WHEN f.kind = 'trade' AND f.asset_id = t.base_id AND f.debit_account_id = t.seller
                    AND f.credit_account_id = t.buyer AND f.amount = t.quantity THEN 1
                WHEN f.kind = 'trade' AND f.asset_id = t.quote_id AND f.debit_account_id = t.buyer
                    AND f.credit_account_id = t.seller AND f.amount = t.quote_amount THEN 2
                WHEN f.kind = 'fee' AND f.asset_id = t.base_id AND f.debit_account_id = t.buyer
                    AND f.credit_account_id = t.fee_account_id AND f.amount = t.buyer_fee THEN 4
                WHEN f.kind = 'fee' AND f.asset_id = t.quote_id AND f.debit_account_id = t.seller
                    AND f.credit_account_id = t.fee_account_id AND f.amount = t.seller_fee THEN 8
                ELSE 0
            END AS leg,
            3 + CASE WHEN t.buyer_fee > 0 THEN 4 ELSE 0 END + CASE WHEN t.seller_fee > 0 THEN 8 ELSE 0 END AS due
        FROM transfers f LEFT JOIN LATERAL (
            SELECT t.quantity, t.quote_amount, m.base_id, m.quote_id, m.fee_account_id,
                CASE t.side WHEN 'Buy' THEN t.taker_account_id ELSE t.maker_account_id END AS buyer,
                CASE t.side WHEN 'Buy' THEN t.maker_account_id ELSE t.taker_account_id END AS seller,
                CASE t.side WHEN 'Buy' THEN t.taker_fee ELSE t.maker_fee END AS buyer_fee,
                CASE t.side WHEN 'Buy' THEN t.maker_fee ELSE t.taker_fee END AS seller_fee
            FROM trades t JOIN markets m ON m.id = t.market_id WHERE t.id = f.trade_id
        ) t ON TRUE
        WHERE f.id > %s AND f.id <= %s AND f.trade_id <= %s
    ) legs GROUP BY trade_id
"""


class _Posted:
    """Which trades have all their transfers: a bit a trade."""

    def __init__(self, last_trade_id: int) -> None:
        self._whole = bytearray(last_trade_id // 8 + 1)
        self._part: dict[int, int] = {}

    def add(self, trade_id: int, legs: int, due: int) -> bool:
        """Note some of a trade's transfers; tells whether none of them had been noted before."""
        before = self._part.pop(trade_id, 0)
        if before & legs or self.has(trade_id):
            return False
        if before | legs == due:
            self._whole[trade_id >> 3] |= 1 << (trade_id & 7)
        else:
            self._part[trade_id] = before | legs
        return True

    def has(self, trade_id: int) -> bool:
        return bool(self._whole[trade_id >> 3] >> (trade_id & 7) & 1)


def check_transfers(report: Report) -> None:
    """Every trade moved base, quote and fees exactly once, and no transfer names a trade that did not bring it about."""
    check = "transfers are those of their trades"
    # In this order: what the trades up to here moved is in the transfers up to there.
    last_trade, last_transfer = settled_id("trades"), settled_id("transfers")
    posted = _Posted(last_trade)
    for low, high in id_ranges(last_transfer):
        found = rows(_LEGS, low, high, last_trade)
        for trade_id, legs, total, strange, due, transfer_id, _ in found:
            if strange or due is None:
                report.differ(check, f"transfer {transfer_id}", f"is none that trade {trade_id} brings about")
            elif legs != total or not posted.add(trade_id, legs, due):
                report.differ(check, f"transfer {transfer_id}", f"moves again what trade {trade_id} has moved")
        report.count(check, transfers=sum(count for *_, count in found))
    for low, high in id_ranges(last_trade):
        found = rows("SELECT id FROM trades WHERE id > %s AND id <= %s", low, high)
        for (trade_id,) in found:
            if not posted.has(trade_id):
                report.differ(check, f"trade {trade_id}", "has not all its transfers")
        report.count(check, trades=len(found))


CHECKS = (check_fills, check_transfers)
