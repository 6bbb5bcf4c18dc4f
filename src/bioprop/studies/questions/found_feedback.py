"""Which B does search find, and does what it has learnt carry over to another teacher?

A post asks for the optimal fixed feedback matrix. Here evolution looks for it on the linear task:
candidates are tried side by side, each B with a rate of its own, by the error that networks have
after a fixed number of examples, and the mean moves to the better half.

What theory predicts: where a singular value s of the teacher meets feedback of size b in the same
direction of the output, the error there falls late at a rate in proportion to (s b)^(2/3) (study
linear-scales). All directions fall alike, none is waited for and none forces a small step, where b
goes as 1/s. So a B that is found for one teacher should become that teacher's inverse, not its
transpose, and be wrong for another. Found on ever new teachers it can know none: it should become
even, as one with orthonormal rows is.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Streams, Training, rule, sgd
from bioprop.learning.rules import Rule, carry_back
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.best_feedback import drawn, even, weakest
from bioprop.studies.questions.searched import (
    Problem,
    TaskSettings,
    at_an_edge,
    follow,
    own,
    points,
    problem,
    some_point_learns,
    with_choices,
)
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    Positive,
    Region,
    Runs,
    Some,
    Study,
    own_claim,
)
from bioprop.tasks.linear import LinearTask

Shape = Literal["uniform", "gaussian", "orthonormal", "inverse of the teacher", "found"]
Teacher = Literal["same", "other"]
Kind = tuple[str, Shape]  # found on how many teachers, and the shape
ROWS: dict[Kind, tuple[str, str]] = {
    ("one", "uniform"): ("uniform, as printed", drawing.COLOURS[0]),
    ("one", "gaussian"): ("Gaussian", drawing.COLOURS[1]),
    ("one", "orthonormal"): ("orthonormal rows", drawing.COLOURS[2]),
    ("one", "inverse of the teacher"): ("inverse of the first teacher", drawing.COLOURS[3]),
    ("one", "found"): ("found on the first teacher", drawing.COLOURS[4]),
    ("many", "found"): ("found on many teachers", drawing.COLOURS[5]),
}
FREE = ("rate",)
ELSEWHERE = 1_000_000  # added to a seed for each teacher, and each generation, that is not its own
START = 0.0045  # rate of the first candidates, a little below the best of a uniform B
PER_WIDTH = 0.5  # how much of a step of B's numbers is a step of the rate's logarithm
LAST = 0.1  # width of the steps in the last generation over that in the first


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FoundSettings(TaskSettings):
    """Settings of the search, and of what is trained with what it found; ours but for the task."""

    task: Literal["linear"] = "linear"  # Methods, task 1
    rule: Literal["fa", "bp"] = "fa"  # ours: backpropagation is the measure of it all
    shapes: Some[Shape] = ("found",)  # ours
    teachers: Some[Teacher] = ("same", "other")  # ours: the first teacher of a seed, and another
    seen: Literal["one", "many"] = "one"  # ours: a search meets the first, or ever new ones
    pairs: Count = 12  # ours: candidates of a generation, two on opposite sides of the mean
    generations: Count = 100  # ours: on teachers of other seeds the last thirty gained little
    width: Positive = 0.3  # ours: of the first steps; numbers of B have a root mean square of 0.58
    marks: Count = 1  # ours: the end is compared
    rates: Some[Positive] = tuple(round(0.0032 * 2 ** (k / 3), 7) for k in range(7))  # ours: a grid

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        reasons = dict.fromkeys(("images", "held_out"), "the task has no images")
        if self.rule == "bp":
            reasons["shapes"] = "backpropagation has no B of its own"
        return reasons

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.hidden) > 1:
            raise ValueError(
                f"{len(self.hidden)} hidden layers have as many B; one is searched for: give one "
                "number to hidden"
            )


def run(settings: FoundSettings, journal: Journal) -> None:
    """Train a network for every shape, teacher and rate, and every seed, side by side."""
    grid = points(settings, shape=settings.shapes, teacher=settings.teachers, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    moved = [int(teacher == "other") for teacher in grid["teacher"]]
    made = taught_by(teacher_of(elsewhere(streams, moved)), settings, streams, journal)
    teaching, known = rule("bp"), {}
    if settings.rule == "fa":
        forms = {
            shape: shaped(shape, settings, settings.streams(), journal) for shape in settings.shapes
        }
        B = torch.cat([forms[shape] for shape in grid["shape"][:: settings.members]])
        teaching, turned = fixed(B), exponent(B, teacher_of(streams))
        known = {"weakest": weakest(B).round(decimals=4), "exponent": turned.round(decimals=4)}
    for examples, _, error in follow(settings, journal, made, teaching, streams, grid["rate"]):
        journal.write(examples, **error, **known)


def taught_by(T: Tensor, settings: FoundSettings, streams: Streams, journal: Journal) -> Problem:
    """Return networks before they learn, and a teacher for each, ``(member, input, output)``."""
    made = problem(settings, streams, journal)
    assert isinstance(made.task, LinearTask)
    made.task.T = T
    return made


def teacher_of(streams: Streams) -> Tensor:
    """Return the teacher of every seed."""
    return LinearTask(streams).T


def elsewhere(streams: Streams, times: Sequence[int]) -> Streams:
    """Return the streams of other seeds, so many steps away from each of these."""
    seeds = (seed + k * ELSEWHERE for seed, k in zip(streams.seeds, times, strict=True))
    return Streams(tuple(seeds), streams.dtype, streams.device)


def fixed(B: Tensor) -> Rule:
    """Return feedback alignment through ``B``, shape ``(member, output, hidden)``."""
    return Rule("fa", lambda network, streams: [B], carry_back)


def shaped(shape: Shape, settings: FoundSettings, streams: Streams, journal: Journal) -> Tensor:
    """Return a B of a shape for each seed, as large as U(-1, 1): ``(seed, output, hidden)``."""
    size = (10, *settings.hidden)
    if shape == "found":
        return evolved(settings, streams, journal)
    if shape == "inverse of the teacher":
        _, s, right = torch.linalg.svd(teacher_of(streams), full_matrices=False)
        return even(right.mT @ torch.diag_embed(1 / s) @ drawn("orthonormal", streams, size, 1))
    return even(drawn(shape, streams, size, 1))


def evolved(settings: FoundSettings, streams: Streams, journal: Journal) -> Tensor:
    """Return the B that evolution finds for each seed, ``(seed, output, hidden)``.

    What evolves are the numbers of B, kept at one mean square, and the logarithm of its rate. In
    each generation the mean becomes that of the better half of the candidates, the best counting
    most; steps become shorter. Searches of different seeds know nothing of each other.
    """
    shape = (10, *settings.hidden)
    x = even(streams.uniform("feedback", shape, 1.0, 1)).flatten(1)
    x = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    weights = math.log(settings.pairs + 0.5) - torch.arange(1, settings.pairs + 1).to(x).log()
    weights = (weights / weights.sum())[:, None]
    for generation in range(settings.generations):
        width = settings.width * LAST ** (generation / settings.generations)
        steps = width * streams.normal("settings", (settings.pairs, x.shape[1]), generation)
        tried = x[:, None] + torch.cat([steps, -steps], 1)
        new = elsewhere(streams, [generation + 2] * len(x))
        errors = error_of(tried, settings, new, journal)
        order = errors.argsort(1)[:, : settings.pairs, None]
        x = (weights * tried.gather(1, order.expand(-1, -1, x.shape[1]))).sum(1)
        x = torch.cat([even(x[:, :-1].unflatten(1, shape)).flatten(1), x[:, -1:]], 1)
    return x[:, :-1].unflatten(1, shape)


def error_of(tried: Tensor, settings: FoundSettings, streams: Streams, journal: Journal) -> Tensor:
    """Return log10 NSE of networks that learn with each candidate, ``(seed, candidate)``.

    ``tried`` has shape ``(seed, candidate, number)``. Weights and data are those of ``streams``,
    which are new in each generation; so is the teacher, unless the search sees but one. Infinity
    for a network that has diverged.
    """
    several = tried.shape[1]
    all_of = Streams(streams.seeds * several, streams.dtype, streams.device)
    numbers = tried.transpose(0, 1).flatten(0, 1)
    B = even(numbers[:, :-1].unflatten(1, (10, *settings.hidden)))
    rates = START * (PER_WIDTH * numbers[:, -1:, None]).exp()
    T = teacher_of(settings.streams() if settings.seen == "one" else streams)
    made = taught_by(T.repeat(several, 1, 1), settings, all_of, journal)
    training = Training(made.network, fixed(B), sgd(rates), made.task, all_of)
    training.until(settings.examples // settings.batch)
    [error] = made.measure(training.network).values()
    error = error.nan_to_num(nan=math.inf, posinf=math.inf)
    return error.unflatten(0, (several, -1)).T


def exponent(B: Tensor, T: Tensor) -> Tensor:
    """Return how the size of B goes with the teacher's: 1 for its transpose, -1 for its inverse.

    The slope, over the teacher's ten directions of the output, of the logarithm of how large B is
    there against the logarithm of the singular value, ``(member,)``.
    """
    _, s, right = torch.linalg.svd(T, full_matrices=False)
    x, y = s.log(), (right @ B).norm(dim=2).log()
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    return (x * y).sum(1) / x.square().sum(1)


def ends(runs: Runs, seen: str, shape: Shape, teacher: Teacher, what: str = "") -> np.ndarray:
    """Return a quantity at the end at a shape's own best rate, ``(seed,)``; the error if none."""
    return own(runs, seen, what, FREE, shape=shape, teacher=teacher)


