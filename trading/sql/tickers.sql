-- Each market's last 24 hours, to the microsecond. What was traded since is the trades of the minute that the day began in, which
-- only they divide, then whole minutes up to the hour, then whole hours, the running one included. Candles are of the same commits
-- and the same times as their trades, so the three add up to what all trades would; and they are some hundred rows.
SELECT m.id, s.last_price, s.best_bid, s.best_ask, s.last_sequence, first.price, day.high, day.low,
    COALESCE(day.volume, 0), COALESCE(day.quote_volume, 0)
FROM markets m
JOIN market_states s ON s.market_id = m.id
CROSS JOIN (SELECT now() - interval '24 hours') AS day_ago (time)
-- The next minute, and the first hour that is not before it.
CROSS JOIN LATERAL (SELECT date_bin('1 minute', day_ago.time, {origin}) + interval '1 minute') AS minute (time)
CROSS JOIN LATERAL (SELECT date_bin('1 hour', minute.time + interval '59 minutes', {origin})) AS hour (time)
LEFT JOIN LATERAL (
    SELECT t.price FROM trades t
    WHERE t.market_id = m.id AND t.executed_at > day_ago.time
    ORDER BY t.executed_at, t.id LIMIT 1
) first ON TRUE
CROSS JOIN LATERAL (
    SELECT max(high) AS high, min(low) AS low, sum(volume) AS volume, sum(quote_volume) AS quote_volume FROM (
        SELECT price AS high, price AS low, quantity AS volume, quote_amount AS quote_volume FROM trades
        WHERE market_id = m.id AND executed_at > day_ago.time AND executed_at < minute.time
        UNION ALL
        SELECT high, low, volume, quote_volume FROM candles
        WHERE market_id = m.id AND interval = '1m' AND open_time >= minute.time AND open_time < hour.time
        UNION ALL
        SELECT high, low, volume, quote_volume FROM candles
        WHERE market_id = m.id AND interval = '1h' AND open_time >= hour.time
    ) parts
) day
WHERE %(market_ids)s::bigint[] IS NULL OR m.id = ANY(%(market_ids)s)
ORDER BY m.symbol
