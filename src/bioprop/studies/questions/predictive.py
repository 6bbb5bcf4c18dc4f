"""What has predictive coding to do with feedback alignment?

A reader's note asks. A network of predictive coding settles between what is predicted from below
and an error above; its weights then learn from what is left between. Two questions: when are its
weight changes backpropagation's, by the steps that it settles and by how hard the error pulls; and
where its way back is fixed and random, does feedback alignment happen in it?
"""

from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Training, Trial, angle, rule
from bioprop.learning.rules import Rule
from bioprop.learning.rules.predictive import settle
from bioprop.learning.rules.steps import weight_gradients
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.searched import (
    AXES,
    TaskSettings,
    course,
    edges,
    follow,
    own,
    points,
    problem,
    quantity,
    some_point_learns,
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
    rows_at,
)

STEPS = (2, 5, 20, 100)  # that values settle for where angles are measured
NUDGES = (0.01, 0.1, 1.0)
LOOKS = {
    "bp": drawing.LOOKS["bp"],
    "fa": drawing.LOOKS["fa"],
    "pc": drawing.Look("predictive coding, $W^T$", drawing.COLOURS[0], "-."),
    "pc-fixed": drawing.Look("predictive coding, fixed $B$", drawing.COLOURS[1], ":"),
    "pc-two": drawing.Look("predictive coding, two steps", drawing.COLOURS[4], (0, (5, 2))),
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class PredictiveSettings(TaskSettings):
    """Settings of the nonlinear task with two hidden layers; all but the task itself are ours."""

    task: Literal["nonlinear"] = "nonlinear"  # Methods, task 3
    what: Literal["bp", "fa", "pc", "pc-fixed"] = "bp"  # ours: what teaches
    steps: Count = 20  # ours: that values settle for
    speed: Positive = 0.2  # ours: of the values
    nudges: Some[Positive] = (0.1,)  # ours: how hard the error pulls; 1 is a gradient of the loss
    hidden: Some[Count] = (20, 10)  # Methods, task 3
    bound: Positive = 0.1  # ours: as in the study depth
    feedback: Positive = 0.5  # ours: as in the study depth
    probe: Count = 50  # ours: examples on which weight changes are compared
    rates: Some[Positive] = (0.025, 0.05, 0.1)  # ours: a grid
    examples: Count = 5000  # ours: an eightieth of the study depth's
    precision: Precision = "float64"  # ours: what is left at small nudges is small
    members: MemberCount = 10  # ours: networks for each point

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return dict.fromkeys(("images", "held_out"), "the task has no images")


def taught_by(settings: PredictiveSettings, nudge: Tensor) -> Rule:
    """Return the rule of a variant."""
    if settings.what in ("bp", "fa"):
        return rule(
            settings.what, **({"bound": settings.feedback} if settings.what == "fa" else {})
        )
    bound = settings.feedback if settings.what == "pc-fixed" else None
    options = {"steps": settings.steps, "speed": settings.speed, "nudge": nudge}
    return rule("pc", bound=bound, **options)


def run(settings: PredictiveSettings, journal: Journal) -> None:
    """Train a network for every nudge and rate, and every seed, side by side."""
    grid = points(settings, nudge=settings.nudges, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    nudge = streams.each(grid["nudge"])
    teaching = taught_by(settings, nudge)
    for examples, training, error in follow(
        settings, journal, made, teaching, streams, grid["rate"]
    ):
        journal.write(examples, **error, **compared(settings, training, nudge))


def shown(settings: PredictiveSettings, training: Training) -> Trial:
    """Present examples that come long after the training."""
    several = [training.batches(step) for step in range(10**6, 10**6 + settings.probe)]
    x, target = (torch.cat(each, 1) for each in zip(*several, strict=True))
    return training.network.present(x, target)


def compared(settings: PredictiveSettings, training: Training, nudge: Tensor) -> dict[str, Tensor]:
    """Return angles to backpropagation's change of the lowest weights, ``(member,)`` each.

    ``angle`` is that of the training's own rule. Under backpropagation ``angle-k`` is what
    predictive coding would do after k steps with the exact way back, and ``unsettled-k`` how far
    its values have not settled.
    """
    network = training.network
    trial = shown(settings, training)
    exact = lowest(training, trial, rule("bp").teach(network, None, trial))
    found = {}
    own_signals = training.rule.teach(network, training.state, again := shown(settings, training))
    found["angle"] = angle(lowest(training, again, own_signals), exact).round(decimals=3)
    if settings.what != "bp":
        return found
    for steps in STEPS:
        settled = settle(network, None, trial, steps, settings.speed, nudge)
        after = Trial(settled.values, trial.target, trial.error)
        turn = angle(lowest(training, after, settled.signals), exact)
        found[f"angle-{steps}"] = turn.round(decimals=3)
        found[f"unsettled-{steps}"] = settled.unsettled.round(decimals=6)
    return found


def lowest(training: Training, trial: Trial, signals: Any) -> Tensor:
    """Return the change of the lowest weights, ``(member, weight)``."""
    change = weight_gradients(training.network, trial, signals)[0]
    assert change is not None
    return change


def turn(runs: Runs, steps: int, nudge: float, percent: float = 100.0) -> np.ndarray:
    """Return the angle after so many steps at a nudge, ``(seed,)``.

    Of networks that backpropagation trains at the second of the rates that were tried. NaN where
    values have not settled after the most steps: the change is none of theirs.
    """
    rate = runs["bp"].settings.rates[1]
    rows = rows_at(runs["bp"], percent)
    rows = rows[(rows["nudge"] == nudge) & (rows["rate"] == rate)] if rate else rows
    settled = rows[f"unsettled-{STEPS[-1]}"].to_numpy(float) < 0.01
    return np.where(settled, rows[f"angle-{steps}"].to_numpy(float), np.nan)


def level(runs: Runs, one: str, other: str) -> np.ndarray:
    """Return the error of one rule minus another's at the end, ``(seed,)``."""
    return own_of(runs, one) - own_of(runs, other)


def own_of(runs: Runs, name: str, what: str = "") -> np.ndarray:
    """Return a quantity at the end at a rule's own best rate, ``(seed,)``."""
    return own(runs, name, what, nudge=NUDGES[1])


def draw_angles(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle to backpropagation's change against steps, before and after learning."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4), sharey=True)
    frames = []
    for axes, percent, title in zip(panels, (0, 100), ("before learning", "after it"), strict=True):
        for nudge, colour in zip(NUDGES, drawing.shades(len(NUDGES)), strict=True):
            values = pd.DataFrame({k: turn(runs, k, nudge, percent) for k in STEPS}).T
            values.index.name = "steps"
            style = {"color": colour, "marker": "o", "label": f"nudge {nudge:g}"}
            drawn = drawing.shaded(axes, values, **style)
            frames.append(pd.DataFrame({"when": title, "nudge": nudge} | drawn))
        drawing.log_x(axes, STEPS, labels=True)
        axes.set(title=title, xlabel="steps that values settle for", ylim=(0, None))
    panels[0].set(ylabel="angle to backprop's change (degrees)")
    panels[0].legend()
    return figure, pd.concat(frames)


def draw_learning(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error and angle to backpropagation's change over examples."""
    figure, panels = drawing.panels(1, 2, figsize=(10, 4))
    frames = []
    for axes, what in zip(panels, ("", "angle"), strict=True):
        for name, look in LOOKS.items():
            values = course(runs, name, what, nudge=NUDGES[1])
            style = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, values, **style)
            named = {"variant": name, "quantity": what or quantity(runs[name])}
            frames.append(pd.DataFrame(named | drawn))
        axes.set(xlabel="examples")
    panels[0].set(ylabel=AXES["nonlinear"])
    drawing.angle_axis(panels[1])
    panels[0].legend()
    return figure, pd.concat(frames)


def near(one: str, other: str, statement: str) -> Claim:
    """Return the claim that two rules learn alike."""
    return own_claim(
        id=f"predictive-{one}-{other}",
        statement=statement,
        measure=partial(level, one=one, other=other),
        unit="decades of NSE at the end, a difference; each at its best rate of those tried",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason="a tenth of a decade is a quarter of the error",
        figure="predictive-learning",
    )


STILL = "it is about changes that are made, and may hold before any is"
CLAIMS = [
    own_claim(
        id="predictive-limit",
        statement="Nudged little and settled, predictive coding changes weights as "
        "backpropagation does.",
        measure=partial(turn, steps=100, nudge=0.01),
        unit="degrees between the changes of the lowest weights, after learning",
        unlearnt=STILL,
        holds=Region(high=2.0),
        partly=Region(high=5.0),
        reason="in the limit there is no angle; two degrees are a thirtieth of a radian",
        figure="predictive-angles",
    ),
    own_claim(
        id="predictive-few",
        statement="By algebra, as many steps as there are hidden layers are enough for the "
        "direction.",
        measure=partial(turn, steps=2, nudge=0.01),
        unit="degrees between the changes of the lowest weights, after learning",
        unlearnt=STILL,
        holds=Region(high=5.0),
        partly=Region(high=10.0),
        reason="after two steps the lowest layer misses the square of the speed times what it "
        "would under backpropagation, exactly",
        figure="predictive-angles",
    ),
    own_claim(
        id="predictive-large",
        statement="Pulled by the whole gradient it still changes them within 15 degrees.",
        measure=partial(turn, steps=100, nudge=1.0),
        unit="degrees between the changes of the lowest weights, after learning",
        unlearnt=STILL,
        holds=Region(high=15.0),
        partly=Region(high=30.0),
        reason="cos 15 degrees is 0.97",
        figure="predictive-angles",
    ),
    near("pc", "bp", "With the exact way back it learns as backpropagation does."),
    near("pc-fixed", "fa", "With a fixed random way back it learns as feedback alignment does."),
    own_claim(
        id="predictive-two",
        statement="Trained with two steps for each example it learns as backpropagation does.",
        measure=partial(level, one="pc-two", other="bp"),
        unit="decades of NSE at the end, a difference; each at its best rate of those tried",
        holds=Region(-0.1, 0.1),
        partly=Region(-0.2, 0.2),
        reason="directions are right, lengths are not: lower layers hear of the error too weakly; "
        "a tenth of a decade is a quarter of the error",
        figure="predictive-learning",
    ),
    own_claim(
        id="predictive-aligns",
        statement="With a fixed random way back its changes turn towards backpropagation's: "
        "feedback alignment happens in it.",
        measure=lambda runs: own_of(runs, "pc-fixed", "angle"),
        unit="degrees between the changes of the lowest weights, at the end",
        holds=Region(high=60.0),
        partly=Region(high=80.0),
        reason="random changes stand 90 degrees apart; 60 degrees are half of the length",
        figure="predictive-learning",
        decimals=0,
    ),
]

VARIANTS: dict[str, dict[str, Any]] = {
    "bp": {"what": "bp", "nudges": NUDGES},
    "fa": {"what": "fa"},
    "pc": {"what": "pc"},
    "pc-fixed": {"what": "pc-fixed"},
    # Larger rates than the others have, too, as its changes are small.
    "pc-two": {"what": "pc", "steps": 2, "rates": (0.025, 0.05, 0.1, 0.2, 0.4)},
}
STUDY = Study(
    name="predictive-coding",
    title="Predictive coding",
    paper="lillicrap2014",
    settings=PredictiveSettings,
    tiers={
        "smoke": {"members": 2, "examples": 10, "probe": 3, "steps": 2},
        "quick": {"members": 3, "examples": 1000, "steps": 5},
        "paper": {},
    },
    kept=("steps", "rates"),
    variants=with_choices(VARIANTS),
    run=run,
    claims=CLAIMS,
    cost={"paper": 6.0},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"log_nse": 4, "angle": 3}
    | {f"angle-{k}": 3 for k in STEPS}
    | {f"unsettled-{k}": 6 for k in STEPS},
    figures=[
        Figure(
            id="predictive-angles",
            title="When predictive coding is backpropagation",
            alt="Two panels, before and after learning: the angle to backpropagation's change of "
            "the lowest weights against the steps that values settle for, a line with a band for "
            "each of three strengths of the error's pull.",
            caption="Angle between the change of the lowest weights by predictive coding, with the "
            "exact way back, and by backpropagation, at the same weights; mean and 95 % interval "
            "over networks that backpropagation trains. A network whose values do not settle has "
            "no angle.",
            look="To see: whether the angle goes to zero as the pull gets weaker and the steps "
            "more. If predictive coding were another rule in that limit, the curves would come to "
            "rest above zero.",
            place="ours",
            draw=draw_angles,
            rules=("pc",),
        ),
        Figure(
            id="predictive-learning",
            title="Predictive coding with a fixed way back",
            alt="Two panels over examples: the error, and the angle to backpropagation's change of "
            "the lowest weights, each with a line and a band for backpropagation, feedback "
            "alignment, and predictive coding with an exact way back, with a fixed random one, and "
            "with two steps for each example.",
            caption="Error (left), and the angle to backpropagation's change of the lowest weights "
            "(right), each rule at its best rate of those tried; mean and 95 % interval "
            "over networks.",
            look="To see: whether each curve of predictive coding lies on its counterpart, the "
            "exact way back on backpropagation and the fixed one on feedback alignment. Where two "
            "lie on each other, the upper one alone shows.",
            place="ours",
            draw=draw_learning,
            numbers=edges(lambda runs: ((name, ("rate",), {"nudge": NUDGES[1]}) for name in LOOKS)),
        ),
    ],
)
