"""Print what the service bench found.

The law: a yardstick stands in the rows below what it belongs to, with the ratio run by run; whatever went wrong is printed
last, where it is seen.

How the figures came about is `service`'s.
"""

from typing import Any

from bench.figures import Figure, figure, ratio, table
from bench.service import BATCH_CONNECTIONS, IDLE, ORDERS, Key, Result, Size

HEAD = ("", "connections", "a second", "p50 ms", "p99 ms", "CPU ms each", "rate of POST /orders to it")

HOW_TO_READ = f"""
Medians of runs, with (least–most). Rates and CPU times of orders are of orders, whether sent alone or in batches. CPU is that
of all the platform's processes, PostgreSQL's and Valkey's with them, until the last order was matched and settled; the load's
own is not in it, though it shares the cores. It is steadier than the clock: compare it first. {ORDERS}/test does all that an
order costs but keep it and match it; pgbench is what this disk and this PostgreSQL do for one small durable commit each.
End to end counts until all is matched and settled. Machine, load and disk make the figures: only ratios travel.
"""


def rows(result: Result) -> list[dict[str, Any]]:
    """Sum up the samples of each measurement."""
    found = []
    for key, samples in result.samples.items():
        row: dict[str, Any] = {"what": key.what, "connections": key.connections}
        for name in ("per_second", "p50", "p99", "mean", "cpu"):
            if name in samples[0]:
                row[name] = figure(sample[name] for sample in samples)
        orders = result.samples.get(Key(ORDERS, key.connections))
        if orders and key.what != ORDERS and "per_second" in samples[0] and key.connections != BATCH_CONNECTIONS:
            row["ratio"] = ratio([one["per_second"] for one in orders], [one["per_second"] for one in samples])
        found.append(row)
    return found


def print_service(result: Result, size: Size) -> None:
    lines = []
    for row in rows(result):
        if row["what"] == IDLE:
            continue
        middle = str(row.get("p50", "")) or (f"mean {row['mean']}" if "mean" in row else "")
        lines.append(
            [
                row["what"],
                str(row["connections"]),
                *(str(row.get("per_second", "")), middle, str(row.get("p99", ""))),
                *(str(row.get("cpu", "")), str(row.get("ratio", ""))),
            ]
        )
    idle: Figure = next(row["cpu"] for row in rows(result) if row["what"] == IDLE)
    print(f"\nService: a whole platform on this machine, {size.runs} runs of {size.seconds:g} s.\n")
    print(table(HEAD, lines))
    print(f"\nIdle, the platform uses {idle} ms of CPU a second; that is taken off in the rows of POST to trade alone.")


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
        print("No errors: every answer was 2xx, every order was matched as it had to be, the logs tell of none.")
        return
    print(f"\n*** {sum(result.errors.values())} ERRORS ***")
    for error, count in result.errors.most_common(20):
        print(f"{count:>8} × {error}")
