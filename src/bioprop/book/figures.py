"""Figures that can be cited: a stable id, files in five formats, and where they come from."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture

import bioprop
from bioprop.book.claims import Judgement
from bioprop.book.home import home
from bioprop.book.records import Record, RecordError, seconds
from bioprop.studies import Figure, Study
from bioprop.studies.drawing import style
from bioprop.studies.study import NoQuantity

BOOK = "Learning without weight transport"
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
FORMATS = ("svg", "pdf", "png", "csv", "json", "bib")


def draw(figure: Figure, runs: Mapping[str, Record]) -> tuple[Picture, pd.DataFrame]:
    """Draw a figure from runs in the project's style; return it with the data drawn.

    Raises ``RecordError`` where the runs lack what it shows.

    Its layout is final and rounded: from run to run the solver's differs in the last bits.
    """
    with style():
        with matplotlib.rc_context({"figure.constrained_layout.use": True}):
            try:
                picture, data = figure.draw(runs)
            except NoQuantity as error:
                raise RecordError(
                    f"figure {figure.id!r} cannot be drawn: {error}. Make its records anew"
                ) from error
        engine = picture.get_layout_engine()
        if engine is not None:
            engine.execute(picture)
        picture.set_layout_engine(None)  # any other value makes saving draw all of it twice
    for axes in picture.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6).tolist())
    return picture, data


def publish(
    study: Study,
    figure: Figure,
    runs: Mapping[str, Record],
    judgements: Sequence[Judgement],
    folder: Path,
) -> dict[str, Any]:
    """Write ``<id>.svg, .pdf, .png, .csv, .json, .bib`` into a folder; return the provenance.

    Every file says which figure it is, where it comes from and under which licence. The same runs
    give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entry = describe(study, figure, runs, judgements)
    source = f"{BOOK}, bioprop {bioprop.__version__}, figure {figure.id}"
    with style():
        picture, data = draw(figure, runs)
        picture.savefig(folder / f"{figure.id}.svg", metadata=_svg(figure, source))
        picture.savefig(folder / f"{figure.id}.pdf", metadata=_pdf(figure, source))
        picture.savefig(folder / f"{figure.id}.png", metadata=_png(figure, source))
        plt.close(picture)
    table = io.StringIO()
    data.to_csv(table, index=False, float_format="%.9g", lineterminator="\n")
    header = f"# figure {figure.id}: {figure.title}\n# source: {source}\n# licence: {LICENCE}\n"
    (folder / f"{figure.id}.csv").write_text(header + table.getvalue(), encoding="utf-8")
    text = json.dumps(entry, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{figure.id}.json").write_text(text, encoding="utf-8")
    (folder / f"{figure.id}.bib").write_text(bibtex(figure), encoding="utf-8")
    return entry


def describe(
    study: Study, figure: Figure, runs: Mapping[str, Record], judgements: Sequence[Judgement]
) -> dict[str, Any]:
    """Return a figure's provenance: paper, claims with verdicts, and every record behind it."""
    some = next(iter(runs.values()))
    return {
        "id": figure.id,
        "title": figure.title,
        "alt": figure.alt,
        "caption": figure.caption,
        "paper": study.paper,
        "place": figure.place,
        "study": study.name,
        "tier": some.tier,
        "population": study.population,
        "members": sum(record.members for record in runs.values()),
        "commits": ", ".join(
            sorted({str(p.provenance["commit"]) for r in runs.values() for p in r.parts})
        ),
        "diverged": {name: len(record.diverged) for name, record in runs.items()},
        "seconds": seconds(runs),
        "licence": LICENCE,
        "claims": [{"id": j.claim.id, "verdict": j.verdict} for j in judgements],
        "records": {
            name: {
                "digest": record.digest,
                "configuration": record.configuration,
                "provenance": record.provenance,
            }
            for name, record in runs.items()
        },
    }


def bibtex(figure: Figure) -> str:
    """Return a BibTeX entry for one figure."""
    return (
        f"@misc{{bioprop-{figure.id},\n"
        "  author = {{The bioprop contributors}},\n"
        f"  title = {{{{{_tex(figure.title)}}}}},\n"
        f"  howpublished = {{Figure \\texttt{{{figure.id}}} of \\emph{{{BOOK}}}}},\n"
        f"  note = {{bioprop version {bioprop.__version__}, CC BY 4.0}},\n"
        f"{_address(figure)}  year = {{2026}}\n}}\n"
    )


def _address(figure: Figure) -> str:
    """Return the field with a figure's address, where the book has one."""
    address = home().page(f"figures/{figure.id}.svg")
    return f"  url = {{{address}}},\n" if address else ""


def _tex(text: str) -> str:
    for character in "\\{}&%$#_":
        text = text.replace(character, "\\" + character)
    return text


def _svg(figure: Figure, source: str) -> dict[str, Any]:
    words = {"Title": figure.title, "Identifier": figure.id, "Source": source, "Rights": LICENCE}
    return words | {"Description": figure.alt, "Date": None, "Creator": "The bioprop contributors"}


def _pdf(figure: Figure, source: str) -> dict[str, Any]:
    words = {"Title": figure.title, "Author": "The bioprop contributors", "Subject": figure.alt}
    return words | {"Keywords": f"{figure.id}; {source}; {LICENCE}", "CreationDate": None}


def _png(figure: Figure, source: str) -> dict[str, Any]:
    words = {"Title": figure.title, "Identifier": figure.id, "Source": source}
    return words | {"Copyright": LICENCE, "Description": figure.alt, "Software": None}
