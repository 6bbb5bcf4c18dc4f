"""Bartunov et al. 2018, Fig 4: what do auxiliary outputs buy, and how many of them?

Claim: the more auxiliary outputs AO-SDTP has, up to 1000, the lower its error, levelling off. The
figure is about CIFAR-10 and its values are not printed; here are the two networks for MNIST
(Table 3). Without auxiliary outputs AO-SDTP is SDTP, which has rates of its own; those that were
searched at 128 auxiliary outputs (targets-mnist-rates, targets-mnist-local-rates) serve every other
number of them. Inverses alternate.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018 import targets_mnist, targets_mnist_local
from bioprop.studies.bartunov2018.measures import angles_of, chosen
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, run
from bioprop.studies.study import Claim, Figure, Region, Run, Runs, Study, at, gone, own_claim
from bioprop.studies.summaries import LARGEST, interval

SIZES = (8, 32, 128, 512, 1000)  # auxiliary outputs beside none; Fig 4 has 0 to 1000
AO, SDTP = "ao-sdtp-alternating", "sdtp-alternating"
ENDS = ("sdtp", *map(str, SIZES))  # of the names of variants

# Each network with its images, and what the searches found for the methods in it. Ours: a third of
# the images where connections are local, as the time allows.
NETWORKS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Mapping[str, float]]]] = {
    "fully": ({"epochs": 30}, targets_mnist.FOUND),
    "local": (
        {"epochs": 10, "shown": 20_000, **targets_mnist_local.LAYERS},
        targets_mnist_local.FOUND,
    ),
}
WORDS = {
    "fully": "MNIST, fully connected",
    "local": "MNIST, locally connected",
    "cifar": "CIFAR-10, fully connected",
    "cifar-local": "CIFAR-10, locally connected",
}
Found = Mapping[str, Mapping[str, float]]


def variants(
    network: str, settings: Mapping[str, Any], found: Found, sizes: Sequence[int] = SIZES
) -> dict[str, Mapping[str, Any]]:
    """Return AO-SDTP with each number of auxiliary outputs in a network, and SDTP."""
    ao, sdtp = ({**METHODS[name], **settings, **found.get(name, {})} for name in (AO, SDTP))
    return {
        **{f"{network}-{size}": {**ao, "auxiliary": size} for size in sizes},
        f"{network}-sdtp": {**sdtp, "auxiliary": 0},
    }


def by_size(runs: Runs, network: str) -> dict[int, Run]:
    """Return the runs of a network by their number of auxiliary outputs; SDTP has none."""
    named = {n.removeprefix(f"{network}-"): r for n, r in runs.items() if n.startswith(network)}
    sizes = {0 if end == "sdtp" else int(end): run for end, run in named.items() if end in ENDS}
    return dict(sorted(sizes.items()))


def not_digits(settings: Any) -> bool:
    """Say whether a run is on images of the paper."""
    return settings.images != "digits"


def rises(runs: Runs, network: str) -> np.ndarray:
    """Return what more auxiliary outputs cost, ``(pair, member)``, in points of test error.

    The error with more of them minus that with fewer, for every two numbers of them, seed by seed.
    """
    errors = [chosen(run) for run in by_size(runs, network).values()]
    return np.array([more - fewer for fewer, more in itertools.combinations(errors, 2)])


def no_cost(network: str, study: str = "targets-auxiliary") -> Claim:
    """Return the claim that more auxiliary outputs cost little in a network."""
    return own_claim(
        id=f"targets-auxiliary-{network}-no-cost",
        statement=f"More auxiliary outputs never cost more than a point ({WORDS[network]}).",
        measure=partial(rises, network=network),
        summary=LARGEST,
        unit="points of test error at the epoch that held-out images choose, more minus fewer, for "
        "the two numbers of outputs for which it is largest",
        holds=Region(high=1.0),
        reason="the paper finds more to be better in general; a point is what two networks may "
        "differ by",
        figure=study,
        applies=not_digits,
    )


def panels(runs: Runs, height: float) -> tuple[Picture, Iterator[tuple[Axes, str]]]:
    """Return a picture with a panel for each network that was run, and each panel's network."""
    networks = [name for name in WORDS if f"{name}-sdtp" in runs]
    figure, each = drawing.panels(1, len(networks), figsize=(5.5 * len(networks), height))
    return figure, zip(np.atleast_1d(each), networks, strict=True)


