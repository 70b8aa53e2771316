DROP TRIGGER balances_keep_their_account ON balances;
DROP TRIGGER balances_stay ON balances;
DROP TRIGGER balances_are_not_truncated ON balances;
DROP TRIGGER transfers_are_not_truncated ON transfers;
DROP FUNCTION refuse_truncate();
