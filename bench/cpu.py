"""Count the CPU time of a process and all below it, by the part of the platform they are.

The law: what a process has used counts once, while it lives by its own figures and afterwards by those of the parent that
waited for it. So the figure of a tree never falls, unless a child ends that nobody waits for.

Linux only: it reads /proc. Resolution is that of the kernel's clock ticks, ten milliseconds as a rule, for each process.
"""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
REST = "rest"


def tree_cpu_seconds(root: int, parts: Mapping[str, str] | None = None) -> dict[str, float]:
    """Return user and system time of a process, its descendants, and those of them that have ended.

    It is told apart by the first of the words, given with their parts' names, that a process's command line has; one that has
    none belongs where its parent does.
    """
    children: dict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # The name before it is in parentheses, and may hold anything.
            fields = process.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        pid = int(process.name)
        children[int(fields[1])].append(pid)
        ticks[pid] = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    seconds: dict[str, float] = defaultdict(float)
    todo = [(root, REST)]
    while todo:
        pid, part = todo.pop()
        part = _part_of(pid, parts or {}) or part
        seconds[part] += ticks.get(pid, 0) / TICKS_PER_SECOND
        todo += [(child, part) for child in children[pid]]
    return seconds


def _part_of(pid: int, parts: Mapping[str, str]) -> str | None:
    if not parts:
        return None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return None
    return next((part for word, part in parts.items() if word in command), None)
