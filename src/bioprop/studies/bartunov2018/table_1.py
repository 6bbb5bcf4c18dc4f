"""Bartunov et al. 2018, Table 1, theirs and ours: all 38 cells, in the order of the paper."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported
from bioprop.studies.bartunov2018.measures import chosen, lowest
from bioprop.studies.study import Figure, Run, Runs
from bioprop.studies.summaries import interval

PAPER = "bartunov2018"
METHODS = (
    "dtp-parallel",
    "dtp-alternating",
    "sdtp-parallel",
    "sdtp-alternating",
    "ao-sdtp-parallel",
    "ao-sdtp-alternating",
    "fa",
    "dfa",
    "bp",
    "bp-convnet",
)
# From the reported values of a column to what it shows, and the study of it.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "mnist-fc": ("MNIST, fully connected", "targets-mnist"),
    "mnist-lc": ("MNIST, locally connected", "targets-mnist-local"),
    "cifar10-fc": ("CIFAR-10, fully connected", "targets-cifar"),
    "cifar10-lc": ("CIFAR-10, locally connected", "targets-cifar-local"),
}
HOME = "targets-mnist-local"  # the study that the figure belongs to
ERRORS = {"training": "train", "error": "test"}
THEIRS = 0.62  # where these end, as a share of the width


def runs_of(column: str, runs: Runs) -> Runs:
    """Return the runs of a column by their methods, those on its images; none where none is."""
    study = COLUMNS[column][1]
    prefix = "" if study == HOME else f"{study}/"
    there = {name: runs[prefix + name] for name in METHODS if prefix + name in runs}
    return {k: run for k, run in there.items() if column.startswith(f"{run.settings.images}-")}


def cells(runs: Runs) -> pd.DataFrame:
    """Return the table: a row for each cell and each kind of error, the paper's and ours.

    ``mean``, ``low`` and ``high`` are NaN where nothing is recorded.
    """
    rows = []
    for column in COLUMNS:
        ours = runs_of(column, runs)
        for name in METHODS:
            for quantity, part in ERRORS.items():
                key = f"{column}-{name}-{part}"
                if key not in reported.table(PAPER).index:
                    continue  # no ConvNet beside the fully connected nets
                row = {"column": column, "method": name, "error": part}
                paper = reported.value(PAPER, key)
                rows.append({**row, "paper": paper, **measured(ours.get(name), quantity)})
    return pd.DataFrame(rows)


def measured(run: Run | None, quantity: str) -> dict[str, float]:
    """Return mean and interval over networks of the lowest error over epochs, and how many.

    And how many of them diverged later.
    """
    if run is None:
        return dict.fromkeys(("mean", "low", "high", "networks", "epochs", "diverged"), np.nan)
    values = lowest(run, quantity)
    mean, low, high = (float(end) for end in interval(values))
    counted = {"networks": float(len(values)), "epochs": float(run.settings.epochs)}
    counted["diverged"] = float(np.isnan(chosen(run)).sum())
    return {"mean": mean, "low": low, "high": high, **counted}


def words(train: pd.Series, test: pd.Series) -> str:
    """Write our cell as the paper writes its own, with half the width of the interval.

    Of errors of tens of per cent one decimal is more than their intervals bear.
    """
    if np.isnan(test["networks"]):
        return "not attempted"
    later = " †" if test["diverged"] else ""
    digits = 2 if test["mean"] < 10 else 1
    numbers = train["mean"], test["mean"], test["high"] - test["mean"]
    return "{} / {} ± {}".format(*(f"{number:.{digits}f}" for number in numbers)) + later


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Write the table: for each column a block, the paper's errors and ours, training and test."""
    table = cells(runs)
    figure, blocks = drawing.panels(2, 2, figsize=(9, 6), across=1)
    for axes, (column, (title, _)) in zip(blocks.flat, COLUMNS.items(), strict=True):
        write(axes, title, table[table["column"] == column])
    return figure, table


def write(axes: Axes, title: str, mine: pd.DataFrame) -> None:
    """Write one column of the table into axes of its own: method, paper, ours."""
    axes.set(xlim=(0, 1.04), ylim=(len(METHODS) - 0.4, -2.2))
    axes.set_axis_off()
    axes.set_title(f"{title} (%)", loc="left", weight="bold")
    axes.text(THEIRS, -0.7, "paper", ha="right", color="0.3")
    axes.text(1, -0.7, heading(mine), ha="right", color="0.3")
    axes.axhline(-0.5, color="0.6", lw=0.8)
    for name, pair in mine.groupby("method"):
        train, test = (pair[pair["error"] == part].iloc[0] for part in ERRORS.values())
        place = METHODS.index(str(name))
        theirs = f"{train['paper']:.2f} / {test['paper']:.2f}"
        axes.text(0, place, short(str(name)), va="center")
        axes.text(THEIRS, place, theirs, va="center", ha="right", color="0.3")
        axes.text(1, place, words(train, test), va="center", ha="right")


def heading(column: pd.DataFrame) -> str:
    """Say of how many epochs and networks our half of a column is."""
    there = column.dropna(subset=["networks"])
    if there.empty:
        return "ours"
    epochs, networks = (int(there[name].min()) for name in ("epochs", "networks"))
    return f"ours, {networks} networks,\n{epochs} epochs"


def short(name: str) -> str:
    """Name a method so that it fits its cell."""
    known = {"dfa": "direct FA", "bp-convnet": "ConvNet"}
    return known.get(name, drawing.LOOKS[name].name.replace("alternating", "altern."))


FIGURE = Figure(
    id="targets-table-1",
    title="Table 1, theirs and ours",
    alt="A table of ten methods by four kinds of network, MNIST and CIFAR-10 each fully and "
    "locally connected; in each cell training and test error in per cent, the paper's beside ours "
    "with the half width of its interval.",
    caption="Training / test error in per cent, each the lowest over epochs: the paper's of 500 "
    "epochs, one number a cell, and ours of as many epochs and networks as stand above the "
    "column, mean over networks, the test error with half the width of its 95 % interval. What was "
    "not run is called not attempted. †: of some network, from before it diverged. Altern.: "
    "alternating; FA: feedback alignment. The ConvNet learns by backpropagation.",
    look="To see: down a block, whether the methods have the same order in theirs and in ours; "
    "along a row, whether the two numbers differ by more than the half width beside ours.",
    place="Table 1",
    draw=draw,
    beside=tuple(study for _, study in COLUMNS.values() if study != HOME),
)
