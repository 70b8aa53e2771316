CREATE TRIGGER orders_are_not_truncated BEFORE TRUNCATE ON orders EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER commands_are_not_truncated BEFORE TRUNCATE ON commands EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER market_states_are_not_truncated BEFORE TRUNCATE ON market_states EXECUTE FUNCTION refuse_truncate();

-- Of an open order, settlement changes how it stands and how much is still asked for, nothing else. Fires only where a
-- statement names one of these columns, which settlement's does not.
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

-- One row a market and commit. A sequence that went back would be given twice.
CREATE FUNCTION refuse_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of market % in %: its sequence only grows', TG_OP, OLD.market_id, TG_TABLE_NAME;
END $$;

CREATE TRIGGER market_states_only_advance BEFORE UPDATE ON market_states
    FOR EACH ROW WHEN (NEW.market_id <> OLD.market_id OR NEW.last_sequence < OLD.last_sequence)
    EXECUTE FUNCTION refuse_going_back();
CREATE TRIGGER market_states_stay BEFORE DELETE ON market_states
    FOR EACH ROW EXECUTE FUNCTION refuse_going_back();
