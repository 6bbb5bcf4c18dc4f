"""Lillicrap et al. 2014, Fig 4: what feedback alignment's signal resembles.

Claim: when the forward weights start small, the signal B e comes closer to that of the
pseudoinverse, W^+ e, than to backpropagation's, W^T e: the weights act as a pseudoinverse of B.
"""

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture

from bioprop.learning import Training, angle, rule, sgd
from bioprop.learning.rules import carry_back, pseudoinverse
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.signals import beside_backprop
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Region,
    Runs,
    Seed,
    Settings,
    Some,
    Study,
    gone,
    rows_at,
    whole_mean,
)
from bioprop.studies.summaries import LARGEST
from bioprop.tasks.linear import LinearTask, linear_network

SMALL = 0.01  # ours: weights up to this range are the small ones


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class SweepSettings(Settings):
    """Settings of the sweep over initial weights, and where each value stands in the paper."""

    bounds: Some[Positive] = (  # Fig 4: W0, W ~ U(-w, w) for each w
        0.0001,
        0.001,
        0.01,
        0.05,
        0.1,
        0.125,
        0.15,
        0.2,
        0.25,
    )
    rate: Positive = 1e-3  # Fig 4
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
    examples: Count = 5000  # ours: the axis of Fig 4 was not seen
    every: Count = 100  # ours: examples between marks
    probe: Count = 100  # ours: examples on which angles are measured
    first_seed: Seed = 100  # ours: fresh, apart from those of trials


def run(settings: SweepSettings, journal: Journal) -> None:
    """Train every range of initial weights for every seed, side by side."""
    bounds, seeds = zip(*((w, s) for w in settings.bounds for s in settings.seeds), strict=True)
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network = linear_network(streams, (30, 20, 10), streams.each(bounds), settings.compute)
    teaching = rule("fa", bound=settings.feedback)
    training = Training(network, teaching, sgd(settings.rate), task, streams)
    journal.label(seed=seeds, bound=bounds)
    x, target = task.probe(settings.probe)
    for examples in journal.follow(training, range(0, settings.examples + 1, settings.every)):
        error = torch.log10(task.normalised_squared_error(network))
        journal.write(examples, log_nse=error, **angles(training, x, target))


