"""What makes a drawn figure fit its width: labels in lines, legends beside what they cover."""

import textwrap
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.layout_engine import LayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import ScaledTranslation

WORDS = 0.35  # share of a picture's width that words beside an axis may take
TURNS = 4  # solutions of a layout at most
GAP = 4.0  # points between an axis and the legend below it


def fit(picture: Picture) -> None:
    """Lay a picture out for good, so that nothing is cut off and no legend covers a curve.

    Positions are rounded: from run to run the layout's solver differs in the last bits.
    """
    engine = picture.get_layout_engine()
    for axes in picture.axes:
        short_numbers(axes)
    if engine is not None:
        share_labels(picture)
        engine.execute(picture)
        if break_lines(picture):
            engine.execute(picture)
        if legends_below(picture):
            engine.execute(picture)
        settle(picture, engine)
    picture.set_layout_engine(None)  # any other value makes saving draw all of it twice
    for axes in picture.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6).tolist())


def settle(picture: Picture, engine: LayoutEngine) -> None:
    """Break lines and solve the layout again until all is inside: smaller axes have wider ticks."""
    room = picture.bbox.padded(1)
    for _ in range(TURNS):
        drawn = [box for axes in picture.axes if (box := axes.get_tightbbox()) is not None]
        if all(room.contains(*box.min) and room.contains(*box.max) for box in drawn):
            return
        break_lines(picture)
        engine.execute(picture)


def short_numbers(axes: Axes) -> None:
    """Count examples in thousands or millions where there are so many, and say so."""
    if axes.get_xlabel() == "examples" and axes.get_xscale() == "linear":
        for unit, word in ((1_000_000, "millions"), (1_000, "thousands")):
            if axes.get_xlim()[1] > 20_000 and axes.get_xlim()[1] > unit:
                axes.xaxis.set_major_formatter(_counted_in(unit))
                axes.set_xlabel(f"examples ({word})")
                return


def _counted_in(unit: int) -> Callable[[float, float], str]:
    return lambda x, _: f"{x / unit:g}"


def share_labels(picture: Picture) -> None:
    """Where axes are shared and bear one label, show it where their ticks are, and only there."""
    for axes in picture.axes:
        place = axes.get_subplotspec()
        if place is None:
            continue
        for which, outer in (("y", place.is_first_col()), ("x", place.is_last_row())):
            together = getattr(axes, f"get_shared_{which}_axes")().get_siblings(axes)
            labels = {getattr(each, f"get_{which}label")() for each in together} - {""}
            if len(together) > 1 and len(labels) == 1:
                ticks = getattr(axes, f"{which}axis").get_major_ticks()
                shown = outer or any(tick.label1.get_visible() for tick in ticks)
                getattr(axes, f"set_{which}label")(next(iter(labels)) if shown else "")


def break_lines(picture: Picture) -> bool:
    """Break labels and titles that are longer than their axes; say whether any were."""
    broken = []
    for axes in picture.axes:
        box, pitch = axes.get_window_extent(), 0.97 * _pitch(axes)
        broken.append(_break(axes.yaxis.label, box.height * 1.05, upright=True))
        for text in (axes.xaxis.label, axes.title):
            broken.append(_break(text, max(box.width, min(WORDS * picture.bbox.width, pitch))))
        broken.append(_break_ticks(picture, axes))
        broken.append(_turn_ticks(axes))
    for text, room, upright in _around(picture):
        broken.append(_break(text, room, upright))
    return any(broken)


def _pitch(axes: Axes) -> float:
    """Return how wide words centred on axes may be, beside those of others and in the picture."""
    box, width = axes.get_window_extent(), axes.figure.bbox.width
    middle = (box.x0 + box.x1) / 2
    others = [other.get_window_extent() for other in axes.figure.axes]
    beside = [b for b in others if b.y0 < box.y1 and box.y0 < b.y1 and b.x0 != box.x0]
    apart = [abs((b.x0 + b.x1) / 2 - middle) for b in beside]
    return min([2 * middle, 2 * (width - middle), *apart])


def _break_ticks(picture: Picture, axes: Axes) -> bool:
    """Break the words beside a vertical axis that take more than their share of the width."""
    labels, room = axes.get_yticklabels(), WORDS * picture.bbox.width
    if not isinstance(axes.yaxis.get_major_locator(), FixedLocator):
        return False
    if not any([_break(label, room) for label in labels]):
        return False
    axes.set_yticklabels([label.get_text() for label in labels])
    pitch = axes.get_window_extent().height / len(labels)
    high = 1.1 * max(label.get_window_extent().height for label in axes.get_yticklabels())
    stacked = {round(other.get_position().y0, 3) for other in picture.axes}
    grown = len(stacked) * len(labels) * max(high - pitch, 0)
    picture.set_figheight(picture.get_figheight() + grown / picture.dpi)
    return True


