DROP TRIGGER withdrawals_are_not_truncated ON withdrawals;
DROP TRIGGER withdrawals_stay ON withdrawals;
DROP TRIGGER withdrawals_are_decided_once ON withdrawals;
DROP TRIGGER deposits_are_not_truncated ON deposits;
DROP TRIGGER deposits_stay ON deposits;
DROP TRIGGER deposits_are_decided_once ON deposits;
