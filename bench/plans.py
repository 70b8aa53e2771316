"""See how PostgreSQL answers a read: by which indexes, and by reading how many rows.

The law: what is explained is the very statement that the exchange sends, with its parameters, run once more.
Whether that is good enough is for others to say.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from django.db import connection


class Plan(NamedTuple):
    """Of all statements of a read: the indexes used, the tables read from end to end, and the rows read in all."""

    indexes: tuple[str, ...]
    scanned: tuple[str, ...]
    rows_read: int


def explain(read: Callable[[], object]) -> Plan:
    """Run a read, and explain what it sent."""
    sent: list[tuple[str, Any]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        read()
    nodes: list[dict[str, Any]] = []
    with connection.cursor() as cursor:
        for sql, params in sent:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            (found,) = cursor.fetchone()
            nodes += _nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])
    ran = [node for node in nodes if node["Actual Loops"]]
    return Plan(
        tuple(sorted({node["Index Name"] for node in ran if "Index Name" in node})),
        tuple(sorted({node["Relation Name"] for node in ran if node["Node Type"].endswith("Seq Scan")})),
        round(sum(_rows_read(node) for node in ran if "Relation Name" in node and "Scan" in node["Node Type"])),
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _rows_read(node: dict[str, Any]) -> float:
    removed = sum(float(count) for name, count in node.items() if name.startswith("Rows Removed by"))
    return (float(node["Actual Rows"]) + removed) * float(node["Actual Loops"])
