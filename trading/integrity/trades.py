"""Check that orders' fills and the ledger's transfers are those of the trades.

The law: a check only reads, in short statements (accounts/integrity.py). A trade and its transfers are of one commit, so
once the trades up to some id are settled, all their transfers are there.
Whether the trades are right is for journal.py to find out.
"""

from collections import defaultdict

from accounts.integrity import Report, id_ranges, rows, rows_between, settled_id

FILLS = "each order's fills add up"
TRANSFERS = "transfers are those of their trades"
ORDERS_A_READ = 2_000
_PAGE = 1 << 16

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
        OR (o.status = 'Filled' AND o.quantity IS NOT NULL AND o.filled_quantity + o.prevented_quantity <> o.quantity)
        OR (o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
            AND o.remaining_quantity <> o.quantity - o.filled_quantity - o.prevented_quantity)
        OR o.prevented_quantity <> COALESCE((
            SELECT sum(quantity) FROM (
                SELECT quantity FROM preventions WHERE maker_order_id = o.id AND mode = 'Decrement'
                UNION ALL
                SELECT quantity FROM preventions WHERE taker_order_id = o.id AND mode = 'Decrement'
            ) lost
        ), 0)
    )
"""


def check_fills(report: Report) -> None:
    """Each order has been filled by the sum of its trades; what is Filled is so whole, and what is open has the rest left."""
    check = FILLS
    report.count(check)
    for low, high in id_ranges("orders", size=ORDERS_A_READ):
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
        WHERE f.kind IN ('trade', 'fee') AND {these}
    ) legs GROUP BY trade_id
"""
_LEGS_BETWEEN = _LEGS.replace("{these}", "f.id > %s AND f.id <= %s")
# By the index of the accounts that gave.
_LEGS_OF = _LEGS.replace(
    "{these}",
    """f.trade_id = ANY(%s) AND f.debit_account_id IN (
        SELECT unnest(ARRAY[maker_account_id, taker_account_id]) FROM trades WHERE id = ANY(%s))""",
)


class _Posted:
    """Which trades have all their transfers: a bit a trade, in pages, since ids have gaps."""

    def __init__(self) -> None:
        self._pages: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(_PAGE // 8))
        self._part: dict[int, int] = {}

    def add(self, trade_id: int, legs: int, due: int) -> bool:
        """Note some of a trade's transfers; tells whether none of them had been noted before."""
        before = self._part.pop(trade_id, 0)
        if before & legs or self.has(trade_id):
            return False
        if before | legs == due:
            page, bit = divmod(trade_id, _PAGE)
            self._pages[page][bit >> 3] |= 1 << (bit & 7)
        else:
            self._part[trade_id] = before | legs
        return True

    def has(self, trade_id: int) -> bool:
        page, bit = divmod(trade_id, _PAGE)
        return page in self._pages and bool(self._pages[page][bit >> 3] >> (bit & 7) & 1)


def check_transfers(report: Report) -> None:
    """Every trade moved base, quote and fees exactly once, and no other transfer claims to be of a trade or a fee.

    A correction may name the trade that it is about; it is no part of it.
    """
    check = TRANSFERS
    report.count(check)
    # In this order: what the trades up to here moved is in the transfers up to there.
    last_trade, last_transfer = settled_id("trades"), settled_id("transfers")
    posted = _Posted()
    for low, high in id_ranges("transfers", last_transfer):
        found = rows(_LEGS_BETWEEN, low, high)
        for trade_id, legs, total, strange, due, transfer_id, _ in found:
            if strange or due is None:
                report.differ(check, f"transfer {transfer_id}", f"is none that trade {trade_id} brings about")
            elif legs != total or not posted.add(trade_id, legs, due):
                report.differ(check, f"transfer {transfer_id}", f"moves again what trade {trade_id} has moved")
        report.count(check, transfers=sum(count for *_, count in found))
    for low, high in id_ranges("trades", last_trade):
        found = rows("SELECT id FROM trades WHERE id > %s AND id <= %s", low, high)
        missing = [trade_id for (trade_id,) in found if not posted.has(trade_id)]
        for trade_id in _still_missing(missing):
            report.differ(check, f"trade {trade_id}", "has not all its transfers")
        report.count(check, trades=len(found))


def _still_missing(trade_ids: list[int]) -> list[int]:
    """Look again, in one statement, for what a commit that took long may have brought behind the sweep."""
    if not trade_ids:
        return []
    whole = {trade_id for trade_id, legs, _, _, due, _, _ in rows(_LEGS_OF, trade_ids, trade_ids) if legs == due}
    return [trade_id for trade_id in trade_ids if trade_id not in whole]


CHECKS = {FILLS: check_fills, TRANSFERS: check_transfers}
