"""What controls share in which only the upper layers learn.

A few upper layers learn much by themselves. The controls leave the lower layers as they were drawn,
or leave them out, and let those above learn by backpropagation, or by feedback alignment. What a
method makes of all layers is compared with that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import Streams, Training
from bioprop.learning.rules import above
from bioprop.studies import drawing
from bioprop.studies.bartunov2018 import targets_mnist_rates
from bioprop.studies.bartunov2018.methods import METHODS, feedback_bounds, nothing
from bioprop.studies.bartunov2018.methods import prepare as prepare_whole
from bioprop.studies.bartunov2018.targets_mnist import Column, chosen
from bioprop.studies.bartunov2018.targets_mnist_local import by_seed, paired
from bioprop.studies.bartunov2018.targets_mnist_rates import RateSettings, best_point
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
    rule_with,
)
from bioprop.studies.summaries import SMALLEST
from bioprop.tasks.images import Classification

RULES = {"random": "bp", "random-fa": "fa", "pixels": "bp"}  # of the layers that learn


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class UntaughtSearch(RateSettings):
    """Settings of a search of rates where only upper layers learn."""

    untaught: Natural = 2  # ours: layers, from the image up, that stay as they were drawn
    pixels: bool = False  # ours: leave these layers out, so that those above see the image itself

    def __post_init__(self) -> None:
        super().__post_init__()
        hidden = len(self.local) + len(self.hidden)
        if self.untaught >= hidden:
            raise ValueError(
                f"untaught = {self.untaught} of {hidden} hidden layers leaves none that learns; "
                f"give {hidden - 1} at most"
            )


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class UntaughtSettings(UntaughtSearch):
    """Settings of a control, which has the epochs, networks and seeds of its methods."""

    epochs: Count = 40  # ours: as the nine methods have
    members: MemberCount = 3  # ours: as the nine methods have, at each rate
    first_seed: Seed = 0  # ours: as the nine methods have, so that networks start from one place


def variants(layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls of a network: its upper layers above random ones, and on the pixels."""
    return {
        name: {**layers, "rule": rule, "pixels": name == "pixels"} for name, rule in RULES.items()
    }


def on_pixels(settings: UntaughtSearch) -> UntaughtSearch:
    """Return the settings of the upper layers alone, without those that nobody teaches."""
    count, local, hidden = settings.untaught, settings.local, settings.hidden
    left: dict[str, Any] = {"local": local[count:], "hidden": hidden[max(count - len(local), 0) :]}
    return replace(settings, **left, untaught=0)


def prepare(
    settings: UntaughtSearch, streams: Streams, **each: Any
) -> tuple[Training, Classification]:
    """Return a population of which only the upper layers learn, and its task."""
    settings = on_pixels(settings) if settings.pixels else settings
    whole, task = prepare_whole(settings, streams, **each)
    network, lowest = whole.network, settings.untaught
    rule = rule_with(settings.rule, bound=feedback_bounds(network)[lowest:])
    return replace(whole, rule=above(rule, lowest)), task


def run(settings: UntaughtSearch, journal: Journal) -> None:
    """Train the upper layers at every rate side by side, and measure errors alone."""
    kinds = ("error", "validation")
    targets_mnist_rates.run(settings, journal, prepare, measure=nothing, kinds=kinds)


def at_best(run: Run) -> pd.Series:
    """Return the test error that held-out images choose, by seed, at the rate that they choose.

    Infinite for a network that diverged.
    """
    points = run.table.drop_duplicates("member").sort_values("member")
    errors = pd.Series(np.nan_to_num(chosen(run), nan=np.inf), index=points["seed"])
    taken = [points[name] == value for name, value in best_point(run).items()]
    return errors[np.logical_and.reduce(taken)]


def ahead(runs: Runs, name: str, home: str, controls: Sequence[str]) -> np.ndarray:
    """Return by how many points a method is better than each of some controls, by seed.

    ``(control, seed)``, at equal seeds, and epochs of learning.
    """
    whole = by_seed(runs[f"{home}/{name}"])
    return np.array([paired(at_best(runs[control]), whole) for control in controls])


