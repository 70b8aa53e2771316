-- Whose an account is decides which of its orders may meet; books in memory know it from the order's own journal entry.
CREATE FUNCTION refuse_new_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account % keeps its owner', OLD.id;
END $$;

CREATE TRIGGER accounts_keep_their_owner AFTER UPDATE ON accounts
    FOR EACH ROW WHEN (NEW.user_id IS DISTINCT FROM OLD.user_id) EXECUTE FUNCTION refuse_new_owner();

-- Stored amounts were checked against the scale they were written under.
CREATE FUNCTION refuse_new_scale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM balances WHERE asset_id = OLD.id) THEN
        RAISE EXCEPTION 'asset % keeps its code and scale: somebody has a balance of it', OLD.code;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER assets_keep_their_scale AFTER UPDATE ON assets
    FOR EACH ROW WHEN ((NEW.code, NEW.scale) IS DISTINCT FROM (OLD.code, OLD.scale)) EXECUTE FUNCTION refuse_new_scale();
