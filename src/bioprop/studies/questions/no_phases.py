"""Does learning need phases, one forward and one backward?

A post notes that most rules "still require distinct forward and backward [...] phases". Here there
are none.
Units follow what drives them with a time constant, inputs change while they do, the error is on at
every moment, and so is learning. How long must an input last beside the time constants? How late
may the error come? And does it help if a layer learns only while little changes in it?
"""

import functools
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Streams, Training, sgd
from bioprop.learning.rules import carry_back, continuous_time
from bioprop.learning.training import Batches
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.searched import (
    Point,
    Problem,
    TaskSettings,
    edges,
    own,
    points,
    problem,
    some_point_learns,
    turned,
    with_choices,
)
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Positive,
    Precision,
    Region,
    Runs,
    Some,
    Study,
    own_claim,
)

SLOW = 1000.0  # time constants after which units have settled to the last bit
DURATIONS = (3.0, 10.0, 30.0, 100.0)
DELAYS = (0.0, 0.1, 0.2, 0.5, 0.8, 1.0)
LATE = 30.0  # time constants that an input lasts where its error comes late
Delay = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class PhasesSettings(TaskSettings):
    """Settings of units in time; all but the tasks' own are ours."""

    task: Literal["linear", "nonlinear"] = "linear"  # Methods, tasks 1 and 3
    durations: Some[Positive] = DURATIONS  # ours: time constants that an input lasts
    delays: Some[Delay] = (0.0,)  # ours: of the error, in durations of an input
    moments: Count = 50  # ours: steps of time for an input
    finer: Count = 1  # ours: into how many parts each of them is divided
    gate: bool = False  # ours: does a layer learn only while little changes in it?
    still: Positive = 0.1  # ours: how little, as a share of its length, in a time constant
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
    rates: Some[Positive] = (0.0015, 0.003, 0.006, 0.012, 0.024, 0.048)  # ours: for a whole input
    examples: Count = 600  # ours: half of those after which the linear task is learnt
    precision: Precision = "float32"  # ours: it is faster
    members: MemberCount = 20  # Methods, task 1: networks for each point

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        reasons = dict.fromkeys(("images", "held_out"), "the task has no images")
        if not self.gate:
            reasons["still"] = "layers learn at every moment; with gate = True they wait"
        return reasons

    def __post_init__(self) -> None:
        super().__post_init__()
        for delay in self.delays:
            if delay > self.examples:
                raise ValueError(
                    f"setting delays: an error that comes {delay:g} inputs late never comes in a "
                    f"run of {self.examples}; give less"
                )
            if abs(delay * self.steps - round(delay * self.steps)) > 1e-6:
                raise ValueError(
                    f"setting delays: {delay:g} of an input is no whole number of its "
                    f"{self.steps} moments; give a multiple of {1 / self.steps:g}"
                )

    @property
    def steps(self) -> int:
        """Return the number of steps of time for an input."""
        return self.moments * self.finer


