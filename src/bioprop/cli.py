"""The command line: list, run, chapter, verify, scorecard, explain, book, serve, costs, data."""

from __future__ import annotations

import dataclasses
import dis
import functools
import http.server
import importlib
import json
import math
import os
import sys
import webbrowser
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from bioprop import paths, processes, values
from bioprop.choose import choose
from bioprop.disk import why

if TYPE_CHECKING:
    from bioprop import studies
    from bioprop.book.records import Record
    from bioprop.studies import Study
else:  # loaded by whoever asks for something of it: help is there before PyTorch is

    class _Later:
        """The studies, once one is asked for."""

        def __getattr__(self, name):
            return getattr(importlib.import_module("bioprop.studies"), name)

    studies = _Later()

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Learning without weight transport: run the studies, chapters and book.",
)
data = typer.Typer(no_args_is_help=True, help="Fetch and check data sets.")
app.add_typer(data, name="data")
SET = "A setting, as name=value; bioprop list STUDY names them."
DATA = "mnist, cifar10 or tiny-imagenet."
TIERS = ("smoke", "quick", "reduced", "paper")  # as the studies have them
LONG = 60.0  # seconds; what takes longer says so beforehand
# Paths and names are printed as they are; of processes that train together the first one speaks.
out = Console(markup=False, emoji=False, quiet=processes.following())

TierOption = Annotated[str, typer.Option(help=f"How much to run: {', '.join(TIERS)}.")]
ParameterOption = Annotated[
    list[str], typer.Option("--parameter", "-p", help="A parameter, as name=value.")
]
VariantOption = Annotated[list[str], typer.Option(help="Only this variant; may be repeated.")]
StudiesArgument = Annotated[
    list[str], typer.Argument(metavar="[STUDY]...", help="Studies; all when left out.")
]
PartOption = Annotated[
    str | None, typer.Option(help="Only these seeds, such as 3-4, as a file of their own.")
]
StudyArgument = Annotated[str | None, typer.Argument(help="A study; all when left out.")]


def chosen(names: Iterable[str]) -> list[Study]:
    """Return studies by their names, each once; all where none is named."""
    return [studies.get(name) for name in dict.fromkeys(names)] or list(studies.STUDIES.values())


@app.command("list")
def list_(study: StudiesArgument = []) -> None:  # noqa: B006
    """List the studies, their tiers, what is recorded, and how long that took to run.

    Of studies that are named the variants and the settings are listed, too.

    Examples: `bioprop list`, `bioprop list linear-task mnist`
    """
    table = Table.grid(Column("study", no_wrap=True), "", padding=(0, 2))
    for each in chosen(study):
        lines = [each.title, ", ".join(_recorded(each))]
        lines += [f"variants: {', '.join(each.variants)}"] if study else []
        table.add_row(each.name, "\n".join(lines))
    out.print(table)
    for each in chosen(study) if study else ():
        variant = next(iter(each.variants))
        own = dataclasses.asdict(each.configure("quick", variant))
        settings = ", ".join(f"{name}={_written(value)}" for name, value in own.items())
        where = f"settings of {each.name}, for --set, as tier quick of variant {variant} has them"
        out.print(f"{where}: {settings}", soft_wrap=True)


def _written(value: Any) -> str:
    """Write the value of a setting as the command line takes it."""
    several = isinstance(value, tuple | list)
    return json.dumps(value, separators=(",", ":")) if several else str(value)


def _recorded(study: Study) -> list[str]:
    """Say of each tier of a study how much is recorded, and how long that took."""
    from bioprop.book.costs import duration
    from bioprop.book.records import RECORDED, seconds

    tiers = []
    for tier in study.tiers:
        names = [v for v in study.variants if RECORDED.has(study.name, tier, v)]
        kept = {name: RECORDED.load(study.name, tier, name) for name in names}
        share = f"{len(kept)}/{len(study.variants)} recorded"
        there = sum(len(record.seeds) for record in kept.values())
        wanted = sum(record.wanted for record in kept.values())
        share += f", {there} of {wanted} seeds so far," if there < wanted else ""
        tiers.append(f"{tier} ({share} in {duration(seconds(kept))})" if kept else tier)
    return tiers


