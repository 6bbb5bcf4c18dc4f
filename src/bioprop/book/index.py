"""Everything the book knows, as data: claims, figures, studies, and how it was built.

The same model is written to ``index.json`` in the site, with its schema in ``index.schema.json``,
and feeds the scorecard, the gallery and every number in the chapters' prose.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

import bioprop
from bioprop import paths, studies
from bioprop.book import changes, chapters, claims, figures, provenance
from bioprop.book.costs import duration
from bioprop.book.records import LIVE, Record, seconds
from bioprop.studies import Study


class Strict(pydantic.BaseModel):
    """A model that refuses fields it does not know."""

    model_config = pydantic.ConfigDict(extra="forbid")


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
    text: dict[str, str] = pydantic.Field(description="the numbers as the pages print them")


class FigureEntry(Strict):
    """One figure: its files are named relative to the site's root."""

    id: str
    title: str
    alt: str
    caption: str
    place: str
    chapter: str | None
    files: dict[str, str]
    study: str
    tier: str
    made: str = pydantic.Field(description="how the figure was made, in a line")
    numbers: dict[str, str] = pydantic.Field(
        default={}, description="numbers that the text takes from what is drawn"
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


def compile(tier: str, folder: Path) -> Index:
    """Judge every claim, publish every figure into ``folder/figures``, and return the index."""
    index = Index(
        claims=[],
        figures=[],
        studies=[],
        built=Built(version=bioprop.__version__, commit=provenance.commit(), tier=tier),
    )
    homes = chapters.homes()
    bibliography = []
    for study in studies.STUDIES.values():
        best, runs, judgements = claims.recorded(study)
        live = _live(study, tier)
        index.claims += [_claim(study, judged, live.get(judged.claim.id)) for judged in judgements]
        index.studies.append(_study(study, best, runs))
        if not best:
            continue
        for figure in study.figures:
            mine = [j for j in judgements if j.claim.figure == figure.id]
            behind = claims.shown(figure, runs)
            figures.publish(study, figure, behind, mine, folder / "figures")
            bibliography.append(figures.bibtex(figure))
            index.figures.append(_figure(study, figure, behind, best, homes.get(figure.id)))
    if bibliography:
        (folder / "figures" / "all.bib").write_text("\n".join(bibliography), encoding="utf-8")
    return index


def _live(study: Study, tier: str) -> dict[str, float | None]:
    if not all(LIVE.has(study.name, tier, variant) for variant in study.variants):
        return {}
    judged = claims.judge_all(study, LIVE.runs(study, tier), tier)
    return {j.claim.id: j.mean for j in judged}


def _claim(study: Study, judged: claims.Judgement, live: float | None) -> ClaimEntry:
    claim = judged.claim
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
        calibrated=claim.calibrated,
        changed=changes.told(claim.id),
        recorded=judged.mean,
        interval=judged.interval,
        aside=judged.aside,
        members=judged.members,
        counted=judged.counted,
        wanted=judged.wanted,
        tier=judged.tier,
        live=live,
        verdict=judged.verdict,
        why=judged.why,
        figure=claim.figure,
        text={
            "paper": judged.paper,
            "recorded": judged.measured,
            "live": claims.number(claim, live),
            "members": judged.count,
        },
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
        study=study.name,
        tier=tier,
        made=made,
        numbers={name: _number(measure(runs)) for name, measure in figure.numbers.items()},
        **{key: entry[key] for key in ("id", "title", "alt", "caption", "place")},
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
    )


def read(path: Path | None = None) -> Index:
    """Read an ``index.json``; by default that of the built site."""
    path = path or paths.BUILD / "html" / "index.json"
    return Index.model_validate_json(path.read_text(encoding="utf-8"))
