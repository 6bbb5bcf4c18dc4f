"""Everything the book knows, as data: claims, figures, studies, and how it was built.

The same model is written to ``index.json`` in the site, with its schema in ``index.schema.json``,
and feeds the scorecard, the gallery and every number in the chapters' prose.
"""

import datetime
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

import bioprop
from bioprop import paths, studies
from bioprop.book import changes, chapters, claims, figures, forest, kept, origins, provenance
from bioprop.book.costs import duration
from bioprop.book.gallery import rules
from bioprop.book.records import LIVE, RECORDED, Record, seconds
from bioprop.studies import Claim, Study, drawing, reported

OFTEN = 20  # studies between two words on how far it is


class Strict(pydantic.BaseModel):
    """A model that refuses fields it does not know."""

    model_config = pydantic.ConfigDict(extra="forbid")


class Source(Strict):
    """A number of a paper, as ``data/reported`` has it."""

    key: str
    value: float
    unit: str
    place: str = pydantic.Field(description="where in the paper, and how exactly it was read")
    source: str
    read_off: bool = pydantic.Field(description="whether it was read off a figure")


class Where(Strict):
    """Lines of the source."""

    file: str = pydantic.Field(description="from the root of the sources")
    first: int
    last: int
    text: str


class Fixed(Strict):
    """The last commit that changed a criterion, or its words."""

    commit: str
    day: str
    reworded: bool = pydantic.Field(description="whether it was written in another way before")


class RecordEntry(Strict):
    """One file of a record, served beside the pages."""

    variant: str
    tier: str
    file: str = pydantic.Field(description="from the root of the site; in the sources, from data/")
    digest: str = pydantic.Field(description="the SHA-256 that seals its content")
    members: int
    commit: str
    day: str


class ClaimEntry(Strict):
    """One claim: what the paper says, what was recorded, what this build measured, the verdict."""

    id: str
    paper: str = pydantic.Field(description="key of the paper in the bibliography")
    place: str = pydantic.Field(description="where in the paper the claim stands")
    origin: Literal["paper", "ours"] = pydantic.Field(description="whose claim it is")
    study: str
    statement: str
    reported: float | None = pydantic.Field(description="the paper's number, where it gives one")
    unit: str
    criterion: str = pydantic.Field(description="what counts as reproduced, fixed before the run")
    summary: str = pydantic.Field(description="how members become one number: mean, ...")
    in_unit: bool = pydantic.Field(
        description="whether values are in the unit of the claim; what a correlation is of is not"
    )
    calibrated: str | None = pydantic.Field(
        default=None, description="what was chosen so that this, or a part of it, comes out"
    )
    changed: str | None = pydantic.Field(
        default=None, description="which verdict it had before, until when, and why it has another"
    )
    recorded: float | None = pydantic.Field(
        description="mean over members of the recorded run, or its summary"
    )
    interval: tuple[float, float] | None = pydantic.Field(description="95 % interval over members")
    aside: str | None = pydantic.Field(
        default=None, description="what stands beneath the number, such as the p value of a test"
    )
    members: int
    counted: str = pydantic.Field(description="what these are: networks, seeds, ...")
    wanted: int = pydantic.Field(description="how many of them there are once none is missing")
    tier: str | None = pydantic.Field(description="tier of the recorded run")
    live: float | None = pydantic.Field(description="mean over members of this build's own run")
    verdict: Literal["reproduced", "partly", "not reproduced", "not attempted", "cannot be judged"]
    why: str
    figure: str
    page: str = pydantic.Field(description="its address in the site, which stays")
    holds: claims.Ends = pydantic.Field(
        description="the range of its criterion, an end None where there is none"
    )
    partly: claims.Ends | None = pydantic.Field(description="the wider range beside it")
    sources: list[Source] = pydantic.Field(description="what the reported number is made of")
    values: list[list[float | None]] = pydantic.Field(
        description="the number of each member of the recorded run, case by case"
    )
    read: list[str] = pydantic.Field(description="the variants that it was measured from")
    measure: Where = pydantic.Field(description="the code that measures")
    fixed: Fixed | None = pydantic.Field(description="since which commit the criterion stands")
    text: dict[str, str] = pydantic.Field(description="the numbers as the pages print them")


class FigureEntry(Strict):
    """One figure: its files are named relative to the site's root."""

    id: str
    title: str
    alt: str
    caption: str
    place: str
    chapter: str | None
    page: str | None = pydantic.Field(description="its address in the site, where it is drawn")
    files: dict[str, str]
    study: str | None = pydantic.Field(description="None where it shows claims of many studies")
    tier: str | None
    made: str = pydantic.Field(description="how the figure was made, in a line")
    numbers: dict[str, str] = pydantic.Field(
        default={}, description="numbers that the text takes from what is drawn"
    )
    rules: list[str] = pydantic.Field(default=[], description="families of the rules it shows")
    moved: drawing.Moved = pydantic.Field(
        default="",
        description="at a column's width: panels of a row stacked, or rows turned to columns",
    )