@app.command()
def run(
    context: typer.Context,
    study: StudiesArgument = [],  # noqa: B006
    tier: TierOption = "quick",
    variant: VariantOption = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(help="How many networks, one seed each.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:1.")] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float64, float32 or bfloat16."),
    ] = None,
    set_: Annotated[list[str], typer.Option("--set", help=SET)] = [],  # noqa: B006
    again: Annotated[bool, typer.Option(help="Run even what is published already.")] = False,
    part: PartOption = None,
    pending: Annotated[
        bool, typer.Option(help="Make what the tiers reduced and paper still lack.")
    ] = False,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Stop after these, at a checkpoint.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Parts made at a time, in processes here.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="A Dask scheduler's address, such as tcp://node1:8786, or file."),
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(help="A folder for TensorBoard's logs of what is measured.")
    ] = None,
) -> None:
    """Run studies and keep their records; what is published already is skipped.

    Unchanged runs of the tiers reduced and paper go to data/runs; all others to data/cache/runs,
    so they never replace a published record. An interrupted run goes on from its last checkpoint,
    saved every ten seconds or so; variants that were done by then run again, unless published.
    Networks may be made in parts, a block of seeds at a time, on different days and machines; the
    files that parts leave are read as one record.

    Examples: `bioprop run linear-task --tier paper`,
    `bioprop run linear-task --seeds 5 --set rate=0.004 --variant fa`,
    `bioprop run signs-tiny --tier reduced --variant ss --part 1-2`,
    `bioprop run --pending --hours 2`,
    `torchrun --nproc-per-node 8 .venv/bin/bioprop run imagenet --tier paper --device cuda`
    """
    from bioprop.book import parts, runs
    from bioprop.book.logs import require_tensorboard

    if logs:
        require_tensorboard()

    options = {"members": seeds, "device": device, "precision": precision}
    named = {name: value for name, value in options.items() if value is not None}
    words = values.pairs(set_)
    todo = chosen(study)
    if pending:
        source = context.get_parameter_source("tier")
        if set_ or named or variant or part or again or (source and source.name != "DEFAULT"):
            raise ValueError(
                "--pending makes what is missing as it is declared: leave out settings, --tier, "
                "--variant, --part and --again"
            )
        if logs or processes.size() > 1:
            raise ValueError("--pending takes no --logs, and one process: leave out torchrun")
        return _pending(todo, math.inf if hours is None else hours, jobs or 1, scheduler)
    if hours is not None or jobs or scheduler:
        raise ValueError("--hours, --jobs and --scheduler are for --pending")
    block = parts.seeds(part) if part else None
    choose("tier", tier, [name for name in TIERS if any(name in each.tiers for each in todo)])
    for each in todo if study else ():
        choose(f"tier of {each.name}", tier, list(each.tiers))
    if twice := sorted(words.keys() & named.keys()):
        raise ValueError(f"{twice[0]} is given twice, by --set and by an option of its own")
    work, refusals = [], []
    for each, name in ((e, v) for e in todo if tier in e.tiers for v in variant or e.variants):
        try:
            changes = each.read(words) | named
            runs.configure(each, tier, name, changes, block)
            work.append((each, name, changes))
        except ValueError as error:
            refusals.append(error)
    if refusals and (study or not work):
        raise refusals[0]  # before anything runs
    for refusal in refusals:
        out.print(f"left out: {refusal}", soft_wrap=True)
    work_off = [
        (each, name, changes, which)
        for each, name, changes in work
        for which in _left(each, tier, name, changes, block, again)
    ]
    if tier in runs.PUBLISHED and not set_:
        _estimate(tier, work_off)
    for each, name, changes, which in work_off:
        _run(each, tier, name, changes, which, logs)


