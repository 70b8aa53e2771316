-- A BEFORE trigger of rows, though it does not fire, has PostgreSQL lock and read each row once more before it is updated,
-- and hides what accounts/ledger.py says of constraints and older snapshots. An AFTER trigger that does not fire costs nothing.
DROP TRIGGER balances_keep_their_account ON balances;
CREATE TRIGGER balances_keep_their_account AFTER UPDATE OF id, account_id, asset_id ON balances
    FOR EACH ROW WHEN ((NEW.id, NEW.account_id, NEW.asset_id) IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.asset_id))
    EXECUTE FUNCTION refuse_change();
