CREATE TRIGGER commands_are_final BEFORE UPDATE ON commands
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL
        OR (NEW.market_id, NEW.kind, NEW.order_id, NEW.account_id, NEW.accepted_at)
            IS DISTINCT FROM (OLD.market_id, OLD.kind, OLD.order_id, OLD.account_id, OLD.accepted_at)
        OR NEW.payload IS DISTINCT FROM OLD.payload
    ) EXECUTE FUNCTION refuse_change();
