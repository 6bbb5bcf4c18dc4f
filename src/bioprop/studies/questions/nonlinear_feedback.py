"""What if the way back is nonlinear, as neurons are?

A post finds it implausible that the backward path has no nonlinearity. Here a signal passes one
before every layer, under backpropagation's weights and under fixed random ones: it saturates, is
cut at zero or at a threshold, keeps its sign alone, meets noise, or has few bits. Each has a number
that says how much is lost; at one end nothing is.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import rule
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.questions.said import taught_angle
from bioprop.studies.questions.searched import (
    AXES,
    Point,
    TaskSettings,
    edges,
    follow,
    own,
    points,
    problem,
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

Kind = Literal["tanh", "rectifier", "threshold", "sign", "noise", "bits"]
# What each does, and how much of it; the first amount loses least.
AMOUNTS: dict[Kind, tuple[float, ...]] = {
    "tanh": (0.1, 1.0, 3.0, 10.0),
    "rectifier": (0.0, 0.5, 0.9, 1.0),
    "threshold": (0.0, 0.5, 1.0, 1.5),
    "sign": (0.0, 0.5, 0.9, 1.0),
    "noise": (0.0, 0.5, 1.0, 2.0),
    "bits": (12.0, 3.0, 2.0, 1.0),
}
LABELS: dict[Kind, str] = {
    "tanh": "gain of tanh",
    "rectifier": "share cut below zero",
    "threshold": "threshold (r.m.s.)",
    "sign": "share of the sign",
    "noise": "noise (r.m.s.)",
    "bits": "bits",
}
WEIGHTS = {"bp": "transposed", "fa": "fixed"}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class WaySettings(TaskSettings):
    """Settings of the nonlinear task with two hidden layers; all but the task itself are ours."""

    task: Literal["nonlinear"] = "nonlinear"  # Methods, task 3
    channel: Kind = "tanh"  # ours: what the signal passes at each layer
    amounts: Some[float] = (1.0,)  # ours: how much is lost
    weights: Literal["transposed", "fixed"] = "fixed"  # ours: W^T, or fixed B
    split: bool = False  # ours: do positive and negative signals go ways of their own?
    hidden: Some[Count] = (20, 10)  # Methods, task 3
    bound: Positive = 0.1  # ours: as in the study depth
    feedback: Positive = 0.5  # ours: as in the study depth
    rates: Some[Positive] = (0.0125, 0.025, 0.05, 0.1)  # ours: a grid
    examples: Count = 10_000  # ours: a fortieth of the study depth's
    precision: Precision = "float32"  # ours: as in the study depth
    members: MemberCount = 10  # ours: networks for each point

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return dict.fromkeys(("images", "held_out"), "the task has no images")


def run(settings: WaySettings, journal: Journal) -> None:
    """Train a network for every amount and rate, and every seed, side by side."""
    grid = points(settings, amount=settings.amounts, rate=settings.rates)
    journal.label(**grid)
    streams = settings.streams(grid["seed"])
    made = problem(settings, streams, journal)
    teaching = rule(
        "channel",
        channel=settings.channel,
        amount=streams.each(grid["amount"]),
        weights=settings.weights,
        bound=settings.feedback,
        split=settings.split,
    )
    for examples, training, error in follow(
        settings, journal, made, teaching, streams, grid["rate"]
    ):
        journal.write(examples, **error, angle=taught_angle(training))


def end(runs: Runs, name: str, amount: float, what: str = "") -> np.ndarray:
    """Return a quantity at the end for one amount, ``(seed,)``, at its own best rate."""
    return own(runs, name, what, amount=amount)


def cost(runs: Runs, name: str, amount: float, exact: float) -> np.ndarray:
    """Return by how many decades the error is larger at the end than where nothing is lost."""
    return end(runs, name, amount) - end(runs, name, exact)


def by_amount(runs: Runs, name: str, what: str = "") -> pd.DataFrame:
    """Return a quantity at the end, a row for each amount: as it comes, from least lost to most."""
    rows = [end(runs, name, amount, what) for amount in runs[name].settings.amounts]
    return pd.DataFrame(np.array(rows), pd.RangeIndex(len(rows), name="place"))


def searched_points(runs: Runs) -> Iterator[Point]:
    """Yield every point for which a rate was chosen."""
    for name in VARIANTS:
        for amount in runs[name].settings.amounts:
            yield name, ("rate",), {"amount": amount}


def draw(runs: Runs, what: str, ylabel: str) -> tuple[Picture, pd.DataFrame]:
    """Draw a quantity against what is lost, a panel for each nonlinearity."""
    figure, panels = drawing.panels(2, 3, figsize=(11, 6.5), sharey=True)
    frames = []
    for axes, (kind, label) in zip(panels.flat, LABELS.items(), strict=True):
        names = {f"{kind}-bp": "bp", f"{kind}-fa": "fa"}
        for name, key in names.items():
            look = drawing.LOOKS[key]
            style = {"color": look.colour, "linestyle": look.line, "label": look.name}
            drawn = drawing.shaded(axes, by_amount(runs, name, what), marker="o", **style)
            frames.append(pd.DataFrame({"variant": name} | drawn))
        if kind == "rectifier":
            values = by_amount(runs, "split-fa", what)
            style = {"color": drawing.COLOURS[4], "linestyle": ":", "label": "FA, two ways"}
            drawn = drawing.shaded(axes, values.iloc[[-1]], marker="s", **style)
            frames.append(pd.DataFrame({"variant": "split-fa"} | drawn))
        amounts = runs[f"{kind}-fa"].settings.amounts
        axes.set(xlabel=label, xticks=range(len(amounts)), xticklabels=[f"{a:g}" for a in amounts])
    for axes in panels[:, 0]:
        axes.set(ylabel=ylabel)
    named = panels.flat[list(LABELS).index("rectifier")].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(3))
    return figure, pd.concat(frames)


def kept(kind: Kind, weights: str, words: str, most: float, why: str) -> Claim:
    """Return the claim that the most of a nonlinearity costs few decades."""
    amounts, name = AMOUNTS[kind], {"bp": "backpropagation", "fa": "feedback alignment"}[weights]
    return own_claim(
        id=f"way-back-{kind}-{weights}",
        statement=f"{words}, under {name}'s weights.",
        measure=partial(cost, name=f"{kind}-{weights}", amount=amounts[-1], exact=amounts[0]),
        unit="decades of NSE at the end, beside a way back that loses nothing; each at its own "
        "best rate",
        holds=Region(high=most),
        partly=Region(high=2 * most),
        reason=why,
        figure="way-back",
    )


FEW = "0.15 decades are a factor of 1.4 in an error that falls by two decades"
WORDS: dict[Kind, str] = {
    "tanh": "A signal that saturates, by a tanh of gain 10 that keeps its size, costs little",
    "sign": "A signal whose numbers keep their signs alone costs little",
    "threshold": "A signal of which only numbers above 1.5 of its size pass costs little",
    "noise": "Noise of twice the size of the signal costs little",
    "bits": "A single bit for each number at each layer costs little",
}
CLAIMS = [
    *(
        kept(kind, weights, words, 0.15, FEW)
        for kind, words in WORDS.items()
        for weights in WEIGHTS
    ),
    *(
        own_claim(
            id=f"way-back-rectifier-{weights}",
            statement="A way back that passes positive signals alone does not teach as well, under "
            f"{'backpropagation' if weights == 'bp' else 'feedback alignment'}'s weights.",
            measure=partial(cost, name=f"rectifier-{weights}", amount=1.0, exact=0.0),
            unit="decades of NSE at the end, beside a way back that loses nothing; each at its own "
            "best rate",
            holds=Region(low=0.15),
            partly=Region(low=0.0),
            reason=FEW,
            figure="way-back",
        )
        for weights in WEIGHTS
    ),
    own_claim(
        id="way-back-split",
        statement="Two rectified ways, one for positive signals and one for negative ones, with "
        "random weights of their own, teach as well as one that loses nothing.",
        measure=lambda runs: end(runs, "split-fa", 1.0) - end(runs, "rectifier-fa", 0.0),
        unit="decades of NSE at the end, two rectified ways minus one that loses nothing; each at "
        "its best rate of those tried",
        holds=Region(-0.15, 0.15),
        partly=Region(-0.3, 0.3),
        reason=FEW,
        figure="way-back",
    ),
    own_claim(
        id="way-back-angle",
        statement="Feedback alignment's signal stays within 90 degrees of backpropagation's where "
        "numbers keep their signs alone.",
        measure=partial(end, name="sign-fa", amount=1.0, what="angle"),
        unit="degrees, lowest layer, at the end",
        holds=Region(high=80.0),
        partly=Region(high=90.0),
        reason="random vectors of 20 numbers stand 90 degrees apart, by 13 or so",
        figure="way-back-angle",
        decimals=0,
    ),
]

VARIANTS: dict[str, dict[str, Any]] = {
    f"{kind}-{name}": {"channel": kind, "amounts": amounts, "weights": weights}
    for kind, amounts in AMOUNTS.items()
    for name, weights in WEIGHTS.items()
} | {"split-fa": {"channel": "rectifier", "amounts": (1.0,), "split": True}}
CAPTION = (
    "against how much the way back loses at every layer, under backpropagation's weights and under "
    "fixed random ones, each at its best rate of those tried; mean and 95 % interval. Square: "
    "positive and negative signals, both rectified, go ways of their own."
)
STUDY = Study(
    name="nonlinear-feedback",
    title="Nonlinear feedback",
    paper="lillicrap2014",
    settings=WaySettings,
    tiers={
        "smoke": {"rates": (0.05,), "members": 2, "examples": 10, "marks": 2},
        "quick": {"rates": (0.05,), "members": 3, "examples": 1500},
        "paper": {},
    },
    variants=with_choices(VARIANTS, members=3),
    run=run,
    claims=CLAIMS,
    cost={"paper": 1.5},  # estimated, from trials
    learnt=some_point_learns,
    decimals={"log_nse": 4, "angle": 2},
    figures=[
        Figure(
            id="way-back",
            title="A nonlinear way back",
            alt="Six panels, one for each nonlinearity of the way back: the error at the end "
            "against how much is lost, a line with a band for backpropagation's weights and one "
            "for fixed random weights.",
            caption=f"Error at the end of the nonlinear task {CAPTION}",
            look="To see: how long the dashed line stays level as more is lost, beside the solid "
            "one. A nonlinearity that destroyed what is taught would lift both at once.",
            place="ours",
            draw=partial(draw, what="", ylabel=f"{AXES['nonlinear']}\nat the end"),
            numbers=edges(searched_points),
        ),
        Figure(
            id="way-back-angle",
            title="Where a nonlinear way back points",
            alt="Six panels, one for each nonlinearity of the way back: the angle to "
            "backpropagation's signal at the lowest layer against how much is lost, a line with a "
            "band for backpropagation's weights and one for fixed random weights.",
            caption="Angle at the lowest layer to the signal that backpropagation would send "
            f"there, at the end of the nonlinear task, {CAPTION}",
            look="To see: how near a line comes to a right angle as more is lost, and whether it "
            "rises where the error does. A way back that carries nothing would lie at 90 degrees.",
            place="ours",
            draw=partial(draw, what="angle", ylabel="angle to backprop's (degrees)"),
        ),
    ],
)