def draw_errors(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 4: test error against the number of auxiliary outputs, SDTP's as a line."""
    figure, each = panels(runs, 4.4)
    rows = []
    for axes, network in each:
        for quantity, word, face, find in (
            ("error", "test", None, chosen),
            ("training", "training", "white", trained),
        ):
            options = {"label": f"AO-SDTP, {word} error", "mfc": face, "fmt": "s-"}
            rows += along_sizes(axes, runs, network, find, options, quantity)
        rows.append({"network": network, "quantity": "error, SDTP"} | beside(axes, runs, network))
        axes.set(title=WORDS[network], ylim=(0, None))
        axes.legend()
    figure.supylabel("error (%)")
    return figure, pd.DataFrame(rows)


def trained(run: Run) -> np.ndarray:
    """Return the training error at the end, ``(member,)``."""
    return at(run, "training")


def reconstructed(run: Run) -> np.ndarray:
    """Return the mean error of the inverses at the end, ``(member,)``."""
    return at(run, "reconstruction")


def turned(run: Run) -> np.ndarray:
    """Return the angle of the highest hidden layer's weight change at the end, ``(member,)``."""
    return at(run, angles_of(run)[-1])


def along_sizes(
    axes: Axes, runs: Runs, network: str, find: Any, options: Mapping[str, Any], quantity: str
) -> list[dict[str, Any]]:
    """Draw mean and interval of a quantity against the number of auxiliary outputs."""
    sizes = by_size(runs, network)
    values = np.array([find(run) for run in sizes.values()])
    mean, low, high = interval(values)
    places = range(len(sizes))
    colour = drawing.LOOKS[AO].colour
    axes.errorbar(places, mean, yerr=[mean - low, high - mean], capsize=3, color=colour, **options)
    axes.set_xticks(places, labels=map(str, sizes))
    axes.set(xlabel="auxiliary outputs")
    named = {"network": network, "quantity": quantity}
    numbers = zip(sizes, mean, low, high, strict=True)
    return [{**named, "auxiliary": s, "mean": m, "low": lo, "high": hi} for s, m, lo, hi in numbers]


def beside(axes: Axes, runs: Runs, network: str) -> dict[str, float]:
    """Draw mean and interval of SDTP's test error as a line with a band."""
    mean, low, high = map(float, interval(chosen(runs[f"{network}-sdtp"])))
    look = drawing.LOOKS[SDTP]
    axes.axhline(mean, color=look.colour, ls=look.line, label="SDTP, test error")
    axes.axhspan(low, high, color=look.colour, alpha=0.15, lw=0)
    return {"mean": mean, "low": low, "high": high}


def draw_inverses(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error of the inverses, and the angle they leave, against auxiliary outputs."""
    figure, each = panels(runs, 4.0)
    rows = []
    for axes, network in each:
        angle, options = axes.twinx(), {"label": "error of the inverses", "fmt": "s-"}
        rows += along_sizes(axes, runs, network, reconstructed, options, "reconstruction")
        options = {"label": "angle of the highest hidden layer", "fmt": "o:", "mfc": "white"}
        rows += along_sizes(angle, runs, network, turned, options, "angle")
        axes.set(title=WORDS[network], ylim=(0, None), ylabel="error of the inverses (squares)")
        angle.set(ylim=(0, 95), yticks=range(0, 91, 15), ylabel="angle to backprop (degrees)")
        angle.spines["right"].set_visible(True)
        handles = [*axes.get_legend_handles_labels()[0], *angle.get_legend_handles_labels()[0]]
        axes.legend(handles=handles)
    return figure, pd.DataFrame(rows)


STUDY = Study(
    name="targets-auxiliary",
    title="Auxiliary outputs",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": targets_mnist.SMOKE | {"shown": 400},
        "quick": targets_mnist.QUICK | {"epochs": 2, "rate": 3e-3, "inverse_rate": 3e-3},
        "reduced": {"members": 3},  # a sixteenth of the paper's epochs, or a fiftieth
    },
    variants={
        name: each
        for network, (settings, found) in NETWORKS.items()
        for name, each in variants(network, settings, found).items()
    },
    run=run,
    kept=("auxiliary",),
    after="targets-mnist-local-rates",
    cost={"reduced": 300.0},  # estimated, from the time of a batch
    claims=[no_cost(network) for network in NETWORKS],
    learnt=gone("error"),
    figures=[
        Figure(
            id="targets-auxiliary",
            title="Error against the number of auxiliary outputs",
            alt="Two panels, a fully and a locally connected network: test and training error in "
            "per cent against the number of auxiliary outputs, from none to 1000, with intervals, "
            "and a horizontal line with a band for the test error of SDTP.",
            caption="AO-SDTP on MNIST, inverses alternating: test error at the epoch that "
            "held-out images choose (filled) and training error at the end (open) against the "
            "number of random features beside the output. None, and the line: SDTP, at its own "
            "rates. Mean and 95 % interval over networks.",
            look="To see: whether the filled marks fall below the line as outputs are added, or "
            "the open ones alone do: then the network fits its training images better and learns "
            "no more from them.",
            place="Fig 4, on another data set",
            draw=draw_errors,
        ),
        Figure(
            id="targets-auxiliary-inverses",
            title="What auxiliary outputs do to the inverses",
            alt="Two panels, a fully and a locally connected network: the mean error of the "
            "inverses, and the angle in degrees between the highest hidden layer's weight change "
            "and backpropagation's, against the number of auxiliary outputs, with intervals.",
            caption="AO-SDTP on MNIST at the end, on held-out images. Squares: squared distance "
            "between an activity and what its inverse returns, over that of the mean activity, "
            "averaged over inverses. Circles: angle between the weight change of the highest "
            "hidden layer and backpropagation's at the same weights. Mean and 95 % interval over "
            "networks. None: SDTP, at its own rates.",
            look="To see: whether squares and circles fall as outputs are added. If auxiliary "
            "outputs help by telling the inverses more, the error of the inverses falls first.",
            place="ours",
            draw=draw_inverses,
        ),
    ],
)
