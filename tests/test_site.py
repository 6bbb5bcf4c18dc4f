"""The built site: whole, self-contained, repeatable, and kept when a build fails."""

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from site_fixture import Built, bioprop, build, copy_book, copy_small_book, write_chapter

from bioprop import paths, studies
from bioprop.book import changes, chapters, claim_pages, explain, index, pending, site
from bioprop.book.chapters import homes
from bioprop.book.claims import word

pytest_plugins = ["site_fixture"]

VERDICTS = {"reproduced", "partly", "not reproduced", "not attempted", "cannot be judged"}
EXTERNAL = re.compile(r"(?:[a-z][a-z+.-]*:)?//", re.IGNORECASE)  # https://, and // as well
LOADED = "script[src], img[src], iframe[src], source[src], embed[src], audio[src], video[src]"


class Soup:
    """All pages of a site, parsed once."""

    def __init__(self, built: Built):
        self.built = built

    @cached_property
    def pages(self) -> dict[str, BeautifulSoup]:
        """Each page by its address in the site."""
        texts = {name: path.read_text("utf-8") for name, path in self.built.pages.items()}
        return {name: BeautifulSoup(text, "html.parser") for name, text in texts.items()}

    def tags(self, selector: str) -> Iterator[tuple[str, Tag]]:
        """Every tag that a selector finds, with the address of its page."""
        for name, page in self.pages.items():
            for tag in page.select(selector):
                yield name, tag

    @cached_property
    def anchors(self) -> dict[str, set[str]]:
        """The names on each page that a link can lead to."""
        return {
            name: {tag["id"] for tag in page.find_all(id=True)} for name, page in self.pages.items()
        }


@pytest.fixture(scope="module")
def soup(built: Built) -> Soup:
    """The book, parsed."""
    return Soup(built)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, with what is in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def leads_to(page: str, link: str, folder: Path) -> tuple[str, str]:
    """The file in the site, and the anchor in it, that a link on a page leads to."""
    parts = urlsplit(link)
    target = (folder / page).parent / unquote(parts.path) if parts.path else folder / page
    return str(target.resolve().relative_to(folder)), unquote(parts.fragment)


# The whole


def test_the_pages_are_those_of_the_contents_and_the_search(built: Built) -> None:
    toc = (built.root / "_toc.yml").read_text()
    listed = re.findall(r"(?:root|file): (\S+)", toc)
    claims = {claim["page"].partition("#")[0] for claim in built.index["claims"]}
    assert set(built.pages) == {f"{name}.html" for name in [*listed, "search"]} | claims


def test_every_link_inside_the_site_leads_somewhere(soup: Soup) -> None:
    folder = soup.built.html.resolve()
    lost, followed = [], 0
    for attribute in ("href", "src"):
        for page, tag in soup.tags(f"[{attribute}]"):
            link = tag[attribute]
            if EXTERNAL.match(link) or link.startswith(("mailto:", "data:")) or link == "#":
                continue
            target, anchor = leads_to(page, link, folder)
            missing = not (folder / target).is_file()
            if missing or (anchor and anchor not in soup.anchors[target]):
                lost.append(f"{page}: {link}")
            followed += 1
    assert not lost
    assert followed > 100


def test_links_to_other_hosts_are_safe_and_few(soup: Soup) -> None:
    outward = {tag["href"] for _, tag in soup.tags("a[href]") if EXTERNAL.match(tag["href"])}
    assert all(link.startswith("https://") for link in outward), outward


def test_nothing_is_loaded_from_another_host(soup: Soup) -> None:
    loaded = [(page, tag["src"]) for page, tag in soup.tags(LOADED)]
    loaded += [
        (page, tag["href"])
        for page, tag in soup.tags("link[href]")
        if set(tag.get("rel", [])) & {"stylesheet", "icon", "preload", "preconnect", "prefetch"}
    ]
    assert len(loaded) > 50
    assert not [(page, link) for page, link in loaded if EXTERNAL.match(link)]


