"""What tests ask of a picture: that its words can be read, and its legends and curves be found."""

import itertools
from typing import Any

import matplotlib.path
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import same_color
from matplotlib.figure import Figure as Picture
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def written(picture: Picture) -> list[Text]:
    """Return the texts of a picture that show, but those of legends, which stand in order."""
    found = [getattr(picture, f"_sup{name}", None) for name in ("title", "xlabel", "ylabel")]
    for axes in picture.axes:
        found += [axes.title, *(child for child in axes.get_children() if isinstance(child, Text))]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            found.append(axis.label)
            for minor in (False, True):
                places, labels = axis.get_ticklocs(minor=minor), axis.get_ticklabels(minor=minor)
                ticks = zip(places, labels, strict=False)
                found += [label for place, label in ticks if low <= place <= high]
    texts = {id(text): text for text in found if text is not None}
    return [text for text in texts.values() if text.get_visible() and text.get_text().strip()]


def overlapping(picture: Picture) -> list[tuple[str, str]]:
    """Return the pairs of texts that are written over each other; slanted ones may share a box."""
    upright = [text for text in written(picture) if text.get_rotation() in (0.0, 90.0)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in upright]
    room = 0.6 * picture.dpi / 72
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > room and min(a.y1, b.y1) - max(a.y0, b.y0) > room
    ]


def unseen(picture: Picture) -> list[str]:
    """Return what a legend of a picture promises and no axes show, and curves outside their axes.

    An entry that was made for the legend alone stands for marks of its shape, hollow or filled.
    """
    found = []
    for axes in picture.axes:
        for line in axes.lines:
            name, drawn = str(line.get_label()), _points(line)
            if name.startswith("_") or line.get_transform() != axes.transData:
                continue  # ends of bars, which may be as long as they are
            if len(drawn) and not _inside(axes, drawn):
                found.append(f"{name} is outside its axes")
    shown = [line for axes in picture.axes for line in axes.lines if _shows(axes, line)]
    looks = {look for line in shown for look in _looks(line)}
    names = {str(line.get_label()) for line in shown}
    for axes in picture.axes:  # bars have the name, their line has none
        names |= {str(bars.get_label()) for bars in axes.containers if _holds(bars, shown)}
        names |= {str(drawn.get_label()) for drawn in (*axes.collections, *axes.patches)}
    legends = [
        *picture.legends,
        *(legend for axes in picture.axes if (legend := axes.get_legend())),
    ]
    for legend in legends:
        handles = getattr(legend, "given", legend.legend_handles)
        for handle, text in zip(handles, legend.get_texts(), strict=True):
            if text.get_text() in names:
                continue
            stands = handle if isinstance(handle, tuple) else (handle,)
            missing = [one for one in stands if not _looks(one) & looks]
            found += [f"{text.get_text()!r} is nowhere"] if missing else []
    return found


def _points(line: Line2D) -> np.ndarray:
    """Return the points of a line that its axes can show."""
    points = np.asarray(line.get_xydata(), dtype=float).reshape(-1, 2)
    kept = np.isfinite(points).all(1)
    for k, scale in enumerate(("x", "y")):
        if line.axes and getattr(line.axes, f"get_{scale}scale")() == "log":
            kept &= points[:, k] > 0
    return points[kept]


def _shows(axes: Axes, line: Line2D) -> bool:
    """Say whether axes show any of a line; one across all of them has a place of its own."""
    if line.get_transform() != axes.transData:
        return bool(len(line.get_xydata()))
    return _inside(axes, _points(line))


def _inside(axes: Axes, points: np.ndarray) -> bool:
    """Say whether any of some points, or what joins them, is within axes."""
    if not len(points):
        return False
    (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    box = Bbox.from_extents(left, low, right, high).padded(1e-9)
    if any(box.contains(x, y) for x, y in points):
        return True
    return len(points) > 1 and matplotlib.path.Path(points).intersects_bbox(box, filled=False)


def _looks(artist: Any) -> set[tuple[str, bool]]:
    """Return the mark of a line, and whether it is hollow; of a line without marks its dashes."""
    if not isinstance(artist, Line2D):
        return set()
    mark = artist.get_marker()
    if mark in ("None", "none", None, ""):
        return {(str(artist.get_linestyle()), False)}
    hollow = same_color(artist.get_markerfacecolor(), "white") and mark != "x"
    return {(str(mark), hollow)}


def _holds(bars: Any, shown: list[Line2D]) -> bool:
    return bool(bars) and any(part in shown for part in bars if isinstance(part, Line2D))
