"""Bartunov et al. 2018, Table 1, MNIST, fully connected: nine methods with seeds and intervals.

Claim: on digits target propagation and feedback alignment come close to backpropagation, and the
two forms of target propagation that need no gradient anywhere (SDTP, AO-SDTP) come close to DTP.
The rates are those that the study targets-mnist-rates found; the paper's own values
are in the study targets-mnist-table5.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported, to_see
from bioprop.studies.bartunov2018.measures import (
    above_backprop,
    chosen,
    excess,
    lost,
    lost_in,
    lowest,
)
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, run
from bioprop.studies.study import (
    LATER,
    Claim,
    Figure,
    Region,
    Run,
    Runs,
    Study,
    curve,
    gone,
    within,
)
from bioprop.studies.summaries import SMALLEST

PARALLEL = ("dtp", "sdtp", "ao-sdtp")  # methods whose inverses learn in two ways
ABOVE = Region(low=0.0)


@dataclass(frozen=True)
class Column:
    """A column of Table 1: how it is called, and how near to the paper a cell has to come.

    Its claims begin with ``prefix``; ``key`` begins the reported values of its cells, and names the
    images that its claims are about.
    """

    prefix: str
    key: str
    words: str
    place: str
    holds: float  # points of test error from the paper's
    partly: float
    holds_why: str
    size: float  # points of a difference between two methods from the paper's

    @property
    def figure(self) -> str:
        """The figure that shows it."""
        return f"{self.prefix}-table"

    def reported(self, name: str, part: str = "test") -> str:
        """Return the key of the paper's error of a method."""
        return f"{self.key}-{name}-{part}"

    def about(self, settings: Any) -> bool:
        """Say whether a run is on the images of the column."""
        return self.key.startswith(f"{settings.images}-")


COLUMN = Column(
    prefix="targets-mnist",
    key="mnist-fc",
    words="fully connected",
    place="Table 1a",
    holds=0.5,
    partly=1.0,
    holds_why="half a point is a seventh to a half of the errors in the table",
    size=0.3,
)


def on_mnist(settings: Any) -> bool:
    """Say whether a run is on the paper's images."""
    return settings.images == "mnist"


def cell(column: Column, name: str) -> Claim:
    """Return the claim that a cell of Table 1 comes out: the paper's protocol on both sides."""
    return Claim(
        id=f"{column.prefix}-{name}",
        statement=f"{drawing.LOOKS[name].name}, {column.words}: the paper's test error"
        f"{', in our reading: logits, 0.3 of the step' if 'sdtp' in name else ''}.",
        place=column.place,
        measure=lambda runs: lowest(runs[name]),
        unit="% test error, lowest over epochs",
        holds=within(column.holds),
        partly=within(column.partly),
        reason=f"{column.holds_why}; the lowest test "
        "error over epochs is what the paper reports, and ours has fewer epochs to choose from",
        reported=column.reported(name),
        figure=column.figure,
        applies=column.about,
        aside=partial(lost_in, name),
    )


def ordering(
    column: Column,
    id: str,
    statement: str,
    measure: Callable[[Runs], np.ndarray],
    reported: Sequence[str],
    reason: str,
    holds: Region = ABOVE,
    part: str = "test",
    **changes: Any,
) -> Claim:
    """Return a claim about methods of Table 1, in points of test error, seed by seed.

    ``reported`` are the methods whose cells make the paper's difference, the first less the second;
    ``part`` says of which error.
    """
    words = {
        "id": f"{column.prefix}-{id}",
        "statement": statement,
        "place": column.place,
        "measure": measure,
        "unit": "points of test error at the epoch that held-out images choose",
        "holds": holds,
        "reason": reason,
        "reported": " - ".join(column.reported(name, part) for name in reported),
        "figure": column.figure,
        "applies": column.about,
    }
    return Claim(**{**words, **changes})


LEVEL = "a method is above another where the interval of the difference lies above zero"


def differing(
    column: Column, id: str, statement: str, worse: str, better: str, **changes: Any
) -> Claim:
    """Return the claim that one method ends above another."""
    measure = partial(excess, worse=worse, better=better)
    words = {"reason": LEVEL, **changes}
    return ordering(column, id, statement, measure, (worse, better), **words)


def table_claims(column: Column, methods: Sequence[str], second: str) -> list[Claim]:
    """Return the claims that all columns of Table 1 have in common.

    ``second`` is the method that comes next to backpropagation in the paper.
    """
    others = [name for name in methods if name not in ("bp", "bp-convnet")]
    return [
        *(cell(column, name) for name in methods),
        ordering(
            column,
            "bp-best",
            f"Backpropagation is the best of the nine ({column.words}).",
            lambda runs: above_backprop(runs, others),
            (second, "bp"),
            LEVEL + "; the best of the others is the one with the lowest mean",
            summary=SMALLEST,
        ),
        differing(
            column,
            "sdtp-dtp",
            f"Alternating SDTP is worse than alternating DTP ({column.words}).",
            "sdtp-alternating",
            "dtp-alternating",
        ),
        differing(
            column,
            "dfa-fa",
            f"Direct feedback alignment is worse than feedback alignment ({column.words}).",
            "dfa",
            "fa",
        ),
    ]


def near_backprop(column: Column) -> list[Claim]:
    """Return the claims that methods come close to backpropagation on digits."""
    return [
        differing(
            column,
            f"{name}-near-bp",
            f"{drawing.LOOKS[name].name} is within a point of backpropagation ({column.words}).",
            name,
            "bp",
            holds=Region(-1.0, 1.0),
            reason=f"a point stands for close to backpropagation on digits{later}",
        )
        for name, later in (
            ("fa", ""),
            ("dtp-alternating", ""),
            ("sdtp-alternating", LATER),
            ("ao-sdtp-alternating", LATER),
        )
    ]


