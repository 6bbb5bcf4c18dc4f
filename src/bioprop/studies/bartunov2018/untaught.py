"""What controls share in which the lowest layers stay as they were drawn.

Above layers that nobody teaches the others learn by backpropagation, or by a rule that is asked
about, at the best of several rates. A method whose error is not below that has no use of the layers
that it teaches which random ones would not have.
"""

from collections.abc import Iterable, Sequence
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
from bioprop.studies.bartunov2018.targets_mnist import Column, chosen
from bioprop.studies.bartunov2018.targets_mnist_local import Beginning, by_seed, paired
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, best, draw
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Region,
    Run,
    Runs,
    Seed,
    own_claim,
)
from bioprop.tasks.images import Classification


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class UntaughtSettings(RateSettings):
    """Settings of networks whose lowest layers stay as they were drawn."""

    untaught: Natural = 2  # ours: layers, from the image up, that nobody teaches
    epochs: Count = 40  # ours: as the methods have on CIFAR-10; on MNIST a tenth, for time
    members: MemberCount = 3  # ours: as these have, at each rate
    first_seed: Seed = 0  # ours: as these have, so that weights and images are the same


def prepare(
    settings: UntaughtSettings, streams: Streams, **each: Any
) -> tuple[Training, Classification]:
    """Return a population whose lowest layers are left out of learning, and its task."""
    training, task = methods.prepare(settings, streams, **each)
    learning = range(settings.untaught, len(training.network.layers))
    return replace(training, rule=in_turn(training.rule, [learning])), task


def run(settings: UntaughtSettings, journal: Journal) -> None:
    """Train the upper layers at every rate side by side, and measure errors alone."""
    kinds = ("error", "validation")
    targets_mnist_rates.run(settings, journal, prepare, measure=methods.nothing, kinds=kinds)


def at_best(run: Run) -> pd.Series:
    """Return the test error that held-out images choose, by seed, at the rate that they choose.

    Infinite for a network that diverged.
    """
    points = run.table.drop_duplicates("member").sort_values("member")
    errors = pd.Series(np.nan_to_num(chosen(run), nan=np.inf), index=points["seed"])
    return errors[(points["rate"] == best({"": run})[""]["rate"]).to_numpy()]


def worth(runs: Runs, name: str, home: str, below: str = "bp") -> np.ndarray:
    """Return by how many points a method that teaches all layers is better, seed by seed.

    Better than a network in which a rule, ``below``, teaches the upper layers alone; after as many
    examples as that has learnt from.
    """
    return paired(at_best(runs[below]), by_seed(as_long(runs[f"{home}/{name}"], runs))).to_numpy()


def as_long(run: Run, runs: Runs) -> Run:
    """Return a run up to the end of the control's."""
    return Beginning(run, int(runs["bp"].table["examples"].max()))


def claim(column: Column, home: str, id: str, statement: str, **measured: Any) -> Claim:
    """Return the claim that a method does better than what leaves the lowest layers as drawn."""
    return own_claim(
        id=id,
        statement=f"{statement} ({column.words}).",
        measure=partial(worth, home=home, **measured),
        unit="points of test error at the epoch that held-out images choose, with lowest layers "
        "that stay random minus with those that the method teaches",
        holds=Region(low=0.0),
        reason="better where the interval of the difference lies above zero, at equal epochs; the "
        "control has the best of several rates on these seeds, the method that of a search on "
        "others, so that if the choice favours any, it is the control",
        figure=f"{home}-untaught",
        applies=column.about,
        beside=home,
    )


def claims(
    column: Column, home: str, prefix: str, layers: str, taught: Iterable[str]
) -> list[Claim]:
    """Return a claim for each method, and one for each rule beside itself.

    ``layers`` are those that stay as they were drawn, in words.
    """
    return [
        *(
            claim(
                column,
                home,
                f"{prefix}-{name}",
                f"{drawing.LOOKS[name].name}: the {layers} layers that it teaches serve better "
                "than random ones below layers that learn by backpropagation",
                name=name,
            )
            for name in methods.METHODS
        ),
        *(
            claim(
                column,
                home,
                f"{prefix}-{name}-alone",
                f"{drawing.LOOKS[name].name} does better where it teaches the {layers} layers, "
                "too, than where it teaches the upper ones alone",
                name=name,
                below=name,
            )
            for name in taught
        ),
    ]


def draw_errors(
    runs: Runs, home: str, taught: Sequence[str], layers: str
) -> tuple[Picture, pd.DataFrame]:
    """Draw the error of each method that teaches all layers, and of the rules that do not.

    What is not there has an empty row.
    """
    rows: list[dict[str, Any]] = []
    names = [*methods.METHODS, *taught]
    figure, axes = drawing.panels(figsize=(8, 0.45 * len(names) + 1.2))
    for place, name in enumerate(names):
        control = place >= len(methods.METHODS)
        key, face = (name, "white") if control else (f"{home}/{name}", None)
        if key not in runs:
            continue
        errors = at_best(runs[key]) if control else by_seed(as_long(runs[key], runs))
        finite = errors.replace(np.inf, np.nan).to_numpy()
        drawn = drawing.dot(axes, finite, place, name, label=None, mfc=face)
        if control:
            axes.axvline(drawn["mean"], color=drawing.LOOKS[name].colour, lw=1, ls=":")
        rows.append({**drawn, f"{layers} layers": "random" if control else "taught"})
    labels = [drawing.LOOKS[name].name for name in methods.METHODS]
    labels += [f"{drawing.LOOKS[name].name},\n{layers} layers random" for name in taught]
    axes.set(xlabel="test error (%)", yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticklabels(labels)
    for words, face in (("all layers learn", None), (f"{layers} layers stay random", "white")):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.legend()
    return figure, pd.DataFrame(rows)


def figures(
    column: Column, home: str, layers: str, taught: Sequence[str], networks: str
) -> list[Figure]:
    """Return the figure of the errors, and that of the rates that were tried."""
    words = [drawing.LOOKS[name].name[0].lower() + drawing.LOOKS[name].name[1:] for name in taught]
    rules = " and ".join(words)
    return [
        Figure(
            id=f"{home}-untaught",
            title=f"{layers.capitalize()} layers, taught and random: {column.words}",
            alt=f"A row for each of nine methods that teach all layers, and for {rules} above "
            f"{layers} layers that stay random; along it the test error in per cent, a filled mark "
            "with an interval for the former and an open one for the latter, whose mean is a "
            "dotted line.",
            caption=f"Test error of {networks} after equal epochs, at that whose error on held-out "
            "training images is lowest, mean and 95 % interval over networks. Filled: all layers "
            f"learn. Open, and dotted: the {layers} layers stay as they were drawn, at the best of "
            "several learning rates.",
            look="To see: which filled marks lie left of the dotted line of backpropagation. A "
            f"method whose mark does not has no use of its {layers} layers that random ones would "
            "not have.",
            place="ours: a control for Table 1",
            draw=partial(draw_errors, home=home, taught=taught, layers=layers),
            beside=(home,),
        ),
        Figure(
            id=f"{home}-untaught-rates",
            title=f"Held-out error against the rate, {layers} layers random: {column.words}",
            alt=f"A panel each for {rules}: error on held-out images against the learning rate, "
            "both on log axes; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs and over "
            "networks, against the learning rate of the layers that learn. A ring marks the rate "
            "that was taken; a point that is missing diverged.",
            look=to_see.RATES,
            place="ours",
            draw=partial(draw, columns=max(2, len(taught))),
        ),
    ]
