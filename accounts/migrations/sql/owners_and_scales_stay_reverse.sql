DROP TRIGGER assets_keep_their_scale ON assets;
DROP FUNCTION refuse_new_scale();
DROP TRIGGER accounts_keep_their_owner ON accounts;
DROP FUNCTION refuse_new_owner();
