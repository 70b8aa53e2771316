CREATE TRIGGER trades_are_final BEFORE UPDATE OR DELETE ON trades
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER preventions_are_final BEFORE UPDATE OR DELETE ON preventions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batches_are_final BEFORE UPDATE OR DELETE ON batches
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
