"""Count the connections that clients have with a web server, idle ones included. The law: the kernel knows them; nobody else is asked."""

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

ESTABLISHED = "01"


class Connections(Collector):
    """The established TCP connections at this port of ours."""

    def __init__(self, port: int) -> None:
        self._port = f"{port:04X}"

    def collect(self) -> Iterator[Metric]:
        """Read the kernel's tables; on systems without them there is no such metric."""
        try:
            count = sum(self._count(Path(f"/proc/self/net/{table}")) for table in ("tcp", "tcp6"))
        except OSError:
            return
        yield GaugeMetricFamily("http_connections_active", "TCP connections with clients, idle ones included.", count)

    def _count(self, table: Path) -> int:
        if not table.exists():
            return 0
        rows = (line.split(None, 4)[1:4] for line in table.read_text().splitlines()[1:])
        return sum(own.endswith(f":{self._port}") and state == ESTABLISHED for own, _, state in rows)
