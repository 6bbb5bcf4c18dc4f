"""Does plastic feedback make up in deeper networks for what fixed feedback loses there?

Akrout et al. (2019) report on ImageNet that a weight mirror and Kolen-Pollack feedback come near to
backpropagation, in their results and in the angles of their weights at all layers, where fixed
feedback falls behind. Here are networks with four hidden layers on MNIST, each rule at the rate,
and at the decay or the mirror's rate, that serves it best.
"""

from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.questions.plastic_feedback import FREE, LOOKS, LOWEST, PlasticSettings, run
from bioprop.studies.questions.searched import (
    AXES,
    at_an_edge,
    course,
    own,
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
)
from bioprop.studies.summaries import LARGEST


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class DeepSettings(PlasticSettings):
    """Settings of deeper networks on digits; all are ours, most as in the study mnist-depth."""

    task: Literal["deep images"] = "deep images"  # ours: MNIST, with units of tanh
    hidden: Some[Count] = (100, 100, 100, 100)  # ours: one more than in mnist-depth, and smaller
    bound: Positive = 0.1  # ours: as in mnist-depth
    feedback: Positive = 0.2  # ours: of 0.1 to 0.4 best for fixed feedback, on held-out images
    batch: Count = 20  # ours: as in mnist-depth
    examples: Count = 60_000  # ours: each training image once
    rates: Some[Positive] = (0.0125, 0.025, 0.05, 0.1, 0.2)  # ours: a grid, for 20 examples
    precision: Precision = "float32"  # ours: as in mnist-depth
    members: MemberCount = 5  # ours: networks for each point


def gain(runs: Runs, one: str, other: str) -> np.ndarray:
    """Return the error of one rule minus another's at the end, each at its best, ``(seed,)``."""
    return own(runs, one, free=FREE) - own(runs, other, free=FREE)


