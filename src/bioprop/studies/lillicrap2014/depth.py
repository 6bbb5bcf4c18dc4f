"""Lillicrap et al. 2014, Fig 2d: does feedback alignment make use of depth?

Claim: on a nonlinear task networks of four layers do better than networks of three, under
feedback alignment as under backpropagation.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pydantic
import scipy
from matplotlib.figure import Figure as Picture

from bioprop.learning import Training, rule, sgd
from bioprop.studies import drawing, reported
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Precision,
    Region,
    RuleName,
    Runs,
    Seed,
    Settings,
    Some,
    Study,
    at,
    at_least,
    gone,
    sized,
    within,
    within_factor,
)
from bioprop.studies.summaries import GEOMETRIC
from bioprop.tasks.nonlinear import NonlinearTask, normalised_squared_error, tanh_network


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class NonlinearSettings(Settings):
    """Settings of the nonlinear task, and where each value stands in the paper."""

    rule: RuleName  # Fig 2d: shallow, BP and FA
    hidden: Some[Count] = (20,)  # Methods, task 3: 30-20-10, or 30-20-10-10
    bound: Positive = 0.1  # ours: student's weights and biases ~ U(-0.1, 0.1)
    teacher: Positive = 0.2  # ours: teacher's range, at which a shallow network is as in Fig 2d
    teacher_seed: Seed = 0  # Methods, task 3: one teacher, drawn once at random
    batch: Count = 1  # Methods give the updates for one example
    examples: Count = 400_000  # Fig 2d: end of the axis
    marks: Count = 80  # ours: one for each 5000 examples
    test: Count = 5000  # Methods, task 3: test points
    block: Seed = 0  # ours: which draw of points; the search measures on another
    precision: Precision = "float32"  # ours: errors stay far above its rounding

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        if self.rule == "fa":
            return {}
        why = f"rule {self.rule!r} takes no scales of B as 'fa' does; set it to [] then"
        return {"feedback": why, "feedbacks": why}  # the result has one, the search the other


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DepthSettings(NonlinearSettings):
    """Settings of the result: what the search has found."""

    rate: Positive  # not printed; ours: the best of the study depth-rates
    feedback: tuple[Positive, ...] = ()  # "selected manually"; ours: depth-rates, lowest B first
    first_seed: Seed = 3000  # ours: never used before; an earlier run had 0 to 19


def follow(
    settings: NonlinearSettings,
    journal: Journal,
    seeds: Sequence[int],
    rate: Sequence[float],
    feedback: Sequence[Sequence[float]],
) -> None:
    """Train a population and write its error.

    ``rate`` has a value for each member, ``feedback`` such a list for each layer above the first.
    """
    streams = settings.streams(seeds)
    task = NonlinearTask(
        streams, bound=settings.teacher, teacher_seed=settings.teacher_seed, batch=settings.batch
    )
    sizes = (30, *settings.hidden, 10)
    network = tanh_network(streams, sizes, settings.bound, compute=settings.compute)
    bounds = [streams.each(values) for values in feedback]
    teaching = rule(settings.rule, **({"bound": bounds} if settings.rule == "fa" else {}))
    training = Training(network, teaching, sgd(streams.each(rate)), task, streams)
    x, target = task.test(settings.test, settings.block)
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        journal.write(examples, nse=normalised_squared_error(network, x, target))


def run(settings: DepthSettings, journal: Journal) -> None:
    """Train one kind of network; every seed has data, initial weights and feedback of its own."""
    journal.label(seed=settings.seeds)
    count = settings.members
    scales = [[scale] * count for scale in settings.feedback]
    follow(settings, journal, settings.seeds, [settings.rate] * count, scales)


def decades(runs: Runs, one: str, other: str) -> np.ndarray:
    """Return the log10 of the error at the end, one variant minus another, seed by seed."""
    return np.log10(at(runs[one], "nse") / at(runs[other], "nse"))


def beside(runs: Runs, name: str) -> str:
    """Return the p value of a test like the paper's beside the paper's own."""
    three, four = (np.log10(at(runs[f"{name}-{n}"], "nse")) for n in (3, 4))
    p = scipy.stats.ttest_rel(four, three, alternative="less").pvalue
    theirs = reported.value("lillicrap2014", f"{name}-t-test-p")
    return f"p = {p:.1g} in a one-sided paired t-test of the logarithms; the paper: {theirs:.1g}"


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 2d: error against examples on a log axis, the paper's points in the same axes."""
    figure, axes = drawing.panels(figsize=(7, 4.5))
    frames = []
    for name, result in runs.items():
        frames.append(drawing.band(axes, result, "nse", name))
        key = f"fig2d-{name}" if name != "shallow" else "fig2d-shallow-3"
        points = reported.curve("lillicrap2014", key)
        drawing.reported(axes, points.index, points, name)
        paper = {"rule": name, "quantity": "nse, paper", "examples": points.index, "mean": points}
        frames.append(pd.DataFrame(paper))
    axes.set(yscale="log", xlabel="examples", ylabel="normalised squared error", ylim=(1e-4, 1.2))
    drawing.legend(axes, runs, "paper's curves, digitised")
    return figure, pd.concat(frames)


