"""Which fixed B is best?

A post asks what the optimal fixed feedback matrix is, and whether one can do better than a random
one. Two things can be chosen: how large B is, and what shape it has. Every choice gets the learning
rate that serves it best, found with networks of other seeds; shapes have one mean square, and each
the range of its own that serves it best.

The range has no best value of its own. From zero weights a change of scale of the hidden units, by
c^(1/3), takes feedback c B at rate r to feedback B at rate r c^(2/3): range and rate are one
number, r b^(2/3). What is left to choose is the shape.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Network, Streams, Training, rule, sgd
from bioprop.learning.rules import Matrices, Rule, carry_back, pseudoinverse
from bioprop.studies import drawing, reported
from bioprop.studies.journal import Journal
from bioprop.studies.questions.searched import (
    AXES,
    Point,
    Problem,
    TaskSettings,
    edges,
    follow,
    only,
    own,
    points,
    problem,
    some_point_learns,
    with_choices,
)
from bioprop.studies.study import (
    LATER,
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Region,
    Runs,
    Some,
    Study,
    own_claim,
    whole_mean,
)
from bioprop.studies.summaries import LARGEST, RANK_CORRELATION

PRINTED = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
FREE = ("feedback", "rate")
Shape = Literal[
    "uniform",
    "gaussian",
    "orthonormal",
    "sparse",
    "low rank",
    "signs of W",
    "transpose of W",
    "pseudoinverse",
    "pseudoinverse, other task",
]
SHAPES: dict[Shape, str] = {
    "uniform": "uniform, as printed",
    "gaussian": "Gaussian",
    "orthonormal": "orthonormal rows",
    "sparse": "sparse, a fifth is left",
    "low rank": "of half the rank",
    "signs of W": "signs of the first $W^T$",
    "transpose of W": "the first $W^T$",
    "pseudoinverse": "$W^+$ of a trained network",
    "pseudoinverse, other task": "$W^+$, trained on another task",
}
LEFT = 0.2  # of a sparse matrix
LOOK = dict(zip(SHAPES, drawing.COLOURS, strict=False))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FeedbackSettings(TaskSettings):
    """Settings of the comparison; all but the linear task's own are ours."""

    rule: Literal["fa", "bp"] = "fa"  # ours: backpropagation is the measure of it all
    shapes: Some[Shape] = ("uniform",)  # ours
    feedbacks: Some[Positive] = (0.25, 0.5, 1.0, 2.0, 4.0)  # ours: factors of 2; printed is 0.5
    trained: Count = 1300  # ours: examples from which the other network learns whose W^+ is B
    trained_rate: Positive = 0.009  # ours: of that network; backpropagation's best, nearly

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {"shapes": "backpropagation has no B of its own"} if self.rule == "bp" else {}


