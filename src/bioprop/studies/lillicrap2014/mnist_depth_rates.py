"""Which learning rate, and which range of B, serve each rule best at each depth on digits?

The study mnist-depth took its rates from a few trials, in which feedback alignment was tried at
more settings than backpropagation. Here both rules have the same rates at every depth, feedback
alignment with several ranges of B, on training images that were held out and with other seeds.
"""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist_depth import DEPTHS
from bioprop.studies.lillicrap2014.mnist_grid import (
    GridSettings,
    along_rates,
    best,
    follow_grid,
    rate_axes,
)
from bioprop.studies.study import Figure, Runs, Study


def run(settings: GridSettings, journal: Journal) -> None:
    """Train every point of the grid; the test images are not looked at."""
    follow_grid(settings, journal, tested=False)


def chosen(runs: Runs) -> Mapping[str, Mapping[str, float]]:
    """Return the settings that each variant of the study mnist-depth is to have."""
    found = {}
    for name, result in runs.items():
        rate, feedback = best(result)
        found[name] = {"rate": rate} | ({"feedback": feedback} if name.startswith("fa") else {})
    return found


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the held-out error against the rate, a panel for each depth."""
    figure, panels = drawing.panels(1, len(DEPTHS), figsize=(11, 4), sharey=True)
    frames = []
    for axes, depth in zip(panels, DEPTHS, strict=True):
        for rule in ("bp", "fa"):
            drawn = along_rates(axes, runs[f"{rule}-{depth}"], rule)
            frames.append(drawn.assign(rule=rule, hidden=depth))
        rate_axes(axes, runs["bp-1"].settings.rates)
        axes.set_title(f"hidden layers: {depth}")
    for axes in panels[1:]:
        axes.set(ylabel="")
    panels[0].set(ylim=(1.5, 12))
    panels[-1].legend()
    return figure, pd.concat(frames)


STUDY = Study(
    name="mnist-depth-rates",
    title="The best rate of each rule at each depth on digits",
    paper="lillicrap2014",
    settings=GridSettings,
    tiers={
        "smoke": {
            "images": "digits",
            "held_out": 200,
            "rates": (0.0025, 0.01),
            "feedbacks": (0.2, 0.4),
            "members": 2,
            "examples": 400,
            "marks": 4,
        },
        "quick": {
            "images": "digits",
            "held_out": 300,
            "rates": (0.0025, 0.01),
            "feedbacks": (0.2, 0.4),
            "members": 2,
            "examples": 10_000,
            "marks": 10,
        },
        "paper": {},
    },
    variants={
        f"{rule}-{depth}": {"rule": rule, "hidden": (200,) * depth}
        for rule in ("bp", "fa")
        for depth in DEPTHS
    },
    run=run,
    cost={"paper": 680.0},  # all 20 points of the deepest; estimated, from some batches
    population="points of the grid",
    figures=[
        Figure(
            id="mnist-depth-rates",
            title="Held-out error against learning rate for one, two and three hidden layers",
            alt="Three panels, one, two and three hidden layers: error in per cent on held-out "
            "images against the learning rate, both on log axes, a line for backpropagation and "
            "for feedback alignment, the latter at its best range of B for each rate; a ring marks "
            "the lowest of each.",
            caption="Error on held-out training images, mean over the last marks and over the "
            "networks of the search. Feedback alignment at each rate with the range of B that "
            "served best there. A ring marks the choice; a point that is missing diverged.",
            look="To see: whether each ring lies between other points or at an edge, and how flat "
            "its curve is there. At a flat bottom the comparison does not hang on the rate.",
            place="Ours: the article of 2016 was not seen",
            draw=draw,
        )
    ],
)
