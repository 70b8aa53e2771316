-- TRUNCATE passes by the triggers of rows.
CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %: its rows stay', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER transfers_are_not_truncated BEFORE TRUNCATE ON transfers EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER balances_are_not_truncated BEFORE TRUNCATE ON balances EXECUTE FUNCTION refuse_truncate();

-- A balance is the sum of its transfers, and those stay.
CREATE TRIGGER balances_stay BEFORE DELETE ON balances FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Fires only where a statement names these columns, which no posting does. A BEFORE trigger of rows, though it does not fire,
-- has PostgreSQL lock and read each row once more before it is updated, and hides what accounts/ledger.py says of
-- constraints and older snapshots. An AFTER trigger that does not fire costs nothing.
CREATE TRIGGER balances_keep_their_account AFTER UPDATE OF id, account_id, asset_id ON balances
    FOR EACH ROW WHEN ((NEW.id, NEW.account_id, NEW.asset_id) IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.asset_id))
    EXECUTE FUNCTION refuse_change();