def _left(
    study: Study,
    tier: str,
    variant: str,
    changes: dict[str, Any],
    block: range | None,
    again: bool,
) -> Sequence[range | None]:
    """Return the seeds of a variant that are to be run, part by part; None is all of them.

    What is published already is said and left out, unless it is to run again.
    """
    from bioprop.book import parts, runs
    from bioprop.book.records import RECORDED

    store = runs.store_for(tier, changes)
    files = store.files(study.name, tier, variant)
    if block:
        files = [path for path in files if parts.split(path.stem)[1] == block]
    if store is not RECORDED or not files:
        return [block]
    if again:
        return [parts.split(path.stem)[1] for path in files]
    for path in files:
        out.print(f"{path}: already there; --again runs it anew", soft_wrap=True)
    return [] if block else parts.blocks(store.missing(study, tier, variant))


def _estimate(tier: str, work: Sequence[tuple[Study, str, dict[str, Any], range | None]]) -> None:
    """Say how long runs of a published tier will take, from what is known of their seeds."""
    from bioprop.book import runs
    from bioprop.book.estimates import estimate

    found = [
        estimate(each, tier, name, device=changes.get("device", "cpu"))
        for each, name, changes, _ in work
    ]
    how = ", ".join(dict.fromkeys(one.how for one in found))
    seconds = sum(
        one.seconds * runs.configure(each, tier, name, changes, seeds).members
        for one, (each, name, changes, seeds) in zip(found, work, strict=True)
    )
    _say_beforehand(seconds, how)


def _say_beforehand(seconds: float, how: str = "as when it was recorded") -> None:
    """Say how long something will take, where that is longer than one waits."""
    from bioprop.book.costs import duration

    if seconds >= LONG:
        out.print(f"this takes about {duration(seconds)}, {how}; other machines differ")


def _run(
    study: Study,
    tier: str,
    variant: str,
    changes: dict[str, Any],
    seeds: range | None,
    logs: Path | None,
) -> None:
    """Run one variant, or a part of it, and say what it gave, and what is published of it."""
    from bioprop.book import claims, runs
    from bioprop.book.logs import tensorboard
    from bioprop.book.progress import progress

    path = runs.store_for(tier, changes).path(study.name, tier, variant, seeds)
    told = progress(f"{study.name}: {path.stem}")
    first = runs.configure(study, tier, variant, changes, seeds).first_seed
    watch = tensorboard(logs / study.name / tier / path.stem, first) if logs else None
    try:
        record = runs.run(study, tier, variant, changes, seeds=seeds, progress=told, watch=watch)
    except KeyboardInterrupt:
        out.print(
            f"{study.name}/{tier}/{path.stem}: interrupted; the same command goes on from its last "
            "checkpoint, if it has one: they are saved every ten seconds or so",
            soft_wrap=True,
        )
        raise
    if processes.rank():
        return
    lost = f", {len(record.diverged)} diverged" if record.diverged else ""
    seconds = record.provenance["seconds"]
    line = f"{path}: {record.members} {study.population}, {seconds:.1f} s{lost}"
    out.print(line, soft_wrap=True)
    mean = f"at the last mark, mean over {study.population}: {record.summary}"
    out.print(f"    {mean}", soft_wrap=True)
    published = claims.there(study).get(variant)
    if published and (published.tier, published.settings) != (tier, record.settings):
        there = f"published, tier {published.tier}, {published.members} {study.population}"
        if changes:
            there += "".join(f", {name}={getattr(published.settings, name)}" for name in changes)
        out.print(f"    {there}: {published.summary}", soft_wrap=True)