def angles(training: Training, x: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return angles in degrees, ``(member,)`` each: of signals, and of matrices.

    ``to_bp`` and ``to_pbp`` compare B e with W^T e and W^+ e; ``w_to_transpose`` and
    ``w_to_pseudoinverse`` compare W, as one long vector, with B^T and B^+.
    """
    network, (B,) = training.network, training.state
    trial = network.present(x, target)
    W = network.weights[1]
    ours, backprop = beside_backprop(training, trial)[0]
    pseudo = carry_back(network, [pseudoinverse(W)], trial)[0]
    return {
        "to_bp": angle(ours, backprop).mean(-1),
        "to_pbp": angle(ours, pseudo).mean(-1),
        "w_to_transpose": angle(W.flatten(1), B.mT.flatten(1)),
        "w_to_pseudoinverse": angle(W.flatten(1), pseudoinverse(B).flatten(1)),
    }


def gap(rows: pd.DataFrame, near: str, far: str) -> pd.DataFrame:
    """Return ``near`` minus ``far``, averaged over the marks in ``rows``: seeds by range."""
    gaps = (rows[near] - rows[far]).groupby([rows["seed"], rows["bound"]])
    return gaps.agg(whole_mean).unstack("bound")


def small(gaps: pd.DataFrame) -> np.ndarray:
    """Return the gaps of the small ranges, in degrees, ``(range, seed)``."""
    return gaps.loc[:, gaps.columns <= SMALL].to_numpy().T


def closer(runs: Runs, near: str, far: str) -> np.ndarray:
    """Return the gaps where weights start small, each averaged over learning."""
    table = runs["fa"].table
    return small(gap(table[table["examples"] > 0], near, far))


def closer_at(runs: Runs, near: str, far: str, percent: float) -> np.ndarray:
    """Return the gaps where weights start small, at a percentage of the run."""
    return small(gap(rows_at(runs["fa"], percent), near, far))


def lost_with_size(runs: Runs) -> np.ndarray:
    """Return by how many degrees the gap to pseudobackprop is worse at the largest range."""
    gaps = gap(rows_at(runs["fa"]), "to_pbp", "to_bp")
    return (gaps[gaps.columns.max()] - gaps[gaps.columns.min()]).to_numpy()


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw Fig 4: error and both angles against examples, a curve for each range."""
    panels = {
        "log_nse": "log10 NSE",
        "to_bp": "angle to backprop (degrees)",
        "to_pbp": "angle to pseudobackprop (degrees)",
    }
    figure, row = drawing.panels(1, 3, figsize=(11, 3.8))
    frames = []
    for axes, (quantity, label) in zip(row, panels.items(), strict=True):
        values = runs["fa"].table.groupby(["examples", "bound"])[quantity]
        mean = values.agg(whole_mean).unstack("bound")
        for bound, colour in zip(mean, drawing.shades(mean.shape[1]), strict=True):
            axes.plot(mean.index, mean[bound], color=colour, label=f"{bound:g}")
        axes.set(xlabel="examples", ylabel=label)
        if quantity != "log_nse":
            axes.set(ylim=(0, 92), yticks=range(0, 91, 15))
        frames.append(mean.melt(ignore_index=False).reset_index().assign(quantity=quantity))
    row[0].legend(title="range of W")
    return figure, pd.concat(frames)


def draw_matrices(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle of W to the transpose and to the pseudoinverse of B at the end."""
    figure, axes = drawing.panels(figsize=(7, 4))
    end, frames = rows_at(runs["fa"]), []
    looks = {"w_to_transpose": ("bp", "$B^T$"), "w_to_pseudoinverse": ("pbp", "$B^+$")}
    for quantity, (name, label) in looks.items():
        values = end.pivot(index="seed", columns="bound", values=quantity).T
        look = drawing.LOOKS[name]
        style = {"color": look.colour, "linestyle": look.line, "label": f"W to {label}"}
        drawn = drawing.shaded(axes, values, marker="o", **style)
        frames.append(pd.DataFrame({"quantity": quantity} | drawn))
    ends = min(values.index) / 1.4, max(values.index) * 1.4
    axes.set(xscale="log", xlim=ends, xlabel="range of the initial weights", ylim=(0, 92))
    axes.set(ylabel="angle after learning (degrees)", yticks=range(0, 91, 15))
    axes.legend()
    return figure, pd.concat(frames)


STUDY = Study(
    name="initial-weights",
    title="What the teaching signal resembles",
    paper="lillicrap2014",
    settings=SweepSettings,
    tiers={
        "smoke": {"members": 3, "examples": 200, "bounds": (0.001, 0.01, 0.1)},
        "quick": {"members": 5, "examples": 3000},
        "paper": {},
    },
    variants={"fa": {}},
    run=run,
    learnt=gone("log_nse"),
    claims=[
        Claim(
            id="pseudoinverse-closer",
            statement="From small weights, feedback alignment's signal is closer to "
            "pseudobackprop's than to backprop's.",
            place="Fig 4",
            measure=lambda runs: closer(runs, "to_pbp", "to_bp"),
            summary=LARGEST,
            unit="degrees, angle to PBP minus angle to BP, largest over ranges up to 0.01",
            holds=Region(high=0.0),
            reason="closer means a smaller angle, averaged over learning, at every small range",
            figure="initial-weights",
            decimals=1,
        ),
        Claim(
            id="pseudoinverse-end",
            statement="It is closer to pseudobackprop's at the end.",
            place="Fig 4",
            measure=lambda runs: closer_at(runs, "to_pbp", "to_bp", 100),
            summary=LARGEST,
            unit="the same at the end of the run",
            holds=Region(high=0.0),
            reason="added after a trial with other seeds, to tell the end from the way there",
            figure="initial-weights",
            decimals=1,
        ),
        Claim(
            id="pseudoinverse-quickly",
            statement="It comes closer to pseudobackprop's quickly.",
            place="Fig 4",
            measure=lambda runs: closer_at(runs, "to_pbp", "to_bp", 10),
            summary=LARGEST,
            unit="the same after a tenth of the run",
            holds=Region(high=0.0),
            reason="the paper says quickly; a tenth of the run is our reading of it",
            figure="initial-weights",
            decimals=1,
        ),
        Claim(
            id="pseudoinverse-small-only",
            statement="The effect is stronger from small initial weights.",
            place="Fig 4",
            measure=lost_with_size,
            unit="degrees at the end, gap between PBP and BP at the largest range minus smallest",
            holds=Region(low=0.0),
            reason="with large weights the gap should be less in favour of pseudobackprop",
            figure="initial-weights",
            decimals=1,
        ),
        Claim(
            id="pseudoinverse-weights",
            statement="The forward weights resemble the pseudoinverse of B more than its "
            "transpose.",
            place="a reader's remark",
            origin="ours",
            measure=lambda runs: closer(runs, "w_to_pseudoinverse", "w_to_transpose"),
            summary=LARGEST,
            unit="degrees, angle of W to B⁺ minus angle to Bᵀ, largest over ranges up to 0.01",
            holds=Region(high=0.0),
            reason="resembling more means a smaller angle, averaged over learning",
            figure="weights-and-pseudoinverse",
            decimals=1,
        ),
        Claim(
            id="pseudoinverse-weights-end",
            statement="The forward weights come to resemble the pseudoinverse of B more than its "
            "transpose at the end.",
            place="a reader's remark",
            origin="ours",
            measure=lambda runs: closer_at(runs, "w_to_pseudoinverse", "w_to_transpose", 100),
            summary=LARGEST,
            unit="the same at the end of the run",
            holds=Region(high=0.0),
            reason="added after a trial with other seeds, to tell the end from the way there",
            figure="weights-and-pseudoinverse",
            decimals=1,
        ),
    ],
    figures=[
        Figure(
            id="initial-weights",
            title="Feedback alignment's signal beside backprop's and pseudobackprop's",
            alt="Three panels against examples, a curve for each range of initial weights from "
            "0.0001 to 0.25: the logarithm of the error, the angle to backprop's signal, and the "
            "angle to pseudobackprop's, both from 0 to 90 degrees.",
            caption="Feedback alignment on the linear task from initial weights of different "
            "ranges: error, angle of its signal $Be$ to backpropagation's $W^Te$, and to "
            "pseudobackprop's $W^+e$. Means over networks.",
            look="To see: how curves from small weights differ from those of larger ones, and "
            "which of the two panels of angles ends lower. If feedback alignment came to imitate "
            "backpropagation alone, the middle one would.",
            place="Fig 4",
            draw=draw,
            rules=("fa",),
        ),
        Figure(
            id="weights-and-pseudoinverse",
            title="Forward weights beside the transpose and the pseudoinverse of B",
            alt="Angle after learning between the forward weights and two matrices made from B, "
            "against the range of initial weights, one curve for the transpose of B and one for "
            "its pseudoinverse.",
            caption="Angle of the output weights $W$, as one vector, to $B^T$ and to $B^+$ after "
            "learning. Mean and 95 % interval over networks.",
            look="To see: which curve is lower, and for which initial weights they rise. If the "
            "weights became the transpose of $B$, its curve would lie at zero.",
            place="a reader's remark",
            draw=draw_matrices,
            rules=("fa",),
        ),
    ],
)