def test_no_style_sheet_loads_from_another_host(soup: Soup) -> None:
    sheets = {str(path): path.read_text("utf-8") for path in soup.built.html.rglob("*.css")}
    for number, (page, tag) in enumerate(soup.tags("style")):
        sheets[f"{page}, style {number}"] = tag.get_text()
    for number, (page, tag) in enumerate(soup.tags("[style]")):
        sheets[f"{page}, attribute {number}"] = tag["style"]
    assert len(sheets) > 10
    asked = re.compile(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", re.IGNORECASE)
    assert not {name: asked.findall(text) for name, text in sheets.items() if asked.search(text)}


def test_every_image_is_described_in_words(soup: Soup) -> None:
    images = list(soup.tags("img"))
    assert len(images) > 10
    for page, image in images:
        words = image.get("alt", "").split()
        name = Path(urlsplit(image["src"]).path).name
        assert len(words) >= 3 and name not in words, f"{page}: {image['src']} has alt {words}"


def test_pages_and_images_are_small(built: Built) -> None:
    pages = {name: path.stat().st_size for name, path in built.pages.items()}
    pictures = [p for p in built.html.rglob("*") if p.suffix in (".png", ".svg", ".jpg", ".gif")]
    images = {str(path.relative_to(built.html)): path.stat().st_size for path in pictures}
    assert len(images) > 10
    assert not {name: size for name, size in pages.items() if size > 300_000}
    for_print = {name for name in images if name.startswith("figures/") and ".png" in name}
    assert not {name: s for name, s in images.items() if s > 400_000 and name not in for_print}
    assert not {name: s for name, s in images.items() if s > 1_000_000}


def test_no_file_says_where_on_a_disk_it_was_made(built: Built) -> None:
    telling = str(built.root).encode(), str(paths.ROOT).encode(), str(Path.home()).encode() + b"/"
    files = contents(built.html)
    assert not [name for name, text in files.items() if any(word in text for word in telling)]


# Notebooks, figures, claims


def test_notebooks_are_published_as_run_at_this_tier_without_errors_or_warnings(
    built: Built,
) -> None:
    sources = sorted((built.html / "_sources").rglob("*.ipynb"))
    assert len(sources) == len(list((built.root / "chapters").rglob("*.ipynb")))
    for source in sources:
        cells = [c for c in nbformat.read(source, as_version=4).cells if c.cell_type == "code"]
        assert any('tier = "smoke"' in cell.source for cell in cells), source
        outputs = [output for cell in cells for output in cell.outputs]
        assert {output.output_type for output in outputs} >= {"display_data"}, source
        assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


def test_every_figure_is_on_its_page_under_its_name(soup: Soup) -> None:
    for figure in soup.built.index["figures"]:
        page, _, anchor = figure["page"].partition("#")
        assert anchor == figure["id"]
        [found] = soup.pages[page].select(f"figure#{anchor}")
        if figure["study"]:
            assert found.img["alt"] == figure["alt"]
        links = [link["href"] for link in found.select(".figure-files a")]
        for kind in figure["files"].keys() - {"bib"}:  # that one is shown
            assert f"{'../' * page.count('/')}{figure['files'][kind]}" in links
        cited = (soup.built.html / figure["files"]["bib"]).read_text("utf-8")
        assert found.select_one(".figure-cite pre").get_text() == cited


def scorecard(page: BeautifulSoup) -> list[tuple[str, list[str], list[str]]]:
    """The rows of the scorecard, the papers' claims first: text, the links, the verdicts."""
    return [
        (
            row.get_text(" ", strip=True),
            [link["href"] for link in row.select("a")],
            [badge.get_text() for badge in row.select("[class^=verdict-]")],
        )
        for row in page.select("details.scores tbody tr")
    ]


def straight(text: str) -> str:
    """Undo the curly apostrophes that pages are set with."""
    return text.replace("\u2019", "'")


def as_in_the_scorecard(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The papers' own claims, then those that the book adds, both chapter by chapter."""
    placed = homes()
    first: dict[tuple[bool, str | None], int] = {}
    groups = [(claim["origin"] == "ours", placed.get(claim["figure"])) for claim in claims]
    for group in groups:
        first.setdefault(group, len(first))
    order = sorted(range(len(claims)), key=lambda k: (groups[k][0], first[groups[k]]))
    return [claims[k] for k in order]


def test_every_claim_has_one_verdict_in_the_scorecard_and_leads_to_its_place(soup: Soup) -> None:
    claims = as_in_the_scorecard(soup.built.index["claims"])
    rows = scorecard(soup.pages["scorecard.html"])
    assert len(rows) == len(claims)
    for claim, (text, links, verdicts) in zip(claims, rows, strict=True):
        assert verdicts == [word(claim["verdict"], claim["origin"])]
        assert claim["verdict"] in VERDICTS
        assert claim["place"] == "ours" or claim["place"] in straight(text)
        assert claim["text"]["recorded"] in text
        assert claim["summary"] in text
        assert links == [claim["page"]]


def test_a_claim_of_this_book_is_not_said_to_be_reproduced(soup: Soup) -> None:
    own = {c["page"] for c in soup.built.index["claims"] if c["origin"] == "ours"}
    for text, [link], [verdict] in scorecard(soup.pages["scorecard.html"]):
        assert (link in own) <= (verdict not in ("reproduced", "partly", "not reproduced")), text


def test_the_scorecard_is_folded_by_chapter(soup: Soup) -> None:
    chapters = homes()
    folds = soup.pages["scorecard.html"].select("details.scores")
    figures = {claim["page"]: claim["figure"] for claim in soup.built.index["claims"]}
    names = []
    for fold in folds:
        found = {chapters.get(figures[link["href"]]) for link in fold.select("tbody a")}
        assert len(found) == 1
        names += found
        assert fold.summary.select("[class^=verdict-]") and not fold.has_attr("open")
    assert len(names) > len(set(names)) > 10, "the papers' claims, and those that this book adds"


def test_every_claim_has_a_place_with_all_that_is_behind_its_verdict(soup: Soup) -> None:
    records = {r["file"]: r for s in soup.built.index["studies"] for r in s["records"]}
    places: dict[str, list[Tag]] = {}
    for page, tag in soup.tags("section[id]"):
        places.setdefault(f"{page}#{tag['id']}", []).append(tag)
    for claim in soup.built.index["claims"]:
        [place] = places[claim["page"]]
        [badge] = place.select("[class^=verdict-]")
        assert badge.get_text() == word(claim["verdict"], claim["origin"])
        text = straight(place.get_text(" "))
        assert claim["criterion"] in text and claim["text"]["recorded"] in text
        assert f"{claim['measure']['file']}, line" in text
        served = [link["href"].removeprefix("../") for link in place.select("a[download]")]
        assert bool(served) == bool(claim["read"])
        assert {records[file]["variant"] for file in served} == {
            name.rpartition("/")[2] for name in claim["read"]
        }
        drawn = place.select("svg.dots circle")
        if claim["interval"]:
            assert len(drawn) == (sum(map(len, claim["values"])) if claim["in_unit"] else 0)


@pytest.mark.parametrize("name", ["best-b-condition", "jl-weakest"])
def test_what_a_correlation_is_of_has_no_place_on_its_axis(name: str) -> None:
    entry, _ = index.one(*explain.find(name))
    shown = BeautifulSoup(claim_pages.picture(entry), "html.parser")
    ticks = [float(text.get_text().replace("−", "-")) for text in shown.select("svg text")[:-1]]
    assert not shown.select("circle") and shown.select("rect.mean")
    assert len(ticks) > 2 and -1 <= min(ticks) and max(ticks) <= 1
    listed = f"What {name} is computed from: 2 rows of 20 numbers"
    assert [fold.get_text() for fold in shown.select("summary")] == [listed]


def test_the_records_behind_the_verdicts_are_served_with_their_digests(built: Built) -> None:
    folder = built.html / "runs"
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    summed = dict(reversed(line.split("  ")) for line in lines)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.json")}
    assert summed.keys() == files
    for entry in (record for study in built.index["studies"] for record in study["records"]):
        served = (built.html / entry["file"]).read_bytes()
        assert served == (built.root / "data" / entry["file"]).read_bytes()
        assert json.loads(served)["digest"] == entry["digest"]
        name = entry["file"].removeprefix("runs/")
        assert hashlib.sha256(served).hexdigest() == summed[name]


def test_the_forest_has_each_reported_number_and_leads_to_its_claim(soup: Soup) -> None:
    claims = soup.built.index["claims"]
    rows = soup.pages["index.html"].select("a.forest-row")
    shown = {row["href"]: row.get_text(" ") for row in rows}
    assert len(shown) == len(rows) > 40
    for claim in claims:
        wanted = claim["origin"] == "paper" and claim["reported"] is not None and claim["interval"]
        assert (claim["page"] in shown) == bool(wanted)
        if wanted:
            said = shown[claim["page"]]
            assert claim["text"]["paper"] in said and claim["text"]["recorded"] in said
            assert claim["verdict"] in said


def test_the_cost_page_has_both_times_of_each_chapter(soup: Soup) -> None:
    [table] = soup.pages["costs.html"].select("article table")
    rows = [[cell.get_text() for cell in row.select("td")] for row in table.tbody.select("tr")]
    assert [name for name, _, _ in rows] == [p.stem for p in sorted(paths.CHAPTERS.glob("*/*"))]
    for name, quick, recorded in rows:
        assert re.fullmatch(r"\d+ s", quick), name
        assert re.fullmatch(r"\d+ s|\d+ min|\d+\.\d h|not measured", recorded), name


def test_the_scorecard_counts_the_verdicts(soup: Soup) -> None:
    shown = [p.get_text() for p in soup.pages["scorecard.html"].select("article p")]
    for origin, name in {
        "paper": "Claims of the papers",
        "ours": "Claims that this book adds",
    }.items():
        claims = [claim for claim in soup.built.index["claims"] if claim["origin"] == origin]
        verdicts = Counter(claim["verdict"] for claim in claims)
        counted = " ".join(f"{word(v, origin)}\u00a0{number}" for v, number in verdicts.items())
        assert f"{name}, {len(claims)}: {counted}" in shown


def test_the_cover_counts_the_claims_of_the_papers(soup: Soup) -> None:
    claims = [c for c in soup.built.index["claims"] if c["origin"] == "paper"]
    count = Counter(claim["verdict"] for claim in claims)
    said = soup.pages["index.html"].select_one("article").get_text(" ")
    assert f"Of {len(claims)} claims of the papers, {count['reproduced']} are reproduced" in said


def test_a_figure_says_what_was_asked_of_each_of_its_claims(soup: Soup) -> None:
    told = [straight(tag.get_text()) for _, tag in soup.tags("details")]
    for claim in soup.built.index["claims"]:
        found = any(claim["criterion"] in text for text in told)
        assert found or claim["verdict"] == "not attempted", claim["id"]


def test_the_gallery_shows_every_figure_and_leads_to_it(soup: Soup) -> None:
    cards = soup.pages["figures.html"].select("article .sd-card")
    links = {card.select_one("a.sd-stretched-link")["href"] for card in cards}
    figures = soup.built.index["figures"]
    kept = {figure["files"][kind] for figure in figures for kind in ("svg", "csv", "bib")}
    assert kept <= {tag["href"] for card in cards for tag in card.select(".figure-get a")}
    assert {link.rpartition("#")[2] for link in links} == {figure["id"] for figure in figures}


def test_every_setting_says_where_its_value_comes_from(soup: Soup) -> None:
    tables = [t for _, t in soup.tags("table") if "where it comes from" in t.thead.get_text()]
    assert tables
    for row in (row for table in tables for row in table.tbody.select("tr")):
        assert all(cell.get_text(strip=True) for cell in row.select("td")), row.get_text(" ")


# Building again


def test_a_build_executes_each_chapter_once_and_says_how_long_it_took(built: Built) -> None:
    executed = re.findall(r"^chapter ([\w-]+): \d+ s$", built.said, re.MULTILINE)
    assert sorted(executed) == sorted(path.stem for path in paths.CHAPTERS.glob("*/*.ipynb"))
    assert "judged and drawn: 20 of " in built.said
    took = r"^built in \d+ \w+; the live runs took \d+ \w+ in all$"
    assert len(re.findall(took, built.said, re.MULTILINE)) == 1


@pytest.mark.slow
def test_a_second_build_elsewhere_is_the_same_byte_for_byte_and_quick(
    built: Built, tmp_path: Path
) -> None:
    """Each chapter is executed anew, all pages are set anew, and every eighth study drawn anew.

    The figures of the others are drawn once more in ``test_figures``. The first build had another
    environment.
    """
    kept = Path("_build") / "kept"
    copy_book(tmp_path)
    shutil.copytree(built.root / kept, tmp_path / kept)
    of_studies = sorted((tmp_path / kept).glob("*/*"))
    assert len(of_studies) == len(studies.STUDIES)
    for folder in of_studies[::8]:
        shutil.rmtree(folder)
    earlier = tmp_path / "_build" / "html" / "gone.html"
    earlier.parent.mkdir()
    earlier.write_text("a page of an earlier edition, of which nothing may stay")
    again = build(tmp_path)
    first, second = contents(built.html), contents(again.html)
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name]]
    assert [f.name for f in (tmp_path / kept).iterdir()] == [of_studies[0].parent.name], "not taken"
    assert again.seconds < 0.8 * built.seconds
    # Ten seconds of processor time for each chapter: a busy machine matters little to that.
    assert again.seconds < 10 * len(list(paths.CHAPTERS.glob("*/*.ipynb")))
    assert sorted(path.name for path in again.html.parent.glob("html*")) == ["html"]


