"""A published figure is the same for everybody and says in each of its files what it is."""

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn
from bs4 import BeautifulSoup
from matplotlib.backend_bases import RendererBase
from pictures import overlapping, unseen
from PIL import Image
from pybtex.database import parse_file
from site_fixture import Built

import bioprop
from bioprop import studies
from bioprop.book import claims, figures, forest, index
from bioprop.book.records import RECORDED, Record
from bioprop.studies import Figure, Study, drawing

pytest_plugins = ["site_fixture"]

SHOWN = [
    (study, figure)
    for study in studies.STUDIES.values()
    for figure in study.figures
    if claims.best_tier(study, RECORDED)
]
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
each_figure = pytest.mark.parametrize("study, figure", SHOWN, ids=[f.id for _, f in SHOWN])


@pytest.fixture
def folder(built: Built) -> Path:
    """The files of all figures, as the book publishes them."""
    return built.html / "figures"


def test_a_figure_is_laid_out_for_good_and_rounded() -> None:
    study = studies.get("spiking")
    picture, _ = figures.draw(study.figure("spiking-raster"), RECORDED.runs(study, "paper"))
    before = [axes.get_position().bounds for axes in picture.axes]
    picture.savefig(io.BytesIO(), format="svg")
    assert [axes.get_position().bounds for axes in picture.axes] == before
    assert np.array(before) == pytest.approx(np.round(before, 6), abs=1e-12)
    plt.close(picture)


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("linear-task", "linear-nse"),
        ("depth", "depth-nse"),
        ("mnist", "mnist-error"),
        ("mnist-readings", "mnist-replication"),
    ],
)
def test_reported_points_stay_at_their_own_examples_where_a_run_is_shorter(
    name: str, figure: str
) -> None:
    study = studies.get(name)
    whole = RECORDED.runs(study, "paper")
    short = {variant: shortened(run) for variant, run in whole.items()}
    points = [
        reported_points(figures.draw(study.figure(figure), runs)[0]) for runs in (whole, short)
    ]
    assert points[0] == points[1] and points[0]


def shortened(run: Record) -> Record:
    """Return the first half of a run, as if no more of it had been asked for."""
    half = (len(run.marks) + 1) // 2
    values = {name: rows[:half] for name, rows in run.values.items()}
    asked = run.configuration | {"examples": run.marks[half - 1]}
    changes = {"marks": run.marks[:half], "values": values, "configuration": asked}
    return Record(**run.model_dump() | changes)


def reported_points(picture: matplotlib.figure.Figure) -> list[list[tuple[float, float]]]:
    """Return the points of a figure that are drawn hollow, as the paper's are; and close it."""
    plt.close(picture)
    lines = [line for axes in picture.axes for line in axes.lines]
    hollow = [line for line in lines if line.get_markerfacecolor() == "white"]
    return [list(map(tuple, line.get_xydata())) for line in hollow]


def test_a_figure_is_drawn_once_for_each_picture_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studies.get("spiking")
    drawn: list[matplotlib.figure.Figure] = []
    draw = matplotlib.figure.Figure.draw

    def count(picture: matplotlib.figure.Figure, renderer: RendererBase) -> None:
        drawn.append(picture)
        draw(picture, renderer)

    monkeypatch.setattr(matplotlib.figure.Figure, "draw", count)
    figure = study.figure("spiking-raster")
    figures.publish(study, figure, RECORDED.runs(study, "paper"), [], tmp_path)
    pictures = [path.name for path in tmp_path.iterdir() if path.suffix in (".svg", ".pdf", ".png")]
    assert len(drawn) == len(pictures) == 6


def test_publishing_does_not_change_how_others_draw(tmp_path: Path) -> None:
    study = studies.get("toy-network")
    before, opened = dict(plt.rcParams), plt.get_fignums()  # other tests may have left some open
    figures.publish(study, study.figures[0], RECORDED.runs(study, "paper"), [], tmp_path)
    assert dict(plt.rcParams) == before
    assert plt.get_fignums() == opened