LITTLE = "upper layers that learn little above random ones are an answer, and no fault of the run"


def claim(
    column: Column, home: str, id: str, statement: str, controls: Sequence[str], name: str
) -> Claim:
    """Return the claim that a method makes more of all layers than is made of the upper ones."""
    return own_claim(
        id=f"{column.prefix}-untaught-{id}",
        statement=f"{statement} ({column.words}).",
        measure=partial(ahead, name=name, home=home, controls=controls),
        summary=SMALLEST,
        unit="points of test error at the epoch that held-out images choose, the upper layers "
        "alone minus all layers" + (", the better control" if len(controls) > 1 else ""),
        holds=Region(low=0.0),
        reason="better where the interval of the difference lies above zero; both have as many "
        "epochs, and rates of searches of equal length",
        figure=f"{column.prefix}-untaught",
        applies=column.about,
        beside=home,
        unlearnt=LITTLE,
        idle=[control for control in controls if control != "pixels"],
    )


def claims(column: Column, home: str) -> list[Claim]:
    """Return a claim for each method, and two on the rules of feedback alignment beside themselves.

    Where one hidden layer learns, direct feedback alignment is feedback alignment.
    """
    names = {name: drawing.LOOKS[name].name for name in METHODS}
    return [
        *(
            claim(
                column,
                home,
                name,
                f"{words} in all layers does better than backpropagation in the upper ones, above "
                "random layers or on the pixels",
                ("random", "pixels"),
                name,
            )
            for name, words in names.items()
        ),
        *(
            claim(
                column,
                home,
                f"{name}-alone",
                f"{names[name]} does better in all layers than in the upper ones above random "
                "layers",
                ("random-fa",),
                name,
            )
            for name in ("fa", "dfa")
        ),
    ]


def draw_errors(runs: Runs, home: str) -> tuple[Picture, pd.DataFrame]:
    """Draw the error of each method that teaches all layers, and of the controls.

    What is not there has an empty row.
    """
    rows: list[dict[str, Any]] = []
    names = {f"{home}/{name}": name for name in METHODS} | {name: name for name in RULES}
    figure, axes = drawing.panels(figsize=(8, 0.45 * len(names) + 1.2))
    for place, (key, look) in enumerate(names.items()):
        if key not in runs:
            continue
        control = key in RULES
        errors = (at_best if control else by_seed)(runs[key]).replace(np.inf, np.nan).to_numpy()
        face = "white" if control else None
        drawn = drawing.dot(axes, errors, place, look, label=None, mfc=face)
        if control:
            axes.axvline(drawn["mean"], color=drawing.LOOKS[look].colour, lw=1, ls=":")
        rows.append({**drawn, "learning": "upper layers" if control else "all layers"})
    axes.set(xlabel="test error (%)", yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticklabels([drawing.LOOKS[look].name for look in names.values()])
    for words, face in (("all layers learn", None), ("the upper layers learn", "white")):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.legend()
    return figure, pd.DataFrame(rows)


def figure(column: Column, home: str, networks: str) -> Figure:
    """Return the figure of the errors; ``networks`` says in words of which."""
    return Figure(
        id=f"{column.prefix}-untaught",
        title=f"All layers and the upper ones: {column.words}",
        alt="A row for each of nine methods that teach all layers, and for three controls in which "
        "only the upper layers learn: by backpropagation or feedback alignment above random "
        "layers, and by backpropagation on the pixels; along it the test error in per cent, a "
        "filled mark with an interval for methods and an open one for controls, whose means are "
        "dotted lines.",
        caption=f"Test error of {networks}, at the epoch whose error on held-out training images "
        "is lowest, mean and 95 % interval over networks. Filled: all layers learn. Open, and "
        "dotted: the upper layers alone, above layers that stay as they were drawn or on the "
        "pixels.",
        look="To see: which filled marks lie left of all dotted lines. One that does not may have "
        "lower layers that are worth nothing, or upper ones that its rule teaches less well than "
        "backpropagation does; feedback alignment has a line of its own.",
        place="ours: a control for Table 1",
        draw=partial(draw_errors, home=home),
        beside=(home,),
    )
