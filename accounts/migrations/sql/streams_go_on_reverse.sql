DROP TRIGGER account_events_are_final ON account_events;
DROP TRIGGER account_streams_are_not_truncated ON account_streams;
DROP TRIGGER account_streams_stay ON account_streams;
DROP TRIGGER account_streams_go_on ON account_streams;
DROP FUNCTION refuse_stream_change();