CALIBRATED = "the teacher's range is the one at which a shallow network ends as in Fig 2d"


def ends_at(name: str) -> Claim:
    """Return the claim that a network's final error is within a factor of two of the paper's."""
    return Claim(
        id=f"depth-{name}",
        statement=f"{drawing.LOOKS[name].name[0].upper()}{drawing.LOOKS[name].name[1:]} ends at "
        "the paper's error.",
        place="Fig 2d",
        measure=lambda runs: at(runs[name], "nse"),
        unit="NSE",
        holds=within_factor(2),
        partly=within_factor(4),
        reason="within a factor of two: the paper's teacher is another draw",
        reported=f"fig2d-{name if name != 'shallow' else 'shallow-3'}-4e5",
        figure="depth-nse",
        decimals=5,
        summary=GEOMETRIC,
        calibrated=CALIBRATED if name == "shallow" else None,
    )


def uses_depth(name: str, title: str) -> list[Claim]:
    """Return the claims that four layers beat three under a rule, and by as much as in the paper.

    The paper's own words are a test's; a p value says how sure one is, and the size what of.
    """
    better = Claim(
        id=f"depth-{name}-deeper",
        statement=f"Under {title} four layers do better than three, by half of what they do in the "
        "paper or more.",
        place="p. 6, t-test; the size took the place of the p value when the run was recorded",
        measure=lambda runs: decades(runs, f"{name}-4", f"{name}-3"),
        unit="decades of NSE, four layers minus three",
        holds=at_least(0.5),
        partly=Region(high=0.0),
        reason="half of the paper's gain is an effect of its kind; partly where they do better at "
        "all. Seeds share data",
        figure="depth-nse",
        reported=f"log10 fig2d-{name}-4-4e5 - log10 fig2d-{name}-3-4e5",
        aside=lambda runs: beside(runs, name),
    )
    return [
        better,
        sized(better, 0.15, f"Under {title} a fourth layer gains as much as in the paper."),
    ]


def as_good(layers: int, words: str) -> Claim:
    """Return the claim that feedback alignment ends as near to backpropagation as in Fig 2d."""
    return Claim(
        id=f"depth-fa-as-good-{layers}",
        statement=f"With {words} layers feedback alignment ends as near to backpropagation's error "
        "as in the paper.",
        place="Fig 2d; this row was added when the others had been recorded",
        measure=lambda runs: decades(runs, f"fa-{layers}", f"bp-{layers}"),
        unit="decades of NSE, FA minus BP",
        holds=within(0.15),
        partly=Region(high=0.3),
        reason="0.15 decades are a factor of 1.4; partly where FA's error is no more than twice "
        "backpropagation's",
        figure="depth-nse",
        reported=f"log10 fig2d-fa-{layers}-4e5 - log10 fig2d-bp-{layers}-4e5",
    )


STUDY = Study(
    name="depth",
    title="Depth",
    paper="lillicrap2014",
    settings=DepthSettings,
    tiers={
        "smoke": {"members": 3, "examples": 200, "marks": 4, "test": 100},
        "quick": {"members": 5, "examples": 20_000, "marks": 20},
        "paper": {},
    },
    variants={
        "shallow": {"rule": "shallow", "rate": 0.002},
        "bp-3": {"rule": "bp", "rate": 0.1},
        "fa-3": {"rule": "fa", "rate": 0.05, "feedback": (0.25,)},
        "bp-4": {"rule": "bp", "rate": 0.3, "hidden": (20, 10)},
        "fa-4": {"rule": "fa", "rate": 0.07, "feedback": (0.5, 0.5), "hidden": (20, 10)},
    },
    run=run,
    claims=[
        *uses_depth("bp", "backpropagation"),
        *uses_depth("fa", "feedback alignment"),
        as_good(3, "three"),
        as_good(4, "four"),
        *(ends_at(name) for name in ("shallow", "bp-3", "fa-3", "bp-4", "fa-4")),
    ],
    learnt=gone("nse"),
    figures=[
        Figure(
            id="depth-nse",
            title="Three and four layers on a nonlinear task",
            alt="Normalised squared error on a log axis against examples, a line with a band for "
            "each of five networks: shallow, and three and four layers under backpropagation and "
            "feedback alignment. Open marks in the same colours: the paper's curves.",
            caption="Error of 30-20-10 and 30-20-10-10 networks that learn a random 30-20-10-10 "
            "network, mean and 95 % interval over networks. Open marks: the paper's Fig 2d, "
            "digitised.",
            look="To see: the distance between pale and dark curves at the right edge, which is "
            "what a fourth layer does: {recorded}`depth-bp-deeper` decades under backpropagation, "
            "{recorded}`depth-fa-deeper` under feedback alignment.",
            place="Fig 2d",
            draw=draw,
        )
    ],
)
