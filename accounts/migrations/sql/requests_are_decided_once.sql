-- What was asked stays, and what was decided is final: money has moved by it, or has been let go.
CREATE TRIGGER deposits_are_decided_once AFTER UPDATE ON deposits
    FOR EACH ROW WHEN (OLD.status <> 'Pending' OR (NEW.id, NEW.account_id, NEW.asset_id, NEW.amount, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.asset_id, OLD.amount, OLD.created_at))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER deposits_stay BEFORE DELETE ON deposits FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER deposits_are_not_truncated BEFORE TRUNCATE ON deposits EXECUTE FUNCTION refuse_truncate();

CREATE TRIGGER withdrawals_are_decided_once AFTER UPDATE ON withdrawals
    FOR EACH ROW WHEN (OLD.status <> 'Pending'
        OR (NEW.id, NEW.account_id, NEW.asset_id, NEW.amount, NEW.destination, NEW.created_at)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.asset_id, OLD.amount, OLD.destination, OLD.created_at))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER withdrawals_stay BEFORE DELETE ON withdrawals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER withdrawals_are_not_truncated BEFORE TRUNCATE ON withdrawals EXECUTE FUNCTION refuse_truncate();
