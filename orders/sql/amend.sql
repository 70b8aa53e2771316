-- Judge the amendment of one order, hold what it needs beside what the order holds, and write its journal command.
-- A row comes back, saying what became of it. $1 and $2 name an account and an order of its.
WITH input AS MATERIALIZED (
    SELECT $1::bigint AS account_id, $2::bigint AS order_id, $3::int AS rules_version, $4::text[] AS phases,
        $5::numeric AS new_worst, $6::numeric AS new_quantity, $7::numeric AS tick_lot_units, $8::numeric AS lot_units,
        $9::bigint AS hold_asset_id, $10::numeric AS hold_unit
), seen AS (
    SELECT i.*, o.market_id, o.side, o.price AS old_price, o.status AS order_status, a.status AS account_status,
        m.rules_version AS current_version, s.phase, m.tick_size,
        COALESCE(o.price, o.protection_price) AS old_worst, div(o.remaining_quantity, m.lot_size) AS old_left,
        div(greatest(i.new_quantity - o.filled_quantity - o.prevented_quantity, 0), m.lot_size) AS new_left,
        div(i.new_quantity, m.lot_size) AS new_lots,
        COALESCE(CASE WHEN o.status = 'PendingTrigger' THEN o.stop_price END,
                 s.last_price, s.last_auction_price, m.reference_price) AS band_base,
        m.price_band
    FROM input i
    JOIN orders o ON o.id = i.order_id AND o.account_id = i.account_id
    JOIN accounts a ON a.id = i.account_id
    JOIN markets m ON m.id = o.market_id
    JOIN market_states s ON s.market_id = o.market_id
), decided AS MATERIALIZED (
    SELECT seen.*, band_low, band_high,
        CASE
            WHEN order_status NOT IN ('New', 'PendingTrigger', 'PartiallyFilled') THEN 'order_not_open'
            WHEN current_version <> rules_version THEN 'stale_rules'
            WHEN account_status <> 'active' THEN 'account_frozen'
            WHEN phase <> ALL (phases) THEN 'market_halted'
            WHEN old_price IS NOT NULL AND (new_worst < band_low OR new_worst > band_high) THEN 'price_out_of_band'
        END AS decision,
        -- Enough for whatever part of the old terms is filled before the new ones are taken: the need is linear in that
        -- part, and these are its two ends.
        trunc(CASE side
            WHEN 'Buy' THEN greatest(
                0,
                div(new_worst, tick_size) * new_left - div(old_worst, tick_size) * old_left,
                div(new_worst, tick_size) * (new_left - old_left)
            ) * tick_lot_units
            ELSE greatest(0, new_left - old_left) * lot_units
        END) AS extra
    FROM seen, LATERAL (
        SELECT band_base * (1 - price_band) AS band_low, band_base * (1 + price_band) AS band_high
    ) band
), need AS (
    SELECT account_id, hold_asset_id AS asset_id, extra * hold_unit AS amount FROM decided
    WHERE decision IS NULL AND extra > 0
), {hold_funds}, asked AS (
    INSERT INTO commands (market_id, kind, order_id, account_id, payload)
    SELECT market_id, 'amend', order_id, account_id,
        jsonb_build_object('side', side, 'price', div(new_worst, tick_size), 'quantity', new_lots)
            || CASE WHEN extra > 0 THEN jsonb_build_object(
                'held', extra, 'extra', div(extra, CASE side WHEN 'Buy' THEN tick_lot_units ELSE lot_units END)
            ) ELSE '{}' END
    FROM decided
    WHERE decision IS NULL AND (SELECT count(*) FROM held) = (SELECT count(*) FROM need)
    RETURNING id
)
SELECT d.decision, d.phase, d.band_low, d.band_high, short.available, d.extra * d.hold_unit AS needed,
    (SELECT id FROM asked) AS command_id
FROM decided d LEFT JOIN short ON TRUE
