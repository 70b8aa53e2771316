-- Judge, hold, and write orders with their journal commands: all that intake does, in one statement.
-- $1 is a jsonb array, one object an order; a row comes back for each, saying what became of it.
-- Where any balance is short, nothing at all is placed and the rows say how much was there.
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (
        n int, position bigint, account_id bigint, market_id bigint, rules_version int, client_order_id text, request_digest text,
        side text, order_type text, time_in_force text, post_only boolean, self_trade_prevention text,
        price numeric, quantity numeric, quote_quantity numeric,
        lots numeric, tick_lot_units numeric, hold_asset_id bigint, receive_asset_id bigint, hold_units numeric,
        hold_unit numeric, payload jsonb, phases text[], stop_price numeric, trailing_offset int, display_quantity numeric,
        expires_at timestamptz, market_maker_protection boolean
    )
), seen AS (
    -- Everything the decision needs of the moment: account, rules' version, phase, prices, fees, an earlier order.
    SELECT i.*,
        a.user_id, a.status AS account_status, m.rules_version AS current_version, s.phase, m.tick_size, m.min_notional,
        m.protection_band, m.price_band, e.id AS existing_id, encode(e.request_digest, 'hex') AS existing_digest,
        i.stop_price IS NOT NULL OR i.trailing_offset IS NOT NULL AS waits,
        COALESCE(s.last_price, s.last_auction_price, m.reference_price) AS reference,
        CASE WHEN s.phase IN ('PreOpen', 'Auction') THEN NULL WHEN i.side = 'Buy' THEN s.best_ask ELSE s.best_bid END AS best_price,
        COALESCE(f.maker_fee, m.maker_fee) AS maker_fee, COALESCE(f.taker_fee, m.taker_fee) AS taker_fee,
        m.max_stop_orders AS stop_limit, m.max_iceberg_orders AS iceberg_limit,
        m.max_open_orders AS market_open_limit, mo.open AS market_open,
        a.max_open_orders AS account_open_limit, ao.open AS account_open
    FROM input i
    JOIN accounts a ON a.id = i.account_id
    JOIN markets m ON m.id = i.market_id
    JOIN market_states s ON s.market_id = i.market_id
    LEFT JOIN orders e ON e.account_id = i.account_id AND e.client_order_id = i.client_order_id
    LEFT JOIN LATERAL (
        SELECT maker_fee, taker_fee FROM fee_rates f
        WHERE (f.account_id = a.id AND f.market_id = m.id)
           OR (f.tier = a.fee_tier AND (f.market_id = m.id OR f.market_id IS NULL))
        ORDER BY f.account_id IS NULL, f.market_id IS NULL LIMIT 1
    ) f ON TRUE
    LEFT JOIN LATERAL (
        SELECT count(*) AS open FROM orders o
        WHERE m.max_open_orders IS NOT NULL AND o.account_id = a.id AND o.market_id = m.id
          AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
    ) mo ON m.max_open_orders IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT count(*) AS open FROM orders o
        WHERE a.max_open_orders IS NOT NULL AND o.account_id = a.id AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
    ) ao ON a.max_open_orders IS NOT NULL
), based AS (
    -- What a price without a limit goes by: a stop's stop price, a trailing stop's trigger price if the market turned now.
    SELECT seen.*,
        CASE WHEN price IS NOT NULL THEN NULL
             WHEN trailing_offset IS NOT NULL THEN
                 reference * (1 + CASE side WHEN 'Buy' THEN trailing_offset ELSE -trailing_offset END * 0.0001)
             ELSE COALESCE(stop_price, best_price, reference)
        END AS base_price,
        COALESCE(stop_price, reference) AS band_base
    FROM seen
), priced AS (
    -- Without a limit an order trades no further than its protection price, rounded towards the market onto the tick, nor
    -- further than the highest price that a column holds.
    SELECT based.*,
        band_base * (1 - price_band) AS band_low, band_base * (1 + price_band) AS band_high,
        CASE WHEN price IS NOT NULL THEN price
             WHEN base_price IS NULL THEN NULL  -- least() and greatest() would pass over it
             WHEN side = 'Buy' THEN
                 least(floor(base_price * (1 + protection_band) / tick_size), price_ticks_max) * tick_size
             ELSE greatest(ceil(base_price * (1 - protection_band) / tick_size), 1) * tick_size
        END AS worst_price
    FROM based, LATERAL (SELECT div(1e18 - 1e-18, tick_size) AS price_ticks_max) highest
), judged AS (
    SELECT priced.*,
        CASE
            WHEN existing_id IS NOT NULL THEN 'existing'
            WHEN current_version <> rules_version THEN 'stale_rules'
            WHEN expires_at <= statement_timestamp() THEN 'time_is_up'
            WHEN account_status <> 'active' THEN 'account_frozen'
            WHEN phase <> ALL (phases) THEN 'market_halted'
            -- A subquery of one value, which unlike EXISTS is not planned in two ways.
            WHEN market_maker_protection AND (
                SELECT p.tripped_sequence FROM market_maker_protections p
                WHERE p.account_id = priced.account_id AND p.market_id = priced.market_id
            ) IS NOT NULL THEN 'market_maker_protection'
            WHEN price < band_low OR price > band_high THEN 'price_out_of_band'
            WHEN worst_price IS NULL THEN 'no_reference_price'
            -- By its limit or its stop price it is judged before.
            WHEN price IS NULL AND stop_price IS NULL AND quantity * base_price < min_notional THEN 'below_min_notional'
        END AS refusal
    FROM priced
), counted_by_kind AS (
    -- Looked up only for a stop or an iceberg, in a market that limits them.
    SELECT judged.*,
        CASE WHEN waits AND stop_limit IS NOT NULL THEN (
            SELECT count(*) FROM orders o
            WHERE o.account_id = judged.account_id AND o.market_id = judged.market_id AND o.status = 'PendingTrigger'
        ) END AS stops_open,
        CASE WHEN display_quantity IS NOT NULL AND iceberg_limit IS NOT NULL THEN (
            SELECT count(*) FROM orders o
            WHERE o.account_id = judged.account_id AND o.market_id = judged.market_id AND o.display_quantity IS NOT NULL
              AND o.status IN ('New', 'PendingTrigger', 'PartiallyFilled')
        ) END AS icebergs_open,
        count(*) FILTER (WHERE refusal IS NULL AND waits) OVER kind AS stops_asked,
        count(*) FILTER (WHERE refusal IS NULL AND display_quantity IS NOT NULL) OVER kind AS icebergs_asked
    FROM judged
    WINDOW kind AS (PARTITION BY account_id, market_id ORDER BY n)
), limited AS (
    SELECT counted_by_kind.*,
        CASE
            WHEN refusal IS NOT NULL THEN refusal
            WHEN stops_open + stops_asked > stop_limit THEN 'too_many_stops'
            WHEN icebergs_open + icebergs_asked > iceberg_limit THEN 'too_many_icebergs'
        END AS refusal_by_kind
    FROM counted_by_kind
), counted_in_market AS (
    -- What one limit refuses does not count against the next.
    SELECT limited.*,
        market_open + count(*) FILTER (WHERE refusal_by_kind IS NULL) OVER (PARTITION BY account_id, market_id ORDER BY n)
            AS market_with
    FROM limited
), counted AS (
    SELECT counted_in_market.*,
        account_open + count(*) FILTER (WHERE refusal_by_kind IS NULL AND (market_with > market_open_limit) IS NOT TRUE)
            OVER (PARTITION BY account_id ORDER BY n) AS account_with
    FROM counted_in_market
), decided AS MATERIALIZED (
    SELECT counted.*,
        CASE
            WHEN refusal_by_kind IS NOT NULL THEN refusal_by_kind
            WHEN market_with > market_open_limit THEN 'too_many_in_market'
            WHEN account_with > account_open_limit THEN 'too_many_of_account'
        END AS decision
    FROM counted
), me AS MATERIALIZED (
    -- The transaction takes its number before places in the journal, for matching knows by that which are still on their way.
    SELECT pg_current_xact_id()
), accepted AS MATERIALIZED (
    -- What is inserted below is known by these ids: were it joined with what the inserts return, the planner, which expects
    -- a row or two, would compare each row with each.
    SELECT decided.*, nextval('orders_id_seq') AS order_id, COALESCE(position, nextval('commands_id_seq')) AS command_id,
        units.hold, units.hold * hold_unit AS held_amount
    FROM me, (SELECT * FROM decided WHERE decision IS NULL ORDER BY n) decided, LATERAL (
        SELECT COALESCE(hold_units, lots * tick_lot_units * div(worst_price, tick_size)) AS hold
    ) units
), need AS (
    SELECT account_id, hold_asset_id AS asset_id, sum(held_amount) AS amount FROM accepted GROUP BY 1, 2
), {hold_funds}, done AS MATERIALIZED (
    SELECT (SELECT count(*) FROM held) = (SELECT count(*) FROM need) AS done
), receipts AS (
    -- Settlement never inserts a balance, so the row for what the order will receive must be there.
    INSERT INTO balances (account_id, asset_id, available, held)
    SELECT DISTINCT account_id, receive_asset_id, 0, 0 FROM accepted
    WHERE (SELECT done FROM done) AND NOT EXISTS (
        SELECT FROM balances b WHERE b.account_id = accepted.account_id AND b.asset_id = accepted.receive_asset_id
      )
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
), placed AS (
    INSERT INTO orders (
        id, account_id, market_id, client_order_id, request_digest, side, order_type, time_in_force, post_only,
        self_trade_prevention, market_maker_protection, price, protection_price, stop_price, trailing_offset, quantity,
        quote_quantity, display_quantity, expires_at, filled_quantity, filled_quote, prevented_quantity,
        remaining_quantity, held_amount, maker_fee, taker_fee, status
    )
    SELECT order_id, account_id, market_id, client_order_id, decode(request_digest, 'hex'), side, order_type,
        time_in_force, post_only, self_trade_prevention, COALESCE(market_maker_protection, FALSE), price,
        CASE WHEN price IS NULL THEN worst_price END, stop_price, trailing_offset, quantity, quote_quantity,
        display_quantity, expires_at, 0, 0, 0, quantity, held_amount, maker_fee, taker_fee,
        CASE WHEN waits THEN 'PendingTrigger' ELSE 'New' END
    FROM accepted WHERE (SELECT done FROM done)
    ORDER BY account_id, client_order_id  -- two batches with the same ids, in any order, then wait instead of deadlocking
), asked AS (
    INSERT INTO commands (id, market_id, kind, order_id, account_id, payload)
    SELECT command_id, market_id, 'new', order_id, account_id, payload || jsonb_build_object(
        'owner', user_id, 'price', div(worst_price, tick_size), 'held', trunc(hold),
        'maker_fee', trunc(maker_fee * 100000000), 'taker_fee', trunc(taker_fee * 100000000)
    )
    FROM accepted WHERE (SELECT done FROM done)
)
SELECT d.n, d.decision, d.existing_id, d.existing_digest, d.phase, d.reference, d.base_price, d.band_low, d.band_high,
    CASE d.decision
        WHEN 'too_many_stops' THEN d.stop_limit WHEN 'too_many_icebergs' THEN d.iceberg_limit
        WHEN 'too_many_in_market' THEN d.market_open_limit WHEN 'too_many_of_account' THEN d.account_open_limit
    END AS open_limit,
    CASE d.decision
        WHEN 'too_many_stops' THEN d.stops_open WHEN 'too_many_icebergs' THEN d.icebergs_open
        WHEN 'too_many_in_market' THEN d.market_open WHEN 'too_many_of_account' THEN d.account_open
    END AS open_now,
    short.available,
    accepted.order_id, CASE WHEN (SELECT done FROM done) THEN accepted.command_id END AS command_id,
    accepted.maker_fee, accepted.taker_fee, accepted.held_amount, accepted.worst_price, statement_timestamp() AS created_at
FROM decided d
LEFT JOIN accepted ON accepted.n = d.n
LEFT JOIN short ON short.account_id = accepted.account_id AND short.asset_id = accepted.hold_asset_id
ORDER BY d.n
