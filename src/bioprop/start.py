"""Starting a command or a chapter's kernel, whatever the reader's own settings are.

The library is loaded exempt from garbage collection: looking through torch's objects again and
again, which all live to the end, takes a third of the processor time of loading and unloading them.
"""

import codecs
import gc
import importlib
import io
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BEGAN = time.time()  # before anything else of the package is loaded

# A reader's variables that change what Python or Sphinx do, and not where they find what they need.
READERS = re.compile(
    r"PYTHON(?!PATH$|HOME$|HASHSEED$|PYCACHEPREFIX$|DONTWRITEBYTECODE$|UNBUFFERED$)"
    r"|SOURCE_DATE_EPOCH$|SPHINX|DOCUTILSCONFIG$"
)
# What an encoding may lack, written otherwise: a number keeps its sign.
PLAIN = str.maketrans({"−": "-", "–": "-", "≈": "~", "≤": "<=", "≥": ">=", "×": "x", "…": "...",
                       "\u00a0": " ", "²": "^2"})  # fmt: skip


@contextmanager
def loading() -> Iterator[None]:
    """Let what is imported meanwhile be, until the process ends."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Write otherwise what an encoding lacks, the last resort being its number."""
    assert isinstance(error, UnicodeEncodeError)
    words = error.object[error.start : error.end].translate(PLAIN)
    return words.encode("ascii", "backslashreplace").decode(), error.end


def settle() -> None:
    """Print in any locale, and keep the reader's settings from this process and those it starts."""
    for variable in filter(READERS.match, list(os.environ)):
        del os.environ[variable]
    os.environ["MPLBACKEND"] = "agg"  # no window, and no display that one would need
    os.environ["MATPLOTLIBRC"] = str(Path(__file__).parent / "studies" / "look.mplstyle")
    codecs.register_error("bioprop", plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="bioprop")


def asks_for_help(words: list[str]) -> bool:
    """Say whether words on the command line want to be told what there is, and nothing run."""
    return words == [] or "--help" in words


def command() -> None:
    """Run the command line, ``bioprop``."""
    settle()
    try:
        with loading():
            if not asks_for_help(sys.argv[1:]):
                importlib.import_module("bioprop.studies")
            cli = importlib.import_module("bioprop.cli")
    except KeyboardInterrupt:
        sys.exit("Aborted.")  # as the command line says it
    cli.main()


def load_ipython_extension(_: object) -> None:
    """Load what all chapters use, before the first cell; no name is defined by it."""
    with loading():
        importlib.import_module("bioprop.book.page")
