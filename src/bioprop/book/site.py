"""Building the site: execute chapters, judge claims, draw figures, set pages, then swap."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import yaml
from PIL import Image

from bioprop import paths, studies
from bioprop.book import chapters, compare, home, index, launch, publishing, records
from bioprop.book.costs import duration
from bioprop.choose import choose
from bioprop.disk import using

STAGE = paths.BUILD / "stage"
HTML = paths.BUILD / "html"
THUMBNAIL = (640, 960)  # pixels at most, across and down
PAGES = ("_config.yml", "_toc.yml", "_static", "vendor", "references.bib")


class SiteError(Exception):
    """The pages could not be built; the message holds what Sphinx said."""


def build(
    tier: str,
    given: Mapping[str, Any] | None = None,
    told: Callable[[str], None] = print,
    each: Callable[..., Any] = map,
) -> index.Index:
    """Execute every chapter at a tier and build the site in ``_build/html``; return its index.

    ``given`` holds parameters of the live runs, for all chapters that have them. ``each`` does as
    ``map`` does, with many processes perhaps.
    A chapter that crashes or a warning of Sphinx stops the build, and the last good site stays in
    place. What :func:`check` refuses is for the caller to have asked.
    """
    with using(paths.BUILD, SiteError), _alone():
        return _build(tier, given or {}, told, each)


@contextmanager
def _alone() -> Iterator[None]:
    """Let one build at a time work in ``_build``."""
    paths.BUILD.mkdir(exist_ok=True)
    try:
        with filelock.FileLock(paths.BUILD / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise SiteError("another build of the book is under way; wait for it to end") from None


def _build(
    tier: str,
    given: Mapping[str, Any],
    told: Callable[[str], None],
    each: Callable[..., Any],
) -> index.Index:
    started = time.perf_counter()
    _stage()
    for old in (paths.LIVE, launch.FOLDER):
        shutil.rmtree(old, ignore_errors=True)
    chapters.forget_failures()
    own = {n: {"tier": tier, **_taken(p, given)} for n, p in chapters.chapters().items()}
    chapters.execute_all(own, STAGE, told)
    launch.lay_out(STAGE, home.home())
    compiled = index.compile(tier, STAGE / "public", each, told)
    (STAGE / "thumbnails").mkdir()
    list(each(_thumbnail, compiled.figures))
    _write_index(compiled)
    _write_claims(compiled)
    _publish_records(compiled)
    told("setting the pages")
    _swap(_sphinx())
    live = records.seconds({str(path): records.read(path) for path in records.LIVE})
    took = duration(time.perf_counter() - started)
    told(f"built in {took}; the live runs took {duration(live)} in all")
    return compiled


def check(tier: str, given: Mapping[str, Any]) -> None:
    """Refuse at once what :func:`build` cannot do: with these words, or beside another build.

    One that begins later is met there.
    """
    _check(tier, given)
    with using(paths.BUILD, SiteError), _alone():
        pass


def _check(tier: str, given: Mapping[str, Any]) -> None:
    """Refuse a tier that some chapter lacks, or a parameter that all lack, before anything runs."""
    sources = chapters.chapters()
    known = dict.fromkeys(key for path in sources.values() for key in chapters.parameters(path))
    for key in given:
        choose("parameter", key, known, "the chapters")
    for name, source in sources.items():
        compare.check(name, {**_taken(source, given), "tier": tier})


def _taken(source: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the given parameters that a chapter has."""
    known = chapters.parameters(source)
    return {key: value for key, value in given.items() if key in known}


def _stage() -> None:
    """Lay out everything that Sphinx reads, from scratch."""
    shutil.rmtree(STAGE, ignore_errors=True)
    (STAGE / "public" / "figures").mkdir(parents=True)
    for name in (*PAGES, *(page.name for page in paths.ROOT.glob("*.md"))):
        source = paths.ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, STAGE / name)
    config = yaml.safe_load((STAGE / "_config.yml").read_text(encoding="utf-8"))
    text = yaml.safe_dump(publishing.configure(config, home.home()), sort_keys=False)
    (STAGE / "_config.yml").write_text(text, encoding="utf-8")
    cited = publishing.citation(paths.CITATION.read_text(encoding="utf-8"), home.home())
    (STAGE / "public" / paths.CITATION.name).write_text(cited, encoding="utf-8")


