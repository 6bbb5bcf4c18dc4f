"""Progress of long work, at a terminal, in a notebook and in a log."""

import os
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

PATIENCE = 60.0  # seconds between the lines of a log


def progress(name: str) -> Callable[[int, int], None]:
    """Open a bar called ``name``; the function returned is told ``(done, total)``.

    The bar goes when it is full. A log gets a line now and then instead. Both are off while the
    book is built, so that a chapter's output is the same from build to build.
    """
    building = "BIOPROP_BUILD" in os.environ
    notebook = type(sys.stderr).__module__ == "ipykernel.iostream"
    shown = not building and (notebook or sys.stderr.isatty())
    bar = tqdm(desc=name, unit=" examples", leave=False, disable=not shown)
    logged = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal logged
        bar.total = total
        bar.update(done - bar.n)
        if done >= total:
            bar.close()
        if not (building or shown) and time.monotonic() - logged >= PATIENCE:
            logged = time.monotonic()
            print(f"{name}: {done} of {total} examples", file=sys.stderr, flush=True)

    return told
