"""Become one of the two web servers: `python -m exchange.serve api` or `frontend`.

The law: how they are served is said here only, for bin/run, the image and the manifests alike. Several worker processes count
into files of one folder, so that whichever is asked for /metrics tells what all of them have done; it begins empty.

The environment: HOST (127.0.0.1), API_PORT and FRONTEND_PORT (8080, 5173), API_WORKERS (2), API_THREADS (16, a worker),
FRONTEND_WORKERS (1), EXCHANGE_VAR (where the counts are).
"""

import os
import shutil
import sys

from exchange.embedded import var_folder

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
SERVERS = {
    "api": "--interface wsgi exchange.wsgi:application --host {HOST} --port {API_PORT} --workers {API_WORKERS}"
    " --blocking-threads {API_THREADS} --workers-kill-timeout 5",
    "frontend": "--interface asgi exchange.asgi:application --host {HOST} --port {FRONTEND_PORT} --workers {FRONTEND_WORKERS}"
    " --workers-kill-timeout 10 --backlog 4096",
}
DEFAULTS = {
    "HOST": "127.0.0.1",
    "API_PORT": "8080",
    "FRONTEND_PORT": "5173",
    "API_WORKERS": "2",
    "API_THREADS": "16",
    "FRONTEND_WORKERS": "1",
}


def main() -> None:
    if sys.argv[1:2] == [] or sys.argv[1] not in SERVERS:
        sys.exit(f"Say which server: {' or '.join(SERVERS)}.")
    name = sys.argv[1]
    folder = var_folder() / "metrics" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = {variable: os.environ.get(variable) or default for variable, default in DEFAULTS.items()}
    os.environ |= {COUNTS: str(folder), "ASGI": "1" if name == "frontend" else ""}
    arguments = SERVERS[name].format(**words).split()
    os.execv(sys.executable, [sys.executable, "-m", "granian", *arguments, "--respawn-failed-workers"])  # noqa: S606


if __name__ == "__main__":
    main()