def test_a_page_says_which_verdicts_changed_and_how_many_intervals_may_miss(small: Built) -> None:
    cover = Soup(small).pages["index.html"].get_text(" ")
    assert "There are 2 intervals at 95 % in this book, so about 0 of them" in cover
    for change in changes.every():
        assert change.claim in cover and change.day in cover


def test_a_page_counts_the_records_that_were_run_again_elsewhere(small: Built) -> None:
    cover = Soup(small).pages["index.html"]
    text = " ".join(cover.get_text(" ").split())
    assert "Files of records: 3. Run again elsewhere so far: 2 (2 on a processor)." in text
    assert "agree: 1 (1 as closely as rounding lets it). Do not agree: 1." in text
    rows = [[cell.get_text() for cell in row.select("td")] for row in cover.select("tbody tr")]
    assert ["toy-network/paper/backprop", "w differs | by 0.5", "no"] in rows


def test_a_cover_shows_claims_that_nobody_has_attempted(small: Built) -> None:
    rows = scorecard(Soup(small).pages["index.html"])
    verdicts = Counter(verdict for _, _, [verdict] in rows)
    assert verdicts["not attempted"] > 0 and verdicts["reproduced"] > 0
    assert all(link.startswith("claims/") for _, [link], _ in rows)


# Builds that fail


