DROP TRIGGER transfers_are_final ON transfers;
DROP FUNCTION refuse_change();
ALTER TABLE accounts ALTER COLUMN id SET START WITH 1;
