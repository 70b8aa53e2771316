DROP TRIGGER market_states_stay ON market_states;
DROP TRIGGER market_states_only_advance ON market_states;
DROP FUNCTION refuse_going_back();
DROP TRIGGER orders_keep_what_was_asked ON orders;
DROP TRIGGER market_states_are_not_truncated ON market_states;
DROP TRIGGER commands_are_not_truncated ON commands;
DROP TRIGGER orders_are_not_truncated ON orders;
