"""What a chapter calls: run a study live, show its figures, judge its claims.

A chapter's code cells hold no plumbing; they call ``open_page`` once and then these few methods.
"""

import inspect
import io
import os
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import Image, Markdown, display

from bioprop import paths, studies
from bioprop.book import changes, claims, figures, runs
from bioprop.book.claims import remarks
from bioprop.book.progress import progress
from bioprop.book.records import LIVE, OWN, Record
from bioprop.studies import Figure, Study
from bioprop.studies.drawing import style

SHARP = 150  # dots per inch of a live figure, as wide as a page


class Page:
    """One study, as a chapter shows it: a live run beside the recorded result."""

    def __init__(self, study: Study, tier: str, changes: dict[str, Any]):
        self.study, self.tier, self.changes = study, tier, changes
        self.live: dict[str, Record] = {}

    def run(self) -> None:
        """Train every variant live, with a progress display, and keep the runs."""
        store = LIVE if "BIOPROP_BUILD" in os.environ else OWN
        for variant in self.study.variants:
            told = progress(f"{self.study.name}: {variant}")
            self.live[variant] = runs.run(
                self.study, self.tier, variant, self.changes, store=store, progress=told
            )

    def show(self, figure: str) -> None:
        """Draw a figure from the live run, whatever the reader's own settings of pictures are."""
        chosen, drawn = self.study.figure(figure), io.BytesIO()
        with style():
            picture, _ = figures.draw(chosen, self.live)
            picture.savefig(drawn, format="png", dpi=SHARP, metadata={"Software": None})
            plt.close(picture)
        width = picture.get_figwidth() * 100
        display(Image(drawn.getvalue(), width=width, alt=self._alt(chosen)))

    def _alt(self, figure: Figure) -> str:
        """Say what a live figure shows: its text is about a run of other settings."""
        own = "".join(f", {name} = {value}" for name, value in self.changes.items())
        lost = [
            f"{len(run.diverged)} of {run.members} of {name}"
            for name, run in self.live.items()
            if run.diverged
        ]
        words = [f"Live run, tier {self.tier}{own}."]
        if lost:
            words.append(f"Diverged, and not drawn from there on: {', '.join(lost)}.")
        words += ["With the study's own settings:"] if lost or own else []
        return " ".join([*words, figure.alt])

    def verdicts(self) -> Markdown:
        """Return the table of claims: the paper's number, the recorded one, the live one."""
        tier, _, kept = claims.recorded(self.study)
        live = claims.judge_all(self.study, self.live, self.tier)
        own = "".join(f", {name} = {value}" for name, value in self.changes.items())
        scales = f"recorded, tier {tier or 'none'} | live, tier {self.tier}{own}"
        head = f"| claim | verdict | reported | {scales} |"
        rows = [head, "|:--|:--|--:|--:|--:|"]
        for judged, now in zip(kept, live, strict=True):
            notes = [judged.claim.place, judged.claim.unit]
            notes += [judged.count] if judged.members < judged.wanted else []
            told = changes.told(judged.claim.id, judged.claim.origin)
            notes += remarks(judged.claim.calibrated, told)
            statement = f"{judged.claim.statement} *({'; '.join(notes)})*"
            kind = judged.verdict.replace(" ", "-")
            shown = claims.word(judged.verdict, judged.claim.origin)
            badge = f'<span class="verdict-{kind}">{shown}</span>'
            numbers = (claims.with_aside(each.measured, each.aside) for each in (judged, now))
            rows.append(f"| {statement} | {badge} | {judged.paper} | {' | '.join(numbers)} |")
        return Markdown("\n".join(rows))


def open_page(study: str, tier: str = "quick", **changes: Any) -> Page:
    """Return the page of a study; settings given as None keep the study's own value.

    Raises ``ValueError`` for a setting that the study refuses, and where there is no copy of the
    book to keep runs in.
    """
    paths.require_book()
    given = {name: value for name, value in changes.items() if value is not None}
    chosen = studies.get(study)
    for variant in chosen.variants:  # refuse a bad setting before anything runs
        chosen.configure(tier, variant, **given)
    return Page(chosen, tier, given)


def source(function: Callable[..., Any]) -> Markdown:
    """Show the code of a function, as it runs, without its docstring."""
    lines = inspect.getsource(function)
    documentation = inspect.getdoc(function)
    if documentation and '"""' in lines:
        head, _, rest = lines.partition('"""')
        lines = head.rstrip() + rest.partition('"""')[2]
    return Markdown(f"```python\n{textwrap.dedent(lines).strip()}\n```")