class StudyEntry(Strict):
    """One study and what is recorded of it."""

    name: str
    title: str
    paper: str
    tier: str | None
    variants: list[str]
    tiers: list[str]
    runtime: float = pydantic.Field(description="seconds that the recorded runs took together")
    records: list[RecordEntry] = pydantic.Field(description="what its verdicts are computed from")


class Part(Strict):
    """What a build makes of the records of a study."""

    claims: list[ClaimEntry]
    study: StudyEntry
    figures: list[FigureEntry] = []
    cited: list[str] = []


class Built(Strict):
    """How this build was made; no times and no dates, so that equal sources build equal sites."""

    version: str
    commit: str
    tier: str


class Index(Strict):
    """The whole of ``index.json``."""

    claims: list[ClaimEntry]
    figures: list[FigureEntry]
    studies: list[StudyEntry]
    built: Built


def compile(
    tier: str, folder: Path, each: Callable[..., Any], told: Callable[[str], None]
) -> Index:
    """Judge every claim, publish every figure into ``folder/figures``, and return the index.

    ``each`` is ``map``, or does as it does with many processes. ``told`` hears how far it is.
    """
    index = Index(
        claims=[],
        figures=[],
        studies=[],
        built=Built(version=bioprop.__version__, commit=provenance.commit(), tier=tier),
    )
    homes, bibliography = chapters.homes(), list[str]()
    pages = {name: chapters.page(name) for name in homes.values()}
    with kept.keeping(homes, pages) as key:
        part = functools.partial(_part, tier=tier, folder=folder, key=key, homes=homes)
        for made in each(part, studies.STUDIES):
            index.claims += made.claims
            index.studies.append(made.study)
            if not (done := len(index.studies)) % OFTEN:
                told(f"judged and drawn: {done} of {len(studies.STUDIES)} studies")
            index.figures += made.figures
            bibliography += made.cited
    for paper in forest.PAPERS:
        if forest.rows(index.claims, paper):
            plot = forest.publish(index.claims, paper, folder / "figures")
            bibliography.append(figures.bibtex(plot, {}))
            index.figures.append(_forest(plot))
    if bibliography:
        (folder / "figures" / "all.bib").write_text("\n".join(bibliography), encoding="utf-8")
    return index


def _part(name: str, tier: str, folder: Path, key: str, homes: Mapping[str, str]) -> Part:
    """Judge the claims of a study and publish its figures, or take what a build before made."""
    make = functools.partial(_make, name, homes)
    made = kept.take(key, name, Part, make, folder / "figures")
    study = studies.get(name)
    live = _live(study, tier)
    of = {claim.id: claim for claim in study.claims}
    for known in made.claims:
        known.live = live.get(known.id)
        known.text["live"] = claims.number(of[known.id], known.live)
    return made


def _make(name: str, homes: Mapping[str, str], folder: Path) -> Part:
    study = studies.get(name)
    best, runs, judgements = claims.recorded(study)
    made = Part(claims=[entry(study, each) for each in judgements], study=_study(study, best, runs))
    for figure in study.figures if best else ():
        mine = [each for each in judgements if each.claim.figure == figure.id]
        behind = claims.shown(figure, runs)
        published = figures.publish(study, figure, behind, mine, folder)
        drawn = _figure(study, figure, behind, best or "", homes.get(figure.id))
        known = {"rules": rules(figure, published.data, behind), "moved": published.moved}
        made.figures.append(drawn.model_copy(update=known))
        made.cited.append(figures.bibtex(figure, behind))
    return made


def one(study: Study, claim: Claim) -> tuple[ClaimEntry, list[StudyEntry]]:
    """Return all that is known of one claim, and of the studies that it reads."""
    best, runs = claims.evidence(study)
    known = [_study(study, best, runs)]
    if claim.beside:
        other = studies.get(claim.beside)
        known.append(_study(other, *claims.evidence(other)))
    return entry(study, claims.judge(study, claim, runs, best or "")), known


def _live(study: Study, tier: str) -> dict[str, float | None]:
    if not all(LIVE.has(study.name, tier, variant) for variant in study.variants):
        return {}
    judged = claims.judge_all(study, LIVE.runs(study, tier), tier)
    return {j.claim.id: j.mean for j in judged}


def entry(study: Study, judged: claims.Judgement) -> ClaimEntry:
    """Return all that is known of a claim, but for what a live run of it gives."""
    claim, fixed, lines = judged.claim, origins.fixed(judged.claim), origins.measured(judged.claim)
    return ClaimEntry(
        id=claim.id,
        paper=study.paper,
        place=claim.place,
        origin=claim.origin,
        study=study.name,
        statement=claim.statement,
        reported=judged.reported,
        unit=claim.unit,
        criterion=claims.criterion(study, claim),
        summary=claim.summary.name,
        in_unit=claim.summary.in_unit,
        calibrated=claim.calibrated,
        changed=changes.told(claim.id, claim.origin),
        recorded=judged.mean,
        interval=judged.interval,
        aside=judged.aside,
        members=judged.members,
        counted=judged.counted,
        wanted=judged.wanted,
        tier=judged.tier,
        live=None,
        verdict=judged.verdict,
        why=judged.why,
        figure=claim.figure,
        page=f"claims/{study.name}.html#{claim.id}",
        holds=_ends(claim.holds.placed(judged.reported)),
        partly=_ends(claim.partly.placed(judged.reported)) if claim.partly else None,
        sources=[_source(study, key) for key in claims.reported_keys(claim)],
        values=[[_finite(value) for value in case] for case in judged.values],
        read=list(judged.read),
        measure=Where(
            file=f"src/bioprop/{lines.file}",
            first=lines.first,
            last=lines.last,
            text=origins.text(lines),
        ),
        fixed=Fixed(commit=fixed.name, day=fixed.day, reworded=fixed.reworded) if fixed else None,
        text={
            "paper": judged.paper,
            "recorded": judged.measured,
            "live": claims.number(claim, None),
            "members": judged.count,
            "verdict": claims.word(judged.verdict, claim.origin),
        },
    )