def run(settings: FeedbackSettings, journal: Journal) -> None:
    """Train a network for every shape, range and rate, and every seed, side by side."""
    ranges = settings.feedbacks if settings.rule == "fa" else (0.0,)
    grid = points(settings, shape=settings.shapes, feedback=ranges, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    teaching, known = rule("bp"), {}
    if settings.rule == "fa":
        B = gathered(settings, journal, grid)
        teaching, known = (
            Rule("fa", lambda network, streams: B, carry_back),
            {"weakest": weakest(B[-1])},
        )
    for examples, _, error in follow(settings, journal, made, teaching, streams, grid["rate"]):
        journal.write(examples, **error, **known)


def gathered(
    settings: FeedbackSettings, journal: Journal, grid: Mapping[str, Sequence[Any]]
) -> Matrices:
    """Return the feedback weights of every member: each shape drawn once for each seed."""
    streams = settings.streams()
    one = problem(settings, streams, journal)
    forms = {shape: shaped(shape, settings, one, streams, journal) for shape in settings.shapes}
    each = settings.streams(grid["seed"]).each(grid["feedback"])
    copies = len(grid["seed"]) // len(settings.shapes) // len(settings.seeds)
    layers = zip(*forms.values(), strict=True)
    return [torch.cat([B.repeat(copies, 1, 1) for B in layer]) * each for layer in layers]


def shaped(
    shape: Shape, settings: FeedbackSettings, made: Problem, streams: Streams, journal: Journal
) -> list[Tensor]:
    """Return feedback weights of a shape for each layer but the first, as large as U(-1, 1).

    Shape ``(member, unit_out, unit_in)`` each.
    """
    layers = list(enumerate(made.network.layers[1:], start=1))
    if shape.startswith("pseudoinverse"):
        network = other_network(settings, streams, journal, same_task=shape == "pseudoinverse")
        return [even(pseudoinverse(W)) for W in network.weights[1:]]
    if shape in ("signs of W", "transpose of W"):
        uniform = rule("fa", bound=1.0).init(made.network, streams)
        pairs = zip(made.network.weights[1:], uniform, strict=True)
        return [
            even(W.mT if shape == "transpose of W" else B.abs() * W.mT.sign()) for W, B in pairs
        ]
    return [even(drawn(shape, streams, layer.feedback_shape, index)) for index, layer in layers]


def drawn(shape: Shape, streams: Streams, size: tuple[int, ...], index: int) -> Tensor:
    """Draw a matrix that knows nothing of the weights, ``(member, *size)``, of any mean square."""
    if shape in ("uniform", "sparse"):
        B = streams.uniform("feedback", size, 1.0, index)
        gone = 1 - LEFT if shape == "sparse" else 0.0
        return B * streams.kept("feedback mask", size, gone, index)
    B = streams.normal("feedback", size, index)
    if shape == "gaussian":
        return B
    left, values, right = torch.linalg.svd(B, full_matrices=False)
    if shape == "orthonormal":
        return left @ right
    half = values.shape[-1] // 2
    return left[..., :half] * values[..., None, :half] @ right[..., :half, :]


def weakest(B: Tensor) -> Tensor:
    """Return the smallest singular value over the root mean square of all, ``(member,)``."""
    values = torch.linalg.svdvals(B)
    return values[:, -1] / values.square().mean(1).sqrt()


def even(B: Tensor) -> Tensor:
    """Return a matrix with the mean square that U(-1, 1) has on average, 1/3."""
    return B / B.square().mean((1, 2), keepdim=True).mul(3).sqrt()


def other_network(
    settings: FeedbackSettings, streams: Streams, journal: Journal, *, same_task: bool
) -> Network:
    """Return networks that began elsewhere and were trained by backpropagation.

    On the same task as their namesakes, or on that of other seeds; a task that all seeds share
    (the nonlinear teacher, images) gives the same either way.
    """
    moved = tuple(seed + 10_000 for seed in streams.seeds)
    elsewhere = Streams(moved, streams.dtype, streams.device)
    there = problem(settings, streams if same_task else elsewhere, journal)
    if same_task:
        start = problem(settings, elsewhere, journal).network
        there.network.weights[:] = start.weights
    optimiser = sgd(settings.trained_rate)
    training = Training(there.network, rule("bp"), optimiser, there.task, streams)
    training.until(settings.trained // settings.batch)
    return there.network


def gain(runs: Runs, shape: Shape, task: str) -> np.ndarray:
    """Return the error of a shape minus that of a uniform B at the end, ``(seed,)``."""
    return own(runs, task, free=FREE, shape=shape) - own(runs, task, free=FREE, shape="uniform")


def over_bp(runs: Runs, shape: Shape, name: str = "linear") -> np.ndarray:
    """Return the error of a shape minus backpropagation's on the linear task, each at its best."""
    return own(runs, name, free=FREE, shape=shape) - own(runs, f"{name}-bp")


def beside(runs: Runs, one: Shape, other: Shape) -> np.ndarray:
    """Return the error of one shape minus another's on the linear task, each at its best."""
    return gain(runs, one, "linear") - gain(runs, other, "linear")


def by_range(runs: Runs) -> pd.DataFrame:
    """Return the error of a uniform B at the end, each range at its own rate: ranges by seeds."""
    rows = {b: own(runs, "range", feedback=b) for b in uniform_ranges(runs)}
    return pd.DataFrame(rows).T.rename_axis("feedback")


def uniform_ranges(runs: Runs) -> tuple[float, ...]:
    """Return the ranges that were tried."""
    return runs["range"].settings.feedbacks


def apart_of_ranges(runs: Runs) -> np.ndarray:
    """Return the error of every range minus that of the printed one, ``(range, seed)``."""
    ends = by_range(runs)
    printed = own(runs, "range", feedback=PRINTED)
    return np.abs((ends - printed).to_numpy()) if len(ends) else printed


def one_number(runs: Runs) -> np.ndarray:
    """Return how far errors at equal r b^(2/3) are apart, ``(pair, seed)``, in decades.

    Each range and rate beside the printed range at the rate that makes the number the same, where
    both were tried and neither has diverged; the size of the difference.
    """
    run = runs["range"]
    rows = only(run, examples=run.settings.examples)
    ends = rows.set_index(["feedback", "rate", "seed"])["log_nse"].unstack("seed")
    found = []
    for b, rate in ends.index:
        same = rate * (b / PRINTED) ** (2 / 3)
        near = [r for r in run.settings.rates if abs(r / same - 1) < 0.01]
        if b != PRINTED and near and (PRINTED, near[0]) in ends.index:
            pair = ends.loc[[(b, rate), (PRINTED, near[0])]].to_numpy()
            if np.isfinite(pair).all():
                found.append(np.abs(pair[0] - pair[1]))
    return np.array(found) if found else np.full((1, len(run.settings.seeds)), np.nan)


def condition(runs: Runs) -> np.ndarray:
    """Return the weakest direction of a uniform B and the error of its network, ``(2, seed)``."""
    chosen_ones = {"free": FREE, "shape": "uniform"}
    return np.array([own(runs, "linear", what, **chosen_ones) for what in ("weakest", "log_nse")])


def distances(runs: Runs) -> pd.DataFrame:
    """Return how far the curves of the study linear-scales are from Fig 1d: seeds by ranges of B.

    One rate for all. Time runs until backpropagation has the paper's last error, which is where
    the paper's axis has its last point. The mean over its points of the distance in decades.
    """
    bp = runs["linear-scales/bp"].table.groupby("examples")["log_nse"].agg(whole_mean)
    paper = {name: reported.curve("lillicrap2014", f"fig1d-{name}") for name in ("bp", "fa")}
    last = paper["bp"].index.max()
    end = np.interp(-paper["bp"][last], -bp.to_numpy(), bp.index.to_numpy())
    marks = end * paper["fa"].index.to_numpy() / last
    apart = {}
    for b, rows in runs["linear-scales/fa"].table.groupby("feedback"):
        values = rows.pivot(index="examples", columns="seed", values="log_nse")
        there = [np.interp(marks, values.index, values[seed]) for seed in values]
        apart[b] = np.abs(np.array(there) - paper["fa"].to_numpy()).mean(1)
    return pd.DataFrame(apart)


def printed_is_farther(runs: Runs) -> np.ndarray:
    """Return how much farther from Fig 1d the printed range is than twice that, in decades."""
    apart = distances(runs)
    return (apart[PRINTED] - apart[2 * PRINTED]).to_numpy(float)


def draw_range(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error against the rate for every range, twice: over the rate, and over r b^(2/3)."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4.2), sharey=True)
    run, frames = runs["range"], []
    ends = only(run, examples=run.table["examples"].max())
    mean = ends.groupby(["feedback", "rate"])["log_nse"].agg(whole_mean).unstack("feedback")
    for b, colour in zip(mean, drawing.shades(mean.shape[1]), strict=True):
        number = mean.index * b ** (2 / 3)
        for axes, x in zip(panels, (mean.index, number), strict=True):
            axes.plot(x, mean[b], "-o", ms=3, color=colour, label=f"$b$ = {b:g}")
        shown = {"feedback": b, "rate": mean.index, "number": number, "mean": mean[b].to_numpy()}
        frames.append(pd.DataFrame(shown))
    bp = own(runs, "linear-bp").mean()
    for axes, label in zip(panels, ("learning rate $r$", "$r\\,b^{2/3}$"), strict=True):
        axes.axhline(bp, color="0.15", lw=1, label="backpropagation, at its own rate")
        axes.set(xlabel=label)
    settings = run.settings
    drawing.log_x(panels[0], settings.rates)
    drawing.log_x(panels[1], [r * b ** (2 / 3) for r in settings.rates for b in settings.feedbacks])
    panels[0].set(ylabel="log10 NSE at the end")
    panels[0].legend()
    return figure, pd.concat([*frames, pd.DataFrame({"feedback": [0.0], "mean": [bp]})])


def draw_shapes(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end of every shape, a panel for each task."""
    figure, panels = drawing.panels(1, 3, figsize=(12, 4.4), sharey=True)
    rows = []
    for axes, (task, title) in zip(panels, TASKS.items(), strict=True):
        for place, shape in enumerate(SHAPES):
            if shape in runs[task].settings.shapes:
                values = own(runs, task, free=FREE, shape=shape)
                colour = LOOK[shape]
                dot = drawing.dot(axes, values, place, "fa", label=None, color=colour)
                rows.append({**dot, "task": task, "rule": shape})
        values = own(runs, f"{task}-bp")
        axes.axvline(values.mean(), color="0.15", lw=1, label="backpropagation")
        axes.set(xlabel=f"{AXES[task]}", title=title)
        rows.append({"task": task, "rule": "bp", "mean": values.mean()})
    panels[0].set(yticks=range(len(SHAPES)), ylim=(len(SHAPES) - 0.5, -0.5))
    panels[0].set_yticklabels(SHAPES.values())
    named = panels[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center")
    return figure, pd.DataFrame(rows)


def searched_points(runs: Runs) -> Iterator[Point]:
    """Yield every point for which a rate, and of shapes a range, was chosen."""
    for name in VARIANTS:
        for shape in runs[name].settings.shapes:
            bp = runs[name].settings.rule == "bp"
            yield name, ("rate",) if bp else FREE, {} if bp else {"shape": shape}


TASKS = {"linear": "linear task", "nonlinear": "nonlinear task", "images": "images"}
AT_BEST = "each at the range and the rate that served it best on other networks"
DECADES = f"decades of NSE at the end, beside a uniform B; {AT_BEST}"
POINTS = f"points of error at the end, beside a uniform B; {AT_BEST}"


def beside_uniform(
    id: str, shape: Shape, task: str, statement: str, holds: Region, partly: Region, reason: str
) -> Claim:
    """Return a claim about how much a shape gains on a uniform B."""
    return own_claim(
        id=f"best-b-{id}-{task}",
        statement=statement,
        measure=partial(gain, shape=shape, task=task),
        unit=POINTS if task == "images" else DECADES,
        holds=holds,
        partly=partly,
        reason=reason,
        figure="best-b-shapes",
    )


LEVEL = Region(-1.0, 1.0), Region(-2.0, 2.0)
TENTH = "a decade is a tenth of what is learnt, and B is drawn for each network"
HALF = "half a decade is a twentieth of what is learnt"
FINELY = "each at its own best rate, of neighbours a twelfth of an octave apart"
IMAGES_OF = "half a point is 50 of the 10 000 test images of MNIST"
CLAIMS = [
    own_claim(
        id="best-b-one-number",
        statement="Range and rate are one number: at equal r b^(2/3) errors are equal.",
        measure=one_number,
        summary=LARGEST,
        unit="decades of NSE at the end, the pair that is farthest apart",
        holds=Region(high=0.5),
        partly=Region(high=1.0),
        reason="a change of scale from zero weights; the first weights are small, not zero. "
        f"{HALF}, and by themselves ranges and rates make several decades",
        figure="best-b-range",
    ),
    own_claim(
        id="best-b-range",
        statement="So with each at its own rate no range of B is better than another.",
        measure=apart_of_ranges,
        summary=LARGEST,
        unit="decades of NSE at the end, beside the printed range, the farthest",
        holds=Region(high=1.0),
        partly=Region(high=2.0),
        reason="rates are a grid, whose neighbours are a third of an octave apart: a decade",
        figure="best-b-range",
    ),
    own_claim(
        id="best-b-fig-1d",
        statement="At one rate for all, twice the printed range gives Fig 1d more closely than the "
        "printed one does.",
        measure=printed_is_farther,
        beside="linear-scales",
        unit="decades, mean distance from the five points of the curve: printed minus twice that",
        holds=Region(low=0.0),
        reason="closer means a smaller distance; time runs until backpropagation has its last "
        "point",
        figure="best-b-range",
    ),
    own_claim(
        id="best-b-uniform-over-bp",
        statement="With the rate of each its own, a uniform B does not end below backpropagation.",
        measure=partial(over_bp, shape="uniform"),
        unit="decades of NSE at the end, a uniform B minus backpropagation",
        holds=Region(low=0.0),
        reason="at one rate for all it does, if the range is large (study linear-scales)",
        figure="best-b-shapes",
    ),
    own_claim(
        id="best-b-orthonormal-over-bp",
        statement="From weights of ±0.01 a B with orthonormal rows ends below backpropagation.",
        measure=partial(over_bp, shape="orthonormal", name="fine"),
        unit=f"decades of NSE at the end, orthonormal B minus backpropagation; {FINELY}",
        holds=Region(high=0.0),
        reason="below means a difference under zero; seeds share data and teacher",
        figure="best-b-shapes",
    ),
    own_claim(
        id="best-b-orthonormal-over-bp-larger",
        statement="From weights of ±0.1, which need not grow first, it ends above backpropagation.",
        measure=partial(over_bp, shape="orthonormal", name="larger"),
        unit=f"decades of NSE at the end, orthonormal B minus backpropagation; {FINELY}",
        holds=Region(low=0.0),
        reason="above means a difference over zero; seeds share data and teacher",
        figure="best-b-shapes",
    ),
    own_claim(
        id="best-b-condition",
        statement="What makes a uniform B slow is its weakest direction: the weaker it is, the "
        "larger the error.",
        measure=condition,
        summary=RANK_CORRELATION,
        unit="rank correlation over networks, of the smallest singular value of B and the error",
        holds=Region(high=-0.3),
        partly=Region(high=0.0),
        reason="for 20 networks a correlation of 0.3 is as large as chance makes them",
        figure="best-b-shapes",
    ),
    beside_uniform(
        "gaussian", "gaussian", "linear", "A Gaussian B does as a uniform one.", *LEVEL, TENTH
    ),
    beside_uniform(
        "signs",
        "signs of W",
        "linear",
        "A B with the signs of the first weights does as a uniform one.",
        *LEVEL,
        f"the first weights are as random as B, and soon gone; {TENTH}",
    ),
    beside_uniform(
        "transpose",
        "transpose of W",
        "linear",
        "The transpose of the first weights, made as large, does as a uniform B.",
        *LEVEL,
        f"the first weights are as random as B, and soon gone; {TENTH}",
    ),
    *(
        beside_uniform(
            "orthonormal",
            "orthonormal",
            task,
            f"On the {words} a B with orthonormal rows is better than a uniform one.",
            Region(high=-least),
            Region(high=0.0),
            why,
        )
        for task, words, least, why in (
            ("linear", "linear task", 0.5, f"it has no weak direction; {HALF}"),
            ("nonlinear", "nonlinear task", 0.05, "0.05 decades are a ninth of the error"),
            ("images", "images", 0.5, IMAGES_OF),
        )
    ),
    beside_uniform(
        "sparse",
        "sparse",
        "linear",
        "A sparse B is worse than a uniform one.",
        Region(low=0.5),
        Region(low=0.0),
        f"a small matrix of few elements has weak directions; {HALF}",
    ),
    *(
        beside_uniform(
            "low-rank",
            "low rank",
            task,
            f"On the {words} a B of half the rank is worse than a uniform one.",
            Region(low=least),
            Region(low=0.0),
            f"errors of half of the directions reach no hidden unit; {why}",
        )
        for task, words, least, why in (
            ("linear", "linear task", 2.0, "two decades are a fifth of what is learnt"),
            ("nonlinear", "nonlinear task", 0.3, "0.3 decades are a factor of two"),
            ("images", "images", 0.5, IMAGES_OF),
        )
    ),
    beside_uniform(
        "pseudoinverse",
        "pseudoinverse",
        "linear",
        "The pseudoinverse of what another network has learnt of the task is better than a "
        "uniform B.",
        Region(high=-0.5),
        Region(high=0.0),
        HALF,
    ),
    own_claim(
        id="best-b-pseudoinverse-carries",
        statement="That is knowledge of the task: what a network learnt of another serves less.",
        measure=partial(beside, one="pseudoinverse, other task", other="pseudoinverse"),
        unit=f"decades of NSE at the end, another task's minus the same task's; {AT_BEST}",
        holds=Region(low=0.5),
        partly=Region(low=0.0),
        reason=f"the same kind of matrix without the knowledge; {HALF}",
        figure="best-b-shapes",
    ),
    own_claim(
        id="best-b-pseudoinverse-orthonormal",
        statement="The pseudoinverse of what another network has learnt of the task is better than "
        "orthonormal rows, which know nothing.",
        measure=partial(beside, one="pseudoinverse", other="orthonormal"),
        unit=f"decades of NSE at the end, pseudoinverse minus orthonormal rows; {AT_BEST}",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason=f"beside a uniform B both gain by having no weak direction; {HALF}{LATER}",
        figure="best-b-shapes",
    ),
    own_claim(
        id="best-b-pseudoinverse-other",
        statement="That of a network which learnt another task is better than a uniform B.",
        measure=partial(gain, shape="pseudoinverse, other task", task="linear"),
        unit=DECADES,
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason=f"{HALF}{LATER}",
        figure="best-b-shapes",
    ),
]

OTHERS = tuple(shape for shape in SHAPES if not shape.endswith("other task"))
LINEAR: dict[str, Any] = {"shapes": tuple(SHAPES), "feedbacks": (0.5, 2.0)}
NONLINEAR: dict[str, Any] = {
    "task": "nonlinear",
    "shapes": OTHERS,
    "hidden": (20, 10),
    "bound": 0.1,
    "feedbacks": (0.5, 1.0),
    "rates": (0.025, 0.05, 0.1),
    "examples": 10_000,
    "trained": 10_000,
    "trained_rate": 0.1,
    "precision": "float32",
    "members": 10,
}
IMAGES: dict[str, Any] = {
    "task": "images",
    "shapes": OTHERS,
    "hidden": (100,),
    "bound": 0.1,
    "batch": 20,
    "feedbacks": (1.0,),
    "rates": (0.1, 0.2, 0.4, 0.8),
    "examples": 20_000,
    "trained": 20_000,
    "trained_rate": 0.2,
    "precision": "float32",
    "members": 5,
}
DIGITS = {"images": "digits", "held_out": 300}
BP: dict[str, Any] = {"rule": "bp", "shapes": ("uniform",), "feedbacks": (1.0,)}
# A twelfth of an octave apart, from an octave below backpropagation's best rate to one above it.
FINE: dict[str, Any] = {"rates": tuple(round(0.008 * 2 ** (k / 12), 7) for k in range(-12, 13))}
ORTHONORMAL: dict[str, Any] = {"shapes": ("orthonormal",), "feedbacks": (PRINTED,)} | FINE
LARGER: dict[str, Any] = {"bound": 0.1}
VARIANTS: dict[str, dict[str, Any]] = {
    "range": {},
    "linear": LINEAR,
    "linear-bp": BP,
    "fine": ORTHONORMAL,
    "fine-bp": BP | FINE,
    "larger": ORTHONORMAL | LARGER,
    "larger-bp": BP | FINE | LARGER,
    "nonlinear": NONLINEAR,
    "nonlinear-bp": NONLINEAR | BP | {"rates": (0.05, 0.1, 0.2)},
    "images": IMAGES,
    "images-bp": IMAGES | BP,
}
SMALL = {"rates": (0.004, 0.008, 0.016), "feedbacks": (0.5, 1.0)}
STUDY = Study(
    name="best-feedback",
    title="Which fixed B is best?",
    paper="lillicrap2014",
    settings=FeedbackSettings,
    tiers={
        "smoke": DIGITS | SMALL | {"members": 2, "examples": 40, "trained": 20, "marks": 2},
        "quick": DIGITS | SMALL | {"members": 3, "examples": 1300, "trained": 1300},
        "paper": {},
    },
    kept=("rates", "feedbacks"),
    variants=with_choices(VARIANTS),
    run=run,
    claims=CLAIMS,
    learnt=some_point_learns,
    decimals={"log_nse": 4},
    figures=[
        Figure(
            id="best-b-shapes",
            title="The shape of B decides",
            alt="Three panels, for the linear task, the nonlinear task and images: a row for each "
            "of nine shapes of B with a dot and a bar at the error at the end, and an upright line "
            "at backpropagation's error.",
            caption="Error at the end for nine shapes of $B$, all of one mean square, each at the "
            "range and the rate that served it best on other networks; mean and 95 % interval. "
            "Line: backpropagation at its own best rate.",
            look="To see: which intervals lie clear of that of the uniform $B$, in the top row, "
            "and which reach the line of backpropagation. If the mean square of $B$ were all that "
            "counts, the dots of a panel would lie below each other.",
            place="ours",
            draw=draw_shapes,
            rules=("bp", "fa"),
            numbers=edges(searched_points),
        ),
        Figure(
            id="best-b-range",
            title="The range of B and the rate are one number",
            alt="Two panels with the error at the end, a curve for each of five ranges of B and a "
            "level line for backpropagation: on the left against the learning rate, where the "
            "curves lie apart, on the right against the rate times the range to the power of two "
            "thirds.",
            caption="Error at the end of the linear task for uniform $B$ of five ranges $b$, "
            "against the rate (left) and against $r\\,b^{2/3}$ (right), mean over networks; a "
            "curve ends where one of them diverges.",
            look="To see: whether the curves that lie apart on the left fall on each other on the "
            "right. If range and rate did different things, they would stay apart.",
            place="ours",
            draw=draw_range,
        ),
    ],
)
