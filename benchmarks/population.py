"""What do twenty networks trained side by side cost, beside one?

All in one process. The contenders take turns, and ratios are taken within a turn, so that a machine
that slows down slows all of them. See README.md.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bioprop.learning import Streams, Training, rule, sgd
from bioprop.tasks.linear import LinearTask, linear_network

Turn = Callable[[], None]  # one turn's training, prepared
Contender = Callable[[], Turn]  # prepares a turn

TURNS = 9
MEMBERS = 20
LINEAR_STEPS = 1300  # examples of the linear task at tier paper


def turns(
    contenders: dict[str, Contender], count: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of each turn of each contender; what prepares a turn is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(count + 1):
        for name, prepare in contenders.items():
            act = prepare()
            start = clock()
            act()
            if turn:  # the first is for warming up
                seconds[name].append(clock() - start)
    return seconds


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the ratios within each turn."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


# Twenty members against one


def linear(name: str, members: int) -> Contender:
    """Train the linear task's population, draws of its data included."""

    def prepare() -> Turn:
        streams = Streams(tuple(range(members)))
        network = linear_network(streams, (30, 20, 10), 0.01)
        made = Training(network, rule(name), sgd(9e-3), LinearTask(streams), streams)
        return lambda: made.until(LINEAR_STEPS)

    return prepare


# The report

Row = dict[str, str | float]


def measure(count: int) -> list[Row]:
    """Return a row for each comparison; ``ratio`` is the number to look at."""
    rows: list[Row] = []
    for name in ("bp", "fa"):
        seconds = turns({str(m): linear(name, m) for m in (1, MEMBERS)}, count)
        one, many = seconds["1"], seconds[str(MEMBERS)]
        what = f"linear task, {name}: seconds of {MEMBERS} members / of 1"
        medians = {"ours": statistics.median(many), "other": statistics.median(one)}
        rows.append({"what": what, **medians, "ratio": ratio(many, one)})
    return rows


def report(measure: Callable[[int], list[Row]], description: str, turns: int = TURNS) -> None:
    """Measure, print a table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, help="file to write the numbers to, as JSON")
    parser.add_argument("--turns", type=int, default=turns, help="turns of each contender")
    parser.add_argument("--threads", type=int, default=1, help="threads of each contender")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)

    rows = measure(given.turns)
    table = Table("what", "ours", "other", "ratio")
    for row in rows:
        table.add_row(str(row["what"]), *(f"{row[key]:,.4g}" for key in ("ours", "other", "ratio")))
    Console(width=110).print(table)
    if given.out:
        where = {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
            "threads": torch.get_num_threads(),
            "turns": given.turns,
        }
        given.out.write_text(json.dumps({**where, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    report(measure, __doc__.splitlines()[0])
