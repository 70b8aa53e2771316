UPDATE markets SET order_types = '{Limit,Market}' WHERE order_types @> '{Limit,Market}';
UPDATE orders SET visible_quantity = NULL WHERE status IN ('New', 'PartiallyFilled') AND visible_quantity IS NOT NULL;
DROP TRIGGER orders_keep_what_was_asked ON orders;
CREATE TRIGGER orders_keep_what_was_asked
    BEFORE UPDATE OF id, account_id, market_id, client_order_id, request_digest, side, order_type, time_in_force, post_only,
        self_trade_prevention, price, protection_price, quote_quantity, maker_fee, taker_fee, created_at ON orders
    FOR EACH ROW WHEN (
        (NEW.id, NEW.account_id, NEW.market_id, NEW.client_order_id, NEW.request_digest, NEW.side, NEW.order_type,
            NEW.time_in_force, NEW.post_only, NEW.self_trade_prevention, NEW.price, NEW.protection_price,
            NEW.quote_quantity, NEW.maker_fee, NEW.taker_fee, NEW.created_at)
        IS DISTINCT FROM
        (OLD.id, OLD.account_id, OLD.market_id, OLD.client_order_id, OLD.request_digest, OLD.side, OLD.order_type,
            OLD.time_in_force, OLD.post_only, OLD.self_trade_prevention, OLD.price, OLD.protection_price,
            OLD.quote_quantity, OLD.maker_fee, OLD.taker_fee, OLD.created_at)
    ) EXECUTE FUNCTION refuse_change();

DROP TRIGGER ended_orders_are_final ON orders;
CREATE TRIGGER ended_orders_are_final BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status NOT IN ('New', 'PartiallyFilled'))
    EXECUTE FUNCTION refuse_change();