@pytest.fixture
def copied(small: Built, tmp_path: Path) -> Iterator[Path]:
    """A copy of the small book with its site, to be spoilt; the site must outlive that."""
    root = tmp_path / "book"
    shutil.copytree(small.root, root)
    yield root
    assert contents(root / "_build" / "html") == contents(small.html), "the good site was touched"


def test_a_chapter_that_crashes_fails_the_build(copied: Path) -> None:
    chapter = copied / "chapters" / "one" / "tiny.ipynb"
    write_chapter(chapter, "print(tier)", "raise RuntimeError('out of luck')")
    done = bioprop(copied, "book", "--tier", "smoke")
    assert done.returncode == 1
    # The parameters are cell 1, those of this build cell 2.
    assert "chapter 'tiny' stopped in code cell 4: RuntimeError: out of luck" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((copied / "_build" / "stage").rglob("*.ipynb"))
    assert "out of luck" in (copied / "_build" / "failed" / "tiny.ipynb").read_text()


def test_a_broken_reference_fails_the_build_and_is_named(copied: Path) -> None:
    with (copied / "index.md").open("a") as page:
        page.write("\nSee {numref}`nosuch`.\n")
    done = bioprop(copied, "book", "--tier", "smoke")
    assert done.returncode == 1
    line = (copied / "index.md").read_text().count("\n")
    assert f"\nindex.md:{line}: WARNING: undefined label: 'nosuch'" in done.stderr
    assert "Traceback" not in done.stderr and "\x1b" not in done.stderr


