"""The reference of the library: what Sphinx reads from the docstrings, with signatures to read."""

import re
from typing import Any

from sphinx.application import Sphinx

NO_CODE = re.compile(r"<factory>|<function (?:[\w.]|<(?:lambda|locals)>)+>")


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx read docstrings."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", shown)
    return {"parallel_read_safe": True, "version": "1"}


def shown(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, words: str | None, result: str
) -> tuple[str | None, str]:
    """Return a signature in which a default that is a function, or made by one, stands as dots.

    Sphinx cannot read the ``<factory>`` that a dataclass has there, or a ``<function ...>``, and
    would show all of it raw.
    """
    return words and NO_CODE.sub("...", words), result
