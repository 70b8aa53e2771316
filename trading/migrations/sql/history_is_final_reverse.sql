DROP TRIGGER batches_are_final ON batches;
DROP TRIGGER preventions_are_final ON preventions;
DROP TRIGGER trades_are_final ON trades;
