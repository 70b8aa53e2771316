-- Whoever has read up to a sequence goes on from it: a counter that went back would tell something else under the same number.
CREATE FUNCTION refuse_stream_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of account % in %: its sequence only goes on', TG_OP, OLD.account_id, TG_TABLE_NAME;
END $$;

CREATE TRIGGER account_streams_go_on AFTER UPDATE ON account_streams
    FOR EACH ROW WHEN (NEW.account_id <> OLD.account_id OR NEW.last_sequence <= OLD.last_sequence)
    EXECUTE FUNCTION refuse_stream_change();
CREATE TRIGGER account_streams_stay BEFORE DELETE ON account_streams
    FOR EACH ROW EXECUTE FUNCTION refuse_stream_change();
CREATE TRIGGER account_streams_are_not_truncated BEFORE TRUNCATE ON account_streams EXECUTE FUNCTION refuse_truncate();

-- Events are deleted once they are old, and never changed.
CREATE TRIGGER account_events_are_final AFTER UPDATE ON account_events
    FOR EACH ROW EXECUTE FUNCTION refuse_stream_change();

-- A payload is written once, read once or twice, and deleted: to compress it costs more than it saves.
ALTER TABLE account_events ALTER COLUMN payload SET STORAGE EXTERNAL;
