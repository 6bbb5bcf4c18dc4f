"""The pages as a reader meets them, in a real browser: Chromium, driven by Playwright."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pybtex.database
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright
from site_fixture import SOURCES, Built

from bioprop.book import chapters

pytest_plugins = ["site_fixture"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is on PATH"),
]
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars""".split()
DESK, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
TOC = re.findall(r"(?:root|file): (\S+)", (SOURCES / "_toc.yml").read_text())
CLAIMS = "claims/linear-task"  # one of the pages of claims, which are all of one make
PAGES = [f"{name}.html" for name in [*TOC, "search", CLAIMS]]
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
TYPES = {
    "svg": "image/svg+xml",
    "pdf": "application/pdf",
    "png": "image/png",
    "csv": "text/csv",
    "json": "application/json",
}

# Every text that shows, with the contrast of its colour to what lies behind it (WCAG 2.2). Colours
# are drawn on a canvas and read back, so that any way to write them is understood.
CONTRASTS = """() => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const paint = (...layers) => {
        pen.clearRect(0, 0, 1, 1);
        for (const layer of layers) { pen.fillStyle = layer; pen.fillRect(0, 0, 1, 1); }
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const luminance = rgb => rgb.slice(0, 3).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    const behind = element => {
        const layers = [];
        for (let e = element; e; e = e.parentElement)
            layers.unshift(getComputedStyle(e).backgroundColor);
        return ["white", ...layers];
    };
    const found = [];
    const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        const text = texts.currentNode.textContent.trim();
        if (!text || !element.checkVisibility({visibilityProperty: true, opacityProperty: true}))
            continue;
        const box = element.getBoundingClientRect();
        if (box.width < 2 || box.height < 2) continue;
        const layers = behind(element);
        const paper = luminance(paint(...layers));
        const ink = luminance(paint(...layers, getComputedStyle(element).color));
        const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
        found.push({text, ratio, kind: `${element.tagName}.${element.className}`});
    }
    return found;
}"""

# Every displayed equation: its width, how far it reaches beyond the column on either side, and how
# much of it lies outside of its own box, where only who scrolls there sees it.
EQUATIONS = """() => {
    const column = document.querySelector("main article").getBoundingClientRect();
    return [...document.querySelectorAll("mjx-container[display=true]")].map(equation => {
        const block = equation.closest("div.math") ?? equation;
        const box = equation.firstElementChild.getBoundingClientRect();
        const hidden = Math.max(...[block, equation].map(e => e.scrollWidth - e.clientWidth));
        return [box.width, column.left - box.left, box.right - column.right, hidden];
    });
}"""


