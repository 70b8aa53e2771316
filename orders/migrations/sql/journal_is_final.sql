-- What has been asked never changes, and what has a sequence never changes at all.
CREATE TRIGGER commands_are_final BEFORE UPDATE ON commands
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL
        OR (NEW.market_id, NEW.kind, NEW.order_id, NEW.account_id, NEW.accepted_at)
            IS DISTINCT FROM (OLD.market_id, OLD.kind, OLD.order_id, OLD.account_id, OLD.accepted_at)
        OR NEW.payload IS DISTINCT FROM OLD.payload
    ) EXECUTE FUNCTION refuse_change();

CREATE TRIGGER commands_stay BEFORE DELETE ON commands
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Filled, Canceled, Expired and Rejected are final.
CREATE TRIGGER ended_orders_are_final BEFORE UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status NOT IN ('New', 'PartiallyFilled'))
    EXECUTE FUNCTION refuse_change();

CREATE TRIGGER orders_stay BEFORE DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Order intake checks orders against rules it has cached; the version tells it when they are stale.
CREATE FUNCTION mark_rules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.rules_version := OLD.rules_version + 1;
    RETURN NEW;
END $$;

CREATE TRIGGER markets_mark_rules_changed BEFORE UPDATE ON markets
    FOR EACH ROW EXECUTE FUNCTION mark_rules_changed();

CREATE FUNCTION refuse_new_tick() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM orders WHERE market_id = OLD.id) THEN
        RAISE EXCEPTION 'market %: assets, tick and lot are fixed since its first order', OLD.symbol;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER markets_fix_tick BEFORE UPDATE ON markets
    FOR EACH ROW WHEN (
        (NEW.base_id, NEW.quote_id, NEW.tick_size, NEW.lot_size)
            IS DISTINCT FROM (OLD.base_id, OLD.quote_id, OLD.tick_size, OLD.lot_size)
    ) EXECUTE FUNCTION refuse_new_tick();

-- A resting order is updated once or twice before it ends: leave room on its page for that.
ALTER TABLE orders SET (fillfactor = 80);