def _pending(todo: list[Study], hours: float, jobs: int, scheduler: str | None) -> None:
    """Say what is left to be made and how long that will take, and make it."""
    from bioprop.book import pending
    from bioprop.book.costs import duration
    from bioprop.book.engines import engine
    from bioprop.book.progress import working

    left_out: list[str] = []
    with working(out, "looking at what is missing, and trying for seconds what nobody has timed"):
        works = pending.plan(todo, told=left_out.append)
    for line in left_out:
        out.print(line, soft_wrap=True)
    if not works and left_out:
        raise typer.Exit(1)
    if not works:
        return out.print(f"nothing is pending of {', '.join(study.name for study in todo)}")
    table = Table(Column("part", no_wrap=True), Column("time", justify="right"), "estimated")
    for work in works:
        began = "; goes on from a checkpoint" if work.begun else ""
        table.add_row(work.name, duration(work.seconds), work.how + began)
    out.print(table)
    workers = engine(jobs, scheduler)
    whole = duration(sum(work.seconds for work in works) / workers.workers)
    limit = "" if math.isinf(hours) else f"; this call ends after {duration(hours * 3600)}"
    out.print(f"{len(works)} parts, about {whole} on {workers.workers} at a time{limit}")
    shift = pending.Shift(
        works, workers, hours=hours, told=lambda line: out.print(line, soft_wrap=True)
    )
    shift.work()
    if shift.left:
        out.print(f"{len(shift.left)} parts are left; the same command goes on with them")
    if shift.failed:
        raise typer.Exit(1)


@app.command()
def chapter(
    name: Annotated[str, typer.Argument(help="A chapter, such as linear-task.")],
    parameter: ParameterOption = [],  # noqa: B006
) -> None:
    """Execute a chapter again, with parameters of your own, and compare with the published result.

    Example: `bioprop chapter linear-task -p members=20 -p rate=0.004`
    """
    from bioprop.book import chapters, compare
    from bioprop.book.progress import working

    given = values.pairs(parameter)
    compare.check(name, given)
    _say_beforehand(compare.recorded_seconds(name, given))
    target = paths.BUILD / "executed" / f"{name}.ipynb"
    with working(out, f"executing {name}"):
        seconds = chapters.execute(name, target, given)
    out.print(f"{target}: executed in {seconds:.0f} s", soft_wrap=True)
    out.print(compare.with_published(name, target))


@app.command()
def verify(
    study: StudyArgument = None,
    variant: VariantOption = [],  # noqa: B006
    part: PartOption = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads; the record's own if left out.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:1; the record's own if left out.")
    ] = None,
    twin: Annotated[
        bool, typer.Option(help="Measure also how far a twin comes, where that is not known.")
    ] = False,
    pending: Annotated[
        bool,
        typer.Option(
            "--pending",
            help="Only what was not run again elsewhere yet; what comes of it is kept.",
        ),
    ] = False,
    hours: Annotated[
        float | None,
        typer.Option(min=0, help="With --pending: stop after these, going by recorded times."),
    ] = None,
) -> None:
    """Run the recorded results again and compare with the records; exit code 1 if any differs.

    On the machine of the record every bit must agree. Elsewhere sums are taken in another order:
    a value agrees where it is as close as rounding leaves it, or as close as the run comes to a
    twin that starts one unit in the last place away and is rounded otherwise from there on; and no
    claim may move whose verdict is the same with the twin.

    Of a record that came in parts each is run by itself, or one that is named by its seeds. Where
    all are run, those made on a device that is not here are left out; --device cpu takes them, too.

    To verify everything takes days. With --pending goes what was not run again elsewhere yet, on
    another processor or card than its own: the shortest first. What comes of each is kept in
    data/reruns, and the same command goes on from there.

    Examples: `bioprop verify linear-task`, `bioprop verify mnist --variant shallow`,
    `bioprop verify targets-mnist --variant fa --part 3-4`,
    `bioprop verify mnist-decayed --device cpu`, `bioprop verify --pending --hours 2`
    """
    from bioprop.book import parts, runs
    from bioprop.book.progress import working
    from bioprop.book.records import RECORDED, RecordError, read
    from bioprop.book.reruns import named

    if pending and (threads or device):
        raise ValueError(
            "--pending runs records as they were made: leave out --threads and --device"
        )
    if hours is not None and not pending:
        raise ValueError("--hours is for --pending")
    checked = bad = 0
    seeds = parts.seeds(part) if part else None
    todo = chosen([study] if study else [])
    for name in variant:
        choose("variant", name, [v for each in todo for v in each.variants])
    files = [
        path
        for each in todo
        for tier in each.tiers
        for name in variant or each.variants
        if name in each.variants
        for path in RECORDED.files(each.name, tier, name)
        if seeds in (None, parts.split(path.stem)[1])
    ]
    records = {path: read(path) for path in files}
    if not records:
        raise RecordError("nothing is recorded to verify; see bioprop list")
    here, refusals = {}, {}
    for path, record in records.items():
        try:
            runs.present(record.settings.device if device is None else device)
            here[path] = record
        except ValueError as error:
            refusals[path] = error
    if pending:
        return _reruns(here, list(refusals), math.inf if hours is None else hours, twin)
    if refusals and (study or not here):
        raise next(iter(refusals.values()))  # before anything runs
    if refusals:
        out.print(
            f"left out, made on a device that is not here; --device cpu runs them, too, which may "
            f"take many times as long: {', '.join(map(named, refusals))}",
            soft_wrap=True,
        )
    moved = device is not None and any(r.settings.device != device for r in here.values())
    how = "as when it was recorded" + ("; but some of it was on another device" if moved else "")
    _say_beforehand(sum(record.provenance["seconds"] for record in here.values()), how)
    for path, record in here.items():
        name = named(path)
        with working(out, name):
            found = runs.verify(
                record, studies.get(record.study), threads=threads, device=device, twin=twin
            )
        checked, bad = checked + 1, bad + bool(found.faults)
        out.print(f"{name}: {found}", soft_wrap=True)
    if bad:
        raise typer.Exit(1)


