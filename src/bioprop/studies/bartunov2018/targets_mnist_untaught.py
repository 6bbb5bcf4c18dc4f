"""A control: what do locally connected layers give that nobody teaches?

In the locally connected networks of Table 1 a layer of a thousand units learns above two local
ones. If it did as well above local layers that stay as they were drawn, a small error would say
nothing of how a method teaches these. Here they stay, and the layers above learn by backpropagation
or feedback alignment, for as many epochs as the nine methods had, at the best of five rates.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import Streams, Training
from bioprop.learning.rules.scheduled import in_turn
from bioprop.studies import drawing, to_see
from bioprop.studies.bartunov2018 import methods, targets_mnist_rates
from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.targets_mnist import chosen
from bioprop.studies.bartunov2018.targets_mnist_local import (
    COLUMN,
    LAYERS,
    SMALL,
    by_seed,
    paired,
)
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, best, draw
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Positive,
    Region,
    Run,
    Runs,
    Seed,
    Some,
    Study,
    gone,
    own_claim,
)
from bioprop.tasks.images import Classification

HOME = "targets-mnist-local"  # has the methods that teach all layers


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class UntaughtSettings(RateSettings):
    """Settings of networks whose lowest layers stay as they were drawn."""

    untaught: Natural = 2  # ours: layers, from the image up: the local ones
    rates: Some[Positive] = (4e-4, 8e-4, 1.6e-3, 3.2e-3, 6.4e-3)  # ours: around the best of all
    epochs: Count = 40  # ours: as the study targets-mnist-local has
    members: MemberCount = 3  # ours: as there
    first_seed: Seed = 0  # ours: as there, so that weights and images are the same


def prepare(
    settings: UntaughtSettings, streams: Streams, **each: Any
) -> tuple[Training, Classification]:
    """Return a population whose lowest layers are left out of learning, and its task."""
    training, task = methods.prepare(settings, streams, **each)
    learning = range(settings.untaught, len(training.network.layers))
    return replace(training, rule=in_turn(training.rule, [learning])), task


def run(settings: UntaughtSettings, journal: Journal) -> None:
    """Train the upper layers at every rate side by side, and measure errors alone."""
    kinds = ("error", "validation", "training")
    targets_mnist_rates.run(settings, journal, prepare, measure=methods.nothing, kinds=kinds)


def at_best(run: Run) -> pd.Series:
    """Return the test error that held-out images choose, by seed, at the rate that they choose.

    Infinite for a network that diverged.
    """
    points = run.table.drop_duplicates("member").sort_values("member")
    errors = pd.Series(np.nan_to_num(chosen(run), nan=np.inf), index=points["seed"])
    return errors[(points["rate"] == best({"": run})[""]["rate"]).to_numpy()]


def worth(runs: Runs, name: str, below: str = "bp") -> np.ndarray:
    """Return by how many points a method that teaches all layers is better, seed by seed."""
    return paired(at_best(runs[below]), by_seed(runs[f"{HOME}/{name}"])).to_numpy()


def claim(id: str, statement: str, **measured: Any) -> Claim:
    """Return the claim that a method does better than what leaves the local layers as drawn."""
    return own_claim(
        id=f"untaught-{id}",
        statement=statement,
        measure=partial(worth, **measured),
        unit="points of test error at the epoch that held-out images choose, with local layers "
        "that stay random minus with those that the method teaches",
        holds=Region(low=0.0),
        reason="better where the interval of the difference lies above zero; the control has the "
        "best of five rates of runs as long as itself, the method that of a shorter search",
        figure="targets-untaught",
        applies=COLUMN.about,
        beside=HOME,
    )


CLAIMS = [
    *(
        claim(
            name,
            f"{drawing.LOOKS[name].name}: the local layers that it teaches serve better than "
            "random ones below dense layers that learn by backpropagation (MNIST).",
            name=name,
        )
        for name in METHODS
    ),
    claim(
        "fa-alone",
        "Feedback alignment does better where it teaches the local layers, too, than where it "
        "teaches the dense ones alone (MNIST).",
        name="fa",
        below="fa",
    ),
]


def draw_errors(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error of each method that teaches all layers, and of two that leave out local ones.

    What is not there has an empty row.
    """
    rows: list[dict[str, Any]] = []
    names = [*METHODS, "bp", "fa"]
    figure, axes = drawing.panels(figsize=(8, 0.45 * len(names) + 1.2))
    for place, name in enumerate(names):
        control = place >= len(METHODS)
        key, face = (name, "white") if control else (f"{HOME}/{name}", None)
        if key not in runs:
            continue
        errors = (at_best if control else by_seed)(runs[key]).to_numpy()
        finite = np.where(np.isfinite(errors), errors, np.nan)
        drawn = drawing.dot(axes, finite, place, name, label=None, mfc=face)
        if control:
            axes.axvline(drawn["mean"], color=drawing.LOOKS[name].colour, lw=1, ls=":")
        rows.append({**drawn, "local layers": "random" if control else "taught"})
    labels = [drawing.LOOKS[name].name for name in METHODS]
    labels += [f"{drawing.LOOKS[name].name},\nlocal layers random" for name in ("bp", "fa")]
    axes.set(xlabel="test error (%)", yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticklabels(labels)
    for words, face in (("all layers learn", None), ("local layers stay random", "white")):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.legend()
    return figure, pd.DataFrame(rows)


STUDY = Study(
    name="targets-mnist-untaught",
    title="Local layers that nobody teaches, on MNIST",
    paper="bartunov2018",
    settings=UntaughtSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2)},
        "quick": SMALL | {"batch": 50, "epochs": 6, "rates": (1e-3, 3e-3, 1e-2)},
        "reduced": {},
    },
    variants={name: {**LAYERS, "rule": name} for name in ("bp", "fa")},
    run=run,
    population="points of the grid",
    cost={"reduced": 300.0},  # of all rates; estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=gone("error"),
    figures=[
        Figure(
            id="targets-untaught",
            title="Local layers, taught and random",
            alt="A row for each of nine methods that teach all layers of a locally connected "
            "network, and for backpropagation and feedback alignment above local layers that stay "
            "random; along it the test error in per cent, a filled mark with an interval for the "
            "former and an open one for the latter, whose means are dotted lines.",
            caption="Test error on MNIST of the locally connected networks of Table 3, at the "
            "epoch whose error on held-out training images is lowest, mean and 95 % interval over "
            "networks. Filled: all layers learn. Open, and dotted: the two local layers stay as "
            "they were drawn, at the best of five learning rates.",
            look="To see: which filled marks lie left of the dotted line of backpropagation. A "
            "method whose mark does not has no use of its local layers that random ones would not "
            "have.",
            place="ours: a control for Table 1a",
            draw=draw_errors,
            beside=(HOME,),
        ),
        Figure(
            id="targets-untaught-rates",
            title="Held-out error against the rate, with local layers that stay random",
            alt="Two panels, backpropagation and feedback alignment: error on held-out images "
            "against the learning rate, both on log axes; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs and over "
            "networks, against the learning rate of the layers that learn. A ring marks the rate "
            "that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=2),
        ),
    ],
)
