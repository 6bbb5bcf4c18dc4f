"""Does learning become faster where feedback weights are plastic?

A post asks. Kolen-Pollack feedback learns by the same product as the forward weights, a weight
mirror from the network's responses to noise (Akrout et al. 2019, who report that both come near to
backpropagation where fixed feedback falls behind). Both stand here beside fixed random feedback and
backpropagation, each at the rate, and at the decay or the mirror's rate, that serves it best.
"""

from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import Streams, Training, angle, rule, sgd
from bioprop.learning.rules import Rule, plastic_within, transposes
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.searched import (
    AXES,
    TaskSettings,
    course,
    edges,
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
    Positive,
    Region,
    Runs,
    Share,
    Some,
    Study,
    own_claim,
)

FREE = ("rate", "plasticity")
LOWEST = "apart-lowest"  # of deep networks, the angle of the lowest feedback weights to W^T
LOOKS = {
    "bp": drawing.LOOKS["bp"],
    "fa": drawing.LOOKS["fa"],
    "kp": drawing.Look("Kolen-Pollack", drawing.COLOURS[0], "-."),
    "wm": drawing.Look("weight mirror", drawing.COLOURS[3], (0, (3, 1, 1, 1))),
    "kp-early": drawing.Look("Kolen-Pollack, first quarter", drawing.COLOURS[9], ":"),
    "kp-late": drawing.Look("Kolen-Pollack, last half", drawing.COLOURS[4], (0, (5, 2))),
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class PlasticSettings(TaskSettings):
    """Settings of the comparison; all but the tasks' own are ours."""

    rule: Literal["bp", "fa", "kp", "wm"] = "fa"  # ours: the last two have plastic feedback
    plasticity: Some[Share] = (0.0,)  # ours: decay of weights, or rate and decay of a mirror
    first: Share = 0.0  # ours: part of the run at which plasticity starts
    last: Share = 1.0  # ours: part of the run at which it stops
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5), where it starts
    noisy: Count = 8  # ours: responses to noise for each batch, of a mirror
    marks: Count = 8  # ours: enough to see when weights come to agree

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.first < self.last:
            raise ValueError(
                f"plasticity from {self.first} to {self.last} of the run is none: let first be "
                "less than last"
            )


def taught_by(settings: PlasticSettings, streams: Streams, grid: dict[str, Any]) -> Rule:
    """Return the rule of a variant; its plasticity differs from member to member."""
    plasticity = streams.each(grid["plasticity"])
    if settings.rule in ("bp", "fa"):
        return rule(
            settings.rule, **({"bound": settings.feedback} if settings.rule == "fa" else {})
        )
    if settings.rule == "kp":
        optimiser = sgd(streams.each(grid["rate"]), plasticity)
        teaching = rule("kp", optimiser=optimiser, bound=settings.feedback)
    else:
        teaching = rule("wm", rate=plasticity, bound=settings.feedback, examples=settings.noisy)
    batches = settings.examples // settings.batch
    ends = (int(settings.first * batches), int(np.ceil(settings.last * batches)))
    return plastic_within(teaching, *ends)


def run(settings: PlasticSettings, journal: Journal) -> None:
    """Train a network for every rate and plasticity, and every seed, side by side."""
    grid = points(settings, rate=settings.rates, plasticity=settings.plasticity)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    decay = streams.each(grid["plasticity"]) if settings.rule != "wm" else 0.0
    optimiser = sgd(streams.each(grid["rate"]), decay)
    teaching = taught_by(settings, streams, grid)
    training = Training(made.network, teaching, optimiser, made.task, streams)
    marks = np.linspace(0, settings.examples, settings.marks + 1)
    for examples in journal.follow(training, marks, settings.batch):
        deep = {LOWEST: apart(training, 0)} if settings.task == "deep images" else {}
        error = made.measure(training.network)
        journal.write(examples, **error, apart=apart(training), **deep)


def apart(training: Training, place: int = -1) -> Tensor:
    """Return the angle of feedback weights to W^T, in degrees, ``(member,)``.

    Of the uppermost, or of those at another place.
    """
    exact, state = transposes(training.network)[place], training.state
    if state is None:
        return torch.zeros(len(exact), dtype=torch.float64)
    B = (state["B"] if isinstance(state, dict) else state)[place]
    return angle(B.flatten(1), exact.flatten(1)).round(decimals=2)


