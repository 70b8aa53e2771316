"""Tell what the processes of a web server use, all together: the client library tells that of one.

The law: what adds up is added, and a server has begun when its first process did.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

BEGAN = "process_start_time_seconds"


class Processes(Collector):
    """The sum of the process_ metrics of these processes."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = sorted(pids)

    def collect(self) -> Iterator[Metric]:
        """Read /proc."""
        summed: dict[str, Metric] = {}
        for pid in self._pids:
            for metric in ProcessCollector(pid=lambda pid=pid: pid, registry=None).collect():  # type: ignore[misc]
                kept = summed.setdefault(metric.name, metric)
                if kept is not metric:
                    join = min if metric.name == BEGAN else sum
                    sample = kept.samples[0]
                    kept.samples[0] = sample._replace(value=join([sample.value, metric.samples[0].value]))
        yield from summed.values()
