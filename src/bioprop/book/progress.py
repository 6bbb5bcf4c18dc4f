"""Progress of long work, at a terminal, in a notebook and in a log."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from tqdm import tqdm

from bioprop.book.costs import duration

PATIENCE = 60.0  # seconds between the lines of a log


def progress(name: str) -> Callable[[int, int], None]:
    """Open a bar called ``name``; the function returned is told ``(done, total)``.

    The bar goes when it is full. A log gets a line now and then instead. Both say how many examples
    go by in a second and how long it will be, from where the run began or went on. Both are off
    while the book is built, so that a chapter's output is the same from build to build.
    """
    building = "BIOPROP_BUILD" in os.environ
    notebook = type(sys.stderr).__module__ == "ipykernel.iostream"
    shown = not building and (notebook or sys.stderr.isatty())
    bar = tqdm(desc=name, unit=" examples", leave=False, disable=not shown)
    logged = time.monotonic()
    began: tuple[float, int] | None = None  # when it was first told of how many examples

    def told(done: int, total: int) -> None:
        nonlocal logged, began
        now = time.monotonic()
        if began is None:
            began = now, done
            bar.initial = done
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
        if not (building or shown) and now - logged >= PATIENCE:
            logged = now
            pace = _pace(done - began[1], total - done, now - began[0])
            print(f"{name}: {done} of {total} examples{pace}", file=sys.stderr, flush=True)

    return told


def _pace(seen: int, left: int, seconds: float) -> str:
    """Say how fast examples were seen, and how long those that are left will take."""
    if not (seen and seconds):
        return ""
    rest = f", {duration(left * seconds / seen)} left" if left else ""
    return f", {seen / seconds:.3g} a second{rest}"


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    """Show that something goes on of which no more is known: at a terminal a sign that moves.

    A log gets a line a minute.
    """
    if console.is_terminal:
        with console.status(what):
            yield
        return
    begun, done = time.monotonic(), threading.Event()

    def speak() -> None:
        while not done.wait(PATIENCE):
            passed = duration(time.monotonic() - begun)
            print(f"{what}: {passed} so far", file=sys.stderr, flush=True)

    speaker = threading.Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()
