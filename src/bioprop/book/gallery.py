"""The gallery's choice: by the rules that a figure shows, and by the part of the book it is from.

``_static/gallery.js`` acts on it. Where scripts are off it is not shown, and all figures are.
"""

import html
import re
from collections.abc import Mapping

import pandas as pd

from bioprop.book import forest
from bioprop.book.records import Record
from bioprop.studies import Figure

# Rules of one kind under one name: the words that mean one of them in the name of a variant.
FAMILIES: Mapping[str, frozenset[str]] = {
    "backpropagation": frozenset({"bp"}),
    "feedback alignment": frozenset({"fa"}),
    "direct feedback alignment": frozenset({"dfa"}),
    "sign-symmetry": frozenset({"ss"}),
    "plastic feedback": frozenset({"kp", "wm"}),
    "target propagation": frozenset({"tp", "dtp", "sdtp"}),
    "predictive coding": frozenset({"pc"}),
    "node perturbation": frozenset({"np"}),
}
PARTS: Mapping[str, str] = {**forest.PAPERS, "questions": "open questions"}
NAMING = ("rule", "method", "variant", "network")  # columns of what is drawn that name a rule


def rules(figure: Figure, drawn: pd.DataFrame, runs: Mapping[str, Record]) -> list[str]:
    """Return the families of rules in a figure: as it says, or is drawn, or as its runs learn."""
    if figure.rules:
        return [name for name, words in FAMILIES.items() if words & set(figure.rules)]
    columns = [drawn[name].dropna() for name in NAMING if name in drawn]
    settings = [str(run.configuration.get("rule", "")) for run in runs.values()]
    for names in ([str(name) for column in columns for name in column.unique()], settings):
        said = {word for name in names for word in re.split(r"[^a-z]+", name)}
        if found := [name for name, words in FAMILIES.items() if words & said]:
            return found
    return []


def slug(name: str) -> str:
    """Return a name as it stands in the class of an element."""
    return name.replace(" ", "-")


def controls() -> str:
    """Return the two choices as HTML, and a line that says how many figures are left."""
    by_rule = _choice("rule", "rule", {slug(name): name for name in FAMILIES})
    by_part = _choice("part", "paper", PARTS)
    return (
        f'<form class="gallery-choice" hidden><div>{by_rule}{by_part}</div>'
        '<output aria-live="polite"></output></form>'
    )


def _choice(name: str, label: str, options: Mapping[str, str]) -> str:
    """Return a list to choose from, which begins with all."""
    given = {"": "all", **options}.items()
    inside = "".join(f'<option value="{key}">{html.escape(word)}</option>' for key, word in given)
    return f'<label>{label} <select name="{name}">{inside}</select></label>'