def _turn_ticks(axes: Axes) -> bool:
    """Turn the words or numbers below a horizontal axis where they would run into each other."""
    if not isinstance(axes.xaxis.get_major_locator(), FixedLocator):
        return False
    labels = [label for label in axes.get_xticklabels() if label.get_text()]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    if all(left.x1 + 2 < right.x0 for left, right in pairwise(boxes)):
        return False
    for label in labels:
        label.set(rotation=30, ha="right", rotation_mode="anchor")
    return True


def _around(picture: Picture) -> Iterable[tuple[Text, float, bool]]:
    width, height = picture.bbox.width, picture.bbox.height
    for name, room, upright in (
        ("_suptitle", width, False),
        ("_supxlabel", width, False),
        ("_supylabel", height, True),
    ):
        if (text := getattr(picture, name, None)) is not None:
            yield text, 0.95 * room, upright


def _break(text: Text, room: float, upright: bool = False) -> bool:
    words = text.get_text()
    box = text.get_window_extent()
    length = box.height if upright else box.width
    if not words or length <= room or text.get_rotation() not in (0.0, 90.0):
        return False
    lines = " ".join(words.split("\n"))
    whole = "".join(  # a formula stays in one line
        part.replace(" ", "\0") if inside % 2 else part
        for inside, part in enumerate(_keep_dollars(lines.split("$")))
    )
    longest = max(map(len, words.split("\n")))
    wrapped = textwrap.fill(whole, int(longest * room / length), break_long_words=False)
    text.set_text(wrapped.replace("\0", " "))
    return wrapped.replace("\0", " ") != words


def _keep_dollars(parts: list[str]) -> list[str]:
    return [f"${part}$" if number % 2 else part for number, part in enumerate(parts)]


def legends_below(picture: Picture) -> bool:
    """Put legends that cover a curve, or are larger than their axes, below these."""
    found = False
    for axes in picture.axes:
        legend = axes.get_legend()
        if legend is not None and _in_the_way(axes, legend):
            _below(picture, axes, legend)
            found = True
    return found


def _in_the_way(axes: Axes, legend: Legend) -> bool:
    box, room = legend.get_window_extent(), axes.get_window_extent()
    if box.width > room.width or box.height > room.height:
        return True
    for line in axes.lines:
        if line.get_transform() != axes.transData:  # a line across all of the axes
            continue
        path = line.get_transform().transform_path(line.get_path()).cleaned(remove_nans=True)
        points = np.asarray(path.vertices)
        if any(box.contains(x, y) for x, y in points[:-1]):  # the last one ends the path
            return True
        joined = line.get_linestyle() != "None" and len(points) > 2
        if joined and path.intersects_bbox(box, filled=False):
            return True
    return False


def _below(picture: Picture, axes: Axes, legend: Legend) -> None:
    """Draw a legend anew under its axes, in as many columns as fit, and make room for it."""
    low, width = axes.get_window_extent().y0, axes.get_window_extent().width
    drawn = [axes.xaxis.get_tightbbox(), axes.xaxis.label.get_window_extent()]
    lowest = min([low, *(box.y0 for box in drawn if box is not None and box.height > 0)])
    shift = ScaledTranslation(0, -(low - lowest) / picture.dpi - GAP / 72, picture.dpi_scale_trans)
    handles, words = entries(axes, legend)
    for columns in range(min(3, len(words)), 0, -1):
        fresh = axes.legend(
            handles,
            words,
            ncols=columns,
            title=legend.get_title().get_text() or None,
            handler_map=legend.get_legend_handler_map(),
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=axes.transAxes + shift,
            borderaxespad=0,
        )
        if fresh.get_window_extent().width <= width:
            break
    else:  # wider than its axes: it ends where they end
        fresh.set_loc("upper right")
        fresh.set_bbox_to_anchor((1, 0), axes.transAxes + shift)
    high = fresh.get_window_extent().height / picture.dpi
    picture.set_figheight(picture.get_figheight() + high)


def entries(axes: Axes, legend: Legend) -> tuple[list[Any], list[str]]:
    """Return what stands in a legend: handles that it can be drawn from anew, and their words."""
    words = [text.get_text() for text in legend.get_texts()]
    handles, labels = axes.get_legend_handles_labels()
    if labels == words:
        return handles, words
    return getattr(legend, "given", None) or legend.legend_handles, words