@pytest.mark.parametrize(
    ("rows", "columns", "options", "expected"),
    [
        (1, 1, {}, ""),
        (1, 3, {}, "stacked"),
        (1, 2, {"across": 2}, ""),
        (2, 2, {}, ""),
        (2, 3, {}, "turned"),
        (3, 2, {}, ""),
    ],
)
def test_it_is_known_how_panels_move_for_a_column(
    rows: int, columns: int, options: dict[str, int], expected: str
) -> None:
    for form, moved in (("wide", ""), ("column", expected)):
        with drawing.style(form):
            picture, _ = drawing.panels(rows, columns, **options)
        assert drawing.moved(picture) == moved
        plt.close(picture)


def test_a_narrow_screen_is_told_where_the_panels_of_a_caption_stand(built: Built) -> None:
    known = {figure["id"]: figure for figure in built.index["figures"]}
    says: dict[str, str] = {}
    for page in built.pages.values():
        for figure in BeautifulSoup(page.read_text(), "html.parser").select("figure.result-figure"):
            if note := figure.select_one("figcaption .narrow"):
                says[str(figure["id"])] = note.get_text()
    assert "what the text calls left stands above" in says["mnist-error"]
    assert "what the text calls above stands left" in says["plastic-errors"]
    assert "toy-flow" not in says, "its caption names no panel by its place"
    assert all(known[id]["moved"] for id in says)


# What each file says of itself


def words_of_svg(path: Path) -> str:
    root = ElementTree.parse(path).getroot()
    spaces = {"svg": "http://www.w3.org/2000/svg"}
    metadata = root.find("svg:metadata", spaces)
    assert metadata is not None
    return "\n".join(metadata.itertext())


def words_of_pdf(path: Path) -> str:
    """Return the texts of the information dictionary; matplotlib writes it uncompressed."""
    pattern = rb"/(?:Title|Subject|Keywords) \(((?:\\.|[^\\)])*)\)"
    found = re.findall(pattern, path.read_bytes(), re.DOTALL)
    plain = (re.sub(rb"\\(.)", rb"\1", words, flags=re.DOTALL) for words in found)
    return "\n".join(w.decode("utf-16" if w.startswith(b"\xfe\xff") else "ascii") for w in plain)


def words_of_png(path: Path) -> str:
    with Image.open(path) as image:
        return "\n".join(image.text.values())


def words_of_csv(path: Path) -> str:
    return "".join(line for line in path.read_text("utf-8").splitlines(True) if line[0] == "#")


READERS: dict[str, Callable[[Path], str]] = {
    "svg": words_of_svg,
    "pdf": words_of_pdf,
    "png": words_of_png,
    "csv": words_of_csv,
}


@pytest.mark.parametrize("kind", READERS)
@each_figure
def test_a_file_says_which_figure_it_is_where_it_is_from_and_what_is_allowed(
    study: Study, figure: Figure, kind: str, folder: Path
) -> None:
    words = READERS[kind](folder / f"{figure.id}.{kind}")
    version = bioprop.__version__
    source = f"Learning without weight transport, bioprop {version}, figure {figure.id}"
    for promised in (figure.id, figure.title, source, LICENCE):
        assert promised in words
    if kind != "csv":
        assert figure.alt in words


@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
@each_figure
def test_a_picture_carries_no_date_of_its_making(
    study: Study, figure: Figure, kind: str, folder: Path
) -> None:
    content = (folder / f"{figure.id}.{kind}").read_bytes()
    assert not re.search(rb"CreationDate|ModDate|<dc:date>|tIME", content)


@each_figure
def test_the_drawn_data_are_a_table_that_machines_read(
    study: Study, figure: Figure, folder: Path
) -> None:
    text = (folder / f"{figure.id}.csv").read_text("utf-8")
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert len(table) > 1 and len(table.columns) > 1
    recorded = RECORDED.runs(study, claims.best_tier(study, RECORDED) or "")
    _, drawn = figures.draw(figure, claims.shown(figure, recorded))
    plt.close("all")
    assert list(table.columns) == list(drawn.columns) and len(table) == len(drawn)
    widths = {len(row) for row in csv.reader(text.splitlines()) if not row[0].startswith("#")}
    assert widths == {len(table.columns)}


