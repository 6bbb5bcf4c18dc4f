"""What the kernel of a chapter loads before the first cell; an extension of IPython."""

import gc
import importlib

from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Import what all chapters use, exempt from garbage collection; no name is defined by it.

    Scanning torch's objects took a third of the processor time of loading and unloading it.
    """
    gc.disable()
    try:
        importlib.import_module("bioprop.book.page")
        gc.freeze()
    finally:
        gc.enable()