def test_a_record_that_was_tampered_with_fails_the_build(copied: Path) -> None:
    record = copied / "data" / "runs" / "toy-network" / "paper" / "small.json"
    record.write_text(record.read_text().replace("0.", "1.", 1))
    done = bioprop(copied, "book", "--tier", "smoke")
    assert done.returncode == 1
    assert f"record {record} does not match its digest" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_tier_is_refused_before_anything_runs(tmp_path: Path) -> None:
    copy_small_book(tmp_path)
    done = bioprop(tmp_path, "book", "--tier", "smok")
    assert done.returncode == 2
    assert "no tier 'smok'" in done.stderr and "Did you mean 'smoke'?" in done.stderr
    assert not (tmp_path / "_build").exists()


# Pages that fail

FAULTS = {
    "```{result-figure} toy-flows\n```": r"no figure 'toy-flows'.*Did you mean 'toy-flow'",
    "```{result-figure} silent\n```": r"figure 'silent' has no alt text",
    "```{settings} toy-net\n```": r"no study 'toy-net'.*Did you mean 'toy-network'",
    "```{reexecute} tinny\n```": r"no chapter 'tinny'.*Did you mean 'tiny'",
    "{recorded}`toy-alignz`": r"no claim 'toy-alignz'.*Did you mean 'toy-aligns'",
    "{reported}`toy-alignz`": r"no claim 'toy-alignz'.*Did you mean 'toy-aligns'",
    "{verdict}`toy-alignz`": r"no claim 'toy-alignz'.*Did you mean 'toy-aligns'",
    "{number}`linear-rate behind`": r"no figure 'linear-rate'.*Did you mean 'linear-rates'",
    "{number}`linear-rates behing`": r"no number 'behing' in figure 'linear-rates'.*mean 'behind'",
    "{count}`papers`": r"no origin of claims 'papers'; allowed: paper, ours.*mean 'paper'",
    "{count}`paper: partially`": r"no verdict 'partially'.*Did you mean 'partly'",
    "{cite:p}`nobody2000`": r"could not find bibtex key \"nobody2000\"",
    "[away](nowhere.md)": r"cross-reference target not found: 'nowhere.md'",
    "```{nosuch}\n```": r"Unknown directive type: 'nosuch'",
}


