-- Judge, hold, and write orders with their journal commands: all that intake does, in one statement.
-- $1 is a jsonb array, one object an order; a row comes back for each, saying what became of it.
-- Where any balance is short, nothing at all is placed and the rows say how much was there.
WITH input AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS i (
        n int, position bigint, account_id bigint, market_id bigint, rules_version int, client_order_id text, request_digest text,
        side text, order_type text, time_in_force text, post_only boolean, self_trade_prevention text,
        price numeric, quantity numeric, quote_quantity numeric,
        lots numeric, tick_lot_units numeric, hold_asset_id bigint, receive_asset_id bigint, hold_units numeric,
        hold_unit numeric, payload jsonb
    )
), seen AS (
    -- Everything the decision needs of the moment: account, rules' version, phase, prices, fees, an earlier order.
    SELECT i.*,
        a.user_id, a.status AS account_status, m.rules_version AS current_version, s.phase, m.tick_size, m.min_notional,
        m.protection_band, m.price_band, e.id AS existing_id, encode(e.request_digest, 'hex') AS existing_digest,
        COALESCE(s.last_price, s.last_auction_price, m.reference_price) AS reference,
        COALESCE(CASE i.side WHEN 'Buy' THEN s.best_ask ELSE s.best_bid END,
                 s.last_price, s.last_auction_price, m.reference_price) AS market_price,
        COALESCE(f.maker_fee, m.maker_fee) AS maker_fee, COALESCE(f.taker_fee, m.taker_fee) AS taker_fee,
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
), priced AS (
    -- A market order trades no further than its protection price, rounded towards the market onto the tick, nor further
    -- than the highest price that a column holds.
    SELECT seen.*,
        reference * (1 - price_band) AS band_low, reference * (1 + price_band) AS band_high,
        CASE WHEN order_type = 'Limit' THEN price
             WHEN market_price IS NULL THEN NULL  -- least() and greatest() would pass over it
             WHEN side = 'Buy' THEN
                 least(floor(market_price * (1 + protection_band) / tick_size), price_ticks_max) * tick_size
             ELSE greatest(ceil(market_price * (1 - protection_band) / tick_size), 1) * tick_size
        END AS worst_price
    FROM seen, LATERAL (SELECT div(1e18 - 1e-18, tick_size) AS price_ticks_max) highest
), judged AS (
    SELECT priced.*,
        CASE
            WHEN existing_id IS NOT NULL THEN 'existing'
            WHEN current_version <> rules_version THEN 'stale_rules'
            WHEN account_status <> 'active' THEN 'account_frozen'
            WHEN phase <> 'Continuous' THEN 'market_halted'
            WHEN order_type = 'Limit' AND (price < band_low OR price > band_high) THEN 'price_out_of_band'
            WHEN worst_price IS NULL THEN 'no_reference_price'
            WHEN order_type = 'Market' AND quantity * market_price < min_notional THEN 'below_min_notional'
        END AS refusal
    FROM priced
), counted_in_market AS (
    SELECT judged.*,
        market_open + count(*) FILTER (WHERE refusal IS NULL) OVER (PARTITION BY account_id, market_id ORDER BY n)
            AS market_with
    FROM judged
), counted AS (
    -- What its market's limit refuses does not count against the account's.
    SELECT counted_in_market.*,
        account_open + count(*) FILTER (WHERE refusal IS NULL AND (market_with > market_open_limit) IS NOT TRUE)
            OVER (PARTITION BY account_id ORDER BY n) AS account_with
    FROM counted_in_market
), decided AS MATERIALIZED (
    SELECT counted.*,
        CASE
            WHEN refusal IS NOT NULL THEN refusal
            WHEN market_with > market_open_limit THEN 'too_many_open_orders'
            WHEN account_with > account_open_limit THEN 'too_many_open_orders'
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
        self_trade_prevention, price, protection_price, quantity, quote_quantity, filled_quantity, filled_quote,
        prevented_quantity, remaining_quantity, market_maker_protection, held_amount, maker_fee, taker_fee, status
    )
    SELECT order_id, account_id, market_id, client_order_id, decode(request_digest, 'hex'), side, order_type,
        time_in_force, post_only, self_trade_prevention, price, CASE WHEN order_type = 'Market' THEN worst_price END,
        quantity, quote_quantity, 0, 0, 0, quantity, FALSE, held_amount, maker_fee, taker_fee, 'New'
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
SELECT d.n, d.decision, d.existing_id, d.existing_digest, d.phase, d.reference, d.market_price, d.band_low, d.band_high,
    CASE WHEN d.market_with > d.market_open_limit THEN d.market_open_limit ELSE d.account_open_limit END AS open_limit,
    CASE WHEN d.market_with > d.market_open_limit THEN d.market_open ELSE d.account_open END AS open_now, short.available,
    accepted.order_id, CASE WHEN (SELECT done FROM done) THEN accepted.command_id END AS command_id,
    accepted.maker_fee, accepted.taker_fee, accepted.held_amount, accepted.worst_price, statement_timestamp() AS created_at
FROM decided d
LEFT JOIN accepted ON accepted.n = d.n
LEFT JOIN short ON short.account_id = accepted.account_id AND short.asset_id = accepted.hold_asset_id
ORDER BY d.n