def gain(runs: Runs, one: str, other: str, task: str) -> np.ndarray:
    """Return the error of one rule minus another's at the end, each at its best, ``(seed,)``."""
    return own(runs, f"{task}-{one}", free=FREE) - own(runs, f"{task}-{other}", free=FREE)


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error (above) and angle of the weights (below) over examples, a column a task."""
    figure, panels = drawing.panels(2, 3, figsize=(12, 7), sharex="col")
    frames = []
    for column, (task, title) in zip(panels.T, TASKS.items(), strict=True):
        for name, look in LOOKS.items():
            if f"{task}-{name}" not in VARIANTS:
                continue
            for axes, what in zip(column, ("", "apart"), strict=True):
                run = f"{task}-{name}"
                values = course(runs, run, what, FREE)
                style = {"color": look.colour, "linestyle": look.line, "label": look.name}
                drawn = drawing.shaded(axes, values, **style)
                named = {"variant": run, "quantity": what or quantity(runs[run])}
                frames.append(pd.DataFrame(named | drawn))
        column[0].set(title=title, ylabel=AXES["images" if task == "images" else "linear"])
        column[1].set(xlabel="examples", ylim=(0, 100), yticks=range(0, 91, 15))
        column[1].axhline(90, color="0.6", lw=1)
    drawing.up_to(panels[0, 2], 40)
    panels[1, 0].set(ylabel="angle of $B$ to $W^T$ (degrees)")
    named = panels[0, 0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(3))
    return figure, pd.concat(frames)


TASKS = {"linear": "linear task", "nonlinear": "nonlinear task", "images": "images"}
UNITS = {
    "linear": "decades of NSE at the end",
    "nonlinear": "decades of NSE at the end",
    "images": "points of test error at the end",
}
LEAST = {"linear": 0.5, "nonlinear": 0.05, "images": 0.3}
WHY = {
    "linear": "half a decade is a twentieth of what is learnt",
    "nonlinear": "0.05 decades are a ninth of the error",
    "images": "0.3 points are 30 of the 10 000 test images of MNIST",
}
OWN = "each at the rate and plasticity that served it best on other networks"


def faster(one: str, other: str, task: str, statement: str) -> Claim:
    """Return the claim that a rule ends below another."""
    return own_claim(
        id=f"plastic-{one}-{other}-{task}",
        statement=statement,
        measure=partial(gain, one=one, other=other, task=task),
        unit=f"{UNITS[task]}, {LOOKS[one].name} minus {LOOKS[other].name}; {OWN}",
        holds=Region(high=-LEAST[task]),
        partly=Region(high=0.0),
        reason=WHY[task],
        figure="plastic-errors",
    )


def near_backprop(one: str, task: str) -> Claim:
    """Return the claim that a rule does as backpropagation does."""
    return own_claim(
        id=f"plastic-{one}-bp-{task}",
        statement=f"On the {TASKS[task]} {LOOKS[one].name} feedback ends where backpropagation "
        "does.",
        measure=partial(gain, one=one, other="bp", task=task),
        unit=f"{UNITS[task]}, {LOOKS[one].name} minus backpropagation; {OWN}",
        holds=Region(-LEAST[task], LEAST[task]),
        partly=Region(-2 * LEAST[task], 2 * LEAST[task]),
        reason=f"as Akrout et al. report on ImageNet; {WHY[task]}",
        figure="plastic-errors",
    )


def end_angle(runs: Runs, name: str) -> np.ndarray:
    """Return the angle of the uppermost B to W^T at the end, in degrees, ``(seed,)``."""
    return own(runs, name, "apart", FREE)


def agrees(one: str, task: str, most: float, words: str) -> Claim:
    """Return the claim that feedback weights agree with the forward weights at the end."""
    return own_claim(
        id=f"plastic-{one}-angle-{task}",
        statement=f"On the {TASKS[task]} {LOOKS[one].name} feedback comes {words}.",
        measure=partial(end_angle, name=f"{task}-{one}"),
        unit="degrees between B and the transposed weights at the end",
        holds=Region(high=most),
        partly=Region(high=2 * most),
        reason="fixed feedback stays at some 45 degrees or more on images; Akrout et al. report "
        "that both rules come near",
        figure="plastic-errors",
        decimals=0,
    )


CLAIMS = [
    *(
        faster(
            one,
            "fa",
            task,
            f"On the {words} {LOOKS[one].name} feedback learns faster than fixed feedback.",
        )
        for one in ("kp", "wm")
        for task, words in TASKS.items()
    ),
    *(
        faster(
            one,
            "bp",
            "linear",
            f"On the linear task {LOOKS[one].name} feedback learns faster "
            "than backpropagation: it does not wait for weights to grow.",
        )
        for one in ("kp", "wm")
    ),
    *(near_backprop(one, task) for one in ("kp", "wm") for task in ("nonlinear", "images")),
    *(agrees(one, "images", 20.0, "within 20 degrees of the weights") for one in ("kp", "wm")),
    own_claim(
        id="plastic-early",
        statement="Plasticity that stops after a quarter of the run serves as well as plasticity "
        "throughout.",
        measure=partial(gain, one="kp-early", other="kp", task="linear"),
        unit=f"{UNITS['linear']}, stopped minus throughout; {OWN}",
        holds=Region(-0.5, 0.5),
        partly=Region(-1.0, 1.0),
        reason=WHY["linear"],
        figure="plastic-errors",
    ),
    own_claim(
        id="plastic-late",
        statement="Plasticity that starts after half of the run still gains on fixed feedback.",
        measure=partial(gain, one="kp-late", other="fa", task="linear"),
        unit=f"{UNITS['linear']}, late minus fixed; {OWN}",
        holds=Region(high=-0.5),
        partly=Region(high=0.0),
        reason=WHY["linear"],
        figure="plastic-errors",
    ),
]

# Decay is part of Kolen-Pollack's rule; the others may have as much, lest it be what is compared.
DECAYS: dict[str, Any] = {"plasticity": (0.0, 1e-5, 1e-4, 1e-3)}
RULES_OF: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp"} | DECAYS,
    "fa": {"rule": "fa"} | DECAYS,
    "kp": {"rule": "kp"} | DECAYS,
    "wm": {"rule": "wm", "plasticity": (0.0, 1e-3, 1e-2, 1e-1)},
}
SOME_TIME: dict[str, dict[str, Any]] = {
    "kp-early": RULES_OF["kp"] | {"last": 0.25},
    "kp-late": RULES_OF["kp"] | {"first": 0.5},
}
LINEAR: dict[str, Any] = {"rates": (0.002, 0.004, 0.0057, 0.0067, 0.008, 0.0095, 0.0113)}
NONLINEAR: dict[str, Any] = {
    "task": "nonlinear",
    "hidden": (20, 10),
    "bound": 0.1,
    "rates": (0.025, 0.05, 0.1, 0.2),
    "examples": 10_000,
    "precision": "float32",
    "members": 10,
}
IMAGES: dict[str, Any] = {
    "task": "images",
    "hidden": (100,),
    "bound": 0.1,
    "feedback": 1.0,
    "batch": 20,
    "rates": (0.1, 0.2, 0.4, 0.8),
    "examples": 20_000,
    "precision": "float32",
    "members": 5,
}
VARIANTS: dict[str, dict[str, Any]] = {
    **{f"linear-{name}": LINEAR | each for name, each in {**RULES_OF, **SOME_TIME}.items()},
    **{f"nonlinear-{name}": NONLINEAR | each for name, each in RULES_OF.items()},
    **{f"images-{name}": IMAGES | each for name, each in RULES_OF.items()},
}
DIGITS = {"images": "digits", "held_out": 300}
STUDY = Study(
    name="plastic-feedback",
    title="Plastic feedback",
    paper="lillicrap2014",
    settings=PlasticSettings,
    tiers={
        "smoke": DIGITS | {"rates": (0.008,), "members": 2, "examples": 40, "marks": 2},
        "quick": DIGITS | {"rates": (0.004, 0.008), "members": 3, "examples": 1300, "noisy": 2},
        "paper": {},
    },
    kept=("rates",),
    variants=with_choices(VARIANTS),
    run=run,
    claims=CLAIMS,
    cost={"paper": 5.0},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"log_nse": 4, "apart": 2},
    figures=[
        Figure(
            id="plastic-errors",
            title="Plastic feedback",
            alt="Six panels, a column each for the linear task, the nonlinear task and images: "
            "above the error over examples for backpropagation, fixed feedback, Kolen-Pollack "
            "feedback and a weight mirror, below the angle of the feedback weights to the "
            "transposed forward weights.",
            caption="Above: error over examples, each rule at the rate, and the decay of weights "
            "or the rate of the mirror, that served it best on other networks. Below: angle of the "
            "uppermost feedback weights to the transposed forward weights. Mean and 95 % interval.",
            look="To see, above: whether Kolen-Pollack feedback and the weight mirror go with "
            "backpropagation or with fixed feedback. Below: how low their angles fall, and how "
            "soon, beside what forward weights do towards a fixed $B$ by themselves.",
            place="ours",
            draw=draw,
            numbers=edges(lambda runs: ((name, FREE, {}) for name in VARIANTS)),
        ),
    ],
)
