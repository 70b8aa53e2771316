-- The newest candles of each interval grow with every commit, on whichever page they lie: room beside them keeps their index still.
ALTER TABLE candles SET (fillfactor = 80);

-- Trades that a worker is about to commit are waited for, and none comes meanwhile; so matching stands still for as long as this
-- takes. A worker of before, which writes no candles, is not to run on after it.
LOCK TABLE trades IN SHARE MODE;

-- Candles of the trades that are there already: minutes first, of which all else is made up. A minute's open and close are the
-- prices of its first and last trade by id.
WITH minutes AS MATERIALIZED (
    SELECT market_id, date_bin('1 minute', executed_at, timestamptz '1970-01-05T00:00:00+00:00') AS open_time,
        min(id) AS first_id, max(id) AS last_id, max(price) AS high, min(price) AS low, sum(quantity) AS volume,
        sum(quote_amount) AS quote_volume, count(*) AS trades
    FROM trades GROUP BY 1, 2
),
rolled AS (
    SELECT m.market_id, i.name, date_bin(i.step, m.open_time, timestamptz '1970-01-05T00:00:00+00:00') AS open_time,
        min(m.first_id) AS first_id, max(m.last_id) AS last_id, max(m.high) AS high, min(m.low) AS low, sum(m.volume) AS volume,
        sum(m.quote_volume) AS quote_volume, sum(m.trades)::bigint AS trades
    FROM minutes m CROSS JOIN (VALUES
        ('1m', interval '60 seconds'), ('5m', interval '300 seconds'), ('15m', interval '900 seconds'),
        ('30m', interval '1800 seconds'), ('1h', interval '3600 seconds'), ('4h', interval '14400 seconds'),
        ('1d', interval '86400 seconds'), ('1w', interval '604800 seconds')
    ) AS i (name, step)
    GROUP BY 1, 2, 3
)
INSERT INTO candles (market_id, interval, open_time, open, high, low, close, volume, quote_volume, trades)
SELECT r.market_id, r.name, r.open_time, first.price, r.high, r.low, last.price, r.volume, r.quote_volume, r.trades
FROM rolled r JOIN trades first ON first.id = r.first_id JOIN trades last ON last.id = r.last_id
ORDER BY r.market_id, r.open_time;