@each_figure
def test_the_provenance_names_every_record_by_its_digest_and_every_claim_by_its_verdict(
    study: Study, figure: Figure, folder: Path
) -> None:
    entry = json.loads((folder / f"{figure.id}.json").read_text("utf-8"))
    tier = entry["tier"]
    behind = claims.shown(figure, RECORDED.runs(study, tier))
    for variant, kept in behind.items():
        shown = entry["records"][variant]
        for key in ("digest", "configuration", "provenance"):
            assert shown[key] == getattr(kept, key)
        assert entry["diverged"][variant] == len(kept.diverged)
    assert list(entry["records"]) == list(behind)
    assert list(behind)[: len(study.variants)] == list(study.variants)
    judged = claims.judge_all(study, RECORDED.runs(study, tier), tier)
    mine = [{"id": j.claim.id, "verdict": j.verdict} for j in judged if j.claim.figure == figure.id]
    assert entry["claims"] == mine
    assert (entry["id"], entry["alt"], entry["licence"]) == (figure.id, figure.alt, LICENCE)


def test_every_figure_can_be_cited_alone_and_with_all_others(folder: Path) -> None:
    together = parse_file(folder / "all.bib").entries
    forests = [key for key in together if key.startswith("bioprop-forest-")]
    assert list(together) == [*(f"bioprop-{figure.id}" for _, figure in SHOWN), *forests]
    for _, figure in SHOWN:
        [(key, entry)] = parse_file(folder / f"{figure.id}.bib").entries.items()
        assert key == f"bioprop-{figure.id}" and entry == together[key]
        assert f"\\texttt{{{figure.id}}}" in entry.fields["howpublished"]
        assert entry.fields["title"] == f"{{{figure.title}}}"
        made = json.loads((folder / f"{figure.id}.json").read_text())["commits"]
        assert made and f", records of {made}, " in entry.fields["note"]


def test_a_title_with_the_signs_of_tex_can_be_cited(tmp_path: Path) -> None:
    path = tmp_path / "f.bib"
    path.write_text(figures.bibtex(declare(title="50 % of W_0 & {B} cost $5, #1"), {}), "utf-8")
    [entry] = parse_file(path).entries.values()
    assert entry.fields["title"] == r"{50 \% of W\_0 \& \{B\} cost \$5, \#1}"


def test_figures_have_ids_of_their_own_that_fit_into_an_address() -> None:
    ids = [figure.id for study in studies.STUDIES.values() for figure in study.figures]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", id) for id in ids)


@pytest.mark.parametrize(
    "name, words",
    [
        ("linear-task", "20 seeds, 80 networks in all, tier paper, "),
        ("mnist-readings", "2 or 3 seeds, 124 networks in all, tier paper, "),
        ("receptive-fields", "one seed, 72 hidden units in all, tier paper, "),
    ],
)
def test_how_a_figure_was_made_counts_what_the_members_of_its_study_are(
    name: str, words: str
) -> None:
    study = studies.get(name)
    _, runs, _ = claims.recorded(study)
    entry = index._figure(study, study.figures[0], runs, "paper", None)
    assert entry.made.startswith(words) and "on one thread, commit " in entry.made


def test_how_a_figure_was_made_names_the_graphics_card() -> None:
    study = studies.get("mnist-depth")
    _, runs, _ = claims.recorded(study)
    entry = index._figure(study, study.figures[0], runs, "paper", None)
    assert " on one thread and NVIDIA H200, commit " in entry.made


# Declaring


def declare(alt: str = "A line that falls from the left to the right.", title: str = "T") -> Figure:
    def draw(runs: studies.study.Runs) -> tuple[matplotlib.figure.Figure, pd.DataFrame]:
        raise AssertionError("is never drawn")

    return Figure(id="f", title=title, alt=alt, caption="", place="", draw=draw)


@pytest.mark.parametrize("alt", ["", "   ", "figure", "Error against examples for all four rules"])
def test_a_figure_without_alt_text_worth_the_name_is_refused(alt: str) -> None:
    with pytest.raises(ValueError, match="figure 'f' has no alt text worth the name"):
        declare(alt)


