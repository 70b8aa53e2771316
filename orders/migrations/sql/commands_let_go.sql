DROP TRIGGER commands_are_final ON commands;
