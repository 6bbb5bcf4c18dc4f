"""Chapters: short notebooks without outputs, whose names all exist, executed repeatably."""

import ast
import copy
import logging
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
import pytest
from nbformat import NotebookNode
from site_fixture import write_chapter

from bioprop import paths, studies
from bioprop.book import chapters, claims, compare, site
from bioprop.book.records import RECORDED
from bioprop.studies import STUDIES

CHAPTERS = chapters.chapters()
CLAIMS = {claim.id for study in STUDIES.values() for claim in study.claims}
FIGURES = {figure.id for study in STUDIES.values() for figure in study.figures}
RECORDED_FIGURES = {
    figure.id
    for study in STUDIES.values()
    if claims.best_tier(study, RECORDED)
    for figure in study.figures
}
NUMBERS = {
    f"{figure.id} {name}"
    for study in STUDIES.values()
    for figure in study.figures
    for name in figure.numbers
}
PUBLISHED = Path(__file__).with_name("published_ids.txt")
# What a chapter may name, and where the names come from.
NAMES = {
    r"\{(?:recorded|reported|verdict|aside)\}`([^`]*)`": CLAIMS,
    r"\{number\}`([^`]*)`": NUMBERS,
    r"\{result-figure\}\s*(.*)": FIGURES,
    r"\{settings\}\s*(.*)": set(STUDIES),
    r"\{reexecute\}\s*(.*)": set(CHAPTERS),
    r"\.show\(\"(.*?)\"\)": FIGURES,
    r"open_page\(\s*\"(.*?)\"": set(STUDIES),
}
# Plumbing: what belongs in the library, if anywhere.
PLUMBING = r"sys\.path|rcParams|os\.environ|^\s*[%!]|filterwarnings|importlib|subprocess"


@pytest.fixture(params=CHAPTERS)
def chapter(request: pytest.FixtureRequest) -> Path:
    """The source of a chapter: a test that takes it runs once for each chapter."""
    return CHAPTERS[request.param]


