"""Say where and of what the figures are: machine, versions, commit, time.

The law: whatever makes two runs differ and can be known is printed with them: the load of the machine at the start, and the
file system that has to keep what it is given.

It measures nothing.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def describe(data_folder: Path) -> dict[str, str]:
    """Return what to print above the figures; the data folder is where the venue keeps its data."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "machine": f"{_cpu_model()}, {cores} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load at the start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "data on": _file_system(data_folder),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown: there is no git"
    return done.stdout.strip() or "unknown: not a git repository"


def _file_system(folder: Path) -> str:
    """The file system's type and device; on one in memory nothing is durable, and writing costs nothing."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return str(folder)
    below = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    device, _, kind, *_ = max(below, key=lambda mount: len(mount[1]))
    return f"{kind} ({device})"
