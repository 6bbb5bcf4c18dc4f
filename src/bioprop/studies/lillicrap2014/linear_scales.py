"""Who wins on the linear task, by the scales of the weights and of the feedback?

Controls to linear_task.py. Two scales are printed for Fig 1d, U(-0.01, 0.01) for the weights and
U(-0.5, 0.5) for B. The first decides who leads early: a signal through B does not wait for weights
to grow. The second decides who falls faster late. Once an error of NSE is left that only the rate
of learning divides, NSE falls as exp(-2 * rate * slope * examples). Where B^T B = c I, the slope
is (c / 2)^(1/3) s^(2/3) under feedback alignment and s under backpropagation, from weights near
zero, for the smallest singular value s of the teacher (the chapter why-it-works derives it).
"""

import itertools
from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Training, rule, sgd
from bioprop.learning.rules import Rule, carry_back
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.theorems import TheoremSettings, flow
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    Region,
    Run,
    Runs,
    Seed,
    Settings,
    Some,
    Study,
    curve,
    gone,
    own_claim,
    rows_at,
    whole_mean,
)
from bioprop.tasks.linear import LinearTask, linear_network

PRINTED = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
ROUNDING = -24.0  # log10 NSE below which float64 shapes the curve
LOOKS = {
    "random": drawing.Look("FA, random $B$", drawing.COLOURS[2], "--"),
    "even": drawing.Look("FA, $B^TB = cI$", drawing.COLOURS[0], "-."),
    "bp": drawing.LOOKS["bp"],
    "large": drawing.Look("backpropagation, $W$ as large as $B$", "0.55", (0, (5, 2))),
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class ScaleSettings(Settings):
    """Settings of the linear task, for other scales; ``theory`` trains nothing."""

    what: Literal["bp", "fa", "theory"]  # ours: a rule, or what is known before learning
    feedbacks: Some[Positive] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # ours; printed is 0.5
    even: bool = False  # ours: whether B is made to have B^T B = c I
    bound: Positive = 0.01  # Methods, task 1: W0, W ~ U(-0.01, 0.01)
    rate: Positive = 1e-3  # Fig 4; small steps, as the theory has them
    examples: Count = 13_000  # ours: the axis of the linear task, stretched as the rate is smaller
    marks: Count = 100  # ours: one for each percent of the axis
    time: Positive = 40.0  # ours: of the flow whose end is the theory's; from trials, long enough
    members: MemberCount = 40  # ours: in trials 20 left open who wins at b = 1
    first_seed: Seed = 300  # ours: apart from those of trials


def run(settings: ScaleSettings, journal: Journal) -> None:
    """Train a network for every range of B and every seed, or write what theory says of it."""
    feedbacks = (0.0,) if settings.what == "bp" else settings.feedbacks
    b, seeds = zip(*itertools.product(feedbacks, settings.seeds), strict=True)
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network = linear_network(streams, (30, 20, 10), settings.bound, settings.compute)
    B = rule("fa", bound=streams.each(b)).init(network, streams)[0]
    if settings.even:
        B = evened(B, streams.each(b))
    journal.label(seed=seeds, feedback=b)
    if settings.what == "theory":
        journal.begin(task.T, B)
        journal.write(0, **slopes_before_learning(task.T, B, settings.time))
        return
    fixed = Rule("fa", lambda network, streams: [B], carry_back)
    teaching = rule("bp") if settings.what == "bp" else fixed
    training = Training(network, teaching, sgd(settings.rate), task, streams)
    for examples in journal.follow(training, marks(settings)):
        journal.write(examples, log_nse=torch.log10(task.normalised_squared_error(network)))


def marks(settings: ScaleSettings) -> np.ndarray:
    """Return the examples at which is measured."""
    return np.linspace(0, settings.examples, settings.marks + 1).astype(int)


def evened(B: Tensor, b: Tensor) -> Tensor:
    """Return B ``(member, output, hidden)`` with equal singular values, of the range's mean square.

    U(-b, b) has variance b^2 / 3, so that B^T B (in the paper's order) has a mean of
    hidden * b^2 / 3 on its diagonal; here it has that everywhere on it, and 0 beside.
    """
    left, _, right = torch.linalg.svd(B, full_matrices=False)
    return (B.shape[-1] / 3) ** 0.5 * b * (left @ right)


def slopes_before_learning(T: Tensor, B: Tensor, time: float) -> dict[str, Tensor]:
    """Return late slopes that theory gives, from T and B alone, shape ``(member,)`` each.

    ``s`` is the smallest singular value of T ``(member, input, output)``, backpropagation's.
    ``formula`` is (c / 2)^(1/3) s^(2/3), with c the mean eigenvalue of B^T B. ``flow`` is the
    smallest eigenvalue of W B where the flow from zero weights ends: it knows all of B^T B.
    """
    s = torch.linalg.svdvals(T)[:, -1]
    c = B.square().sum((1, 2)) / B.shape[1]
    steps = TheoremSettings(what="theorem 1", time=time, marks=1)
    ends = [flow(t.T, b.T, steps)[1][-1] @ b.T for t, b in zip(T.numpy(), B.numpy(), strict=True)]
    slowest = [np.linalg.eigvals(WB).real.min() for WB in ends]
    return {"s": s, "formula": (c / 2) ** (1 / 3) * s ** (2 / 3), "flow": torch.tensor(slowest)}


def late_slopes(run: Run) -> pd.DataFrame:
    """Return the late slope of every network, in units of the theory: seeds by range of B.

    The straight line through log NSE in the second half of the run, down to where rounding begins.
    NaN for a network that has diverged.
    """
    table = run.table
    late = table[table["examples"] >= table["examples"].max() / 2]
    late = late[~(late["log_nse"] < ROUNDING)]
    fitted = late.groupby(["seed", "feedback"]).apply(_steepness, include_groups=False)
    return (fitted * -np.log(10) / (2 * run.settings.rate)).unstack("feedback")


def _steepness(rows: pd.DataFrame) -> float:
    """Return decades for each example: the slope of the regression line."""
    x, y = rows["examples"].to_numpy(float), rows["log_nse"].to_numpy(float)
    x = x - x.mean()
    return float(x @ y / (x @ x)) if len(x) > 1 else float("nan")


def before_learning(runs: Runs, quantity: str) -> pd.DataFrame:
    """Return what theory says of every network: seeds by range of B."""
    return rows_at(runs["theory"], 0).pivot(index="seed", columns="feedback", values=quantity)


def measured_over(runs: Runs, variant: str, quantity: str) -> pd.DataFrame:
    """Return measured late slopes over the theory's: seeds by range of B."""
    found = late_slopes(runs[variant])
    if variant == "bp":
        return found.div(before_learning(runs, quantity).iloc[:, 0], axis="index")
    return found / before_learning(runs, quantity)


def worst(runs: Runs, variant: str, quantity: str) -> np.ndarray:
    """Return the same at the range of B whose mean is farthest from 1, ``(seed,)``."""
    ratios = measured_over(runs, variant, quantity)
    apart = np.abs(np.log(ratios.mean(skipna=False)))
    return ratios.iloc[:, int(apart.fillna(np.inf).argmax())].to_numpy()


def errors(run: Run, feedback: float, percent: float = 100.0) -> np.ndarray:
    """Return log10 NSE at a percentage of the run for one range of B, ``(seed,)``."""
    rows = rows_at(run, percent)
    values = rows.pivot(index="seed", columns="feedback", values="log_nse")
    return values.get(feedback, values.iloc[:, 0] * np.nan).to_numpy(float)


def ahead(fa: str, bp: str, feedback: float, percent: float) -> Callable[[Runs], np.ndarray]:
    """Return a measure: feedback alignment's log10 NSE minus backpropagation's."""

    def measure(runs: Runs) -> np.ndarray:
        return errors(runs[fa], feedback, percent) - errors(runs[bp], 0.0, percent)

    return measure


def draw_start(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error against examples at the rates of the linear task: the scale of W at the start."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    looks = {"bp-fast": "bp", "bp-large-fast": "large"}
    frames = [drawn(axes, runs[name], LOOKS[look]) for name, look in looks.items()]
    frames.append(drawn(axes, runs["fa-fast"], drawing.LOOKS["fa"]))
    axes.set(xlabel="examples", ylabel="log10 normalised squared error")
    axes.legend(loc="lower left")
    return figure, pd.concat(frames)


def drawn(axes: Axes, run: Run, look: drawing.Look) -> pd.DataFrame:
    """Draw mean and 95 % interval of the error of a run with one range of B."""
    style = {"color": look.colour, "linestyle": look.line, "label": look.name}
    shown = drawing.shaded(axes, curve(run, "log_nse"), **style)
    return pd.DataFrame({"curve": look.name} | shown)


def draw_slopes(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error against examples for every range of B, and late slopes against the range."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4.2))
    frames = [drawn(left, runs["bp"], LOOKS["bp"])]
    groups = runs["fa"].table.groupby(["examples", "feedback"])["log_nse"]
    mean = groups.agg(whole_mean).unstack("feedback")
    for b, colour in zip(mean, drawing.shades(mean.shape[1]), strict=True):
        left.plot(mean.index, mean[b], "--", color=colour, label=f"FA, $b$ = {b:g}")
        shown = {"curve": f"fa, b = {b:g}", "examples": mean.index, "mean": mean[b].to_numpy()}
        frames.append(pd.DataFrame(shown))
    left.set(xlabel="examples", ylabel="log10 normalised squared error")
    left.legend()
    frames += slopes_over_b(right, runs)
    right.set(xlabel="$b$, the range of $B$", ylabel="late slope", ylim=(0, None))
    right.legend()
    return figure, pd.concat(frames)


def slopes_over_b(axes: Axes, runs: Runs) -> list[pd.DataFrame]:
    """Draw measured slopes as dots with 95 % intervals, and the theory's as lines."""
    frames = []
    for variant, kind in {"fa": "random", "fa-even": "even"}.items():
        values, look = late_slopes(runs[variant]), LOOKS[kind]
        mean, low, high = drawing.interval(values.to_numpy(), axis=0)
        style = {"color": look.colour, "label": f"{look.name}, measured", "capsize": 3}
        marker = "o" if kind == "random" else "s"
        axes.errorbar(values.columns, mean, [mean - low, high - mean], fmt=marker, **style)
        shown = {"curve": f"{kind}, measured", "feedback": values.columns, "mean": mean}
        frames.append(pd.DataFrame(shown | {"low": low, "high": high}))
    theory = {"flow": LOOKS["random"], "formula": LOOKS["even"]}
    for quantity, look in theory.items():
        curve = before_learning(runs, quantity).mean()
        axes.plot(curve, color=look.colour, linestyle=look.line, lw=1, label=f"theory, {quantity}")
        shown = {"curve": quantity, "feedback": curve.index, "mean": curve.to_numpy()}
        frames.append(pd.DataFrame(shown))
    for values, line, label in (
        (late_slopes(runs["bp"]).iloc[:, 0], "-", "BP, measured"),
        (before_learning(runs, "s").iloc[:, 0], ":", "BP, theory: $s$"),
    ):
        axes.axhline(values.mean(), color="0.15", linestyle=line, lw=1, label=label)
        frames.append(pd.DataFrame({"curve": [label], "mean": [values.mean()]}))
    return frames


def learnt(run: Run) -> np.ndarray:
    """Say of each network whether it has learnt; of theory, which need not, that it has."""
    if run.settings.what == "theory":
        return np.ones(len(rows_at(run)), dtype=bool)
    return gone("log_nse")(run)


NEAR = Region(0.85, 1.15)
STILL = "theory does not learn, and an error that stays has no slope"
WITHIN = "within 15 %, which tells the rules apart: at most ranges of B they differ by more"
CLAIMS = [
    own_claim(
        id="linear-large-lead-10",
        statement="From weights as large as B backpropagation is ahead of feedback alignment early "
        "on (10 % of the axis, the rates of the linear task).",
        measure=ahead("fa-fast", "bp-large-fast", PRINTED, 10),
        unit="decades of NSE, FA minus BP",
        holds=Region(low=0.0),
        reason="ahead means a lower error at equal examples; seeds share data and teacher",
        figure="linear-large",
    ),
    own_claim(
        id="linear-large-lead-25",
        statement="It is ahead at a quarter of the axis as well.",
        measure=ahead("fa-fast", "bp-large-fast", PRINTED, 25),
        unit="decades of NSE, FA minus BP",
        holds=Region(low=0.0),
        reason="ahead means a lower error at equal examples; seeds share data and teacher",
        figure="linear-large",
    ),
    own_claim(
        id="linear-printed-b",
        statement="At the printed range of B, b = 0.5, and equal rates, backpropagation ends at or "
        "below feedback alignment.",
        measure=ahead("fa", "bp", PRINTED, 100),
        unit="decades of NSE at the end, FA minus BP",
        holds=Region(low=0.0),
        reason="at or below means a difference of 0 or more",
        figure="linear-slopes",
    ),
    own_claim(
        id="linear-double-b",
        statement="At b = 1 and equal rates feedback alignment ends at or below backpropagation.",
        measure=ahead("fa", "bp", 1.0, 100),
        unit="decades of NSE at the end, FA minus BP",
        holds=Region(high=0.0),
        partly=Region(high=1.0),
        reason="at or below means a difference of 0 or less; within a decade counts as partly",
        figure="linear-slopes",
    ),
    own_claim(
        id="linear-slope-bp",
        statement="Late, backpropagation's error falls at the rate that the smallest singular "
        "value of the teacher sets.",
        measure=lambda runs: worst(runs, "bp", "s"),
        unit="late slope over s",
        unlearnt=STILL,
        holds=NEAR,
        reason=WITHIN,
        figure="linear-slopes",
    ),
    own_claim(
        id="linear-slope-formula",
        statement="Late, feedback alignment's error falls at the rate (c/2)^(1/3) s^(2/3), with c "
        "the mean eigenvalue of BᵀB, for b from 0.25 to 2.",
        measure=lambda runs: worst(runs, "fa", "formula"),
        unit="late slope over that, at the range of B where their mean is farthest from 1",
        unlearnt=STILL,
        holds=NEAR,
        reason=WITHIN,
        figure="linear-slopes",
    ),
    own_claim(
        id="linear-slope-even",
        statement="Where all eigenvalues of BᵀB are equal it falls at that rate.",
        measure=lambda runs: worst(runs, "fa-even", "formula"),
        unit="late slope over (c/2)^(1/3) s^(2/3), at the range of B where their mean is farthest "
        "from 1",
        unlearnt=STILL,
        holds=NEAR,
        reason=f"{WITHIN}; a control, since the formula assumes it",
        figure="linear-slopes",
    ),
    own_claim(
        id="linear-slope-flow",
        statement="For a random B it falls at the rate that the flow from zero weights gives for "
        "that B and that teacher.",
        measure=lambda runs: worst(runs, "fa", "flow"),
        unit="late slope over the smallest eigenvalue of WB at the end of the flow, at the range "
        "of B where their mean is farthest from 1",
        unlearnt=STILL,
        holds=NEAR,
        reason=f"{WITHIN}; in a trial with other seeds the formula missed and this did not",
        figure="linear-slopes",
    ),
]

# ours: the rates of the study linear-task, whose axis this is
FAST = {"examples": 1300}

STUDY = Study(
    name="linear-scales",
    title="The scales of weights and feedback",
    paper="lillicrap2014",
    settings=ScaleSettings,
    tiers={
        "smoke": {"members": 3, "examples": 100, "time": 4.0},
        "quick": {"members": 5},
        "paper": {},
    },
    variants={
        "theory": {"what": "theory"},
        "bp": {"what": "bp"},
        "fa": {"what": "fa"},
        "fa-even": {"what": "fa", "even": True},
        "bp-fast": {"what": "bp", "rate": 9e-3, **FAST},
        "bp-large-fast": {"what": "bp", "rate": 9e-3, "bound": PRINTED, **FAST},
        "fa-fast": {"what": "fa", "rate": 9.9e-3, "feedbacks": (PRINTED,), **FAST},
    },
    run=run,
    claims=CLAIMS,
    learnt=learnt,
    figures=[
        Figure(
            id="linear-large",
            title="Who is ahead early depends on how large the weights start",
            alt="Logarithm of the normalised squared error against examples, a line with a band "
            "each for backpropagation from the printed weights, backpropagation from weights as "
            "large as the feedback, and feedback alignment.",
            caption="The linear task at the rates that serve each rule best, and one curve "
            "more: backpropagation from weights as large as $B$, from U(−0.5, 0.5) in place of "
            "U(−0.01, 0.01). Mean and 95 % interval over networks.",
            look="To see: which of the two curves of backpropagation feedback alignment goes with "
            "early. If its lead there came from random feedback and not from the size of the "
            "weights, both curves of backpropagation would lie above it.",
            place="a control to Fig 1d; experiment ours",
            draw=draw_start,
            rules=("bp", "fa"),
        ),
        Figure(
            id="linear-slopes",
            title="The range of B decides who falls faster late",
            alt="Left: logarithm of the error against examples at one learning rate, a line for "
            "backpropagation and one for each of six ranges of B. Right: the late slope against "
            "the range of B, dots for random and for even feedback beside two lines of theory, and "
            "two level lines for backpropagation.",
            caption="Left: error for six ranges of $B$ at one rate for all; means over networks. "
            "Right: how fast the error falls in the second half of the run, in units of the rate. "
            "Dots: measured, with 95 % intervals, for random $B$ and for $B$ with "
            "$B^TB = cI$. Lines: what theory gives before learning, by the formula "
            "$(c/2)^{1/3} s^{2/3}$, which assumes $B^TB = cI$, and by the flow from zero weights, "
            "which knows all of $B$. Level: backpropagation, measured and $s$.",
            look="To see: whether the dots lie on their lines, and at which range of $B$ they "
            "cross the level of backpropagation. If the range did not matter, they would be level.",
            place="a control to Fig 1d; experiment ours",
            draw=draw_slopes,
            rules=("bp", "fa"),
            numbers={
                "random over formula": lambda runs: float(worst(runs, "fa", "formula").mean()),
                "at 1 ahead": lambda runs: int((ahead("fa", "bp", 1.0, 100)(runs) < 0).sum()),
                "networks": lambda runs: len(ahead("fa", "bp", 1.0, 100)(runs)),
            },
        ),
    ],
)
