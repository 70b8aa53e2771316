"""Tell what the processes of a web server use, all together: the client library tells that of one.

The law: what adds up is added, and a server has begun when its first process did. What a process that has ended used stays
counted, and of open files the process counts that has most: each has a limit of its own.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CPU = "process_cpu_seconds"
JOINS = {"process_start_time_seconds": min, "process_open_fds": max, "process_max_fds": min}


class Processes(Collector):
    """The process_ metrics of these processes as those of one."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = sorted(pids)

    def collect(self) -> Iterator[Metric]:
        """Read /proc."""
        joined: dict[str, list[Metric]] = {}
        for pid in self._pids:
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                joined.setdefault(metric.name, []).append(metric)
        for name, metrics in joined.items():
            value = JOINS.get(name, sum)([metric.samples[0].value for metric in metrics])
            if name == CPU:
                value += sum(_cpu_of_ended(pid) for pid in self._pids)
            metrics[0].samples[0] = metrics[0].samples[0]._replace(value=value)
            yield metrics[0]


def living_children(parent: int, pids: Iterable[int]) -> set[int]:
    """Return those of the processes that are a parent's and have not ended: a number may have been given to another since.

    /proc lists no threads, whose numbers are of the same kind.
    """
    listed = {entry.name for entry in Path("/proc").iterdir()}
    return {pid for pid in pids if str(pid) in listed and _fields_of(pid)[1:2] == [str(parent)]}


def _cpu_of_ended(pid: int) -> float:
    """Read the CPU time of those children of a process that have ended, in seconds."""
    return sum(map(int, _fields_of(pid)[13:15])) / os.sysconf("SC_CLK_TCK")


def _fields_of(pid: int) -> list[str]:
    """Read what the kernel says of a process, from its state on; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
