"""One look for all figures: a rule has the same colour, line and name in every chapter."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, cast

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Picture
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from bioprop.studies.study import Run, curve
from bioprop.studies.summaries import interval

# seaborn's palette "colorblind"
COLOURS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
)  # fmt: skip

CENTIMETRES = 2.54  # in an inch
WIDTHS = {"wide": 17.5, "column": 8.5}  # centimetres: two columns of a journal, and one
Moved = Literal["", "stacked", "turned"]
COLUMN = 4.0  # inches; what is narrower is a column
SMALL = {  # type of a figure at a column's width, in points
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.handlelength": 1.7,
    "legend.columnspacing": 1.2,
    "lines.markersize": 3.5,
    "lines.linewidth": 1.1,
}
SHARED = {"row": "col", "col": "row", True: True, False: False, "all": "all", "none": "none"}
# The marks of a paper's own points: hollow, and a shape for each rule, so that grey tells them too.
MARKS = {
    "bp": "o", "fa": "s", "ss": "D", "shallow": "^", "np": "D",
    "bp-3": "o", "bp-4": "D", "fa-3": "s", "fa-4": "v", "fa-sparse": "p",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Name, colour and line style of a rule; the style tells rules apart without colour."""

    name: str
    colour: Any
    line: Any


LOOKS = {
    "bp": Look("backpropagation", "0.15", "-"),
    "fa": Look("feedback alignment", COLOURS[2], "--"),
    "ss": Look("sign-symmetry", COLOURS[3], "-."),
    "ss-fixed": Look("sign-symmetry, random sizes", COLOURS[4], (0, (5, 2))),
    "ss-redrawn": Look("sign-symmetry, sizes drawn each batch", COLOURS[6], (0, (2, 1))),
    "sizes": Look("sizes without signs", COLOURS[7], (0, (4, 1, 1, 1))),
    "share-50": Look("sign-symmetry, half of the signs", COLOURS[3], (0, (1, 3))),
    "share-60": Look("60 % of the signs", COLOURS[7], (0, (5, 2))),
    "share-70": Look("70 % of the signs", COLOURS[5], (0, (3, 1, 1, 1))),
    "share-80": Look("80 % of the signs", COLOURS[4], "--"),
    "share-90": Look("90 % of the signs", COLOURS[1], "-."),
    "every-1000": Look("signs of each thousandth batch", COLOURS[0], ":"),
    "bp-above": Look("backpropagation, large rates", "0.15", (0, (1, 1))),
    "random": Look("backpropagation above random layers", "0.15", "-"),
    "random-fa": Look("feedback alignment above random layers", COLOURS[2], "--"),
    "shallower": Look("backpropagation, shallower network", COLOURS[7], "-."),
    "kp": Look("Kolen-Pollack", COLOURS[1], (0, (6, 1, 1, 1))),
    "ss-bp": Look("sign-symmetry, last layer by backpropagation", COLOURS[1], "-."),
    "fa-bp": Look("feedback alignment, last layer by backpropagation", COLOURS[9], "--"),
    "norm": Look("batch normalisation", COLOURS[3], "-."),
    "both": Look("batch normalisation and Batch-Manhattan", COLOURS[0], "-"),
    "manhattan": Look("Batch-Manhattan", COLOURS[1], "--"),
    "neither": Look("neither", COLOURS[7], ":"),
    "bp-neither": Look("backpropagation, neither", "0.55", ":"),
    "bp-manhattan": Look("backpropagation, Batch-Manhattan", "0.55", "--"),
    "bp-dale": Look("backpropagation, Dale's law", "0.55", ":"),
    "ss-dale": Look("sign-symmetry, Dale's law", COLOURS[5], ":"),
    "once-dale": Look("signs of the start, Dale's law", COLOURS[6], (0, (2, 1))),
    "fa-dale": Look("feedback alignment, Dale's law", COLOURS[2], ":"),
    "fa-signed": Look("feedback alignment, signs of the start", COLOURS[0], ":"),
    "np": Look("node perturbation", COLOURS[1], "-."),
    "shallow": Look("shallow", COLOURS[0], ":"),
    "fa-sparse": Look("feedback alignment, half removed", COLOURS[5], (0, (3, 1, 1, 1))),
    "bp-sparse": Look("backpropagation, half removed", "0.55", (0, (9, 2))),
    "fa-redrawn": Look("feedback alignment, B drawn anew", COLOURS[3], (0, (1, 1))),
    "bp-large": Look("backpropagation, hidden rate x 4", "0.55", "-"),
    "fa-small": Look("feedback alignment, B / 4", COLOURS[9], "--"),
    "bp-removed": Look("backpropagation, from W", "0.15", "-"),
    "shallow-removed": Look("shallow, from W", COLOURS[7], (0, (5, 2))),
    "w-removed": Look("feedback alignment, from W", COLOURS[0], ":"),
    "b-removed": Look("feedback alignment, from B", COLOURS[1], "-."),
    "both-removed": Look("feedback alignment, from both", COLOURS[2], "--"),
    "bp-3": Look("backpropagation, 3 layers", "0.15", "-"),
    "bp-4": Look("backpropagation, 4 layers", "0.55", "-"),
    "fa-3": Look("feedback alignment, 3 layers", COLOURS[2], "--"),
    "fa-4": Look("feedback alignment, 4 layers", COLOURS[9], "--"),
    "layer-1": Look("hidden layer 1", COLOURS[0], "-"),
    "layer-2": Look("hidden layer 2", COLOURS[1], "--"),
    "layer-3": Look("hidden layer 3", COLOURS[2], ":"),
    "dfa": Look("direct feedback alignment", COLOURS[0], "-."),
    "tp": Look("vanilla target propagation", COLOURS[5], (0, (3, 1, 1, 1))),
    "dtp": Look("DTP", COLOURS[3], (0, (7, 1.5))),
    "dtp-alternating": Look("DTP, alternating", COLOURS[3], (0, (7, 1.5))),
    "dtp-parallel": Look("DTP, parallel", COLOURS[3], (0, (1.5, 1.5))),
    "dtp-left-out": Look("DTP, two updates left out", COLOURS[5], "--"),
    "sdtp": Look("SDTP", COLOURS[1], (0, (7, 1.5, 1.5, 1.5))),
    "sdtp-alternating": Look("SDTP, alternating", COLOURS[1], (0, (7, 1.5, 1.5, 1.5))),
    "sdtp-parallel": Look("SDTP, parallel", COLOURS[1], (0, (1, 2))),
    "ao-sdtp": Look("AO-SDTP", COLOURS[9], (0, (7, 1.5, 1, 1, 1, 1.5))),
    "ao-sdtp-alternating": Look("AO-SDTP, alternating", COLOURS[9], (0, (7, 1.5, 1, 1, 1, 1.5))),
    "ao-sdtp-parallel": Look("AO-SDTP, parallel", COLOURS[9], (0, (2, 1, 1, 1))),
    "bp-convnet": Look("backpropagation, ConvNet", "0.55", "--"),
    "fa-convnet": Look("feedback alignment, ConvNet", COLOURS[2], ":"),
    "dtp-alternating-convnet": Look("DTP, alternating, ConvNet", COLOURS[3], ":"),
    "bp-relu": Look("backpropagation, ReLU", "0.55", "-"),
    "fa-relu": Look("feedback alignment, ReLU", COLOURS[2], ":"),
    "dtp-alternating-relu": Look("DTP, alternating, ReLU", COLOURS[3], ":"),
    "sdtp-alternating-relu": Look("SDTP, alternating, ReLU", COLOURS[1], ":"),
    "pbp": Look("pseudobackprop", COLOURS[4], (0, (5, 1, 1, 1, 1, 1))),
    "generec": Look("generalized recirculation", COLOURS[4], (0, (3, 1, 3, 3))),
    "chl": Look("contrastive Hebbian learning", COLOURS[5], (0, (5, 2, 2, 2))),
}