@pytest.fixture(scope="module")
def complaints(small: Built, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What Sphinx says of pages with one fault each; page ``k.md`` has fault ``k``, on line 3."""
    root = tmp_path_factory.mktemp("faulty")
    stage = root / "_build" / "stage"
    shutil.copytree(small.root / "_build" / "stage", stage)
    index = small.index
    index["figures"].append({**index["figures"][0], "id": "silent", "alt": " "})
    (stage / "public" / "index.json").write_text(json.dumps(index))
    small_pictures = stage / "thumbnails"
    shutil.copy(next(small_pictures.iterdir()), small_pictures / "silent.png")
    toc = ["format: jb-book", "root: index", "chapters:", "  - file: chapters/one/tiny"]
    for number, fault in enumerate(FAULTS):
        (stage / f"{number}.md").write_text(f"# Page {number}\n\n{fault}\n")
        toc.append(f"  - file: '{number}'")
    (stage / "_toc.yml").write_text("\n".join(toc))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIOPROP_ROOT", str(small.root))
        patch.setattr(paths, "BUILD", root / "_build")
        patch.setattr(site, "STAGE", stage)
        with pytest.raises(site.SiteError) as caught:
            site._sphinx()
    return str(caught.value).splitlines()[1:]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_page_is_named_with_its_page_and_line(
    fault: str, complaints: list[str]
) -> None:
    page = f"{list(FAULTS).index(fault)}.md"
    [said] = [line for line in complaints if line.startswith(f"{page}:")]
    assert re.match(rf"{page}:3: (?:WARNING|ERROR): .*{FAULTS[fault]}", said)


def test_a_figure_whose_runs_are_still_being_made_has_a_box_in_its_place(small: Built) -> None:
    page = BeautifulSoup((small.html / "index.html").read_text(), "html.parser")
    box = page.find(id="linear-nse")
    assert box is not None and box.find(class_="admonition")
    assert "To come" in box.text and "bioprop run --pending linear-task" in box.text
    assert not box.find("img")


def test_what_is_to_come_says_what_is_made_before_it(soup: Soup) -> None:
    there, placed = {figure["id"] for figure in soup.built.index["figures"]}, homes()
    waiting = [
        (study, figure)
        for study in studies.STUDIES.values()
        for figure in study.figures
        if figure.id not in there
    ]
    for study, figure in waiting:
        box = soup.pages[f"{chapters.page(placed[figure.id])}.html"].find(id=figure.id)
        assert box is not None and straight(figure.title) in straight(box.text)
        alone = bool(study.together or study.forecast)
        assert alone == ("one network, on graphics cards too" in box.text), figure.id
        assert alone or f"--pending {pending.first(study).name}" in box.text, figure.id


def test_a_table_of_settings_says_where_rates_are_placeholders(soup: Soup) -> None:
    for name, path in chapters.chapters().items():
        text = soup.pages[f"{chapters.page(name)}.html"].get_text()
        for shown in re.findall(r"\{settings\} ([\w-]+)", path.read_text("utf-8")):
            study = studies.get(shown)
            words = f"The search {study.after} is not recorded yet"
            assert study.found != (words in text), shown


def test_a_number_whose_runs_are_still_being_made_is_a_dash(small: Built) -> None:
    page = BeautifulSoup((small.html / "index.html").read_text(), "html.parser")
    assert "Rates: –." in page.get_text()


def test_sound_pages_are_not_complained_of(complaints: list[str]) -> None:
    mine = [line for line in complaints if re.match(r"\d+\.md:", line)]
    assert len(mine) == len(FAULTS)
    others = [line for line in complaints if line and line not in mine]
    # The gallery has no place to lead to from the figure that is made up.
    assert len(others) == 1 and re.fullmatch(r"index\.md:.*undefined label: 'silent'", others[0])