def _ends(region: tuple[float, float]) -> claims.Ends:
    low, high = map(_finite, region)
    return low, high


def _finite(value: float) -> float | None:
    """Return a number with nine digits, as files have it; JSON has no other than finite ones."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _source(study: Study, key: str) -> Source:
    row = reported.table(study.paper).loc[key]
    return Source(
        key=key,
        value=float(row["value"]),
        unit=str(row["unit"]),
        place=str(row["place"]),
        source=str(row["source"]),
        read_off=reported.digitised(study.paper, key),
    )


def _figure(
    study: Study,
    figure: studies.Figure,
    runs: Mapping[str, Record],
    tier: str,
    chapter: str | None,
) -> FigureEntry:
    entry: dict[str, Any] = figures.describe(study, figure, runs, [])
    lost = sum(entry["diverged"].values())
    parts = [part for run in runs.values() for part in run.parts]
    threads = _counted((part.provenance["threads"] for part in parts), "thread")
    cards = {part.provenance.get("device", "cpu") for part in parts} - {"cpu"}
    where = " and ".join([threads, *sorted(cards)])
    made = (
        f"{_seeds(runs)}, {entry['members']} {study.population} in all, tier {tier}, "
        f"{duration(entry['seconds'])} on {where}, commit {entry['commits']}"
        + (f"; {lost} {study.population} diverged and are kept as such" if lost else "")
    )
    return FigureEntry(
        files=figures.files(figure.id),
        chapter=chapter,
        page=f"{chapters.page(chapter)}.html#{figure.id}" if chapter else None,
        study=study.name,
        tier=tier,
        made=made,
        numbers={name: _number(measure(runs)) for name, measure in figure.numbers.items()},
        **{key: entry[key] for key in ("id", "title", "alt", "caption", "place")},
    )


def _forest(figure: studies.Figure) -> FigureEntry:
    return FigureEntry(
        **{key: getattr(figure, key) for key in ("id", "title", "alt", "caption", "place")},
        chapter=None,
        page=f"index.html#{figure.id}",
        files=figures.files(figure.id),
        study=None,
        tier=None,
        made="Made from the records of its studies",
    )


def _number(value: float) -> str:
    """Write a count as it is and any other number with two decimals; a minus is a minus sign."""
    return (f"{value}" if isinstance(value, int) else f"{value:.2f}").replace("-", "−")


def _seeds(runs: Mapping[str, Record]) -> str:
    """Say how many seeds there are in each run, and of how many where some are missing."""
    there, wanted = min((len(run.seeds), run.wanted) for run in runs.values())
    if there < wanted:
        return f"{there} of {wanted} seeds so far"
    return _counted((len(run.seeds) for run in runs.values()), "seed")


def _counted(counts: Iterable[int], word: str) -> str:
    """Say how many there are in each run: ``one thread``, ``20 seeds``, ``2 or 3 seeds``."""
    found = sorted(set(counts))
    return f"one {word}" if found == [1] else f"{' or '.join(map(str, found))} {word}s"


def _study(study: Study, tier: str | None, runs: Mapping[str, Record]) -> StudyEntry:
    return StudyEntry(
        name=study.name,
        title=study.title,
        paper=study.paper,
        tier=tier,
        variants=list(study.variants),
        tiers=list(study.tiers),
        runtime=seconds(runs),
        records=[
            _record(name, run, path)
            for name in runs
            for path, run in zip(
                RECORDED.files(study.name, str(tier), name), runs[name].parts, strict=True
            )
        ],
    )


def _record(variant: str, record: Record, path: Path) -> RecordEntry:
    day = datetime.date.fromisoformat(record.provenance["date"])
    return RecordEntry(
        variant=variant,
        tier=record.tier,
        file=f"runs/{path.relative_to(RECORDED.folder).as_posix()}",
        digest=record.digest,
        members=record.members,
        commit=str(record.provenance["commit"]),
        day=f"{day.day} {day:%B %Y}",
    )


def read(path: Path | None = None) -> Index:
    """Read an ``index.json``; by default that of the built site."""
    path = path or paths.BUILD / "html" / "index.json"
    return Index.model_validate_json(path.read_text(encoding="utf-8"))
