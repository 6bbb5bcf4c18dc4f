"""Figures that can be cited: a stable id, files in five formats, and where they come from."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Picture
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import bioprop
from bioprop.book.claims import Judgement
from bioprop.book.home import home
from bioprop.book.records import Record, RecordError, seconds
from bioprop.studies import Figure, Study, drawing
from bioprop.studies.drawing import style
from bioprop.studies.fitting import fit
from bioprop.studies.study import NoQuantity

BOOK = "Learning without weight transport"
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
PICTURES = ("svg", "pdf", "png")
LARGE = 900_000  # bytes: a PNG of more, many rows of words, is kept in 256 colours
FORMATS = ("svg", "pdf", "png", "csv", "json", "bib")
FORMS = {"wide": "", "column": "-column"}  # widths that a figure is made at; end of a file's name


def files(id: str) -> dict[str, str]:
    """Return the files of a figure by what they are, named relative to the site's root.

    ``svg`` is as wide as two columns of a journal, ``column-svg`` as one; ``networks`` has a row
    for each network behind the figure.
    """
    found = {kind: f"figures/{id}.{kind}" for kind in FORMATS}
    found |= {f"column-{kind}": f"figures/{id}-column.{kind}" for kind in PICTURES}
    return found | {"networks": f"figures/{id}-networks.csv"}


class Drawn(NamedTuple):
    """What became of a figure: the data drawn, and how its panels moved for a column's width."""

    data: pd.DataFrame
    moved: drawing.Moved


def draw(
    figure: Figure, runs: Mapping[str, Record], form: str = "wide"
) -> tuple[Picture, pd.DataFrame]:
    """Draw a figure from runs in the project's style; return it with the data drawn.

    ``form`` is one of ``drawing.WIDTHS``. Raises ``RecordError`` where the runs lack what it shows.
    """
    with style(form):
        with matplotlib.rc_context({"figure.constrained_layout.use": True}):
            try:
                picture, data = figure.draw(runs)
            except NoQuantity as error:
                raise RecordError(
                    f"figure {figure.id!r} cannot be drawn: {error}. Make its records anew"
                ) from error
        fit(picture)
    return picture, data


def publish(
    study: Study,
    figure: Figure,
    runs: Mapping[str, Record],
    judgements: Sequence[Judgement],
    folder: Path,
) -> Drawn:
    """Write the :func:`files` of a figure into a folder; return what was drawn.

    Every file says which figure it is, where it comes from and under which licence. The same runs
    give the same bytes.
    """
    entry = describe(study, figure, runs, judgements)
    drawn = write(figure, runs, folder, entry)
    rows = networks(figure, runs, set(drawn.data.get("quantity", ())))
    table(folder / f"{figure.id}-networks.csv", figure, rows, "%.6g")
    return drawn


def write(
    figure: Figure, runs: Mapping[str, Record], folder: Path, entry: Mapping[str, Any]
) -> Drawn:
    """Write the files of a figure but that of its networks, and return what was drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    for form, ending in FORMS.items():
        with style(form):
            picture, data = draw(figure, runs, form)
            for kind in PICTURES:
                save(picture, figure, folder / f"{figure.id}{ending}.{kind}")
            plt.close(picture)
    table(folder / f"{figure.id}.csv", figure, data, "%.9g")
    text = json.dumps(entry, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{figure.id}.json").write_text(text, encoding="utf-8")
    (folder / f"{figure.id}.bib").write_text(bibtex(figure, runs), encoding="utf-8")
    return Drawn(data, drawing.moved(picture))  # the last is the one for a column


def save(picture: Picture, figure: Figure, file: Path) -> None:
    """Write what was drawn of a figure, in the style it was drawn in, as the file's name ends."""
    metadata = {"svg": _svg, "pdf": _pdf, "png": _png}[file.suffix.removeprefix(".")]
    picture.savefig(file, metadata=metadata(figure, _source(figure)))
    if file.suffix == ".png" and file.stat().st_size > LARGE:
        _in_few_colours(file)


def _in_few_colours(file: Path) -> None:
    """Write a PNG again in 256 colours, with all that it says of itself."""
    with Image.open(file) as image:
        words = PngInfo()
        for name, said in image.text.items():  # type: ignore[attr-defined]
            words.add_itxt(name, said)
        few = image.convert("RGB").quantize(256)
        few.save(file, optimize=True, dpi=image.info["dpi"], pnginfo=words)


def table(file: Path, figure: Figure, rows: pd.DataFrame, digits: str) -> None:
    """Write rows as a table that says which figure they are of."""
    head = f"# figure {figure.id}: {figure.title}\n# source: {_source(figure)}\n"
    text = rows.to_csv(index=False, float_format=digits, lineterminator="\n")
    file.write_text(f"{head}# licence: {LICENCE}\n{text}", encoding="utf-8")


def _source(figure: Figure) -> str:
    return f"{BOOK}, bioprop {bioprop.__version__}, figure {figure.id}"


def networks(figure: Figure, runs: Mapping[str, Record], drawn: set[str]) -> pd.DataFrame:
    """Return what every network did: a row for each and for each quantity, a column for each mark.

    Of the quantities those are left out that are not ``drawn``, where any of them is. One that is
    drawn and in no run raises ``ValueError``: its rows would be lost.
    """
    known = {quantity for run in runs.values() for quantity in run.values}
    wanted = {name for each in drawn for name in _named(figure, each, known)}
    frames = []
    for name, run in runs.items():
        labels = pd.DataFrame(run.labels)
        chosen = wanted & set(run.values) or set(run.values)
        for quantity in sorted(chosen):
            values = pd.DataFrame(np.array(run.values[quantity], dtype=float).T, columns=run.marks)
            frames.append(pd.concat([labels, values], axis=1).assign(run=name, quantity=quantity))
    table = pd.concat(frames)
    first = ["run", "quantity", *dict.fromkeys(key for run in runs.values() for key in run.labels)]
    return table[[*first, *sorted(set(table.columns) - set(first))]]


def _named(figure: Figure, drawn: str, known: set[str]) -> set[str]:
    """Return which quantities of the runs a drawn one is.

    Words may follow its name: ``error at the end``, ``error, paper``. Where every layer has its
    own, as ``angle-1`` or ``angle conv1``, ``angle`` is all of them.
    """
    name = re.split(", | at ", str(drawn))[0]
    layers = {each for each in known if name and re.match(rf"{re.escape(name)}[-_ ]", each)}
    found = {name} & known or layers
    if not found:
        raise ValueError(
            f"figure {figure.id!r} draws the quantity {drawn!r}, which none of its runs has. Begin "
            f"its name with that of one they have, as in 'error at the end': "
            f"{', '.join(sorted(known))}"
        )
    return found


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
        "commits": _commits(runs),
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


def _commits(runs: Mapping[str, Record]) -> str:
    """Name the commits that made some records."""
    return ", ".join(sorted({str(p.provenance["commit"]) for r in runs.values() for p in r.parts}))


def bibtex(figure: Figure, runs: Mapping[str, Record]) -> str:
    """Return a BibTeX entry for one figure, with the commits that made its records, if any."""
    made = f", records of {_commits(runs)}" if runs else ""
    return (
        f"@misc{{bioprop-{figure.id},\n"
        "  author = {{The bioprop contributors}},\n"
        f"  title = {{{{{_tex(figure.title)}}}}},\n"
        f"  howpublished = {{Figure \\texttt{{{figure.id}}} of \\emph{{{BOOK}}}}},\n"
        f"  note = {{bioprop version {bioprop.__version__}{made}, CC BY 4.0}},\n"
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
