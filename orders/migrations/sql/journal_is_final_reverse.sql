ALTER TABLE orders RESET (fillfactor);
DROP TRIGGER markets_fix_tick ON markets;
DROP FUNCTION refuse_new_tick();
DROP TRIGGER markets_mark_rules_changed ON markets;
DROP FUNCTION mark_rules_changed();
DROP TRIGGER orders_stay ON orders;
DROP TRIGGER ended_orders_are_final ON orders;
DROP TRIGGER commands_stay ON commands;
DROP TRIGGER commands_are_final ON commands;
