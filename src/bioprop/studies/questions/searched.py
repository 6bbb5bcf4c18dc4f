"""Three tasks that small networks learn in seconds, and each rule at the rate that suits it.

What the studies of open questions share. A variant ``<name>-rates`` trains networks at every point
of a grid to choose by; the variant ``<name>`` trains others, of other seeds, on the same grid. What
is compared is read from the latter, at the points that the former chose.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from torch import Tensor

from bioprop.learning import Network, Rule, Streams, Training, Trial, angle, sgd
from bioprop.learning.rules import carry_back, transposes
from bioprop.learning.training import Batches
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    MemberCount,
    Natural,
    Positive,
    Run,
    Runs,
    Seed,
    Settings,
    Some,
    rows_at,
    whole_mean,
)
from bioprop.tasks.classify import dense_network, error_rate
from bioprop.tasks.images import CLASSES, Classification, load
from bioprop.tasks.linear import LinearTask, linear_network
from bioprop.tasks.nonlinear import NonlinearTask, normalised_squared_error, tanh_network

Point = tuple[str, Sequence[str], Mapping[str, Any]]  # variant, free labels, values of the others
RATES = "-rates"  # what a variant is called that others are chosen by
# How an error is called, and said: of the teachers' tasks a logarithm, of images a percentage.
QUANTITIES = {
    "linear": "log_nse",
    "nonlinear": "log_nse",
    "images": "error",
    "deep images": "error",
}
AXES = {
    "linear": "log10 normalised squared error",
    "nonlinear": "log10 normalised squared error",
    "images": "error (%)",
    "deep images": "error (%)",
}


TaskName = Literal["linear", "nonlinear", "images", "deep images"]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class TaskSettings(Settings):
    """Settings of a task and of the grid; ``members`` counts the networks for each point."""

    task: TaskName = "linear"  # Methods, tasks 1 to 3; deep: of tanh, as in mnist-depth, ours
    images: str = "mnist"  # Methods, task 2; "digits" are scikit-learn's, for quick runs
    held_out: Natural = 0  # ours: training images that stand in for the test images, to choose by
    hidden: Some[Count] = (20,)  # Methods, tasks 1 and 3; ours of images
    bound: Positive = 0.01  # range of the initial weights; Methods, task 1
    batch: Count = 1  # Methods, tasks 1 and 3; ours of images
    examples: Count = 1300  # ours: of the linear task, where backpropagation has the paper's error
    marks: Count = 2  # ours: records of grids are large
    rates: Some[Positive] = tuple(round(0.002 * 2 ** (k / 3), 7) for k in range(12))  # ours: a grid
    members: MemberCount = 20  # ours: networks for each point
    first_seed: Seed = 0  # ours: those to choose by start at 1000


@dataclass(frozen=True)
class Problem:
    """Networks that have not learnt, what they see, and ``measure``: their error by its name."""

    network: Network
    task: Batches
    measure: Callable[[Network], dict[str, Tensor]]


def points(settings: Settings, **grid: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    """Return the grid as columns, one value for each member; seeds go round fastest."""
    rows = list(itertools.product(*grid.values(), settings.seeds))
    return dict(zip((*grid, "seed"), zip(*rows, strict=True), strict=True))


def problem(settings: TaskSettings, streams: Streams, journal: Journal) -> Problem:
    """Return the networks of a task before they learn, what they learn from and their error.

    The error of images is on test images, or where some are held out, on those.
    """
    sizes = (30, *settings.hidden, 10)
    if settings.task == "linear":
        linear = LinearTask(streams, batch=settings.batch)
        network = linear_network(streams, sizes, settings.bound, settings.compute)
        return Problem(network, linear, lambda n: logs(linear.normalised_squared_error(n)))
    if settings.task == "nonlinear":
        teacher = NonlinearTask(streams, bound=0.2, batch=settings.batch)  # as the study depth
        network = tanh_network(streams, sizes, settings.bound, compute=settings.compute)
        shown = teacher.test(1000)
        return Problem(network, teacher, lambda n: logs(normalised_squared_error(n, *shown)))
    whole = load(settings.images)
    journal.learns_from(settings.images, whole.parts)
    kept = load(settings.images, settings.held_out)
    images = Classification(kept, streams, settings.batch, "standardised")
    network = dense_network(
        streams,
        (kept.pixels, *settings.hidden, CLASSES),
        settings.bound,
        hidden="tanh" if settings.task == "deep images" else "logistic",
        loss="binary-cross-entropy",
        compute=settings.compute,
    )
    return Problem(network, images, lambda n: {"error": error_rate(n, *images.test())})


def logs(nse: Tensor) -> dict[str, Tensor]:
    """Return the logarithm of an error by its name, to four decimals, as records are small."""
    return {"log_nse": torch.log10(nse).round(decimals=4)}


def follow(
    settings: TaskSettings,
    journal: Journal,
    problem: Problem,
    teaching: Rule,
    streams: Streams,
    rates: Sequence[float],
) -> Iterator[tuple[int, Training, dict[str, Tensor]]]:
    """Train, and yield at every mark how many examples were seen, the training and the error."""
    optimiser = sgd(streams.each(rates))
    training = Training(problem.network, teaching, optimiser, problem.task, streams)
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        yield examples, training, problem.measure(training.network)


def turned(
    network: Network, batches: Batches, signal: Callable[[Trial], Tensor], count: int = 20
) -> Tensor:
    """Return the angle of the lowest layer's ``signal`` to backpropagation's, ``(member,)``.

    In degrees, the mean over batches that come long after the training.
    """
    found = []
    for step in range(10**6, 10**6 + count):
        trial = network.present(*batches(step), step)
        exact = carry_back(network, transposes(network), trial)[0]
        found.append(angle(signal(trial), exact))
    return torch.cat(found, 1).nanmean(1).round(decimals=2)


def with_choices(
    variants: Mapping[str, Mapping[str, Any]], members: int = 5, task: str = "linear"
) -> dict[str, dict[str, Any]]:
    """Return variants, each followed by that of the networks that choose its rate.

    ``task`` is theirs where they do not say.
    """
    found = {}
    for name, changes in variants.items():
        found[name] = dict(changes)
        fewer = {"members": min(members, changes.get("members", members)), "first_seed": 1000}
        aside = {"held_out": 10_000} if changes.get("task", task).endswith("images") else {}
        found[name + RATES] = {**changes, **fewer, **aside}
    return found


def quantity(run: Run) -> str:
    """Return the name of the error of a run."""
    return QUANTITIES[run.settings.task]


def only(run: Run, **where: Any) -> pd.DataFrame:
    """Return the rows of a run whose labels have the values given."""
    table = run.table
    for label, value in where.items():
        table = table[table[label] == value]
    return table


def scores(runs: Runs, name: str, free: Sequence[str], **where: Any) -> pd.Series:
    """Return the mean error at the end of the networks to choose by, for each free point.

    NaN where one of them has diverged: such a point is not usable.
    """
    run = runs[name + RATES]
    table = only(run, **where)
    last = table[table["examples"] == table["examples"].max()]
    return last.groupby(list(free))[quantity(run)].agg(whole_mean)


def chosen(runs: Runs, name: str, free: Sequence[str] = ("rate",), **where: Any) -> dict[str, Any]:
    """Return the values of the free labels with the lowest error; the others are as given.

    Empty where no point is usable.
    """
    found = scores(runs, name, free, **where).dropna()
    if found.empty:
        return {}
    best = found.idxmin()
    return dict(zip(free, best if isinstance(best, tuple) else (best,), strict=True))


def course(
    runs: Runs, name: str, what: str = "", free: Sequence[str] = ("rate",), **where: Any
) -> pd.DataFrame:
    """Return a quantity at the point that was chosen: a row for each mark, a column for each seed.

    Of the error where nothing is named; all NaN where no point was usable, or none is there.
    """
    run = runs[name]
    table, best = run.table, chosen(runs, name, free, **where)
    rows = only(run, **where, **best)
    if best and len(rows):
        return rows.pivot(index="examples", columns="seed", values=what or quantity(run))
    marks = pd.Index(table["examples"].unique(), name="examples")
    return pd.DataFrame(np.nan, marks, list(run.settings.seeds))


def own(
    runs: Runs, name: str, what: str = "", free: Sequence[str] = ("rate",), **where: Any
) -> np.ndarray:
    """Return a quantity at the end at the point that was chosen, ``(seed,)``."""
    return course(runs, name, what, free, **where).iloc[-1].to_numpy(float)


def at_an_edge(runs: Runs, name: str, free: Sequence[str] = ("rate",), **where: Any) -> bool:
    """Say whether a value chosen is the lowest or the highest of those that were tried.

    Of one value or of two there is no other, and less than none at all cannot be tried.
    """
    rows = only(runs[name + RATES], **where)
    tried = {label: rows[label].unique() for label in free}
    best = chosen(runs, name, free, **where)
    return any(
        value in (tried[label].min(), tried[label].max())
        for label, value in best.items()
        if value != 0 and len(tried[label]) > 2
    )


def edges(points: Callable[[Runs], Iterable[Point]]) -> dict[str, Callable[[Runs], float]]:
    """Return two numbers of a figure: the points that were chosen for it, and those at an edge."""

    def at_edges(runs: Runs) -> float:
        return sum(at_an_edge(runs, name, free, **where) for name, free, where in points(runs))

    return {"points": lambda runs: len(list(points(runs))), "at an edge": at_edges}


def some_point_learns(run: Run) -> np.ndarray:
    """Say of each seed whether a quarter of its error is gone at any point of the grid.

    Not at every point: a grid has some at which nothing can be learnt.
    """
    name = quantity(run)
    start, end = rows_at(run, 0), rows_at(run)
    before, after = start[name].to_numpy(float), end[name].to_numpy(float)
    lost = after - before <= np.log10(0.75) if name == "log_nse" else after <= 0.75 * before
    return end.assign(learnt=lost).groupby("seed")["learnt"].any().to_numpy()