def _reruns(here: dict[Path, Record], away: list[Path], hours: float, twin: bool) -> None:
    """Say what is left to be run again elsewhere and how long that will take, and run it."""
    from bioprop.book import reruns
    from bioprop.book.costs import duration
    from bioprop.book.progress import working

    if away:
        names = ", ".join(map(reruns.named, away))
        out.print(f"left out, made on a device that is not here: {names}", soft_wrap=True)
    with working(out, "looking what is left"):
        left = reruns.pending(here)
    bad = 0
    if left:
        whole = duration(sum(float(record.provenance["seconds"]) for record in left.values()))
        limit = "" if math.isinf(hours) else f"; this call ends after {duration(hours * 3600)}"
        out.print(f"{len(left)} records, about {whole} as they were recorded{limit}")
        bad = reruns.work_off(
            left,
            hours=hours,
            told=lambda line: out.print(line, soft_wrap=True),
            during=functools.partial(working, out),
            twin=twin,
        )
    else:
        out.print("nothing is left: it was run again elsewhere, or was recorded on this processor")
    known = ((path, reruns.kept(path, each.digest)) for path, each in here.items())
    differ = [reruns.named(path) for path, rerun in known if rerun and not rerun.agrees]
    if differ:
        out.print(f"these do not agree, as is kept: {', '.join(differ)}", soft_wrap=True)
    if bad or differ:
        raise typer.Exit(1)


@app.command()
def scorecard(study: StudiesArgument = []) -> None:  # noqa: B006
    """Judge all claims, or those of some studies, from the records and print the scorecard.

    Examples: `bioprop scorecard`, `bioprop scorecard linear-task mnist`
    """
    from bioprop.book import claims
    from bioprop.book.progress import working

    todo = chosen(study)
    with working(out, "judging the claims"):
        judged = [judgement for each in todo for judgement in claims.recorded(each)[2]]
    if not judged:
        names = ", ".join(each.name for each in todo)
        return out.print(f"no claims in {names}: nothing is judged there", soft_wrap=True)
    rows = [
        (
            j.claim,
            j.paper,
            _with_aside(j.measured, j.aside, j.count if j.members < j.wanted else None),
            claims.word(j.verdict, j.claim.origin),
        )
        for j in judged
    ]
    _print_scorecard(rows, todo)


