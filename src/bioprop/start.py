"""Starting a command or a chapter's kernel: the library is loaded exempt from garbage collection.

Looking through torch's objects again and again, which all live to the end, takes a third of the
processor time of loading and unloading them.
"""

import gc
import importlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Let what is imported meanwhile be, until the process ends."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def command() -> None:
    """Run the command line, ``bioprop``."""
    with loading():
        cli = importlib.import_module("bioprop.cli")
    cli.main()


def load_ipython_extension(_: object) -> None:
    """Load what all chapters use, before the first cell; no name is defined by it."""
    with loading():
        importlib.import_module("bioprop.book.page")