def angles(runs: Runs, name: str) -> np.ndarray:
    """Return the angles of the uppermost and the lowest B to W^T at the end, ``(2, seed)``."""
    return np.array([own(runs, name, what, FREE) for what in ("apart", LOWEST)])


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error, and angles of the uppermost and the lowest weights, over examples."""
    figure, panels = drawing.panels(1, 3, figsize=(12, 4))
    frames = []
    for name in VARIANTS:
        look = LOOKS[name]
        for axes, what in zip(panels, ("", "apart", LOWEST), strict=True):
            values = course(runs, name, what, FREE)
            style = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, values, **style)
            frames.append(pd.DataFrame({"variant": name, "quantity": what or "error"} | drawn))
    panels[0].set(xlabel="examples", ylabel=f"test {AXES['images']}")
    drawing.up_to(panels[0], 20)
    for axes, which in zip(panels[1:], ("uppermost", "lowest"), strict=True):
        axes.set(ylim=(0, 100), yticks=range(0, 91, 15), xlabel="examples")
        axes.set(ylabel=f"angle of the {which} $B$\nto $W^T$ (degrees)")
        axes.axhline(90, color="0.6", lw=1)
    panels[0].legend()
    return figure, pd.concat(frames)


POINTS = "points of test error at the end"
OWN = "each at the rate and plasticity that served it best on other networks"
IMAGES_OF = "0.3 points are 30 of the 10 000 test images of MNIST"


def about(one: str) -> list[Claim]:
    """Return the claims about a rule with plastic feedback."""
    name = LOOKS[one].name
    return [
        own_claim(
            id=f"plastic-{one}-fa-deep",
            statement=f"In deeper networks {name} feedback learns faster than fixed feedback.",
            measure=partial(gain, one=one, other="fa"),
            unit=f"{POINTS}, {name} minus fixed feedback; {OWN}",
            holds=Region(high=-0.3),
            partly=Region(high=0.0),
            reason=f"as Akrout et al. report on ImageNet; {IMAGES_OF}",
            figure="plastic-deep",
        ),
        own_claim(
            id=f"plastic-{one}-bp-deep",
            statement=f"In deeper networks {name} feedback ends where backpropagation does.",
            measure=partial(gain, one=one, other="bp"),
            unit=f"{POINTS}, {name} minus backpropagation; {OWN}",
            holds=Region(-0.3, 0.3),
            partly=Region(-0.6, 0.6),
            reason=f"as Akrout et al. report on ImageNet; {IMAGES_OF}",
            figure="plastic-deep",
        ),
        own_claim(
            id=f"plastic-{one}-angle-deep",
            statement=f"In deeper networks {name} feedback comes within 20 degrees of the weights, "
            "in the lowest layer as in the uppermost.",
            measure=partial(angles, name=one),
            summary=LARGEST,
            unit="degrees between B and the transposed weights at the end, the larger of both",
            holds=Region(high=20.0),
            partly=Region(high=40.0),
            reason="as on images with one hidden layer; Akrout et al. report that both rules come "
            "near at all layers",
            figure="plastic-deep",
            decimals=0,
        ),
    ]


CLAIMS = [
    own_claim(
        id="plastic-fa-bp-deep",
        statement="In deeper networks fixed feedback falls behind backpropagation.",
        measure=partial(gain, one="fa", other="bp"),
        unit=f"{POINTS}, fixed feedback minus backpropagation; {OWN}",
        holds=Region(low=0.3),
        partly=Region(low=0.0),
        reason=f"as Akrout et al. report on ImageNet; {IMAGES_OF}",
        figure="plastic-deep",
    ),
    *about("kp"),
    *about("wm"),
    own_claim(
        id="plastic-fa-angle-deep",
        statement="The lowest weights do not come near to fixed feedback.",
        measure=lambda runs: own(runs, "fa", LOWEST, FREE),
        unit="degrees between the lowest B and the transposed weights at the end",
        holds=Region(low=60.0),
        partly=Region(low=45.0),
        reason="chance is 90 degrees; within 60 a signal has half of its length in common",
        figure="plastic-deep",
        decimals=0,
    ),
]

VARIANTS: dict[str, dict[str, Any]] = {
    "bp": {"rule": "bp"},
    "fa": {"rule": "fa"},
    "kp": {"rule": "kp", "plasticity": (0.0, 1e-5, 1e-4, 1e-3)},
    "wm": {"rule": "wm", "plasticity": (1e-3, 1e-2, 1e-1)},
}
DIGITS = {"images": "digits", "held_out": 300}
STUDY = Study(
    name="plastic-deep",
    title="Plastic feedback in deeper networks",
    paper="lillicrap2014",
    settings=DeepSettings,
    tiers={
        "smoke": DIGITS
        | {"hidden": (8, 6, 6), "rates": (0.1,), "members": 2, "examples": 40}
        | {"marks": 2, "noisy": 2},
        "quick": DIGITS
        | {"hidden": (40, 40, 40, 40), "rates": (0.1, 0.2), "members": 3, "examples": 6000}
        | {"marks": 4, "noisy": 2},
        "paper": {},
    },
    variants=with_choices(VARIANTS, task="deep images"),
    run=run,
    claims=CLAIMS,
    cost={"paper": 15.0},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"apart": 2, LOWEST: 2},
    figures=[
        Figure(
            id="plastic-deep",
            title="Plastic feedback in deeper networks",
            alt="Three panels over examples with a line and a band each for backpropagation, fixed "
            "feedback, Kolen-Pollack feedback and a weight mirror: the test error, and the angles "
            "of the uppermost and of the lowest feedback weights to the transposed forward "
            "weights.",
            caption="Four hidden layers of 100 tanh units on MNIST: test error, and angles of the "
            "uppermost and the lowest feedback weights to the transposed forward weights. Each "
            "rule at the rate, and the decay or the rate of the mirror, that served it best on "
            "other networks; mean and 95 % interval.",
            place="ours",
            draw=draw,
            numbers={
                "at an edge": lambda runs: sum(at_an_edge(runs, name, FREE) for name in VARIANTS),
            },
            look="To see: how far each curve ends above backpropagation's. Fixed feedback ends "
            "{recorded}`plastic-fa-bp-deep` points above, Kolen-Pollack feedback "
            "{recorded}`plastic-kp-bp-deep`, a mirror {recorded}`plastic-wm-bp-deep`.",
        ),
    ],
)