def _write_index(compiled: index.Index) -> None:
    public = STAGE / "public"
    text = compiled.model_dump_json(indent=1)
    (public / "index.json").write_text(text + "\n", encoding="utf-8")
    schema = json.dumps(index.Index.model_json_schema(), indent=1)
    (public / "index.schema.json").write_text(schema + "\n", encoding="utf-8")


CLAIMS = """# {title}: claims

All that is behind each verdict of the study `{name}`, from its records. A square is what the
verdict is about, the bar its 95 % interval, each dot {one}; the band is the criterion, a
paler one counts as partly, and a line with a diamond is the paper's number. `bioprop explain CLAIM`
prints the same.

```{{claims}} {name}
```

## Settings

```{{settings}} {name}
```
"""


def _write_claims(compiled: index.Index) -> None:
    """Lay out a page for the claims of each study, under that of the scorecard or the last page."""
    (STAGE / "claims").mkdir(exist_ok=True)
    names = list(dict.fromkeys(claim.study for claim in compiled.claims))
    for name in names:
        study = studies.get(name)
        one = f"one of the {study.population}"
        if not all(claim.summary.in_unit for claim in study.claims):
            one += ", where these are in the unit of the verdict"
        text = CLAIMS.format(title=study.title, name=name, one=one)
        (STAGE / "claims" / f"{name}.md").write_text(text, encoding="utf-8")
    contents = yaml.safe_load((STAGE / "_toc.yml").read_text(encoding="utf-8"))
    parts = contents.get("parts", [contents])
    entries = [entry for part in parts for entry in part["chapters"]]
    above = next((entry for entry in entries if entry["file"] == "scorecard"), entries[-1])
    above["sections"] = [{"file": f"claims/{name}"} for name in names]
    (STAGE / "_toc.yml").write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")


def _publish_records(compiled: index.Index) -> None:
    """Put the records behind the verdicts beside the pages, with the digests of their files."""
    lines = []
    for record in (record for study in compiled.studies for record in study.records):
        target = STAGE / "public" / record.file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paths.RUNS.parent / record.file, target)
        digest = hashlib.sha256(target.read_bytes()).hexdigest()
        lines.append(f"{digest}  {record.file.removeprefix('runs/')}\n")
    if lines:
        text = "".join(sorted(lines, key=lambda line: line.split()[1]))
        (STAGE / "public" / "runs" / "SHA256SUMS").write_text(text, encoding="utf-8")


def _thumbnail(figure: index.FigureEntry) -> None:
    """Make the gallery's small picture, in few colours, from that of a column's width."""
    with Image.open(STAGE / "public" / figure.files["column-png"]) as picture:
        picture.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
        few = picture.convert("RGB").quantize(64, dither=Image.Dither.NONE)
    few.save(STAGE / "thumbnails" / f"{figure.id}.png", optimize=True)


def _sphinx() -> Path:
    """Run Jupyter Book on the stage, warnings as errors, and return the folder of pages."""
    out = paths.BUILD / "sphinx"
    shutil.rmtree(out, ignore_errors=True)
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    words = ["build", str(STAGE), "--path-output", str(out), "-W", "-n", "--keep-going", "--quiet"]
    done = subprocess.run(
        [str(jupyter_book), *words],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
    )
    if done.returncode:
        said = re.sub(r"\x1b\[[\d;]*m", "", done.stderr).replace(f"{STAGE}{os.sep}", "")
        raise SiteError(f"the pages have faults; the last good site is untouched\n{said}")
    return out / "_build" / "html"


def _swap(fresh: Path) -> None:
    """Put the new site in the place of the old one."""
    for scrap in (".buildinfo", "objects.inv.bak"):
        (fresh / scrap).unlink(missing_ok=True)
    old = paths.BUILD / "html.old"
    shutil.rmtree(old, ignore_errors=True)
    if HTML.exists():
        os.replace(HTML, old)
    os.replace(fresh, HTML)
    shutil.rmtree(old, ignore_errors=True)
