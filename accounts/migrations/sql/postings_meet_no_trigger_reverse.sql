DROP TRIGGER balances_keep_their_account ON balances;
CREATE TRIGGER balances_keep_their_account BEFORE UPDATE OF id, account_id, asset_id ON balances
    FOR EACH ROW WHEN ((NEW.id, NEW.account_id, NEW.asset_id) IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.asset_id))
    EXECUTE FUNCTION refuse_change();
