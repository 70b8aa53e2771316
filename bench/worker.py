"""`python -m bench.worker FOLDER`: run the books in a process of their own, one at a time, as asked on standard input.

The engine is the one in FOLDER, which may be an older commit's. A line `verify A engine` or `measure A yardstick` is answered
by one line of JSON: the trades' count and hash, or the CPU seconds that the stream took.

The law: commands are made before the clock starts, and what comes back is dropped at once, whichever book it is. CPU time, not
the wall's: another process on the machine shall not count.

Which is asked when, and what the answers must be, is `engine`'s.
"""

import gc
import json
import sys
import time
from functools import cache
from typing import Any

from bench import streams
from bench.yardstick import Trade, Yardstick

BOOKS = ("yardstick", "engine")


def main() -> int:
    # Before the current folder's engine, which is where `bench` itself comes from.
    sys.path.insert(0, sys.argv[1])
    for line in sys.stdin:
        action, name, book = line.split()
        answer = verify(name, book)._asdict() if action == "verify" else {"cpu_seconds": measure(name, book)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def verify(name: str, book: str, length: int = streams.LONG) -> streams.Expected:
    """Run a stream and sum up its trades."""
    trades: list[Trade] = []
    if book == "yardstick":
        yardstick = Yardstick()
        for cancels, order_id, buys, price, quantity, owner in streams.stream(name, length):
            if cancels:
                yardstick.cancel(order_id)
            else:
                trades += yardstick.new(order_id, buys, price, quantity, owner)
    else:
        apply = _new_engine().apply
        for number, command in enumerate(_engine_commands(name, length), 1):
            trades += [event[1:5] for event in apply(number, command) if event[0] == "trade"]
    return streams.summary(trades)


def measure(name: str, book: str) -> float:
    """Return the CPU seconds that a stream takes."""
    commands = streams.stream(name) if book == "yardstick" else _engine_commands(name)
    gc.collect()
    gc.freeze()  # the streams are large, and the collector would look through them again and again
    try:
        return _time_yardstick(commands) if book == "yardstick" else _time_engine(commands)
    finally:
        gc.unfreeze()


def _time_yardstick(commands: tuple[streams.Command, ...]) -> float:
    book = Yardstick()
    new, cancel = book.new, book.cancel
    begin = time.process_time()
    for cancels, order_id, buys, price, quantity, owner in commands:
        if cancels:
            cancel(order_id)
        else:
            new(order_id, buys, price, quantity, owner)
    return time.process_time() - begin


def _time_engine(commands: tuple[Any, ...]) -> float:
    apply = _new_engine().apply
    begin = time.process_time()
    for sequence, command in enumerate(commands, 1):
        apply(sequence, command)
    return time.process_time() - begin


def _new_engine() -> Any:
    from trading.engine.engine import Engine

    return Engine()


@cache
def _engine_commands(name: str, length: int = streams.LONG) -> tuple[Any, ...]:
    from orders.terms import Side
    from trading.engine.commands import Cancel, NewOrder

    return tuple(
        Cancel(order_id)
        if cancels
        else NewOrder(
            order_id=order_id, owner=owner, side=Side.BUY if buys else Side.SELL, price=price, quantity=quantity
        )
        for cancels, order_id, buys, price, quantity, owner in streams.stream(name, length)
    )


if __name__ == "__main__":
    sys.exit(main())
