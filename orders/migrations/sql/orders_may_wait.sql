DROP TRIGGER ended_orders_are_final ON orders;

-- By which command an order has ended, the journal knows: by its end, by the trade that left a maker nothing, or by its
-- own command where that could not be carried out.
UPDATE orders o SET ended_sequence = e.sequence
FROM (
    SELECT (event ->> 1)::bigint AS order_id, c.sequence
    FROM commands c CROSS JOIN LATERAL jsonb_array_elements(c.events) event
    WHERE event ->> 0 = 'end' OR (event ->> 0 = 'trade' AND event ->> 5 = '0')
    UNION ALL
    SELECT failed.id, c.sequence FROM orders failed JOIN commands c ON c.order_id = failed.id AND c.kind = 'new'
    WHERE failed.reason = 'internal_error'
) e
WHERE o.id = e.order_id AND o.status NOT IN ('New', 'PartiallyFilled');

-- A stop that waits for its price is open too.
CREATE TRIGGER ended_orders_are_final BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status NOT IN ('New', 'PendingTrigger', 'PartiallyFilled'))
    EXECUTE FUNCTION refuse_change();

-- Of an open order, settlement changes how it stands, and what an amend or its trigger may change: quantity, price and
-- protection price. Fires only where a statement names one of the other columns, which settlement's does not.
DROP TRIGGER orders_keep_what_was_asked ON orders;
CREATE TRIGGER orders_keep_what_was_asked
    BEFORE UPDATE OF id, account_id, market_id, client_order_id, request_digest, side, order_type, time_in_force, post_only,
        self_trade_prevention, market_maker_protection, stop_price, trailing_offset, quote_quantity, display_quantity,
        expires_at, maker_fee, taker_fee, created_at ON orders
    FOR EACH ROW WHEN (
        (NEW.id, NEW.account_id, NEW.market_id, NEW.client_order_id, NEW.request_digest, NEW.side, NEW.order_type,
            NEW.time_in_force, NEW.post_only, NEW.self_trade_prevention, NEW.market_maker_protection, NEW.stop_price,
            NEW.trailing_offset, NEW.quote_quantity, NEW.display_quantity, NEW.expires_at, NEW.maker_fee, NEW.taker_fee,
            NEW.created_at)
        IS DISTINCT FROM
        (OLD.id, OLD.account_id, OLD.market_id, OLD.client_order_id, OLD.request_digest, OLD.side, OLD.order_type,
            OLD.time_in_force, OLD.post_only, OLD.self_trade_prevention, OLD.market_maker_protection, OLD.stop_price,
            OLD.trailing_offset, OLD.quote_quantity, OLD.display_quantity, OLD.expires_at, OLD.maker_fee, OLD.taker_fee,
            OLD.created_at)
    ) EXECUTE FUNCTION refuse_change();

-- What rests in a book shows all of itself, for nothing could hide yet.
UPDATE orders SET visible_quantity = remaining_quantity
WHERE status IN ('New', 'PartiallyFilled') AND priority_sequence IS NOT NULL;

-- Markets that took all types there were take all there are.
UPDATE markets SET order_types =
    '{Limit,Market,StopLimit,StopMarket,TakeProfit,TakeProfitLimit,TrailingStop}'
WHERE order_types @> '{Limit,Market}' AND order_types <@ '{Limit,Market}';