@app.command()
def explain(
    claim: Annotated[str, typer.Argument(help="A claim, or a study to list its claims.")],
) -> None:
    """Show all that is behind the verdict of a claim: numbers, criterion, commits, code, records.

    Examples: `bioprop explain linear-task`, `bioprop explain linear-fa-final`
    """
    from bioprop.book import explain as explaining
    from bioprop.book import index

    if claim in studies.STUDIES:
        listed = Table.grid(Column("claim", no_wrap=True), "", padding=(0, 2))
        for each in studies.get(claim).claims:
            listed.add_row(each.id, each.statement)
        out.print(listed)
        return
    entry, known = index.one(*explaining.find(claim))
    table = Table.grid(Column("", no_wrap=True), "", padding=(0, 2))
    for word, lines in explaining.told(entry, known):
        for k, line in enumerate(lines):
            table.add_row("" if k else word, line)
    out.print(table)


@app.command()
def book(
    tier: TierOption = "quick",
    parameter: ParameterOption = [],  # noqa: B006
) -> None:
    """Execute all chapters at a tier, judge the claims and build the site in _build/html.

    Parameters change the live runs of the chapters, never the recorded results.

    Examples: `bioprop book --tier quick`, `bioprop book -p members=5 -p rate=0.004`
    """
    from bioprop.book import forks, site
    from bioprop.book.progress import working

    choose("tier", tier, TIERS)
    given = values.pairs(parameter)
    site.check(tier, given)
    with forks.forked() as each, working(out, "building the book"):
        index = site.build(tier, given, out.print, each)
    counts = Counter(claim.text["verdict"] for claim in index.claims)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    out.print(f"{len(index.claims)} claims: {verdicts}; bioprop scorecard prints each")
    out.print(f"open {site.HTML / 'index.html'}  (or: make serve)", soft_wrap=True)


# Of what the site holds: those that a machine lists may be odd.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".ipynb": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".bib": "text/plain",
    ".txt": "text/plain",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}


class Pages(http.server.SimpleHTTPRequestHandler):
    """Serves the site with types of its own."""

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        """Return the type of a file by the end of its name."""
        return TYPES.get(Path(path).suffix) or super().guess_type(path)


