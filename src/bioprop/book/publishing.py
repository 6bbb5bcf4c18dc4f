"""What the pages say of where the book lives: buttons, canonical links, and tags for who cites.

Without an address and a repository none of it is there but a description.
"""

import html
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from bioprop.book import launch
from bioprop.book.figures import BOOK
from bioprop.book.home import BRANCH, Home, home

GITHUB = "https://github.com/"  # whose notebooks Colab opens
COLAB = {"colab_url": "https://colab.research.google.com"}
LAUNCH = {
    "binderhub_url": "https://mybinder.org",
    "notebook_interface": "jupyterlab",
}
LONGEST = 200  # letters of a description


def configure(config: dict[str, Any], place: Home) -> dict[str, Any]:
    """Return the configuration of Jupyter Book with the book's own addresses in it."""
    pages = dict(config["html"])
    if place.address:
        pages["baseurl"] = f"{place.address}/"
    if not place.repository:
        return {**config, "html": pages}
    pages |= {"use_repository_button": True, "use_edit_page_button": True}
    repository = {"url": place.repository, "branch": BRANCH}
    buttons = LAUNCH | (COLAB if place.repository.startswith(GITHUB) else {})
    return {**config, "html": pages, "repository": repository, "launch_buttons": buttons}


def citation(text: str, place: Home) -> str:
    """Return the text of ``CITATION.cff`` with the addresses of the book and of its sources."""
    known = {"url": place.address, "repository-code": place.repository}
    lines = [f"{key}: {value}\n" for key, value in known.items() if value]
    return text.replace("authors:\n", "".join(lines) + "authors:\n", 1)


def tags(title: str, description: str, page: str, place: Home) -> str:
    """Return the tags of a page: a description, and for who shares or cites it at an address."""
    said = {"description": description}
    found = "".join(_tag("name", name, text) for name, text in said.items() if text)
    if not place.address:
        return found
    shared = {
        "og:title": title,
        "og:type": "article",
        "og:site_name": BOOK,
        "og:url": place.page(page),
        "og:image": place.page("figures/forest-lillicrap2014.png"),
        "og:description": description,
    }
    cited = {
        "citation_title": title if title == BOOK else f"{title}, in: {BOOK}",
        "citation_author": "The bioprop contributors",
        "citation_publication_date": "2026",
        "citation_public_url": place.page(page),
    }
    found += "".join(_tag("property", name, text or "") for name, text in shared.items())
    return found + "".join(_tag("name", name, text or "") for name, text in cited.items())


def _tag(kind: str, name: str, text: str) -> str:
    return f'\n    <meta {kind}="{name}" content="{html.escape(text)}" />'


def described(doctree: nodes.document | None) -> str:
    """Return the beginning of a page's first paragraph, to the end of a word."""
    first = next(iter(doctree.findall(nodes.paragraph)), None) if doctree is not None else None
    words = " ".join(first.astext().split()) if first is not None else ""
    return words if len(words) <= LONGEST else words[:LONGEST].rpartition(" ")[0] + " …"


def _tell(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    title = nodes.Element() if doctree is None else doctree.next_node(nodes.title)
    heading = title.astext() if isinstance(title, nodes.title) else str(context.get("title", ""))
    context["metatags"] = str(context.get("metatags", "")) + tags(
        heading, described(doctree), f"{page}.html", home()
    )


def _mend_buttons(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Take the button to edit from pages that the build has written; lead Colab to its branch."""
    for group in context.get("header_buttons", []):
        buttons = group.get("buttons", [])
        if page.startswith("claims/"):
            buttons[:] = [b for b in buttons if b.get("label") != "source-edit-button"]
        for button in buttons:
            if button.get("text") == "Colab":
                branches = f"/blob/{BRANCH}/", f"/blob/{launch.BRANCH}/"
                button["url"] = button["url"].replace(*branches, 1)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what is said of each page; the theme has made its buttons by then."""
    app.connect("html-page-context", _tell)
    app.connect("html-page-context", _mend_buttons, priority=900)
    return {"parallel_read_safe": True, "version": "1"}