def style(form: str = "wide") -> AbstractContextManager[None]:
    """Draw in the project's style, ``look.mplstyle``, whatever the reader's own settings are.

    ``form`` is one of ``WIDTHS``: the width of a figure, which its type and its panels follow.
    """
    width = WIDTHS[form] / CENTIMETRES
    small: dict[str, Any] = SMALL if form == "column" else {}
    changed = {"figure.figsize": (width, width), **small}
    return plt.style.context(["bioprop.studies.look", changed], after_reset=True)


def panels(
    rows: int = 1,
    columns: int = 1,
    figsize: tuple[float, float] = (7, 4.5),
    across: int | None = None,
    squeeze: bool = True,
    **options: Any,
) -> tuple[Picture, Any]:
    """Return a picture as wide as the style has it, and its axes, as ``plt.subplots`` does.

    ``figsize`` gives the proportions at the width of a page. At a column's width, panels that stand
    in a row are stacked, those of a grid stand in ``across`` columns, two unless given, and two
    long rows become two columns; the array of axes is the same.
    """
    wide, high = plt.rcParams["figure.figsize"][0], figsize[1]
    if wide > COLUMN:
        size = wide, high * (wide / figsize[0]) ** 0.5
        return plt.subplots(rows, columns, figsize=size, squeeze=squeeze, **options)
    across = across or (1 if rows == 1 else min(columns, 2))
    if across == columns:
        size = wide, high * 0.54 if columns == 1 else max(high * 0.54, 1.6 * rows)
        return plt.subplots(rows, columns, figsize=size, squeeze=squeeze, **options)
    options = {key: value for key, value in options.items() if not key.endswith("_ratios")}
    count = rows * columns
    down = -(-count // across)
    size = wide, down * (2.1 if across == 1 else 1.6)
    turned = rows == across == 2 and not count % 2  # rows become columns, and share as these
    if turned:
        options |= {key: SHARED[options[key]] for key in ("sharex", "sharey") if key in options}
    figure, grid = plt.subplots(down, across, figsize=size, squeeze=False, **options)
    for spare in grid.ravel()[count:]:
        spare.remove()
    figure.set_label("turned" if turned else "stacked" if across == 1 else "")
    if turned:
        axes = grid.T
    else:
        axes = grid.ravel()[:count].reshape(rows, columns)
    return figure, axes.squeeze() if squeeze else axes


def moved(picture: Picture) -> Moved:
    """Say how :func:`panels` of a picture stand, beside those of one as wide as a page.

    Those of a row may be ``stacked``, and rows ``turned`` to columns.
    """
    return cast(Moved, picture.get_label())


def some_panels(
    count: int, columns: int, figsize: tuple[float, float], narrow: int = 2, **options: Any
) -> tuple[Picture, np.ndarray]:
    """Return a picture and its axes, ``(count,)``, in rows of ``columns``, the last one shorter.

    At a column's width there are ``narrow`` in a row.
    """
    columns = columns if plt.rcParams["figure.figsize"][0] > COLUMN else min(columns, narrow)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, figsize, squeeze=False, across=columns, **options)
    axes = grid.ravel()
    for spare, above in zip(axes[count:], axes[count - columns :], strict=False):
        above.tick_params("x", labelbottom=True)
        spare.remove()
    return figure, axes[:count]


