"""Where the book lives: the repository of its sources and the address of its site.

Both stand in ``data/home.yaml``; the variables ``BIOPROP_REPOSITORY`` and ``BIOPROP_ADDRESS`` go
before it, so that whoever publishes a copy need change no file. Where neither says anything the
pages have no such links.
"""

import os
import re
from dataclasses import dataclass

import yaml

from bioprop import paths

BRANCH = "main"
VARIABLES = {"BIOPROP_REPOSITORY": "repository", "BIOPROP_ADDRESS": "address"}
ADDRESS = re.compile(r"https?://[^\s/]+(/\S*)?")


@dataclass(frozen=True)
class Home:
    """Addresses of the repository and of the site, without a slash at the end, or None."""

    repository: str | None = None
    address: str | None = None

    def commit(self, name: str) -> str | None:
        """Return where a commit can be seen; one with changes of its own is nowhere."""
        seen = self.repository and re.fullmatch(r"[0-9a-f]{7,40}", name)
        return f"{self.repository}/commit/{name}" if seen else None

    def lines(self, file: str, first: int, last: int, commit: str) -> str | None:
        """Return where lines of a file can be read, as they were in a commit if it is one."""
        if not self.repository:
            return None
        version = commit if self.commit(commit) else BRANCH
        return f"{self.repository}/blob/{version}/{file}#L{first}-L{last}"

    def page(self, name: str) -> str | None:
        """Return the address of a page of the site, or of a file in it."""
        return f"{self.address}/{name}" if self.address else None


def home() -> Home:
    """Return where the book lives; what is no address of the web raises ``ValueError``."""
    file = paths.HOME
    kept = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    found = {
        name: os.environ.get(variable) or (kept or {}).get(name)
        for variable, name in VARIABLES.items()
    }
    for name, value in found.items():
        if value and not ADDRESS.fullmatch(value):
            raise ValueError(
                f"the {name} of the book is {value!r}; it must be an address such as "
                f"https://example.org/book, in {file} or BIOPROP_{name.upper()}"
            )
    return Home(*(value.rstrip("/") if value else None for value in found.values()))
