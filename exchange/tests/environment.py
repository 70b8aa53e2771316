"""Set the environment of a test process, before the settings are read; pyproject.toml names this as a plugin for that.

The law: test processes never see each other's keys.
"""

import os
from urllib.parse import urlsplit

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
if url := os.environ.get("REDIS_URL"):
    _first = int(urlsplit(url).path.strip("/") or 0)
    os.environ["REDIS_URL"] = urlsplit(url)._replace(path=f"/{_first + _worker}").geturl()

# One address signs everybody in here. What tests the limits turns them on for itself.
os.environ.setdefault("RATE_LIMITS", "0")
