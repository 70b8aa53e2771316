CREATE TRIGGER trades_are_not_truncated BEFORE TRUNCATE ON trades EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER preventions_are_not_truncated BEFORE TRUNCATE ON preventions EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER batches_are_not_truncated BEFORE TRUNCATE ON batches EXECUTE FUNCTION refuse_truncate();

-- One row a market and commit: a batch begins where the one before it ended, so none overlaps and none is missing.
CREATE FUNCTION refuse_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    -- By the table's full name, since a restore has no search path.
    EXECUTE format('SELECT COALESCE(max(last_sequence), 0) FROM %I.%I WHERE market_id = $1', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO before USING NEW.market_id;
    IF NEW.first_sequence <> before + 1 THEN
        RAISE EXCEPTION 'batch of market % begins with %, and the one before it ended with %',
            NEW.market_id, NEW.first_sequence, before;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER batches_follow BEFORE INSERT ON batches FOR EACH ROW EXECUTE FUNCTION refuse_gap();