def schedules(column: Column, later: str = "") -> list[Claim]:
    """Return the claims that inverses do as well in epochs of their own."""
    return [
        differing(
            column,
            f"{name}-schedule",
            f"{drawing.LOOKS[name].name}: inverses that learn in epochs of their own do at least "
            f"as well as inverses that learn in parallel ({column.words}).",
            f"{name}-parallel",
            f"{name}-alternating",
            reason=f"parallel minus alternating, above zero{later}",
        )
        for name in PARALLEL
    ]


def helped(column: Column, id: str, schedule: str, later: str = "") -> Claim:
    """Return the claim that AO-SDTP is better than SDTP under a schedule."""
    return differing(
        column,
        id,
        f"Auxiliary outputs help: AO-SDTP is better than SDTP, both {schedule} ({column.words}).",
        f"sdtp-{schedule}",
        f"ao-sdtp-{schedule}",
        reason=f"SDTP minus AO-SDTP, above zero{later}",
    )


def orders(column: Column) -> list[Claim]:
    """Return the claims that auxiliary outputs help, under either schedule."""
    return [helped(column, f"ao-sdtp-{way}-sdtp", way) for way in ("alternating", "parallel")]


def sizes(column: Column) -> list[Claim]:
    """Return the claims that the paper's differences come out in size, too."""
    return [
        ordering(
            column,
            f"{name}-size",
            f"The paper's difference, {what} ({column.words}), has the paper's size.",
            partial(excess, worse=one, better=two, error=lowest),
            (one, two),
            "two-sided around the paper's difference, by the paper's protocol on both sides; "
            "partly where the direction is right",
            unit="points of test error, each method's lowest over epochs",
            holds=within(column.size),
            partly=ABOVE,
        )
        for name, one, two, what in (
            ("sdtp-dtp", "sdtp-alternating", "dtp-alternating", "SDTP above DTP"),
            ("dfa-fa", "dfa", "fa", "DFA above FA"),
        )
    ]


CLAIMS = [
    *table_claims(COLUMN, list(METHODS), "dtp-alternating"),
    *near_backprop(COLUMN),
    *sizes(COLUMN),
    *schedules(COLUMN),
    helped(COLUMN, "ao-sdtp", "alternating"),
    helped(COLUMN, "ao-sdtp-parallel-sdtp", "parallel", LATER),
]


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
    axes.xaxis.get_major_locator().set_params(integer=True)
    return pd.DataFrame({"rule": name, "quantity": quantity} | drawn)


def by_epoch(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of marks after the first with forward epochs in the place of examples.

    From the marks alone: a page is built where no images are.
    """
    epochs = pd.Index(table.index * run.settings.epochs / table.index.max(), name="epochs")
    return table.set_index(epochs).iloc[1:]


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


def angles_of(run: Run, kind: str = "angle") -> list[str]:
    """Return the quantities that are angles of layers, the lowest layer's first."""
    return sorted(name for name in run.table if str(name).startswith(f"{kind}-"))


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

FIGURES = [
    Figure(
        id="targets-mnist-table",
        title="Table 1 on MNIST, fully connected",
        alt="A row for each of nine methods; along it the test error in per cent: a cross for the "
        "paper's, a filled mark with an interval for ours at the lowest over epochs, an open one "
        "for ours at the epoch that held-out images choose.",
        caption="Test error of 784-5x256-10 networks, mean and 95 % interval over networks. "
        f"{CROSSES} {READ}",
        look=to_see.TABLE,
        place="Table 1a",
        draw=partial(draw_table, "mnist-fc"),
    ),
    Figure(
        id="targets-mnist-curves",
        title="Nine methods on MNIST over epochs",
        alt="Two panels with log axes, test error and training error in per cent against epochs, "
        "each with a line and a band for each of nine methods.",
        caption=f"{CURVES}. {TURNS}",
        look=to_see.CURVES,
        place="Fig 8",
        draw=draw_curves,
    ),
    Figure(
        id="targets-mnist-angles",
        title="Each method's weight change beside backpropagation's",
        alt="Five panels, one for each hidden layer, with the angle in degrees against epochs; a "
        "line with a band for each of eight methods, and a grey line at 90 degrees.",
        caption=f"{BESIDE} Layer 1 is the lowest.",
        look=to_see.ANGLES,
        place="ours",
        draw=draw_angles,
    ),
]

# On scikit-learn's digits: for tests, and for live runs.
SMOKE = {
    "images": "digits",
    "hidden": (16, 16),
    "held_out": 200,
    "epochs": 2,
    "members": 3,
    "auxiliary": 8,
}
QUICK = SMOKE | {"hidden": (32, 32, 32), "batch": 50, "auxiliary": 16}

# What the study targets-mnist-rates found.
FOUND: Mapping[str, Mapping[str, float]] = {
    "bp": {"rate": 2e-4, "eps": 1e-4},
    "fa": {"rate": 4e-4, "eps": 1e-8},
    "dfa": {"rate": 8e-4, "eps": 1e-4},
    "dtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-2},
    "sdtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "ao-sdtp-alternating": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-3},
    "dtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 1e-2},
    "sdtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 3e-4},
    "ao-sdtp-parallel": {"rate": 8e-4, "eps": 1e-4, "inverse_rate": 3e-3},
}

STUDY = Study(
    name="targets-mnist",
    title="Nine methods on MNIST, fully connected",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"epochs": 12, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {},  # a third of the paper's epochs
    },
    variants={name: {**method, **FOUND[name]} for name, method in METHODS.items()},
    run=run,
    after="targets-mnist-rates",
    cost={"reduced": 450.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=gone("error"),
    figures=FIGURES,
)
