"""Read the metrics of a running exchange as Prometheus does, process by process."""

import http.client

from prometheus_client.parser import text_string_to_metric_families

from exchange.tests.platform import Platform


def get(port: int, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Ask for a path; returns the status and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def port_of(platform: Platform, process: str) -> int:
    """The port where a process shows its metrics."""
    first = int(platform.ports["METRICS_PORT"])
    others = {"matching": first, "worker": first + 1, "beat": first + 2}
    return others.get(process) or int(platform.ports[f"{process.upper()}_PORT"])


def scrape(platform: Platform, process: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read a process's metrics: values by name and labels."""
    status, text = get(port_of(platform, process), "/metrics")
    assert status == 200, text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(platform: Platform, process: str, name: str, **labels: str) -> float | None:
    """Read one value; None where there is none yet."""
    return scrape(platform, process).get((name, frozenset(labels.items())))
