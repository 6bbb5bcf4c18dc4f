"""What chapters draw from their live runs: each legend has its points, and no curve is cut away."""

import re

import matplotlib.pyplot as plt
import nbformat
import pytest
from pictures import unseen
from site_fixture import Built

from bioprop import studies
from bioprop.book import chapters, figures
from bioprop.book.records import Store
from bioprop.studies import Figure, Study, drawing

pytest_plugins = ["site_fixture"]

CELLS = [
    cell.source
    for path in chapters.chapters().values()
    for cell in nbformat.read(path, as_version=4).cells
    if cell.cell_type == "code"
]
SHOWN = {id for cell in CELLS for id in re.findall(r"\.show\(\"([\w-]+)\"", cell)}
LIVE = [
    pytest.param(study, figure, id=figure.id)
    for study in studies.STUDIES.values()
    for figure in study.figures
    if figure.id in SHOWN
]


def test_every_chapter_with_a_live_run_shows_a_figure_of_it() -> None:
    assert {param.id for param in LIVE} == SHOWN
    assert len(SHOWN) > 30


@pytest.mark.parametrize("study, figure", LIVE)
def test_a_live_figure_shows_what_its_legend_names_and_all_of_its_curves(
    study: Study, figure: Figure, built: Built
) -> None:
    runs = Store(built.root / "_build" / "live").runs(study, "smoke")
    with drawing.style():
        picture, _ = figures.draw(figure, runs)
        found = unseen(picture)
    plt.close(picture)
    assert found == []
