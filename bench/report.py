"""Print what the service bench found.

The law: a yardstick stands in the rows below what it belongs to, with the ratio run by run; whatever went wrong is printed
last, where it is seen.

How the figures came about is `service`'s.
"""

from typing import Any

from bench.figures import Figure, figure, ratio, short, table
from bench.service import BATCH_CONNECTIONS, IDLE, ORDERS, Key, Result, Size

HEAD = ("", "connections", "a second", "p50 ms", "p99 ms", "rate of POST /orders to it")
CPU_PARTS = ("api", "matching", "PostgreSQL", "rest")
CPU_HEAD = ("", "connections", "CPU ms each", *CPU_PARTS)

HOW_TO_READ = f"""
How to read it: medians of runs, with (least–most). Only ratios travel; machine, load and disk make the rest. Compare CPU first:
it is steadier than the clock. It is that of all the platform's processes, from the first request until the last order was
matched and settled; the load's own is not in it, though it shares the cores. {ORDERS}/test does all that an order costs but
keep it and match it; pgbench is what this PostgreSQL on this disk does for one small durable commit each. End to end, the clock
stops when all is matched and settled. From POST to trade, what the platform uses when idle is taken off.
"""


def rows(result: Result) -> list[dict[str, Any]]:
    """Sum up the samples of each measurement."""
    found = []
    for key, samples in result.samples.items():
        row: dict[str, Any] = {"what": key.what, "connections": key.connections}
        for name in ("per_second", "p50", "p99", "mean", "cpu", *CPU_PARTS):
            if name in samples[0]:
                row[name] = figure(sample[name] for sample in samples)
        orders = result.samples.get(Key(ORDERS, key.connections))
        if orders and key.what != ORDERS and "per_second" in samples[0] and key.connections != BATCH_CONNECTIONS:
            row["ratio"] = ratio([one["per_second"] for one in orders], [one["per_second"] for one in samples])
        found.append(row)
    return found


def print_service(result: Result, size: Size) -> None:
    found = rows(result)
    times, costs = [], []
    for row in found:
        name = [row["what"], str(row["connections"] or "")]
        middle = str(row.get("p50", "")) or (f"mean {row['mean']}" if "mean" in row else "")
        if row["what"] != IDLE:
            times.append(
                [*name, str(row.get("per_second", "")), middle, str(row.get("p99", "")), str(row.get("ratio", ""))]
            )
        if "cpu" in row:
            costs.append(
                [*name, str(row["cpu"]), *(short(row[part].median) if part in row else "" for part in CPU_PARTS)]
            )
    print(f"\nService: a whole platform on this machine, {size.runs} runs of {size.seconds:g} s.\n")
    print(table(HEAD, times))
    print(
        "\nWhat it costs: CPU milliseconds for each order (trade, insert; idle: for each second), and whose they are.\n"
    )
    print(table(CPU_HEAD, costs))


def as_json(result: Result) -> dict[str, Any]:
    return {
        "rows": [
            {name: value._asdict() if isinstance(value, Figure) else value for name, value in row.items()}
            for row in rows(result)
        ],
        "errors": dict(result.errors),
    }


def print_errors(result: Result) -> None:
    if not result.errors:
        print("\nNo errors: every answer was 2xx, every order was matched as it had to be, the logs tell of none.")
        return
    print(f"\n*** {sum(result.errors.values())} ERRORS ***")
    for error, count in result.errors.most_common(20):
        print(f"{count:>8} × {error}")