@app.command()
def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0 for any that is free.")
    ] = 8000,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Show the built site on this machine; from another, read it through a tunnel of ssh.

    Example: `bioprop serve --port 8080`
    """
    from bioprop.book.site import SiteError

    folder = paths.BUILD / "html"
    if not (folder / "index.html").exists():
        raise SiteError("there is no built site yet; make it with: make book")
    handler = functools.partial(Pages, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise SiteError(
            f"port {port} cannot be used ({error.strerror}); --port 0 takes any that is free"
        ) from None
    with server:
        address = f"http://127.0.0.1:{server.server_port}/"
        out.print(f"{address}  (Ctrl-C to stop)")
        out.print(
            "only this machine sees it; to read it from another, run there: "
            f"ssh -L {server.server_port}:127.0.0.1:{server.server_port} <this machine>",
            soft_wrap=True,
        )
        if browser:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


@app.command()
def costs() -> None:
    """Measure what each chapter costs at tier quick and keep it in data/costs.json.

    Example: `bioprop costs`
    """
    from bioprop.book import chapters
    from bioprop.book.costs import Costs
    from bioprop.book.progress import working
    from bioprop.book.provenance import processor

    measured = Costs(machine=f"one thread of a processor {processor()}")
    for name in chapters.chapters():
        target = paths.BUILD / "executed" / f"{name}.ipynb"
        with chapters.building(), working(out, name):
            seconds = chapters.execute(name, target, {"tier": "quick"})
        measured.seconds[name] = round(seconds, 1)
        out.print(f"{name}: {seconds:.1f} s")
    measured.save()


@data.command("list")
def known() -> None:
    """List the image sets that are known: what they are, which are here, and where from.

    Example: `bioprop data list`
    """
    from bioprop.learning.memory import words
    from bioprop.tasks.known import KNOWN

    table = Table.grid(Column("name", no_wrap=True), "", padding=(0, 2))
    for each in KNOWN:
        state, folder = each.found()
        fetch = f"; bioprop data fetch {each.name}" if each.fetched and state != "here" else ""
        lines = [each.what, (f"{state}: {folder}" if folder else state) + fetch]
        lines += [f"from {each.source}", f"licence: {each.licence}"]
        lines += [f"to download: {words(each.size)}"] if each.size else []
        table.add_row(each.name, "\n".join(lines))
    out.print(table)
    out.print("bioprop data check NAME compares what is here with the published digests")


@data.command("fetch")
def fetch(name: Annotated[str, typer.Argument(help=DATA)]) -> None:
    """Download a data set from its publisher, unless it is there already, and check it.

    Looks first in the folder BIOPROP_DATA and in data/cache, for the publisher's folder or archive.
    What is missing goes into the first of them that can be written.

    Example: `bioprop data fetch mnist`
    """
    from bioprop.tasks import datasets

    _published(name)
    for path in datasets.fetch(name):
        out.print(f"{path}: as published", soft_wrap=True)


@data.command("check")
def check(name: Annotated[str, typer.Argument(help=DATA)]) -> None:
    """Check the files of a data set against their published digests; nothing is downloaded.

    A publisher's archive in the folder BIOPROP_DATA or in data/cache is unpacked first.

    Example: `bioprop data check mnist`
    """
    from bioprop.tasks import datasets

    _published(name)
    for path in datasets.check(name):
        out.print(f"{path}: as published", soft_wrap=True)


def _published(name: str) -> None:
    """Raise ``ValueError`` for a data set that is known, but has no digests to compare with."""
    from bioprop.tasks.known import KNOWN

    if any(each.name == name and not each.fetched for each in KNOWN):
        raise ValueError(
            f"{name} is neither fetched nor checked: no digest of it is known here. "
            "bioprop data list says where it is looked for, or that it comes with the packages"
        )


def _with_aside(number: str, *asides: str | None) -> str:
    """Put what there is to say behind a number: a p value, how many members it is from so far."""
    return "; ".join(filter(None, [number, *asides]))


def _print_scorecard(rows: Sequence[tuple[Any, str, str, str]], todo: Sequence[Study]) -> None:
    """Print all verdicts, and what is missing where one of the studies would have others."""
    from bioprop.book import claims

    table = Table.grid(Column("verdict", max_width=16), Column("claim"), padding=(0, 2))
    for claim, paper, recorded, verdict in rows:
        numbers = f"reported {paper}, recorded {recorded}" if paper != "–" else recorded
        table.add_row(verdict, f"{claim.id}: {claim.statement}\n{numbers} ({claim.unit})")
    out.print(table)
    for line in filter(None, map(claims.lacking, todo)):
        out.print(line, soft_wrap=True)


def is_message(error: ValueError) -> bool:
    """Say whether a ``raise`` of this package made an error, to be read; any other is a fault.

    Library code written in C has no frame of its own, so its errors end in a line of ours too; but
    the instruction there is then a call or an operator.
    """
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    assert last
    code = last.tb_frame.f_code
    raised = dis.opname[code.co_code[last.tb_lasti]] == "RAISE_VARARGS"
    return raised and Path(code.co_filename).is_relative_to(Path(__file__).parent)


def main(words: list[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 failed or differs, 2 wrong words."""
    try:
        paths.require_book()
        app(words, standalone_mode=True)
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        if isinstance(error, ValueError) and not is_message(error):
            raise
        told = str(error)
        if isinstance(error, OSError):
            told = f"could not read or write {error.filename or 'a file'}: {why(error)}"
        Console(stderr=True).print(f"bioprop: {told}", soft_wrap=True, markup=False, style="red")
        sys.exit(2 if isinstance(error, ValueError) else 1)


def _expected() -> tuple[type[Exception], ...]:
    """Return the errors that are said in words; what is broken on disk may keep modules away."""
    from bioprop.tasks.datasets import DataError

    found: tuple[type[Exception], ...] = (ValueError, DataError, OSError)
    try:
        from bioprop.book.chapters import ChapterError
        from bioprop.book.records import RecordError
        from bioprop.book.site import SiteError
        from bioprop.studies.journal import CheckpointError
    except found:
        return found
    return (*found, ChapterError, RecordError, SiteError, CheckpointError)
