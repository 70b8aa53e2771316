"""Pages of who a trader is: the account, its keys, money in and out. Signing in is allauth's."""
