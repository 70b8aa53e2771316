"""Read what a query asks for, and list what there is to be asked for.

The law: what there is comes from the registries and collectors of the code itself; only what exporters of others show is written
down here, and only as far as our queries use it.
"""

from collections.abc import Iterator
from typing import Any

import promql_parser
from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.metrics import Counter, Histogram, MetricWrapperBase
from prometheus_client.metrics_core import Metric

OF_EVERY_TARGET = {"job", "instance"}
OF_OTHERS = {
    "up": set(),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "kubelet_volume_stats_available_bytes": {"namespace", "persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"namespace", "persistentvolumeclaim"},
    "node_filesystem_avail_bytes": {"device", "fstype", "mountpoint"},
    "node_filesystem_size_bytes": {"device", "fstype", "mountpoint"},
}
"""What Prometheus itself and the named exporters show: metric to labels."""

Labels = dict[str, set[str]]


def known_metrics() -> Labels:
    """Return the labels of every metric by its name, as queries write it; reads the database and Redis."""
    known = {**OF_OTHERS}
    for metric in _counted():
        labels = set(metric._labelnames)
        if isinstance(metric, Histogram):
            known |= {
                f"{metric._name}_bucket": {*labels, "le"},
                f"{metric._name}_sum": labels,
                f"{metric._name}_count": labels,
            }
        else:
            known[f"{metric._name}_total" if isinstance(metric, Counter) else metric._name] = labels
    for family in _collected():
        known[f"{family.name}_total" if family.type == "counter" else family.name] = set(
            getattr(family, "_labelnames", ())
        )
    return known


def _counted() -> Iterator[MetricWrapperBase]:
    from django_prometheus.db import metrics as statements
    from flower.events import get_prometheus_metrics

    from exchange.metrics import requests, tasks
    from trading import meters
    from trading.streams import meters as stream_meters

    for holder in (statements, requests, tasks, meters, stream_meters, get_prometheus_metrics()):
        yield from (metric for metric in vars(holder).values() if isinstance(metric, MetricWrapperBase))


def _collected() -> Iterator[Metric]:
    from exchange.metrics.connections import Connections
    from exchange.metrics.venue import Venue

    for collector in (PROCESS_COLLECTOR, Connections(8080), Venue()):
        yield from collector.collect()


def faults(query: str, known: Labels) -> list[str]:
    """Say what a query asks for that is not there; raises ValueError where it cannot be parsed."""
    found: list[str] = []
    available = set(OF_EVERY_TARGET)
    grouped: list[str] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            look(node)
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped.extend(node.modifier.labels)
        return True

    def look(selector: promql_parser.VectorSelector) -> None:
        if selector.name not in known:
            found.append(f"no metric {selector.name}")
            return
        labels = known[selector.name] | OF_EVERY_TARGET
        available.update(labels)
        found.extend(
            f"{selector.name} has no label {matcher.name}"
            for matcher in selector.matchers.matchers
            if matcher.name not in labels | {"__name__"}
        )

    promql_parser.walk(promql_parser.parse(query), visit)
    return found + [f"nothing here has a label {label}" for label in grouped if label not in available]
