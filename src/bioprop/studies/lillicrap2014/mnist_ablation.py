"""How many connections can go before random feedback stops teaching?

Lillicrap et al. 2014, p. 5, remove half of the elements of W and B at once, on MNIST. This study
removes any share, from W, from B or from both, and follows the test error and the angle.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pydantic
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014.mnist import MnistSettings, follow, images
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    MemberCount,
    Part,
    Region,
    Run,
    Runs,
    Some,
    Study,
    gone,
    own_claim,
    rows_at,
)


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class AblationSettings(MnistSettings):
    """Settings; ``members`` counts the networks for each share that is removed."""

    shares: Some[Part] = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95)  # p. 5: 0.5; ours: the rest
    forward: bool = True  # ours: is the share taken from the output weights W?
    backward: bool = True  # ours: is it taken from the feedback weights B?
    examples: Count = 300_000  # ours: a sixth of the run on MNIST, five times through the images
    marks: Count = 6  # ours: the end matters
    members: MemberCount = 4  # ours: networks for each share

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        return {"removed": "shares has all that are tried"}


def run(settings: AblationSettings, journal: Journal) -> None:
    """Train networks with every share removed, side by side; test error and angle."""
    points = [(share, seed) for share in settings.shares for seed in settings.seeds]
    shares, seeds = zip(*points, strict=True)
    journal.label(seed=seeds, share=shares)
    streams = settings.streams(seeds)
    removed = streams.each(shares)
    follow(
        settings,
        journal,
        images(settings, streams),
        removed=removed if settings.forward else 0.0,
        removed_back=removed if settings.backward else 0.0,
    )


def by_share(run: Run, quantity: str) -> pd.DataFrame:
    """Return a quantity at the end, a row for each share and a column for each seed."""
    return rows_at(run).pivot(index="share", columns="seed", values=quantity)


def cost(runs: Runs, variant: str, share: float) -> np.ndarray:
    """Return the points of test error that a share removed costs, seed by seed."""
    errors = by_share(runs[variant], "error")
    return (errors.loc[share] - errors.loc[0.0]).to_numpy()


def turned_less(runs: Runs, share: float) -> np.ndarray:
    """Return by how many degrees a thinned-out network's signal has turned less, seed by seed.

    At the end, beside the whole network of the same seed when that had the same test error: its
    lowest so far, read between marks.
    """
    table = runs["both"].table
    if share not in table["share"].to_numpy():  # a tier may try fewer shares
        return np.full(runs["both"].settings.members, np.nan)
    error, angle = (by_share(runs["both"], name).loc[share] for name in ("error", "angle"))
    there = []
    for seed, whole in table[table["share"] == 0.0].groupby("seed"):
        lowest = whole["error"].cummin()
        there.append(np.interp(error[seed], lowest[::-1], whole["angle"][::-1]))
    return angle.to_numpy() - np.array(there)


def panel(axes: Axes, runs: Runs, names: Sequence[str], quantity: str) -> list[pd.DataFrame]:
    """Draw a quantity at the end against the share removed; return what was drawn."""
    frames = []
    for name in names:
        values, look = by_share(runs[name], quantity), drawing.LOOKS[f"{name}-removed"]
        mean, low, high = drawing.interval(values.to_numpy())
        percent = 100 * values.index.to_numpy()
        axes.errorbar(
            percent,
            mean,
            yerr=[mean - low, high - mean],
            marker="o",
            color=look.colour,
            linestyle=look.line,
            label=look.name,
            capsize=3,
        )
        frame = {"removed from": name, "quantity": quantity, "share (%)": percent}
        frames.append(pd.DataFrame(frame | {"mean": mean, "low": low, "high": high}))
    axes.set(xlabel="share removed (%)", xlim=(-3, 98))
    return frames


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error and angle at the end against the share that was removed."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(9.5, 4.2))
    frames = panel(left, runs, ("shallow", "bp", "w", "b", "both"), "error")
    frames += panel(right, runs, ("w", "b", "both"), "angle")
    left.set(ylabel="test error (%)")
    right.axhline(90, color="0.6", lw=1)
    right.set(ylabel="angle to backprop's signal (degrees)", ylim=(0, 100))
    left.legend()
    return figure, pd.concat(frames)


STUDY = Study(
    name="mnist-ablation",
    title="Removing connections on MNIST",
    paper="lillicrap2014",
    settings=AblationSettings,
    tiers={
        "smoke": {
            "images": "digits",
            "hidden": (20,),
            "members": 2,
            "examples": 400,
            "marks": 2,
            "shares": (0.0, 0.5, 0.9),
        },
        "quick": {"images": "digits", "hidden": (100,), "examples": 20_000},
        "paper": {},
    },
    variants={
        "w": {"rule": "fa", "backward": False},
        "b": {"rule": "fa", "forward": False},
        "both": {"rule": "fa"},
        "bp": {"rule": "bp"},
        "shallow": {"rule": "shallow", "backward": False},
    },
    run=run,
    learnt=gone("error"),
    claims=[
        Claim(
            id="ablation-half",
            statement="Removing half of W and of B costs feedback alignment little, in a run of a "
            "sixth of the length.",
            place="ours: the paper's statement (p. 5) is judged at full length, by the study mnist",
            measure=lambda runs: cost(runs, "both", 0.5),
            unit="points of test error",
            holds=Region(high=1.0),
            partly=Region(high=2.0),
            reason="as for the run at full length: a point is small beside a shallow network's "
            "loss",
            figure="mnist-ablation",
            origin="ours",
        ),
        Claim(
            id="ablation-nine-tenths",
            statement="Nine tenths can go for no more than a few points.",
            place="not in the paper, which removes half",
            measure=lambda runs: cost(runs, "both", 0.9),
            unit="points of test error",
            holds=Region(high=3.0),
            partly=Region(high=6.0),
            reason="what we took a few points to be before the run; a shallow network with the "
            "same W is the better measure, below",
            figure="mnist-ablation",
            origin="ours",
        ),
        Claim(
            id="ablation-beats-shallow",
            statement="With nine tenths removed, feedback alignment is still better than a shallow "
            "network with the same W.",
            place="not in the paper; added when the other rows were recorded",
            measure=lambda runs: (
                by_share(runs["both"], "error").loc[0.9]
                - by_share(runs["shallow"], "error").loc[0.9]
            ).to_numpy(),
            unit="points of test error, both thinned out minus shallow",
            holds=Region(high=0.0),
            reason="if not, teaching the hidden layer is of no use",
            figure="mnist-ablation",
            origin="ours",
        ),
        own_claim(
            id="ablation-equal-error",
            statement="The signal of a network with three quarters removed has turned less than "
            "that of a whole network with the same test error.",
            place="ours; added when the other rows were recorded",
            measure=lambda runs: turned_less(runs, 0.75),
            unit="degrees, three quarters removed at the end minus whole at that error",
            holds=Region(low=0.0),
            reason="at equal examples a network that has learnt less has turned less in any case",
            figure="mnist-ablation",
            decimals=1,
        ),
        Claim(
            id="ablation-b-cheap",
            statement="At nine tenths removed, the error rises less where B is thinned out than "
            "where W is.",
            place="not in the paper",
            measure=lambda runs: cost(runs, "b", 0.9) - cost(runs, "w", 0.9),
            unit="points of test error at nine tenths, B minus W",
            holds=Region(high=0.0),
            reason="less is a difference below zero, interval included",
            figure="mnist-ablation",
            origin="ours",
        ),
    ],
    figures=[
        Figure(
            id="mnist-ablation",
            title="Test error and angle against the share of connections removed",
            alt="Two panels against the share of connections removed, from 0 to 95 per cent, dots "
            "with intervals joined by lines. Left: test error when the output weights, the "
            "feedback weights or both are thinned out under feedback alignment, and when the "
            "output weights are under backpropagation and in a shallow network. Right: the angle "
            "to backpropagation's signal for the first three.",
            caption="Test error (left) and angle to backpropagation's signal (right) at the end of "
            "the run, for feedback alignment with a share of the elements of $W$, of $B$ or of "
            "both removed, and for backpropagation and a shallow network with a share of $W$ "
            "removed. Mean and 95 % interval over networks.",
            look="To see: at which share each curve leaves its level at the left edge, and "
            "whether it crosses backpropagation's. If all of $B$ were needed, the curve that "
            "removes from $B$ would rise at once.",
            place="p. 5, at one half",
            draw=draw,
        )
    ],
)