def run(settings: PhasesSettings, journal: Journal) -> None:
    """Train a network for every duration, delay and rate, and every seed, side by side."""
    grid = points(settings, duration=settings.durations, delay=settings.delays, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    for examples, training in follow(settings, journal, made, streams, grid):
        journal.write(
            examples, **made.measure(made.network), angle=settled_angle(training, made.task)
        )


def follow(
    settings: PhasesSettings, journal: Journal, made: Problem, streams: Streams, grid: Any
) -> Iterator[tuple[int, Training]]:
    """Let time go on, and yield at every mark how many examples were seen, and the training."""
    moments = settings.steps
    time = streams.each(grid["duration"]) / moments
    teaching = continuous_time(
        -torch.expm1(-time),
        delay=torch.tensor([round(delay * moments) for delay in grid["delay"]]),
        bound=settings.feedback,
        still=settings.still if settings.gate else None,
        batch=settings.batch,
    )
    optimiser = sgd(streams.each([rate / moments for rate in grid["rate"]]))
    training = Training(made.network, teaching, optimiser, held(made.task, moments), streams)
    inputs = np.linspace(0, settings.examples, settings.marks + 1) // settings.batch
    for mark in journal.follow(training, [int(n) * moments for n in inputs]):
        yield mark // moments * settings.batch, training


def held(task: Batches, moments: int) -> Batches:
    """Return a task whose inputs last for so many moments each."""
    once = functools.lru_cache(maxsize=1)(task)
    return lambda step: once(step // moments)


def settled_angle(training: Training, task: Batches) -> Tensor:
    """Return the angle of the lowest layer's settled signal to backpropagation's, ``(member,)``."""
    network, B = training.network, training.state["B"]
    return turned(network, task, lambda trial: carry_back(network, B, trial)[0])


def end(
    runs: Runs, name: str, duration: float = LATE, delay: float = 0.0, what: str = ""
) -> np.ndarray:
    """Return a quantity at the end at a point, ``(seed,)``, at its own best rate."""
    return own(runs, name, what, duration=duration, delay=delay)


def loop(runs: Runs, task: str, what: str = "", often: str = "") -> np.ndarray:
    """Return a quantity at the end of the ordinary loop, ``(seed,)``: inputs are endlessly slow.

    It makes one update for each input or, with ``often = "-often"``, as many as without phases.
    """
    return end(runs, f"{task}-loop{often}", SLOW, what=what)


def share(runs: Runs, task: str, duration: float, often: str = "") -> np.ndarray:
    """Return what share of the decades that the ordinary loop learns is learnt."""
    return end(runs, task, duration) / loop(runs, task, often=often)


def finer(runs: Runs, duration: float) -> np.ndarray:
    """Return the error with steps of time half as long minus that with the others."""
    return end(runs, "linear-fine", duration) - end(runs, "linear", duration)


def late(runs: Runs, delay: float) -> np.ndarray:
    """Return what share of the decades is learnt that errors which come at once teach."""
    return end(runs, "linear-late", delay=delay) / end(runs, "linear-late")


def gain(runs: Runs, task: str, duration: float) -> np.ndarray:
    """Return the error of layers that wait for stillness minus that of those that do not."""
    return end(runs, f"{task}-gated", duration) - end(runs, task, duration)


LOOKS = {
    "": drawing.Look("always learning", drawing.COLOURS[0], "-"),
    "-gated": drawing.Look("while little changes", drawing.COLOURS[1], "--"),
}
LOOPS = {"": ("ordinary loop", ":"), "-often": ("ordinary loop, as many updates", "-.")}


def curve_of(runs: Runs, name: str, label: str, what: str = "") -> pd.DataFrame:
    """Return a quantity at the end, a row for each duration or delay, a column for each seed."""
    settings = runs[name].settings
    tried = settings.durations if label == "duration" else settings.delays
    rows = [end(runs, name, what=what, **{label: value}) for value in tried]
    return pd.DataFrame(np.array(rows), pd.Index(tried, name=label))


def draw_by(
    axes: Axes, runs: Runs, task: str, label: str, what: str = "", ending: str = ""
) -> list[pd.DataFrame]:
    """Draw a quantity against duration or delay, with and without the gate, and of the loop."""
    frames = []
    for gate, look in LOOKS.items():
        name = f"{task}{ending}{gate}"
        style = {"color": look.colour, "linestyle": look.line, "label": look.name, "marker": "o"}
        drawn = drawing.shaded(axes, curve_of(runs, name, label, what), **style)
        frames.append(pd.DataFrame({"variant": name, "quantity": what or "log_nse"} | drawn))
    rows = []
    for often, (label, line) in LOOPS.items():
        ordinary = float(loop(runs, task, what, often).mean())
        axes.axhline(ordinary, color="0.4", linestyle=line, label=label)
        named = {"variant": f"{task}-loop{often}", "quantity": what or "log_nse"}
        rows.append({**named, "mean": ordinary})
    return [*frames, pd.DataFrame(rows)]


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw errors against how long inputs last and how late errors come, and the angle."""
    figure, panels = drawing.panels(2, 2, figsize=(10, 7.5))
    frames = []
    for axes, task in zip(panels[0], ("linear", "nonlinear"), strict=True):
        frames += draw_by(axes, runs, task, "duration")
        axes.set(title=f"{task} task")
    frames += draw_by(panels[1, 0], runs, "linear", "delay", ending="-late")
    panels[1, 0].set(title="linear task", xlabel="delay of the error\n(durations of an input)")
    frames += draw_by(panels[1, 1], runs, "linear", "duration", "angle")
    panels[1, 1].set(title="linear task")
    drawing.angle_axis(panels[1, 1])
    panels[1, 1].set(ylabel="angle to backprop's\nsignal (degrees)")
    for axes in panels[:, 0]:
        axes.set(ylabel="log10 normalised\nsquared error")
    for axes in (*panels[0], panels[1, 1]):
        drawing.log_x(axes, DURATIONS, labels=True)
        axes.set(xlabel="an input lasts\n(time constants)")
    named = panels[0, 0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(3))
    return figure, pd.concat(frames)


def searched_points(runs: Runs) -> Iterator[Point]:
    """Yield every point for which a rate was chosen."""
    for name in VARIANTS:
        settings = runs[name].settings
        for t, d in itertools.product(settings.durations, settings.delays):
            yield name, ("rate",), {"duration": t, "delay": d}


OWN_RATE = "each at its best rate of those tried"
SHARE = "share of the decades of NSE at the end that"
GATED = f"decades of NSE at the end, layers that wait minus those that do not; {OWN_RATE}"
TENTH = "a tenth of a decade is a quarter of the error"


def slow(task: str) -> Claim:
    """Return the claim that inputs which last long are learnt from as in the ordinary loop."""
    return own_claim(
        id=f"no-phases-slow-{task}",
        statement="Without phases, and with inputs that last for a hundred time constants, the "
        f"{task} task is learnt as well as in the ordinary loop, against one update for each "
        "input.",
        measure=partial(share, task=task, duration=100.0),
        unit=f"{SHARE} the ordinary loop learns; {OWN_RATE}",
        holds=Region(low=0.9),
        partly=Region(low=0.75),
        reason="a tenth of what is learnt is little; units are on their way for two time constants "
        "or three of the hundred",
        figure="no-phases-errors",
    )


def often(task: str) -> Claim:
    """Return the claim that it is as good against a loop with as many updates."""
    return own_claim(
        id=f"no-phases-often-{task}",
        statement="Without phases, and with inputs that last for a hundred time constants, the "
        f"{task} task is learnt as well as in the ordinary loop with as many updates for each "
        "input.",
        measure=partial(share, task=task, duration=100.0, often="-often"),
        unit=f"{SHARE} the ordinary loop with as many updates learns; {OWN_RATE}",
        holds=Region(low=0.9),
        partly=Region(low=0.75),
        reason="as beside one update for each input: a tenth of what is learnt is little",
        figure="no-phases-errors",
    )


def gate(task: str) -> Claim:
    """Return the claim that waiting for stillness pays."""
    return own_claim(
        id=f"no-phases-gate-{task}",
        statement="Where inputs last for ten time constants, layers that learn only while little "
        f"changes in them learn the {task} task better than those that always learn.",
        measure=partial(gain, task=task, duration=10.0),
        unit=GATED,
        holds=Region(high=-0.1),
        partly=Region(high=0.0),
        reason=f"{TENTH}; an error is no one's while units are on their way to another answer",
        figure="no-phases-errors",
    )


CLAIMS = [
    slow("linear"),
    slow("nonlinear"),
    often("linear"),
    often("nonlinear"),
    own_claim(
        id="no-phases-fast",
        statement="Where inputs last for three time constants, less than half of it is learnt.",
        measure=partial(share, task="linear", duration=3.0),
        unit=f"{SHARE} the ordinary loop learns, linear task; {OWN_RATE}",
        holds=Region(high=0.5),
        partly=Region(high=0.75),
        reason="two layers of units answer late by two time constants of the three",
        figure="no-phases-errors",
        unlearnt="that little is learnt is what it says",
    ),
    gate("linear"),
    gate("nonlinear"),
    own_claim(
        id="no-phases-gate-fast",
        statement="Where inputs last for three time constants, waiting for stillness leaves less "
        "time than there is to lose: it makes the error of the linear task larger.",
        measure=partial(gain, task="linear", duration=3.0),
        unit=GATED,
        holds=Region(low=0.1),
        partly=Region(low=0.0),
        reason="a tenth of its way is left to a unit after 2.3 time constants, and there are two "
        f"layers and a way back; {TENTH}",
        figure="no-phases-errors",
        unlearnt="that little is learnt is what it says",
    ),
    own_claim(
        id="no-phases-late",
        statement="An error that comes a tenth of an input late teaches as well.",
        measure=partial(late, delay=0.1),
        unit=f"{SHARE} an error that comes at once teaches, linear task; {OWN_RATE}",
        holds=Region(low=0.9),
        partly=Region(low=0.75),
        reason="for a tenth of the time errors belong to another input",
        figure="no-phases-errors",
    ),
    own_claim(
        id="no-phases-half",
        statement="An error that comes half an input late teaches, about half as much.",
        measure=partial(late, delay=0.5),
        unit=f"{SHARE} an error that comes at once teaches, linear task; {OWN_RATE}",
        holds=Region(0.25, 0.75),
        partly=Region(0.1, 0.9),
        reason="for half of the time errors belong to another input, which on average teaches "
        "nothing",
        figure="no-phases-errors",
    ),
    own_claim(
        id="no-phases-too-late",
        statement="From an error that comes as late as the next input nothing is learnt.",
        measure=partial(end, name="linear-late", delay=1.0),
        unit=f"log10 NSE at the end, where 0 is an output that is always 0; {OWN_RATE}",
        holds=Region(low=-0.1),
        partly=Region(low=-0.3),
        reason=f"inputs are independent: it says nothing of the one that is there; {TENTH}",
        figure="no-phases-errors",
        unlearnt="that nothing is learnt is what it says",
    ),
    own_claim(
        id="no-phases-aligns",
        statement="Feedback alignment happens without phases: where inputs last for thirty time "
        "constants, its angle ends where the ordinary loop's does.",
        measure=lambda runs: end(runs, "linear", what="angle") - loop(runs, "linear", "angle"),
        unit=f"degrees, a difference at the end, lowest layer; {OWN_RATE}",
        holds=Region(-5.0, 5.0),
        partly=Region(-10.0, 10.0),
        reason="the angle falls by tens of degrees as the task is learnt",
        figure="no-phases-errors",
        decimals=1,
    ),
    own_claim(
        id="no-phases-fine",
        statement="Steps of time are short enough: with twice as many the error is the same.",
        measure=partial(finer, duration=LATE),
        unit=f"decades of NSE at the end, a difference; {OWN_RATE}",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason=TENTH,
        figure="no-phases-errors",
    ),
    own_claim(
        id="no-phases-fine-slow",
        statement="They are where inputs last for a hundred time constants, too.",
        measure=partial(finer, duration=100.0),
        unit=f"decades of NSE at the end, a difference; {OWN_RATE}",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason=f"a step is then two time constants long; {TENTH}",
        figure="no-phases-errors",
    ),
]

NONLINEAR: dict[str, Any] = {
    "task": "nonlinear",
    "hidden": (20, 10),
    "bound": 0.1,
    "rates": (0.025, 0.05, 0.1, 0.2, 0.4),
    "examples": 1000,
}
LOOP: dict[str, Any] = {"durations": (SLOW,), "moments": 1}
OFTEN: dict[str, Any] = {"durations": (SLOW,)}  # as many updates for each input as without phases
BEHIND: dict[str, Any] = {
    "durations": (LATE,),
    "delays": DELAYS,
    "rates": (0.0005, 0.0015, 0.003, 0.006, 0.012, 0.024),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "linear-loop": LOOP,
    "linear-loop-often": OFTEN | {"rates": (0.003, 0.006, 0.012, 0.024, 0.048, 0.1, 0.2)},
    "linear": {},
    "linear-gated": {"gate": True},
    "linear-fine": {"durations": (LATE, 100.0), "finer": 2},
    "linear-late": BEHIND,
    "linear-late-gated": BEHIND | {"gate": True},
    "nonlinear-loop": NONLINEAR | LOOP,
    "nonlinear-loop-often": NONLINEAR | OFTEN,
    "nonlinear": NONLINEAR,
    "nonlinear-gated": NONLINEAR | {"gate": True},
}
STUDY = Study(
    name="no-phases",
    title="No phases",
    paper="lillicrap2014",
    settings=PhasesSettings,
    tiers={
        "smoke": {"rates": (0.02,), "moments": 10, "members": 2, "examples": 2},
        "quick": {"rates": (0.006,), "moments": 10, "members": 3, "examples": 200},
        "paper": {},
    },
    variants=with_choices(VARIANTS),
    kept=("rates", "moments"),
    run=run,
    claims=CLAIMS,
    cost={"paper": 1.5},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"log_nse": 4, "angle": 2},
    figures=[
        Figure(
            id="no-phases-errors",
            title="Learning without phases",
            alt="Four panels. Above, the error of the linear and of the nonlinear task against how "
            "many time constants an input lasts; below, that of the linear task against the delay "
            "of the error, and the angle to backpropagation's signal. Each has a line with a band "
            "for layers that always learn and for those that wait, and two levels of the "
            "ordinary loop, with one update for each input and with as many.",
            caption="Error at the end of feedback alignment whose units, signals and learning are "
            "always on, against how long an input lasts (above) and how late the error comes, for "
            "inputs that last 30 time constants (below, left); angle at the lowest layer to the "
            "signal that backpropagation would send (below, right). Level lines: the ordinary "
            "loop, with one update for each input and with as many. Each at its best rate of "
            "those tried; mean and 95 % interval over networks.",
            look="To see: how long an input has to last for a curve to come down to the dotted "
            "level of the ordinary loop, and which curve is there first. Below, left: at which "
            "delay a curve reaches zero, where nothing is learnt.",
            place="ours",
            draw=draw,
            rules=("fa",),
            numbers=edges(searched_points),
        ),
    ],
)
