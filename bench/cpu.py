"""Count the CPU time of a process and all below it.

The law: what a process has used counts once, while it lives by its own figures and afterwards by those of the parent that
waited for it. So the figure of a tree never falls, unless a child ends that nobody waits for.

Linux only: it reads /proc. Resolution is that of the kernel's clock ticks, ten milliseconds as a rule, for each process.
"""

import os
from collections import defaultdict
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(root: int) -> float:
    """Return user and system time of a process, its descendants, and those of them that have ended."""
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
    total, todo = 0, [root]
    while todo:
        pid = todo.pop()
        total += ticks.get(pid, 0)
        todo += children[pid]
    return total / TICKS_PER_SECOND