def test_a_figure_with_alt_text_is_accepted() -> None:
    assert declare().alt.startswith("A line")


def test_the_colours_are_seaborns() -> None:
    assert drawing.COLOURS == tuple(seaborn.color_palette("colorblind").as_hex())
    assert drawing.shades(5)[:, :3].tolist() == pytest.approx(
        np.array(seaborn.color_palette("viridis", 5))
    )


# Fit for a paper

WIDTHS = {"": 17.5, "-column": 8.5}
each_width = pytest.mark.parametrize("ending", WIDTHS, ids=["wide", "column"])


@each_width
@each_figure
def test_a_figure_is_as_wide_as_a_journal_sets_it_and_its_type_can_be_read(
    study: Study, figure: Figure, ending: str, folder: Path
) -> None:
    root = ElementTree.parse(folder / f"{figure.id}{ending}.svg").getroot()
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(
        72 * WIDTHS[ending] / 2.54, abs=0.01
    )
    sizes = [size for text in root.iter(f"{{{SVG}}}text") for size in sizes_of(text)]
    assert min(sizes) >= 6.5
    assert max(sizes) <= 12


SVG = "http://www.w3.org/2000/svg"


def sizes_of(text: ElementTree.Element) -> list[float]:
    """Return the sizes of a text's letters in points; of a formula the largest, without indices."""
    styles = [element.get("style", "") for element in text.iter()]
    found = [
        float(size)
        for style in styles
        for size in re.findall(r"font(?:-size)?:[^;]*?([\d.]+)px", style)
    ]
    return [max(found)] if found else []


def test_what_is_measured_is_the_type_of_a_text() -> None:
    text = "<text><tspan style='font-size: 7px; a'/><tspan style='font: italic 4.9px b'/></text>"
    assert sizes_of(ElementTree.fromstring(text)) == [7.0]


@each_width
def test_a_pdf_holds_no_type_3_fonts(ending: str, folder: Path) -> None:
    pdffonts = shutil.which("pdffonts")
    if pdffonts is None:
        pytest.skip("needs pdffonts, of poppler-utils")
    for _, figure in SHOWN:
        command = [pdffonts, str(folder / f"{figure.id}{ending}.pdf")]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
        assert "Type 3" not in said and "TrueType" in said, figure.id


@each_width
def test_a_png_has_300_dots_for_each_inch(ending: str, folder: Path) -> None:
    with Image.open(folder / f"linear-nse{ending}.png") as image:
        assert image.width == pytest.approx(300 * WIDTHS[ending] / 2.54, abs=1)


@each_width
@each_figure
def test_what_is_written_stays_in_the_picture_and_clear_of_other_words_wherever_it_is_drawn(
    study: Study, figure: Figure, ending: str, folder: Path, tmp_path: Path
) -> None:
    runs = claims.shown(figure, RECORDED.runs(study, claims.best_tier(study, RECORDED) or ""))
    form = "column" if ending else "wide"
    with drawing.style(form):
        picture, data = figures.draw(figure, runs, form)
        for kind in figures.PICTURES:
            figures.save(picture, figure, tmp_path / f"{figure.id}{ending}.{kind}")
        room = picture.bbox.padded(0.01 * picture.dpi)
        boxes = [box for axes in picture.axes if (box := axes.get_tightbbox()) is not None]
        left = [box for box in boxes if not (room.contains(*box.min) and room.contains(*box.max))]
        found = overlapping(picture), unseen(picture)
    plt.close(picture)
    assert (left, *found) == ([], [], [])
    figures.table(tmp_path / f"{figure.id}.csv", figure, data, "%.9g")
    for file in tmp_path.iterdir():
        assert file.read_bytes() == (folder / file.name).read_bytes()  # of the built book


EVERY_FIGURE = [
    pytest.param(study, figure, id=figure.id)
    for study in studies.STUDIES.values()
    for figure in study.figures
]


