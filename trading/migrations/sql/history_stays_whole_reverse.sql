DROP TRIGGER batches_follow ON batches;
DROP FUNCTION refuse_gap();
DROP TRIGGER batches_are_not_truncated ON batches;
DROP TRIGGER preventions_are_not_truncated ON preventions;
DROP TRIGGER trades_are_not_truncated ON trades;