def beside(runs: Runs, one: Kind, other: Kind, teacher: Teacher) -> np.ndarray:
    """Return the error of one B minus that of another, on one kind of teacher, ``(seed,)``."""
    return ends(runs, *one, teacher) - ends(runs, *other, teacher)


def over_bp(runs: Runs) -> np.ndarray:
    """Return the error of a found B minus backpropagation's, on the teacher it was found on."""
    return ends(runs, *FOUND, "same") - own(runs, "bp", "", FREE, teacher="same")


def more_even(runs: Runs) -> np.ndarray:
    """Return how much larger the weakest direction is of a B found on many than of a uniform B."""
    return ends(runs, *MANY, "other", "weakest") - ends(runs, *UNIFORM, "other", "weakest")


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error of every B on the first teacher and on another, and its exponent."""
    figure, panels = drawing.panels(1, 3, figsize=(12, 4), sharey=True)
    rows = []
    for axes, (teacher, what, title, label) in zip(panels, PANELS, strict=True):
        for place, ((seen, shape), (name, colour)) in enumerate(ROWS.items()):
            if teacher in runs[seen].settings.teachers:
                values = ends(runs, seen, shape, teacher, what)
                dot = drawing.dot(axes, values, place, "fa", label=None, color=colour)
                rows.append({**dot, "panel": title, "rule": name})
        if not what:
            values = own(runs, "bp", "", FREE, teacher=teacher)
            axes.axvline(values.mean(), color="0.15", lw=1, label="backpropagation")
            rows.append({"panel": title, "rule": "bp", "mean": values.mean()})
        axes.set(xlabel=label, title=title)
    panels[2].axvline(0, color="0.6", lw=1, ls=":")
    panels[2].set(xticks=(-1, -0.5, 0))
    panels[0].set(yticks=range(len(ROWS)), ylim=(len(ROWS) - 0.5, -0.5))
    panels[0].set_yticklabels([name for name, _ in ROWS.values()])
    panels[0].legend(loc="upper left", bbox_to_anchor=(0, -0.2))  # nothing else is free
    return figure, pd.DataFrame(rows)


UNIFORM: Kind = ("one", "uniform")
EVEN: Kind = ("one", "orthonormal")
INVERSE: Kind = ("one", "inverse of the teacher")
FOUND: Kind = ("one", "found")
MANY: Kind = ("many", "found")
ERROR = "log10 NSE at the end"
PANELS: tuple[tuple[Teacher, str, str, str], ...] = (
    ("same", "", "on the first teacher", ERROR),
    ("other", "", "on another teacher", ERROR),
    ("other", "exponent", "what $B$ knows of the first", "exponent of its size"),
)
OWN = "each at the rate that served it best on other networks"
DECADES = f"decades of NSE at the end; {OWN}"
HALF = "half a decade is a twentieth of what is learnt"
CLAIMS = [
    own_claim(
        id="found-b-best",
        statement="A B that search found on a teacher is better there than one with orthonormal "
        "rows.",
        measure=partial(beside, one=FOUND, other=EVEN, teacher="same"),
        unit=f"found minus orthonormal, {DECADES}",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason=f"theory says so, and that there is something to be found; {HALF}",
        figure="found-b",
    ),
    own_claim(
        id="found-b-over-bp",
        statement="There it ends below backpropagation.",
        measure=over_bp,
        unit=f"found minus backpropagation, {DECADES}",
        holds=Region(high=0.0),
        reason="below means a difference under zero; seeds share data and teacher",
        figure="found-b",
    ),
    own_claim(
        id="found-b-theory",
        statement="It is as good as the inverse of the teacher, which theory gives without a "
        "search.",
        measure=partial(beside, one=FOUND, other=INVERSE, teacher="same"),
        unit=f"found minus inverse, {DECADES}",
        holds=Region(-0.5, 0.5),
        partly=Region(-1.0, 1.0),
        reason=f"below would say that theory misses something, above that the search does; {HALF}",
        figure="found-b",
    ),
    own_claim(
        id="found-b-exponent",
        statement="What it has become is the inverse of its teacher and not the transpose: large "
        "where the teacher is weak.",
        measure=lambda runs: ends(runs, *FOUND, "same", "exponent"),
        unit="exponent of the size of B over the teacher's singular values",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason="theory says -1 for the inverse, a transpose has 1, chance 0; a search that ends "
        "early stands between chance and what it seeks",
        figure="found-b",
    ),
    own_claim(
        id="found-b-carries-not",
        statement="What it has learnt does not carry over: on another teacher it is worse than "
        "orthonormal rows.",
        measure=partial(beside, one=FOUND, other=EVEN, teacher="other"),
        unit=f"found minus orthonormal, {DECADES}",
        holds=Region(low=0.5),
        partly=Region(low=0.0),
        reason=f"theory says so: the other teacher is strong in other directions; {HALF}",
        figure="found-b",
    ),
    own_claim(
        id="found-b-carries",
        statement="Something does: it is better there than a uniform B.",
        measure=partial(beside, one=FOUND, other=UNIFORM, teacher="other"),
        unit=f"found minus uniform, {DECADES}",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason=f"the search does away with directions that are weak for any teacher; {HALF}",
        figure="found-b",
    ),
    own_claim(
        id="found-b-many",
        statement="A B that search found on ever new teachers does as one with orthonormal rows on "
        "a teacher it has not met.",
        measure=partial(beside, one=MANY, other=EVEN, teacher="other"),
        unit=f"found minus orthonormal, {DECADES}",
        holds=Region(-0.5, 0.5),
        partly=Region(-1.0, 1.0),
        reason=f"theory says that no B is better for all teachers; {HALF}",
        figure="found-b",
    ),
    own_claim(
        id="found-b-many-even",
        statement="It has become more even than a uniform B.",
        measure=more_even,
        unit="smallest singular value over the root mean square of all, found minus uniform",
        holds=Region(low=0.2),
        partly=Region(low=0.0),
        reason="orthonormal rows have 1; 0.2 is a fifth of that",
        figure="found-b",
    ),
]

KNOWN: dict[str, Any] = {"shapes": tuple(shape for seen, shape in ROWS if seen == "one")}
VARIANTS: dict[str, dict[str, Any]] = {
    "one": KNOWN,
    "many": {"seen": "many", "teachers": ("other",)},
    "bp": {"rule": "bp"},
}
STUDY = Study(
    name="found-feedback",
    title="A B that search has found",
    paper="lillicrap2014",
    settings=FoundSettings,
    tiers={
        "smoke": {
            "members": 2,
            "examples": 40,
            "marks": 2,
            "rates": (0.008,),
            "pairs": 1,
            "generations": 2,
        },
        "quick": {
            "members": 3,
            "examples": 650,
            "rates": (0.004, 0.0063),
            "pairs": 4,
            "generations": 8,
        },
        "paper": {},
    },
    variants=with_choices(VARIANTS),
    run=run,
    claims=CLAIMS,
    cost={"paper": 10.0},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"log_nse": 4, "weakest": 4, "exponent": 4},
    figures=[
        Figure(
            id="found-b",
            title="What search finds is the inverse of its teacher",
            alt="Three panels with a row for each of six kinds of B, a dot and a bar in each: the "
            "error at the end on the teacher that the search met, the error on another, both with "
            "an upright line at backpropagation's error, and the exponent of the size of B over "
            "the first teacher's singular values.",
            caption="Error at the end of the linear task on the teacher that a search for $B$ met "
            "(left) and on another (middle); right, how the size of $B$ goes with the singular "
            "values of the first teacher: 1 for its transpose, −1 for its inverse, 0 for chance. "
            "Each at its own best rate; mean and 95 % interval. Line: backpropagation.",
            place="ours",
            draw=draw,
            numbers={
                "at an edge": lambda runs: sum(
                    at_an_edge(runs, seen, FREE, shape=shape, teacher=teacher)
                    for seen, shape in ROWS
                    for teacher in runs[seen].settings.teachers
                ),
            },
            look="To see: a $B$ found on one teacher is better there than orthonormal rows by "
            "{recorded}`found-b-best` decades and worse on another by "
            "{recorded}`found-b-carries-not`. Its exponent is {recorded}`found-b-exponent`.",
        ),
    ],
)