@pytest.mark.parametrize("study, figure", EVERY_FIGURE)
def test_a_caption_says_what_to_see_and_types_nothing_that_came_out(
    study: Study, figure: Figure
) -> None:
    assert figure.look.startswith("To see") and figure.look.endswith(".")
    named = re.findall(r"\{recorded\}`([^`]*)`", figure.look)
    mine = [claim.id for claim in study.claims if claim.figure == figure.id]
    assert set(named) <= set(mine)
    typed = re.sub(r"\{recorded\}`[^`]*`|\b90\b|ResNet-18", "", figure.look)
    assert not re.search(r"\d|\b(every|never|always)\b", typed, re.IGNORECASE)


FORESTS = ("forest-lillicrap2014", "forest-bartunov2018")


@each_width
@pytest.mark.parametrize("id", FORESTS)
def test_a_forest_fits_a_paper_as_other_figures_do(id: str, ending: str, folder: Path) -> None:
    root = ElementTree.parse(folder / f"{id}{ending}.svg").getroot()
    width = float(root.attrib["width"].removesuffix("pt"))
    assert width == pytest.approx(72 * WIDTHS[ending] / 2.54, abs=0.01)
    sizes = [size for text in root.iter(f"{{{SVG}}}text") for size in sizes_of(text)]
    assert 6.5 <= min(sizes) and max(sizes) <= 12
    drawn = pd.read_csv(folder / f"{id}.csv", comment="#")
    each = pd.read_csv(folder / f"{id}-networks.csv", comment="#")
    assert set(each["claim"]) == set(drawn.dropna(subset="low")["claim"])
    assert all((folder / Path(name).name).is_file() for name in figures.files(id).values())


def test_a_forest_counts_and_names_what_cannot_be_judged_of_a_papers_numbers() -> None:
    study = studies.get("depth")
    known = [index.entry(study, judged) for judged in claims.recorded(study)[2]]
    judged = [row.entry for row in forest.rows(known, study.paper)]
    lost = {"interval": None, "recorded": None, "verdict": "cannot be judged"}
    spoilt = [judged[0].model_copy(update=lost), *judged[1:]]
    figure = forest.figure(spoilt, study.paper)
    picture, drawn = figure.draw({})
    said = "1 more cannot be judged"
    assert said in [text.get_text() for text in picture.axes[0].texts]
    assert figure.alt.endswith(f" {said}.")
    plt.close(picture)
    assert set(drawn["claim"]) == {entry.id for entry in judged}
    assert list(drawn[drawn["low"].isna()]["claim"]) == [judged[0].id]
    below = forest.last(spoilt, study.paper, "../")
    assert f'1 more cannot be judged: <a href="../{judged[0].page}">' in below
    assert not forest.unjudged(known, study.paper) and not forest.last(judged, study.paper, "")


@each_figure
def test_a_row_for_each_network_stands_beside_the_summary(
    study: Study, figure: Figure, folder: Path
) -> None:
    text = (folder / f"{figure.id}-networks.csv").read_text("utf-8")
    table = pd.read_csv(io.StringIO(text), comment="#", low_memory=False)
    runs = claims.shown(figure, RECORDED.runs(study, claims.best_tier(study, RECORDED) or ""))
    for name, run in runs.items():
        rows = table[table["run"] == name].groupby("quantity").size()
        assert len(rows) and set(rows) == {run.members}
    drawn = pd.read_csv(folder / f"{figure.id}.csv", comment="#")
    if "quantity" in drawn:  # one without a name would leave its networks' rows out
        assert drawn["quantity"].notna().all()


@pytest.mark.parametrize(
    "drawn, rows",
    [
        ({"angle"}, {"angle"}),
        ({"log_nse", "log_nse, paper"}, {"log_nse"}),
        ({"angle at the end"}, {"angle"}),
        (set(), {"angle", "folded", "helpful", "log_nse"}),
    ],
)
def test_the_rows_of_networks_are_those_of_what_is_drawn(drawn: set[str], rows: set[str]) -> None:
    study = studies.get("linear-task")
    runs = {"fa": RECORDED.load("linear-task", "paper", "fa")}
    table = figures.networks(study.figure("linear-nse"), runs, drawn)
    assert set(table["quantity"]) == rows


