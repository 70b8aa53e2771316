-- The ledger is append-only: a correction is another transfer.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% % in %: its rows are final', TG_OP, OLD.id, TG_TABLE_NAME;
END $$;

CREATE TRIGGER transfers_are_final BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Account 1 is the outside world; everybody else's ids start well above it.
ALTER TABLE accounts ALTER COLUMN id SET START WITH 100 RESTART;