def page(proportion: float, stacked: float | None = None) -> Picture:
    """Return an empty picture as wide as the style has it, and as high as a share of its width.

    At a column's width that share is ``stacked``, where it is given.
    """
    wide = plt.rcParams["figure.figsize"][0]
    share = stacked if stacked is not None and wide <= COLUMN else proportion
    return plt.figure(figsize=(wide, wide * share))


def columns(wanted: int) -> int:
    """Return how many columns a legend of the whole picture has, of those wanted, at its width."""
    most = 4 if plt.rcParams["figure.figsize"][0] > COLUMN else 2
    return min(wanted, most)


def reported(
    axes: Axes, places: Any, points: Any, rule: str, accuracy: float | None = None
) -> None:
    """Draw a paper's own points, hollow, in the colour of their rule and with its mark."""
    options = {"color": LOOKS[rule].colour, "mfc": "white", "zorder": 3}
    if accuracy is None:
        axes.plot(places, points, MARKS[rule], **options)
    else:
        axes.errorbar(places, points, accuracy, fmt=MARKS[rule], capsize=2, lw=0.8, **options)


def legend(axes: Axes, rules: Iterable[str], words: str, **options: Any) -> None:
    """Give axes a legend whose last entry shows the marks of a paper's points."""
    drawn, labels = axes.get_legend_handles_labels()
    marks = tuple(
        Line2D([], [], color="0.35", mfc="white", marker=MARKS[rule], linestyle="none")
        for rule in rules
    )
    handles: list[Any] = [*drawn, marks]
    options["handler_map"] = {tuple: HandlerTuple(ndivide=None, pad=0.2)}
    options["handlelength"] = max(2.0, 0.8 * len(marks))
    made = axes.legend(handles, [*labels, words], **options)
    made.given = handles  # type: ignore[attr-defined]  # the legend itself keeps one of each


