"""Two pictures that a reader can move: the plane of the smallest network, and signals that turn.

Each is drawn here as a still picture with its text, and moved by ``_static/interactive.js``, which
draws the same. Where scripts are off the still picture stays, and its controls are not shown.
"""

import html
import json

import numpy as np

from bioprop import studies
from bioprop.book import claims
from bioprop.book.records import RECORDED
from bioprop.studies.study import curve

SIDE, REACH = 320, 2.0  # of the plane: pixels, and the largest weight shown
STEP, STEPS = 0.01, 2000  # of the flow, as in the script
CENTRE, LONG = 160.0, 130.0  # of the two arrows: where they begin, and how long they are


def path(w0: float, w: float, B: float) -> np.ndarray:
    """Return the path of feedback alignment on the 1-1-1 network, ``(step, 2)``: w0 and w.

    T = 1 and x = 1; Runge-Kutta steps of the flow, for as long as the weights stay in sight.
    """
    way = [np.array([w0, w])]

    def flow(at: np.ndarray) -> np.ndarray:
        e = 1 - at[0] * at[1]
        return np.array([B * e, e * at[0]])

    for _ in range(STEPS):
        now = way[-1]
        a = flow(now)
        b = flow(now + STEP / 2 * a)
        c = flow(now + STEP / 2 * b)
        d = flow(now + STEP * c)
        way.append(now + STEP / 6 * (a + 2 * b + 2 * c + d))
        if np.abs(way[-1]).max() > 2 * REACH:
            break
    return np.array(way)


def plane(w0: float = -0.3, w: float = -0.6, B: float = 1.0) -> str:
    """Return the plane of the 1-1-1 network as HTML: a start, its path, the solutions."""
    way = path(w0, w, B)
    lines = [_points([(x, 1 / x) for x in side]) for side in (_right(), -_right())]
    ticks = "".join(
        f'<text x="{_x(v):.0f}" y="{SIDE - 4}" text-anchor="middle">{v:g}</text>'
        f'<text x="4" y="{_y(v) + 4:.0f}">{v:g}</text>'.replace(">-", ">\u2212")
        for v in (-1, 0, 1)
    )
    end = way[-1]
    return _figure(
        "plane",
        "The plane of the two weights. The curve is what feedback alignment makes of a start; the "
        "two branches are all pairs of weights that solve the task.",
        f'<rect x="0" y="0" width="{SIDE}" height="{SIDE}" class="paper"/>'
        f'<path class="axis" d="M0 {_y(0)}H{SIDE}M{_x(0)} 0V{SIDE}"/>{ticks}'
        f'<text x="{SIDE - 4}" y="{_y(0) - 6}" text-anchor="end">w₀</text>'
        f'<text x="{_x(0) + 6}" y="14">w</text>'
        + "".join(f'<polyline class="solved" points="{line}"/>' for line in lines)
        + f'<polyline class="way" points="{_points(way[::10])}"/>'
        f'<circle class="end" cx="{_x(end[0]):.1f}" cy="{_y(end[1]):.1f}" r="5"/>'
        f'<circle class="start" cx="{_x(w0):.1f}" cy="{_y(w):.1f}" r="9" tabindex="-1"/>',
        _slider("w0", "start of w₀", -2, 2, 0.05, w0)
        + _slider("w", "start of w", -2, 2, 0.05, w)
        + _slider("B", "feedback weight B", -2, 2, 0.1, B),
        _plane_words(w0, w, B, end),
    )


def _plane_words(w0: float, w: float, B: float, end: np.ndarray) -> str:
    kept = w0**2 - 2 * B * w
    return (
        f"From w₀ = {w0:.2f}, w = {w:.2f}, with B = {B:.1f}: "
        f"w₀² − 2Bw stays {kept:.2f}. It ends at w₀ = {end[0]:.2f}, w = {end[1]:.2f}, error "
        f"{1 - end[0] * end[1]:.2f}."
    ).replace("-", "\u2212")


def scrubber() -> str:
    """Return the two teaching signals of the linear task as HTML, at every mark of the record."""
    study = studies.get("linear-task")
    tier = claims.best_tier(study, RECORDED)
    if tier is None:
        return "<p>The linear task is not recorded here.</p>"
    run = RECORDED.runs(study, tier)["fa"]
    columns = {name: curve(run, name).mean(axis=1) for name in ("angle", "helpful", "log_nse")}
    rows = [
        [int(mark), *(round(float(columns[name].loc[mark]), 2) for name in columns)]
        for mark in columns["angle"].index
    ]
    mark, angle, helpful, log_nse = rows[-1]
    return _figure(
        "scrubber",
        "Two arrows from one point. Backpropagation's signal lies level; feedback alignment's is "
        f"turned from it by {rows[0][1]:.0f} degrees before learning, drawn faint, and by "
        f"{angle:.0f} degrees in the end.",
        f'<rect x="0" y="0" width="{SIDE}" height="{SIDE // 2 + 20}" class="paper"/>'
        + _arrow("before", rows[0][1])
        + _arrow("bp", 0)
        + _arrow("fa", angle)
        + f'<text x="{CENTRE + LONG}" y="172" text-anchor="end">backpropagation, Wᵀe</text>'
        f'<text class="named" x="8" y="16">feedback alignment, Be</text>',
        _slider("mark", "how far learning has come", 0, len(rows) - 1, 1, len(rows) - 1),
        f"After {mark} examples: {angle:.0f} degrees between the signals, {helpful:.0f} % of the "
        f"signals help, error 10^{log_nse:.1f}.".replace("-", "\u2212"),
        data=rows,
    )


def _arrow(name: str, angle: float) -> str:
    turned = f"rotate({-angle:.1f} {CENTRE} 150)"
    return (
        f'<g class="arrow {name}" transform="{turned}"><path d="M{CENTRE} 150h{LONG}"/>'
        f'<path class="head" d="M{CENTRE + LONG} 150l-12 -6v12z"/></g>'
    )


def _figure(
    kind: str, title: str, drawn: str, controls: str, words: str, data: object = None
) -> str:
    high = SIDE if kind == "plane" else SIDE // 2 + 20
    kept = f" data-rows='{html.escape(json.dumps(data))}'" if data is not None else ""
    return (
        f'<div class="interactive" data-kind="{kind}"{kept}>'
        f'<svg viewBox="0 0 {SIDE} {high}" role="img" aria-label="{html.escape(title)}">'
        f"{drawn}</svg>"
        f'<div class="controls" hidden>{controls}</div>'
        f'<p class="told" aria-live="polite">{words}</p></div>'
    )


def _slider(name: str, label: str, low: float, high: float, step: float, value: float) -> str:
    return (
        f'<label>{label} <input type="range" name="{name}" min="{low:g}" max="{high:g}" '
        f'step="{step:g}" value="{value:g}"></label>'
    )


def _right() -> np.ndarray:
    return np.linspace(1 / REACH, REACH, 40)


def _points(pairs: object) -> str:
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in pairs)  # type: ignore[attr-defined]


def _x(value: float) -> float:
    return SIDE / 2 * (1 + value / REACH)


def _y(value: float) -> float:
    return SIDE / 2 * (1 - value / REACH)
