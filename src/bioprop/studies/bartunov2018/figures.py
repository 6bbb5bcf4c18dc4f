"""What several studies of Bartunov et al. 2018 draw, and what their captions say alike."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported
from bioprop.studies.bartunov2018.measures import angles_of, by_epoch, chosen, lost, lowest
from bioprop.studies.study import Run, Runs, curve

# What the captions of all columns say alike.
CROSSES = (
    "Crosses: the paper's, lowest over 500 epochs on the test images. Filled: ours, lowest over "
    "the epochs of the run, on the test images as in the paper. Open: ours, at the epoch whose "
    "error on held-out training images is lowest."
)
READ = (
    "SDTP and AO-SDTP are in our reading: the top inverse reads logits, and the target goes 0.3 of "
    "the way to the label."
)
CURVES = (
    "Test and training error against forward epochs, mean over networks, and from the lowest to "
    "the highest of them"
)
TURNS = "An alternating method also has as many epochs in which only its inverses learn."
BESIDE = (
    "Angle between the change of each hidden layer's weights under a method and under "
    "backpropagation at the same weights, on held-out images, at no more than 50 of the epochs."
)


def draw_table(column: str, runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw a column of Table 1: the paper's error and ours by both protocols, a row a method.

    Where networks diverged their number stands beneath the method's name.
    """
    figure, axes = drawing.panels(figsize=(8, 0.5 * len(runs) + 1.2))
    rows, names = [], []
    for place, (name, result) in enumerate(runs.items()):
        for how, values, shift, face in (
            ("lowest over epochs", lowest(result), -0.12, None),
            ("chosen on held-out images", chosen(result), 0.12, "white"),
        ):
            drawn = drawing.dot(axes, values, place + shift, name, label=None, mfc=face)
            rows.append({**drawn, "protocol": how})
        names.append(f"{drawing.LOOKS[name].name}\n{lost(result)}".strip())
        if column.startswith(f"{result.settings.images}-"):
            paper = reported.value("bartunov2018", f"{column}-{name}-test")
            axes.plot(paper, place, "x", color="0.15", ms=8, mew=2)
            rows.append({"rule": name, "protocol": "paper, lowest over 500 epochs", "mean": paper})
    axes.plot([], [], "x", color="0.15", ms=8, mew=2, label="paper: lowest over 500 epochs")
    axes.plot([], [], "s", color="0.5", label="ours: lowest over epochs")
    axes.plot([], [], "s", color="0.5", mfc="white", label="ours: chosen on held-out images")
    axes.set(xlabel="test error (%)", yticks=range(len(runs)), ylim=(len(runs) - 0.5, -0.5))
    axes.set_yticklabels(names)
    axes.legend()
    return figure, pd.DataFrame(rows)


def draw_curves(runs: Runs, logarithmic: bool = True) -> tuple[Picture, pd.DataFrame]:
    """Draw test and training error of every method against epochs, on log axes or plain ones."""
    figure, both = drawing.panels(1, 2, figsize=(11, 4.6))
    frames = []
    panels = {"error": "test", "training": "training"}
    for axes, (quantity, words) in zip(both, panels.items(), strict=True):
        for name, result in runs.items():
            frames.append(over_epochs(axes, result, quantity, name, band=drawing.ranged))
        axes.set(xlabel="epochs", ylabel=f"{words} error (%)")
        if logarithmic:
            drawing.log_y(axes)
            drawing.percent_ticks(axes.yaxis)
    named = both[0].get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(3))
    return figure, pd.concat(frames)


def over_epochs(
    axes: Axes,
    result: Run,
    quantity: str,
    name: str,
    logarithm: bool = False,
    band: Callable[..., dict[str, Any]] = drawing.shaded,
    most: int = 200,
) -> pd.DataFrame:
    """Draw mean and interval of a quantity against forward epochs; return what was drawn.

    With ``logarithm`` those of its logarithm to base 10; with another ``band`` another interval. Of
    many epochs ``most`` are drawn, evenly spaced, the last among them.
    """
    look, values = drawing.LOOKS[name], by_epoch(result, curve(result, quantity))
    values = values.iloc[:: -math.ceil(len(values) / most)].iloc[::-1]
    values = np.log10(values) if logarithm else values
    options = {"color": look.colour, "linestyle": look.line, "label": look.name}
    drawn = band(axes, values, **options)
    axes.locator_params("x", integer=True)
    return pd.DataFrame({"rule": name, "quantity": quantity} | drawn)


def draw_angles(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle of each layer's weight change to backpropagation's against epochs."""
    others = {name: result for name, result in runs.items() if name not in ("bp", "bp-convnet")}
    return each_layer(others, "angle", "angle to backprop's change (degrees)", 90)


def each_layer(
    runs: Runs, kind: str, label: str, line: float | None = None
) -> tuple[Picture, pd.DataFrame]:
    """Draw a kind of angle against epochs, a panel a layer; a ``line`` at so many degrees."""
    taught = {name: result for name, result in runs.items() if angles_of(result, kind)}
    layers = angles_of(next(iter(taught.values())), kind)
    figure, each = drawing.panels(1, len(layers), figsize=(3 * len(layers), 3.8), sharey=True)
    frames = []
    for axes, layer in zip(np.atleast_1d(each), layers, strict=True):
        frames += [
            over_epochs(axes, result, layer, name, most=50) for name, result in taught.items()
        ]
        axes.set(xlabel="epochs", title=layer.replace(f"{kind}-", "layer "))
        axes.set_ylim(0, line / 0.9 if line else None)
        if line:
            axes.axhline(line, color="0.6", lw=1)
    np.atleast_1d(each)[0].set(ylabel=label)
    named = axes.get_legend_handles_labels()
    figure.legend(*named, loc="outside lower center", ncols=drawing.columns(4))
    return figure, pd.concat(frames)