def shades(count: int) -> np.ndarray:
    """Return ``(count, 4)`` colours from dark to light, for curves that differ in a number."""
    return matplotlib.colormaps["viridis"](np.linspace(0, 1, count + 2)[1:-1])


MANY = 10  # ticks, beyond which not every one can have a label
CLOSE = 0.05  # share of the axis between two, below which their labels run into each other


def log_x(axes: Axes, tried: Iterable[float], labels: bool = False) -> None:
    """Give the horizontal axis log scale around what was tried, whatever can be drawn of it.

    With ``labels`` its ticks are what was tried, and where that is much, or some lie side by side,
    those that lie close to one that has a label go without. Else, where it is little more than a
    power of ten, they are round numbers.
    """
    values = sorted(tried)
    axes.set(xscale="log", xlim=(values[0] / 1.2, values[-1] * 1.2))
    if not labels and values[-1] < 20 * values[0]:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if labels:
        named = {value: f"{value:g}" for value in values}
        last = 0.0
        places = np.log(values)
        close = bool((np.diff(places) < CLOSE * np.ptp(places)).any())
        for value in values if close or len(values) > MANY else ():
            named[value], last = (named[value], value) if value > 1.9 * last else ("", last)
        axes.set_xticks(values, labels=list(named.values()))
        axes.set_xticks([], minor=True)


def on_axis(points: pd.Series, settings: Any) -> np.ndarray:
    """Return the examples at which points lie that are keyed by the percentage of a paper's axis.

    That axis is as long as the study's own runs, and not shorter where a reader's run is.
    """
    return points.index.to_numpy() / 100 * type(settings).examples


def up_to(axes: Axes, top: float) -> None:
    """End the vertical axis, from zero, where curves begin to differ: at ``top``.

    It ends where they do if one of them would be out of sight, as in a short run.
    """
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    lowest = [values[np.isfinite(values)].min() for values in curves if np.isfinite(values).any()]
    axes.set_ylim(0, top if all(low <= top for low in lowest) else None)


def log_y(axes: Axes) -> None:
    """Give the vertical axis log scale, where anything drawn can be shown on one."""
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    if any(((values > 0) & np.isfinite(values)).any() for values in drawn):
        axes.set_yscale("log")


