"""Check that candles are what the trades make of them.

The law: a week of a market is one statement, hence of one moment, beside trading; it only reads.
How candles are made of trades is trading/candle_repair.py's; `manage.py rebuild_candles` puts right those that differ.
"""

from accounts.integrity import Report, rows
from accounts.times import render_time
from trading.candle_repair import CandleDifference, compare_week, weeks_of
from trading.integrity.columns import told
from trading.integrity.journal import markets_of

CANDLES = "candles are what their trades add up to"


def check_candles(report: Report) -> None:
    """Each candle is that of its trades, no trade is missing in one, and no candle is of nothing."""
    report.count(CANDLES)
    symbols = dict(rows("SELECT id, symbol FROM markets"))
    for market_id in sorted({*markets_of("trades"), *markets_of("candles")}):
        symbol = symbols.get(market_id, f"market {market_id}")
        for week in weeks_of(market_id):
            trades, candles, differences = compare_week(market_id, week)
            for difference in differences:
                where, what = tell_difference(difference)
                report.differ(CANDLES, f"{symbol} {where}", what)
            report.count(CANDLES, candles=candles, trades=trades)


def tell_difference(difference: CandleDifference) -> tuple[str, str]:
    """Tell which candle differs, and how."""
    where = f"{difference.interval} candle of {render_time(difference.open_time)}"
    return where, f"is {told(difference.kept)}, and its trades make {told(difference.made)}"


CHECKS = {CANDLES: check_candles}