@dataclass
class Visit:
    """A page that is open, and all that went wrong with it."""

    page: Page
    home: str
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._request)
        self.page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url} {r.failure}"))
        self.page.on("response", self._response)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))

    def open(self, name: str) -> None:
        """Go to a page of the site, and wait until its mathematics is set."""
        self.page.goto(self.home + name, wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise.then(() => null)")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.faults.append(f"elsewhere: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "assert"):
            self.faults.append(f"console: {message.text}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Iterator[Callable[[str, str], Visit]]:
    """A function that opens a page of the site at an address, at the size of a desk's screen."""
    contexts = []

    def go(home: str, name: str) -> Visit:
        contexts.append(browser.new_context(viewport=DESK, color_scheme="light"))
        visit = Visit(contexts[-1].new_page(), home)
        visit.open(name)
        return visit

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module", params=PAGES)
def opened(request: Any, visit: Callable[[str, str], Visit], address: str) -> Iterator[Visit]:
    """A page, served over http: a test that takes it runs once for each page of the book."""
    opened = visit(address, request.param)
    yield opened
    opened.page.close()


def test_a_page_opens_without_a_fault_and_asks_no_other_host(opened: Visit) -> None:
    assert opened.page.title()
    assert opened.faults == []


def source_of(address: str) -> str:
    """The text of the chapter at an address of the site; of another page, nothing."""
    name = urlsplit(address).path.rpartition("/")[2].removesuffix(".html")
    chapter = chapters.chapters().get(name) if "chapters/" in address else None
    cells = nbformat.read(chapter, as_version=4).cells if chapter else []
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def recorded_on(address: str, built: Built) -> list[str]:
    """The figures of a chapter that are recorded; the others are to come."""
    name = urlsplit(address).path.rpartition("/")[2].removesuffix(".html")
    figures = [f["id"] for f in built.index["figures"] if f["chapter"] == name]
    assert set(figures) <= set(chapters.figures_of(chapters.find(name)))
    return figures


def test_mathematics_is_set(opened: Visit) -> None:
    page = opened.page
    unset = ".math:not(:has(mjx-container)), mjx-merror, [data-mjx-error]"
    assert page.locator(unset).all_inner_texts() == []
    assert "\\(" not in page.locator("main").inner_text()
    if "$" in source_of(page.url):
        assert page.locator("mjx-container").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_what_is_behind_it(scheme: str, opened: Visit) -> None:
    page = opened.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.wait_for_function(f"document.documentElement.dataset.theme == '{scheme}'")
    # The links to headings and figures show only where the pointer is, and count like all others.
    shown = page.add_style_tag(content="a.headerlink { visibility: visible !important; }")
    texts = page.evaluate(CONTRASTS)
    shown.evaluate("style => style.remove()")
    assert texts
    assert not [text for text in texts if text["ratio"] < 4.5]
    badges = [text for text in texts if "verdict-" in text["kind"]]
    assert len(badges) == page.locator("main [class*=verdict-]:visible").count()


def test_a_page_does_not_scroll_sideways_on_a_phone(opened: Visit) -> None:
    page = opened.page
    page.set_viewport_size(PHONE)
    page.evaluate("window.scrollTo(1000, 0)")
    scrolled = page.evaluate("window.scrollX")
    wide = page.evaluate("document.documentElement.scrollWidth")
    verdicts = page.evaluate(
        "[...document.querySelectorAll('main td [class*=verdict-]')]"
        ".map(badge => badge.getBoundingClientRect().right)"
    )
    page.set_viewport_size(DESK)
    assert (scrolled, wide) == (0, PHONE["width"])
    assert not [right for right in verdicts if right > PHONE["width"]]


def displayed(name: str) -> int:
    """How many equations the source of a page displays."""
    page = (SOURCES / name).with_suffix(".md")
    text = page.read_text("utf-8") if page.exists() else source_of(name)
    return len(re.findall(r"\$\$[^$]+\$\$", text))


@pytest.mark.parametrize("opened", [*filter(displayed, PAGES)], indirect=True)
def test_no_equation_sticks_out_of_the_page_on_a_phone(opened: Visit) -> None:
    page = opened.page
    page.set_viewport_size(PHONE)
    equations = page.evaluate(EQUATIONS)
    page.set_viewport_size(DESK)
    assert len(equations) == displayed(urlsplit(page.url).path.removeprefix("/"))
    for width, left, right, hidden in equations:
        assert width > 0 and max(left, right, hidden) <= 1


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_the_files_of_a_figure_are_served(opened: Visit, built: Built) -> None:
    links = opened.page.locator(".figure-files a:not([href^='#'])")
    urls = links.evaluate_all("links => links.map(link => link.href)")
    assert len(urls) == 9 * len(recorded_on(opened.page.url, built))  # three pictures at two widths
    for url in urls:
        name = urlsplit(url).path.removeprefix("/")
        answer = opened.page.request.get(url)
        assert answer.status == 200
        assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]]
        assert answer.body() == (built.html / name).read_bytes()


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_a_figure_can_be_cited(opened: Visit, built: Built) -> None:
    figures = opened.page.locator("figure.result-figure")
    assert figures.count() == len(recorded_on(opened.page.url, built))
    for figure in figures.all():
        entry = figure.locator(".figure-cite pre")
        assert not entry.is_visible()
        figure.locator("summary").click()
        assert entry.is_visible()
        cited = pybtex.database.parse_string(entry.inner_text(), "bibtex").entries
        assert list(cited) == [f"bioprop-{figure.get_attribute('id')}"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_from_a_folder_as_well(
    name: str, visit: Callable[[str, str], Visit], built: Built
) -> None:
    opened = visit(f"{built.html.as_uri()}/", name)
    assert opened.page.locator("h1:visible").count() == 1
    assert opened.faults == []
    opened.page.close()


def test_a_search_finds_the_chapters(visit: Callable[[str, str], Visit], address: str) -> None:
    opened = visit(address, "index.html")
    opened.page.keyboard.press("Control+k")
    opened.page.keyboard.type("alignment")
    opened.page.keyboard.press("Enter")
    hits = opened.page.locator("#search-results li a")
    hits.first.wait_for()
    opened.page.get_by_text(re.compile(r"found \d+ pages?")).wait_for()
    found = {urlsplit(hit.get_attribute("href") or "").path for hit in hits.all()}
    assert {page for page in CHAPTERS if "alignment" in source_of(page)} <= found
    assert opened.faults == []


def test_a_row_of_the_forest_leads_to_the_claim_and_from_there_to_its_figure_and_records(
    visit: Callable[[str, str], Visit], address: str, built: Built
) -> None:
    opened = visit(address, "index.html")
    claim = next(c for c in built.index["claims"] if c["id"] == "linear-fa-final")
    row = opened.page.locator(f".forest-row[href='{claim['page']}']")
    assert claim["verdict"] in row.inner_text()
    row.focus()
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_url(f"**/{claim['page']}")
    place = opened.page.locator(f"section#{claim['id']}")
    assert place.locator("svg.dots circle").count() == claim["members"]
    file = place.locator("a[download]").first.get_attribute("href") or ""
    answer = opened.page.request.get(address + file.removeprefix("../"))
    assert answer.json()["study"] == "linear-task"
    place.get_by_role("link", name=f"figure {claim['figure']}").click()
    opened.page.wait_for_url(f"**/linear-task.html#{claim['figure']}")
    assert opened.faults == []


def test_the_scorecard_shows_both_numbers_on_a_phone(
    visit: Callable[[str, str], Visit], address: str
) -> None:
    opened = visit(address, "scorecard.html")
    opened.page.set_viewport_size(PHONE)
    fold = opened.page.locator("details.scores").nth(1)
    fold.locator("summary").click()
    for place, label in {2: "reported", 3: "recorded", 4: "criterion"}.items():
        cells = fold.locator(f"td:nth-of-type({place})")
        assert cells.count() > 1
        named = cells.first.evaluate("cell => getComputedStyle(cell, '::before').content")
        assert named == f'"{label}: "'
        for cell in cells.all():
            box = cell.bounding_box()
            assert box and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]
    assert opened.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_gallery_shows_the_figures_of_a_rule_and_of_a_paper(
    visit: Callable[[str, str], Visit], address: str, built: Built
) -> None:
    opened = visit(address, "figures.html")
    page, figures = opened.page, built.index["figures"]
    cards, heads = page.locator(".gallery-card:visible"), page.locator(".gallery-group:visible")
    assert cards.count() == len(figures)
    chosen = [entry for entry in figures if "sign-symmetry" in entry["rules"]]
    page.get_by_label("rule").focus()
    page.keyboard.type("sign")
    assert cards.count() == len(chosen) > 0
    assert heads.count() == len({entry["chapter"] for entry in chosen})
    assert page.locator(".gallery-choice output").inner_text() == (
        f"{len(chosen)} of {len(figures)} figures"
    )
    page.get_by_label("rule").select_option("")
    page.get_by_label("paper").select_option("xiao2018")
    from_there = [e for e in figures if "chapters/xiao2018" in (e["page"] or "")]
    assert cards.count() == len(from_there) > 0
    assert opened.faults == []