@pytest.mark.parametrize("drawn", ["", "nse", "paper, log_nse", float("nan")])
def test_a_quantity_that_is_drawn_and_in_no_run_is_refused(drawn: str) -> None:
    study = studies.get("linear-task")
    runs = {"fa": RECORDED.load("linear-task", "paper", "fa")}
    fault = re.escape(f"figure 'linear-nse' draws the quantity {drawn!r}, which none of its runs")
    with pytest.raises(ValueError, match=f"{fault} has.*: angle, folded, helpful, log_nse$"):
        figures.networks(study.figure("linear-nse"), runs, {"log_nse", drawn})


def test_what_each_layer_has_its_own_of_is_drawn_of_all_layers() -> None:
    study = studies.get("deep-linear")
    runs = {"fa-3": RECORDED.load("deep-linear", "paper", "fa-3")}
    table = figures.networks(study.figure("deep-linear-angles"), runs, {"angle at the end"})
    assert set(table["quantity"]) == {"angle_1", "angle_2", "angle_3"}


def test_the_means_of_a_figure_are_those_of_its_networks(folder: Path) -> None:
    tables = [
        pd.read_csv(folder / f"linear-nse{ending}.csv", comment="#") for ending in ("", "-networks")
    ]
    summary = tables[0].query("rule == 'fa' and quantity == 'log_nse' and examples == 1300")
    assert tables[1].query("run == 'fa'")["1300"].mean() == pytest.approx(summary["mean"].item())


def test_the_marks_of_a_papers_points_differ_within_a_figure() -> None:
    for rules in (("bp", "fa", "np", "shallow"), ("bp-3", "bp-4", "fa-3", "fa-4", "shallow")):
        assert len({drawing.MARKS[rule] for rule in rules}) == len(rules)


@pytest.mark.parametrize(
    ("tried", "named", "left_out"),
    [
        ((2e-4, 3e-4, 4e-4), ["0.0002", "0.0003", "0.0004"], 0),
        ((0.8, 0.9, 0.99), ["0.8", "0.9", "0.99"], 0),
        ((3e-5, 6e-5, 6.25e-5, 1.2e-4), ["3e-05", "6e-05", "0.00012"], 1),
        ([1e-4 * 1.5**k for k in range(11)], ["0.0001", "0.000225", "0.00050625"], 5),
    ],
)
def test_of_much_that_was_tried_some_has_a_label(
    tried: list[float], named: list[str], left_out: int
) -> None:
    figure, axes = plt.subplots()
    drawing.log_x(axes, tried, labels=True)
    assert axes.get_xticks() == pytest.approx(tried)
    labels = [label.get_text() for label in axes.get_xticklabels() if label.get_text()]
    assert labels[:3] == named and len(labels) == len(tried) - left_out
    plt.close(figure)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (61, 92, [70, 80, 90]),
        (1, 12, [2, 3, 5, 10]),
        (11, 55, [15, 20, 30, 50]),
        (0.01, 12, [0.01, 0.1, 1, 10]),
        (58.2, 61.6, [59, 60, 61]),
    ],
)
def test_an_axis_of_per_cent_has_some_ticks(low: float, high: float, ticks: list[float]) -> None:
    found = drawing.PercentLocator().tick_values(low, high)
    assert found == ticks


def test_a_large_png_is_kept_in_few_colours_and_says_the_same_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saved(name: str) -> Any:
        picture, axes = plt.subplots()
        axes.imshow(np.random.default_rng(0).random((40, 40, 3)))
        figures.save(picture, studies.get("linear-task").figures[0], tmp_path / name)
        plt.close(picture)
        with Image.open(tmp_path / name) as image:
            image.load()
        return image

    many = saved("many.png")
    monkeypatch.setattr(figures, "LARGE", 0)
    few = saved("few.png")
    assert few.text == many.text and few.info["dpi"] == many.info["dpi"] and few.size == many.size
    assert few.getcolors(256) and not many.getcolors(256)