@pytest.fixture
def notebook(chapter: Path) -> NotebookNode:
    """A chapter, read."""
    return nbformat.read(chapter, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_of(notebook: NotebookNode) -> NotebookNode:
    """The one cell of a notebook that is tagged as its parameters."""
    [found] = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    return found


def test_there_are_chapters_and_the_book_has_each_of_them() -> None:
    listed = re.findall(r"file: (chapters/\S+)", (paths.ROOT / "_toc.yml").read_text())
    sources = [str(path.relative_to(paths.ROOT).with_suffix("")) for path in CHAPTERS.values()]
    assert sources and sorted(listed) == sorted(sources)


def test_a_chapter_is_stored_without_outputs(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    for cell in code(notebook):
        assert not cell.outputs and cell.execution_count is None, cell.source
        assert "execution" not in cell.metadata
    assert "papermill" not in notebook.metadata


def test_a_chapter_opens_with_its_title_and_its_own_name(
    chapter: Path, notebook: NotebookNode
) -> None:
    assert notebook.cells[0].cell_type == "markdown"
    assert re.match(rf"\({chapter.stem}\)=\n# \S", notebook.cells[0].source)
    # Figures have addresses of their own in the same space.
    assert chapter.stem not in {figure.id for s in STUDIES.values() for figure in s.figures}
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^## ", text, re.MULTILINE)) >= 4


def test_parameters_are_literals_with_a_type_and_a_meaning(notebook: NotebookNode) -> None:
    cell = parameters_of(notebook)
    statements = ast.parse(cell.source).body
    assert statements
    for statement in statements:
        line = cell.source.splitlines()[statement.lineno - 1]
        assert isinstance(statement, ast.AnnAssign) and statement.value, f"no type: {line}"
        assert ast.unparse(statement.annotation) in chapters.TYPES, f"type unknown: {line}"
        ast.literal_eval(statement.value)  # raises for anything but a literal
        assert re.search(r"  # \w+ \w+", line), f"no meaning: {line}"


def test_the_runner_reads_the_parameters_as_they_are_written(
    chapter: Path, notebook: NotebookNode
) -> None:
    known = chapters.parameters(chapter)
    assert list(known) == [s.target.id for s in ast.parse(parameters_of(notebook).source).body]
    assert known["tier"]["default"] == '"quick"'
    assert "members" in known, "the command under each chapter sets it"
    assert all(p["help"] and p["inferred_type_name"] in chapters.TYPES for p in known.values())


def test_a_chapter_has_little_code_and_no_plumbing(notebook: NotebookNode) -> None:
    assert 1 < len(code(notebook)) <= 12
    for cell in code(notebook):
        lines = cell.source.splitlines()
        assert 0 < len(lines) <= 15, cell.source
        assert max(map(len, lines)) <= 79, cell.source
        assert not re.search(PLUMBING, cell.source, re.MULTILINE), cell.source


# A chapter shows the recorded picture and its verdicts at once; the settings are folded up.
SHAPE = ["**", "{result-figure}", "Verdicts:", "## Live run", ".run()", ".verdicts()"]
SHAPE += ["{dropdown}", "{settings}"]


def test_a_chapter_has_the_shape_of_all_chapters(chapter: Path, notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells)
    parts = [*SHAPE, f"{{reexecute}} {chapter.stem}\n"]
    places = [text.find(part) for part in parts]
    assert -1 not in places, f"missing: {parts[places.index(-1)]}"
    assert places == sorted(places)


@pytest.mark.parametrize("pattern", NAMES)
def test_every_name_in_a_chapter_exists(pattern: str, notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells)
    assert set(re.findall(pattern, text)) <= NAMES[pattern]


def test_every_figure_of_the_records_is_shown_in_one_chapter() -> None:
    shown = Counter(id for path in CHAPTERS.values() for id in chapters.figures_of(path))
    assert set(shown) >= RECORDED_FIGURES and set(shown.values()) == {1}


def test_the_book_gives_a_parameter_to_the_chapters_that_have_it() -> None:
    given = {"members": 5, "rate": 0.004}
    site._check("quick", given)
    taken = {name: site._taken(path, given) for name, path in chapters.chapters().items()}
    assert taken["linear-task"] == given and taken["ablation"] == {"members": 5}


def test_no_published_name_has_vanished() -> None:
    published = PUBLISHED.read_text().split("\n")
    names = {line for line in published if line and not line.startswith("#")}
    present = {f"claim {id}" for id in CLAIMS} | {f"figure {id}" for id in FIGURES}
    gone, new = sorted(names - present), sorted(present - names)
    assert not gone, f"published, and cited perhaps, but no longer there: {gone}. Bring them back"
    assert not new, f"new names, kept for good once published: add them to {PUBLISHED.name}: {new}"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The place of a chapter called tiny in a book of its own, to be written by the test."""
    for name, place in (("ROOT", ""), ("CHAPTERS", "chapters"), ("BUILD", "_build")):
        monkeypatch.setattr(paths, name, tmp_path / place)
    yield tmp_path / "chapters" / "one" / "tiny.ipynb"
    assert "BIOPROP_BUILD" not in os.environ, "an execution left its mark on what follows"


def test_two_executions_of_a_chapter_are_the_same_byte_for_byte(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chapter(tiny, "import os\nprint(tier, members, os.environ['BIOPROP_BUILD'])")
    twice = [tmp_path / "first.ipynb", tmp_path / "second.ipynb"]
    unclean: list[NotebookNode] = []
    clean = chapters.clean

    def keep(notebook: NotebookNode) -> NotebookNode:
        unclean.append(copy.deepcopy(notebook))
        return clean(notebook)

    monkeypatch.setattr(chapters, "clean", keep)
    for target in twice:
        with chapters.building():
            chapters.execute("tiny", target, {"tier": "smoke", "members": 2})
    assert twice[0].read_bytes() == twice[1].read_bytes()
    assert "smoke 2 1" in twice[0].read_text()
    assert unclean[0] != unclean[1], "nothing to clean, so nothing is proved here"
    assert not (paths.BUILD / "failed" / "tiny.ipynb").exists()


def test_a_kernel_has_loaded_what_chapters_use_and_named_none_of_it(
    tiny: Path, tmp_path: Path
) -> None:
    write_chapter(
        tiny,
        "mine = set(dir())",
        "import gc, sys\n"
        "loaded = 'bioprop.book.page' in sys.modules and gc.isenabled()\n"
        "print(loaded and gc.get_freeze_count() > 100_000)\n"
        "print(sorted(name for name in mine if name in sys.modules))",
    )
    chapters.execute("tiny", tmp_path / "done.ipynb", {})
    printed = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells[-1].outputs[0].text
    assert printed.splitlines() == ["True", "[]"]


def test_cleaning_twice_is_cleaning_once(notebook: NotebookNode) -> None:
    once = chapters.clean(notebook)
    assert chapters.clean(copy.deepcopy(once)) == once


def test_a_live_figure_says_what_it_shows_and_a_readers_pictures_do_not_change_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = 'from bioprop.book.page import open_page\npage = open_page("linear-task", tier, {})\n'
    write_chapter(
        tiny,
        page.format("members=members or None") + 'page.run()\npage.show("linear-nse")',
        page.format("members=2, rate=0.5") + 'page.run()\npage.show("linear-nse")',
    )
    (tmp_path / "matplotlibrc").write_text("savefig.bbox: tight\nfigure.figsize: 2, 2\n")
    alt = studies.get("linear-task").figure("linear-nse").alt
    pictures = []
    for own in ("", str(tmp_path / "matplotlibrc")):
        monkeypatch.setenv("MATPLOTLIBRC", own)
        chapters.execute("tiny", tmp_path / "done.ipynb", {"tier": "smoke"})
        *_, plain, wild = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
        pictures.append(plain.outputs[-1].data["image/png"])
        assert plain.metadata["mystnb"]["image"]["alt"] == f"Live run, tier smoke. {alt}"
        assert wild.metadata["mystnb"]["image"]["alt"] == (
            "Live run, tier smoke, members = 2, rate = 0.5. Diverged, and not drawn from there on: "
            f"2 of 2 of bp, 2 of 2 of fa, 2 of 2 of np. With the study's own settings: {alt}"
        )
    assert pictures[0] == pictures[1]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt parameter": ({"membrs": 2}, "'membrs' in chapter 'tiny'.*Did you mean 'members'"),
    "words for a number": ({"members": "many"}, "'members' of 'tiny' must be int, not 'many'"),
    "a fraction of a network": ({"members": 2.5}, "'members' of 'tiny' must be int, not 2.5"),
    "nothing for a number": ({"members": None}, "'members' of 'tiny' must be int, not None"),
    "a number for a word": ({"tier": 3}, "'tier' of 'tiny' must be str, not 3"),
    "an answer for a number": ({"members": True}, "'members' of 'tiny' must be int, not True"),
    "a time for a number": ({"members": "1:30"}, "'members' of 'tiny' must be int, not '1:30'"),
    "a good one and a bad one": ({"tier": "smoke", "member": 2}, "Did you mean 'members'"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_a_bad_parameter_is_refused_before_anything_runs(
    given: dict[str, Any], message: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chapter(tiny, "1 / 0")
    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(ValueError, match=message):
        chapters.execute("tiny", tmp_path / "out.ipynb", given)


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_a_study_of_a_chapter_refuses_is_refused_before_anything_runs(name: str) -> None:
    compare.check(name, {"members": "2", "tier": "smoke"})
    for wrong in ("-1", "1e9"):
        with pytest.raises(ValueError, match=r"study '.*': setting members = "):
            compare.check(name, {"members": wrong, "tier": "smoke"})
    with pytest.raises(ValueError, match="no tier 'papper' in study"):
        compare.check(name, {"tier": "papper"})


def test_a_study_that_a_chapter_opens_with_what_other_cells_make_is_left_to_it(tiny: Path) -> None:
    write_chapter(tiny, 'many = 2 * members\npage = open_page("toy-network", tier, members=many)')
    compare.check("tiny", {"members": -3})


def test_an_unknown_chapter_is_refused_with_the_nearest_name(tiny: Path, tmp_path: Path) -> None:
    write_chapter(tiny)
    with pytest.raises(ValueError, match=r"no chapter 'tinny'.*Did you mean 'tiny'"):
        chapters.execute("tinny", tmp_path / "out.ipynb", {})


CRASHES = {
    "raises": ("1 / 0", "chapter 'tiny' stopped in code cell 2: ZeroDivisionError"),
    "dies": ("import os\nos._exit(3)", "chapter 'tiny' stopped.*kernel died"),
}


@pytest.mark.parametrize(("source", "message"), CRASHES.values(), ids=CRASHES)
def test_a_chapter_that_crashes_is_named_and_leaves_no_result(
    source: str, message: str, tiny: Path, tmp_path: Path
) -> None:
    write_chapter(tiny, source)
    with pytest.raises(chapters.ChapterError, match=message):
        chapters.execute("tiny", tmp_path / "out.ipynb", {})
    assert not (tmp_path / "out.ipynb").exists()
    assert (paths.BUILD / "failed" / "tiny.ipynb").exists()


def test_chapters_executed_side_by_side_each_have_their_own_parameters(
    tiny: Path, tmp_path: Path
) -> None:
    given = {name: {"members": number} for number, name in enumerate("abcd")}
    for name in given:
        write_chapter(tiny.with_name(f"{name}.ipynb"), f"print('{name}', members)")
    said: list[str] = []
    here = Path.cwd()
    chapters.execute_all(given, tmp_path / "out", said.append)
    assert Path.cwd() == here
    assert sorted(line[:9] for line in said) == [f"chapter {name}" for name in given]
    for number, name in enumerate(given):
        done = nbformat.read(tmp_path / "out" / "chapters" / "one" / f"{name}.ipynb", as_version=4)
        assert done.cells[-1].outputs[0].text == f"{name} {number}\n"
    with pytest.raises(ValueError, match="Did you mean 'members'"):
        chapters.execute_all({"a": {"membrs": 1}}, tmp_path / "out", said.append)


@pytest.mark.parametrize("stop", [chapters.ChapterError, KeyboardInterrupt])
def test_what_stops_the_chapters_ends_those_under_way(
    stop: type[BaseException],
    tiny: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(line: str) -> None:
        assert line.startswith("chapter tiny")
        raise stop

    begun, ended = tmp_path / "begun", tmp_path / "ended"
    crash = "1 / 0" if stop is chapters.ChapterError else "pass"
    write_chapter(
        tiny,
        f"import os, time\nend = time.monotonic() + 100\n"
        f"while not os.path.exists({str(begun)!r}):\n"
        f"    assert time.monotonic() < end, 'nothing goes on beside this'\n{crash}",
    )
    write_chapter(
        tiny.with_name("slow.ipynb"),
        f"import pathlib, time\npathlib.Path({str(begun)!r}).touch()",
        f"time.sleep(100)\npathlib.Path({str(ended)!r}).touch()",
    )
    monkeypatch.setattr(chapters.joblib, "cpu_count", lambda: 2)
    before = psutil.Process().children()
    with pytest.raises(stop) as stopped:
        chapters.execute_all({"tiny": {}, "slow": {}}, tmp_path / "out", told)
    if crash == "1 / 0":
        assert "'tiny' stopped in code cell 2: ZeroDivisionError" in str(stopped.value)
    assert begun.exists() and not ended.exists()
    assert psutil.Process().children() == before
    assert not caplog.messages and logging.root.manager.disable == logging.NOTSET


def test_a_chapter_runs_where_the_folder_for_temporary_files_has_a_long_name(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    write_chapter(tiny, "print(tier)")
    chapters.execute("tiny", tmp_path / "out.ipynb", {})
    assert not list(long.iterdir())
    monkeypatch.setattr(chapters, "SOCKET", 10)
    with pytest.raises(chapters.ChapterError, match="set TMPDIR to another one"):
        chapters.execute("tiny", tmp_path / "out.ipynb", {})


def test_a_readers_own_start_of_ipython_does_not_reach_a_chapter(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-mine.py").write_text("tier = members = mine = 7")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    write_chapter(tiny, "print('mine' in dir())")
    chapters.execute("tiny", tmp_path / "out.ipynb", {})
    done = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert done.cells[-1].outputs[0].text == "False\n"


def test_a_kernel_that_does_not_start_is_named(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chapter(tiny)
    dies = "--IPKernelApp.exec_lines=import os; os._exit(3)"
    monkeypatch.setattr(chapters, "KERNEL_ARGUMENTS", [dies, "--log-level=50"])
    with pytest.raises(chapters.ChapterError, match="'tiny' stopped: its kernel died"):
        chapters.execute("tiny", tmp_path / "out.ipynb", {})


def test_no_two_chapters_open_the_same_study() -> None:
    pattern = re.compile(r"open_page\(\s*\"(.*?)\"")
    opened = Counter(
        study
        for path in CHAPTERS.values()
        for cell in code(nbformat.read(path, as_version=4))
        for study in pattern.findall(cell.source)
    )
    assert set(opened.values()) == {1}, opened


# What is said of results comes from the index, or carries what does.
SWEEPING = re.compile(r"\b(every|never|always)\b", re.IGNORECASE)
MEASURED = re.compile(r"\{(verdict|recorded|number|reported)\}")
SET_UP = (  # sentences of what was done, not of what came out
    "are the same for every number",
    "black in every image",
    "every fifth test image",
    "The rule is in every layer here",
)


def test_no_sweeping_word_is_typed_about_results(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    results = [part for part in sections if part.startswith(("## What differs", "## Verdicts"))]
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(" ".join(results).split()))
    typed = [s for s in sentences if SWEEPING.search(s) and not MEASURED.search(s)]
    assert [s for s in typed if not any(words in s for words in SET_UP)] == []


ABBREVIATED = {
    "BP": "backpropagation",
    "FA": "feedback alignment",
    "NSE": "normalised squared error",
    "DTP": "difference target propagation",
    "SDTP": "simplified difference target propagation",
    "AO-SDTP": "simplified difference target propagation with auxiliary outputs",
}


def test_an_abbreviation_is_spelt_out_where_a_chapter_first_uses_it(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    prose = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]+\$", "", text, flags=re.DOTALL)
    prose = re.sub(r"^#.*|^\|.*|\{(?!term)[a-z:]+\}`[^`]*`", "", prose, flags=re.MULTILINE)
    prose = " ".join(prose.split())
    for short, full in ABBREVIATED.items():
        used = re.search(rf"(?<![-\w]){short}(?![-\w])", prose)
        assert used is None or full in prose[: used.start()].lower(), (
            short,
            prose[: used.end()][-80:],
        )