def test_the_gallery_shows_all_figures_without_scripts(
    browser: Browser, address: str, built: Built
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}figures.html")
    assert page.locator(".gallery-card:visible").count() == len(built.index["figures"])
    assert not page.locator(".gallery-choice").is_visible()
    context.close()


def test_the_cover_is_printed_on_six_pages_or_fewer(
    visit: Callable[[str, str], Visit], address: str
) -> None:
    opened = visit(address, "index.html")
    printed = opened.page.pdf(format="A4")
    assert 1 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 6


def test_the_search_of_a_page_opened_as_a_file_finds_pages_without_a_fault(
    built: Built, visit: Callable[[str, str], Visit]
) -> None:
    opened = visit(f"{built.html.as_uri()}/", "search.html?q=alignment")
    opened.page.wait_for_selector("#search-results li >> nth=3")
    assert "make serve" in opened.page.inner_text("main")
    opened.page.wait_for_load_state("networkidle")
    assert opened.faults == []


# What is wider than the page is cut off on paper.
CUT = """() => [...document.querySelectorAll("pre")]
    .filter(code => code.scrollWidth > code.clientWidth + 1).map(code => code.textContent)"""


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_paper_no_line_of_code_is_cut(
    name: str, address: str, visit: Callable[[str, str], Visit]
) -> None:
    opened = visit(address, name)
    opened.page.set_viewport_size({"width": 794, "height": 1123})  # A4
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate(CUT) == []
