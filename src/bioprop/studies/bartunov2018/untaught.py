"""What controls share in which only the upper layers learn.

A few upper layers learn much by themselves. One control leaves the lower layers as they were drawn:
is it worth anything to teach them? Another leaves them out: is a network that backpropagation
teaches any worse without them, a shallower one? What a method makes of all layers is compared with
either.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.learning import Streams, Training
from bioprop.learning.rules import above, upper
from bioprop.studies import drawing
from bioprop.studies.bartunov2018 import search
from bioprop.studies.bartunov2018.measures import by_seed, paired
from bioprop.studies.bartunov2018.methods import METHODS, means, nothing
from bioprop.studies.bartunov2018.methods import prepare as prepare_whole
from bioprop.studies.bartunov2018.search import RateSettings
from bioprop.studies.bartunov2018.table_claims import Column
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Natural,
    Region,
    Runs,
    Seed,
    own_claim,
)
from bioprop.tasks.images import Classification

RULES = {"random": "bp", "random-fa": "fa", "shallower": "bp"}  # of the layers that learn


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class UntaughtSearch(RateSettings):
    """Settings of a search of rates where only upper layers learn."""

    untaught: Natural = 2  # ours: layers, from the image up, that stay as they were drawn
    shallower: bool = False  # ours: leave these layers out, so that those above see the image

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
    members: MemberCount = 3  # ours: as the nine methods have
    first_seed: Seed = 0  # ours: as the nine methods have, so that networks start from one place


def variants(layers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the controls of a network: its upper layers above random ones, and a shallower one."""
    return {
        name: {**layers, "rule": rule, "shallower": name == "shallower"}
        for name, rule in RULES.items()
    }


def without_lower(settings: UntaughtSearch) -> UntaughtSearch:
    """Return the settings of the upper layers alone, without those that nobody teaches."""
    count, local, hidden = settings.untaught, settings.local, settings.hidden
    left: dict[str, Any] = {"local": local[count:], "hidden": hidden[max(count - len(local), 0) :]}
    return replace(settings, **left, untaught=0)


def prepare(
    settings: UntaughtSearch, streams: Streams, **each: Any
) -> tuple[Training, Classification]:
    """Return a population of which only the upper layers learn, and its task."""
    settings = without_lower(settings) if settings.shallower else settings
    whole, task = prepare_whole(settings, streams, **each)
    lowest = settings.untaught
    rule, _ = means(settings, upper(whole.network, lowest), **each)
    return replace(whole, rule=above(rule, lowest)), task


def run(settings: UntaughtSearch, journal: Journal) -> None:
    """Train the upper layers at every rate side by side, and measure errors alone."""
    kinds = ("error", "validation")
    search.run(settings, journal, prepare, measure=nothing, kinds=kinds)


def ahead(runs: Runs, name: str, home: str, control: str) -> np.ndarray:
    """Return by how many points a method is better than a control, seed by seed."""
    return paired(by_seed(runs[control]), by_seed(runs[f"{home}/{name}"])).to_numpy()


LITTLE = "upper layers that learn little above random ones are an answer, and no fault of the run"
# Methods, and the control in which their rule, or what comes to it, teaches the upper layers. Where
# one hidden layer learns, direct feedback alignment is feedback alignment, and the target of DTP a
# step along the gradient.
OWN = {
    "bp": "random",
    "fa": "random-fa",
    "dfa": "random-fa",
    "dtp-alternating": "random",
    "dtp-parallel": "random",
}


def claims(column: Column, home: str, later: str = "") -> list[Claim]:
    """Return claims that a method makes more of all layers than is made of the upper ones.

    Above random layers, where a control has its rule, and than backpropagation makes of a
    shallower network. ``later`` says when they were made, if not before all runs.
    """

    def claim(name: str, control: str, id: str, words: str, **more: Any) -> Claim:
        return own_claim(
            id=f"{column.prefix}-untaught-{name}-{id}",
            statement=f"{drawing.LOOKS[name].name}: {words} ({column.words}).",
            measure=partial(ahead, name=name, home=home, control=control),
            unit="points of test error at the epoch that held-out images choose, control minus "
            "method",
            holds=Region(low=0.0),
            reason="better where the interval of the difference lies above zero, at equal seeds "
            f"and epochs; rates are of searches as long as backpropagation's{later}",
            figure=f"{column.prefix}-untaught",
            applies=column.about,
            beside=home,
            **more,
        )

    taught = "better where it teaches the lower layers, too, than where these stay random"
    deeper = "better in all layers than backpropagation is in a shallower network, without the "
    return [
        *(
            claim(name, control, "taught", taught, unlearnt=LITTLE, idle=(control,))
            for name, control in OWN.items()
        ),
        *(claim(name, "shallower", "deeper", f"{deeper}lower layers") for name in METHODS),
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
        errors = by_seed(runs[key]).to_numpy()
        face = "white" if control else None
        drawn = drawing.dot(axes, errors, place, look, label=None, mfc=face)
        if control:
            axes.axvline(drawn["mean"], color=drawing.LOOKS[look].colour, lw=1, ls=":")
        rows.append({**drawn, "layers": "upper ones" if control else "all"})
    axes.set(xlabel="test error (%)", yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticklabels([drawing.LOOKS[look].name for look in names.values()])
    for words, face in (("all layers", None), ("controls", "white")):
        axes.plot([], [], "s", color="0.5", mfc=face, label=words)
    axes.legend()
    return figure, pd.DataFrame(rows)


def figure(column: Column, home: str, networks: str) -> Figure:
    """Return the figure of the errors; ``networks`` says in words of which."""
    return Figure(
        id=f"{column.prefix}-untaught",
        title=f"All layers and the upper ones: {column.words}",
        alt="A row for each of nine methods that teach all layers, and for three controls: upper "
        "layers above random ones under backpropagation and under feedback alignment, and a "
        "shallower network under backpropagation; along it the test error in per cent, a filled "
        "mark with an interval for methods and an open one for controls, whose means are dotted "
        "lines.",
        caption=f"Test error of {networks}, at the epoch whose error on held-out training images "
        "is lowest, mean and 95 % interval over networks; verdicts are on differences, seed by "
        "seed. Filled: all layers learn. Open, and dotted: the upper layers alone, above layers "
        "that stay as they were drawn, and in a shallower network, which has no others.",
        look="To see: which filled marks lie left of the line of the shallower network, and of "
        "that of their own rule above random layers. One that does not may have lower layers that "
        "are worth nothing, upper ones that its rule teaches less well, or a rate that is too high "
        "for so long a run.",
        place="ours: a control for Table 1",
        draw=partial(draw_errors, home=home),
        beside=(home,),
    )
