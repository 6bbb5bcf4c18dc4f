"""The reference of the library: what Sphinx reads from the docstrings, with signatures to read."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx read docstrings."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", shown)
    return {"parallel_read_safe": True, "version": "1"}


def shown(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, words: str | None, result: str
) -> tuple[str | None, str]:
    """Return a signature in which what a function makes by default stands as dots.

    Sphinx cannot read the ``<factory>`` that a dataclass has there, and would show all of it raw.
    """
    return words and words.replace("<factory>", "..."), result