class PercentLocator(Locator):
    """Ticks at round numbers of per cent, as many as a log axis has room for."""

    def __call__(self) -> list[float]:
        """Return the ticks within what the axis shows."""
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Return the ticks from one number to another."""
        powers = (0.001, 0.01, 0.1, 1, 10, 100)
        few, many = (2, 3, 5, 10, 20, 50), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 70)
        tens = range(10, 100, 10)  # where all errors are large
        low, high = sorted((vmin, vmax))
        sets = (powers, few, many, tens)
        inside = [[float(mark) for mark in marks if low <= mark <= high] for marks in sets]
        if low < 0.5:
            return inside[0]
        found = inside[1] if len(inside[1]) > 2 else max(inside[2:], key=len)
        if len(found) > 2:
            return found
        even = MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(low, high)  # of a narrow range
        return [float(mark) for mark in even if low <= mark <= high]


def percent_ticks(axis: Axis) -> None:
    """Give a log axis of per cent few ticks, with plain numbers."""
    axis.set_major_locator(PercentLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def plain_ticks(axis: Axis) -> None:
    """Give a log axis ticks at one, two and five of each power of ten, with plain numbers."""
    if axis.get_scale() != "log":
        return  # nothing was drawn that a log axis can show
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def angle_axis(axes: Axes) -> None:
    """Give the vertical axis degrees from backpropagation's signal, and a line at 90."""
    axes.axhline(90, color="0.6", lw=1)
    axes.set(ylim=(0, 100), yticks=range(0, 91, 15))
    axes.set(ylabel="angle to backprop's signal (degrees)")


def band(axes: Axes, run: Run, quantity: str, rule: str, **changes: Any) -> pd.DataFrame:
    """Draw mean and 95 % interval over members against examples; return what was drawn."""
    look = LOOKS[rule]
    options = {"color": look.colour, "linestyle": look.line, "label": look.name, **changes}
    drawn = shaded(axes, curve(run, quantity), **options)
    return pd.DataFrame({"rule": rule, "quantity": quantity} | drawn)


def shaded(axes: Axes, values: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Draw mean and 95 % interval over columns against the index; return what was drawn."""
    mean, low, high = interval(values.to_numpy())
    axes.plot(values.index, mean, **options)
    axes.fill_between(values.index, low, high, color=options["color"], alpha=0.2, linewidth=0)
    return {str(values.index.name): values.index, "mean": mean, "low": low, "high": high}


def ranged(axes: Axes, values: pd.DataFrame, **options: Any) -> dict[str, Any]:
    """Draw the mean over columns, and from the lowest to the highest of them; return it.

    On a log axis, where an interval of few columns may reach below zero.
    """
    numbers = values.to_numpy()
    mean, low, high = numbers.mean(1), numbers.min(1), numbers.max(1)
    axes.plot(values.index, mean, **options)
    axes.fill_between(values.index, low, high, color=options["color"], alpha=0.2, linewidth=0)
    return {str(values.index.name): values.index, "mean": mean, "lowest": low, "highest": high}


def diverged(values: np.ndarray) -> str:
    """Say how many members of ``values`` (member,) diverged; nothing where none did."""
    lost = int(np.isnan(values).sum())
    return f"{lost} of {len(values)} diverged" if lost else ""


def dot(
    axes: Axes,
    values: np.ndarray,
    place: float,
    rule: str,
    *,
    upright: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """Draw mean and 95 % interval over members as a dot with a bar; return what was drawn.

    ``values`` (member,) run along the horizontal axis, or the vertical one where ``upright``.
    Backpropagation is a circle and everything else a square.
    """
    mean, low, high = interval(values)
    bar = [[mean - low], [high - mean]]
    look, marker = LOOKS[rule], "o" if rule == "bp" else "s"
    options = {"color": look.colour, "label": look.name, "fmt": marker, "capsize": 3, **changes}
    if upright:
        axes.errorbar([place], [mean], yerr=bar, **options)
    else:
        axes.errorbar([mean], [place], xerr=bar, **options)
    return {"rule": rule, "mean": mean, "low": low, "high": high}
