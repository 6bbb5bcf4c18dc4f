"""How much alignment is needed? Lillicrap et al. 2014, the condition e^T W B e > 0.

Claim: feedback need not be the transposed weights; any signal within 90 degrees of
backpropagation's teaches, and the closer it is, the faster. Here the signal is turned away from
backpropagation's by a set angle, which is either held or left free to change.
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture

from bioprop.learning import Training, sgd
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Region,
    Run,
    Runs,
    Seed,
    Settings,
    Some,
    Study,
    rule_with,
    whole_mean,
)
from bioprop.studies.summaries import LARGEST
from bioprop.tasks.linear import LinearTask, linear_network

SHOWN = (45, 60, 75, 90)  # degrees of which the text of the chapter speaks
LEARNT = -2.0  # log10 NSE at which a network counts as having learnt: 1 % of the error is left


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class RotationSettings(Settings):
    """Settings of the rotation; the paper has no such experiment, so all choices are ours."""

    rule: Literal["rotated", "rotated-fixed"]  # ours: angle held, or only set at the start
    degrees: Some[float] = tuple(range(0, 181, 15))  # ours: half a turn
    rate: Positive = 4e-3  # ours: half the fastest rate of backprop: stable at every angle < 90
    bound: Positive = 0.01  # ours: as in the linear task
    gain: Positive = 50.0  # ours: brings the fixed weights to the linear task's range of 0.5
    examples: Count = 5000  # ours: enough for a right angle to level off
    every: Count = 100  # ours: examples between marks
    first_seed: Seed = 100  # ours: fresh, since claims were added after a run at 0 to 19


def run(settings: RotationSettings, journal: Journal) -> None:
    """Train every angle for every seed, side by side."""
    degrees, seeds = zip(*((d, s) for d in settings.degrees for s in settings.seeds), strict=True)
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network = linear_network(streams, (30, 20, 10), settings.bound, settings.compute)
    teaching = rule_with(settings.rule, degrees=streams.each(degrees), gain=settings.gain)
    training = Training(network, teaching, sgd(settings.rate), task, streams)
    journal.label(seed=seeds, degrees=degrees)
    for examples in journal.follow(training, range(0, settings.examples + 1, settings.every)):
        journal.write(examples, log_nse=torch.log10(task.normalised_squared_error(network)))


def speeds(run: Run) -> pd.DataFrame:
    """Return 1000 / (examples until one per cent of the error is left): seeds by degrees.

    The crossing is interpolated between marks in log10 NSE; 0 for a network that never gets there.
    """
    rows = run.table.groupby(["seed", "degrees"])
    return rows.apply(lambda member: 1000 / first_below(member, LEARNT)).unstack("degrees")


def first_below(member: pd.DataFrame, level: float) -> float:
    """Return the examples at which one member's log10 NSE first falls to ``level``, or inf."""
    examples, values = member["examples"].to_numpy(float), member["log_nse"].to_numpy(float)
    below = np.flatnonzero(values <= level)
    if not len(below):
        return np.inf
    k = below[0]
    if k == 0:
        return float(examples[0])
    return float(np.interp(-level, -values[k - 1 : k + 1], examples[k - 1 : k + 1]))


def first_below_for_good(member: pd.DataFrame, level: float) -> float:
    """Return the same, but NaN where the member has diverged by the end of its run."""
    lost = member["log_nse"].isna().any()
    return float("nan") if lost else first_below(member, level)


def examples_needed(run: Run, by: Sequence[str]) -> pd.Series:
    """Return the examples until one per cent of the error is left, for each network of a run.

    ``by`` names the labels that tell networks apart. Infinite where that never comes, NaN where
    the network diverged.
    """
    networks = run.table.groupby(list(by))
    return networks.apply(lambda member: first_below_for_good(member, LEARNT))


def rises(runs: Runs) -> np.ndarray:
    """Return the rise in speed from each angle to the next up to 90 degrees, ``(step, seed)``.

    In per cent of the speed at 0 degrees.
    """
    speed = speeds(runs["held"])
    speed = speed.loc[:, speed.columns <= 90]
    steps = speed.diff(axis="columns").iloc[:, 1:]
    return 100 * steps.div(speed[0.0], axis="index").to_numpy().T


def straight_learn(run: Run) -> np.ndarray:
    """Say of each seed whether it learns where its signal is turned least."""
    speed = speeds(run)
    return speed[speed.columns.min()].to_numpy() > 0


def change_in_speed(runs: Runs, degrees: float) -> np.ndarray:
    """Return each seed's change of speed from 0 to ``degrees``, in per cent."""
    speed = speeds(runs["held"])
    if degrees not in speed:  # a tier may try fewer angles
        return np.full(len(speed), np.nan)
    return (100 * (speed[degrees] / speed[0.0] - 1)).to_numpy()


def relative_speed(runs: Runs, degrees: float) -> float:
    """Return the speed with the angle held over that at 0 degrees, mean over networks."""
    return float(1 + change_in_speed(runs, degrees).mean() / 100)


def half_angle_of(runs: Runs, degrees: int) -> float:
    """Return the speed that half an angle gives, whatever the runs."""
    return half_angle(degrees)


def half_angle(degrees: float) -> float:
    """Return cos(theta / 2), with which the growth of small weights slows."""
    return float(np.cos(np.deg2rad(degrees) / 2))


def widest_miss(runs: Runs) -> int:
    """Return the whole degrees, up to 90, at which cos(theta / 2) is farthest from the speed."""
    degrees = [int(d) for d in speeds(runs["held"]) if d <= 90]
    return max(degrees, key=lambda d: abs(relative_speed(runs, d) - half_angle(d)))


def learners(runs: Runs, variant: str, low: float, high: float) -> np.ndarray:
    """Return for each seed the percentage of angles from low to high at which it learns."""
    speed = speeds(runs[variant])
    chosen = speed.loc[:, (speed.columns >= low) & (speed.columns <= high)]
    return 100 * (chosen > 0).mean(axis="columns").to_numpy()


def draw_speed(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw learning speed against the angle, held and free."""
    figure, axes = drawing.panels(figsize=(7, 4))
    names = {
        "held": ("angle held", "0.15", "-", "o"),
        "free": ("$B$ fixed, $W$ free", drawing.LOOKS["fa"].colour, "--", "s"),
    }
    frames = []
    for variant, (label, colour, line, marker) in names.items():
        style = {"color": colour, "linestyle": line, "marker": marker, "label": label}
        drawn = drawing.shaded(axes, speeds(runs[variant]).T, **style)
        frames.append(pd.DataFrame({"variant": variant} | drawn))
    frames.append(draw_half_angle(axes, speeds(runs["held"])))
    axes.axvline(90, color="0.6", lw=1)
    axes.set(xticks=range(0, 181, 30), xlabel="angle to backprop's signal at the start (degrees)")
    axes.set(ylabel="learning speed\n(1000 / examples to 1 % error)", ylim=(-0.05, None))
    axes.legend()
    return figure, pd.concat(frames)


def draw_half_angle(axes: Axes, speed: pd.DataFrame) -> pd.DataFrame:
    """Draw the speed at 0 degrees times cos(theta / 2), as far as the signal helps."""
    degrees = [d for d in speed if d <= 90]
    expected = [speed[0.0].mean() * half_angle(d) for d in degrees]
    axes.plot(degrees, expected, ":", color="0.5", label=r"$\cos(\theta/2)$ of the speed at 0")
    return pd.DataFrame({"variant": "half angle", "degrees": degrees, "mean": expected})


def draw_curves(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw error against examples for each angle: held left, free right."""
    figure, panels = drawing.panels(1, 2, figsize=(9, 4), sharey=True)
    frames = []
    for axes, (variant, title) in zip(
        panels, {"held": "angle held", "free": "$B$ fixed, $W$ free"}.items(), strict=True
    ):
        groups = runs[variant].table.groupby(["examples", "degrees"])["log_nse"]
        mean = groups.agg(whole_mean).unstack("degrees")
        colours = drawing.shades(len(mean.columns))
        for degree, colour in zip(mean.columns, colours, strict=True):
            labelled = f"{degree:g}°" if degree % 45 == 0 else None
            style = "-" if degree <= 90 else "--"
            axes.plot(mean.index, mean[degree], style, color=colour, label=labelled)
        axes.set(title=title, xlabel="examples", ylim=(-12.5, 1.5))
        frames.append(mean.melt(ignore_index=False).reset_index().assign(variant=variant))
    panels[0].set(ylabel="log10 normalised squared error")
    panels[1].legend(title="angle")
    return figure, pd.concat(frames)


CLAIMS = [
    Claim(
        id="rotation-slows",
        statement="Speed rises nowhere from one angle to the next, up to 90 degrees.",
        place="a reader's note: speed depends on the angle",
        origin="ours",
        measure=rises,
        summary=LARGEST,
        unit="% of the speed at 0 degrees, largest rise from one angle to the next",
        holds=Region(high=0.0),
        partly=Region(high=5.0),
        reason="monotone means that speed rises nowhere; 5 % allows for chance between neighbours",
        figure="rotation-speed",
        decimals=1,
    ),
    Claim(
        id="rotation-75",
        statement="The further the signal is turned from backpropagation's, the slower the "
        "learning: at 75 degrees a good deal slower than at 0.",
        place="a reader's note: speed depends on the angle",
        origin="ours",
        measure=lambda runs: change_in_speed(runs, 75.0),
        unit="% change of speed from 0 to 75 degrees",
        holds=Region(high=-10.0),
        partly=Region(high=0.0),
        reason="a tenth is more than chance among networks; a flat curve would give 0",
        figure="rotation-speed",
        decimals=1,
    ),
    Claim(
        id="rotation-within-90",
        statement="Within 90 degrees every angle teaches.",
        place="condition on B, as quoted in a talk on the paper; experiment ours",
        origin="ours",
        measure=lambda runs: learners(runs, "held", 0, 75),
        unit="% of angles from 0 to 75 degrees that learn",
        holds=Region(100.0, 100.0),
        partly=Region(80.0, 100.0),
        reason="learning means that one per cent of the error is left",
        figure="rotation-speed",
        decimals=0,
    ),
    Claim(
        id="rotation-past-90",
        statement="Past 90 degrees learning stops.",
        place="condition on B, as quoted in a talk on the paper; experiment ours",
        origin="ours",
        measure=lambda runs: learners(runs, "held", 105, 180),
        unit="% of angles from 105 to 180 degrees that learn",
        holds=Region(0.0, 0.0),
        partly=Region(0.0, 20.0),
        reason="learning means that one per cent of the error is left",
        figure="rotation-speed",
        decimals=0,
    ),
    Claim(
        id="rotation-realigns",
        statement="Where the feedback is fixed and the forward weights are free, no initial angle "
        "prevents learning: the weights align themselves.",
        place="Fig 1e, text; experiment ours",
        origin="ours",
        measure=lambda runs: learners(runs, "free", 0, 180),
        unit="% of angles from 0 to 180 degrees that learn",
        holds=Region(100.0, 100.0),
        partly=Region(80.0, 100.0),
        reason="learning means that one per cent of the error is left",
        figure="rotation-speed",
        decimals=0,
    ),
]

STUDY = Study(
    name="alignment-needed",
    title="How much alignment is needed?",
    paper="lillicrap2014",
    settings=RotationSettings,
    tiers={
        "smoke": {"members": 3, "examples": 300, "degrees": (0.0, 60.0, 120.0)},
        "quick": {"members": 5, "examples": 3000},
        "paper": {},
    },
    variants={"held": {"rule": "rotated"}, "free": {"rule": "rotated-fixed"}},
    run=run,
    claims=CLAIMS,
    learnt=straight_learn,
    figures=[
        Figure(
            id="rotation-speed",
            title="Learning speed against the angle of the teaching signal",
            alt="Learning speed against the angle between the teaching signal and backprop's, from "
            "0 to 180 degrees, with a line at 90. One curve where the angle is held, one where the "
            "feedback is fixed and the forward weights are free, and a dotted one that falls with "
            "the cosine of half the angle.",
            caption="Speed of learning when the signal is turned away from backpropagation's. "
            "Angle held: the turn is kept through learning. $B$ fixed: the feedback starts at that "
            "angle and is left alone, as in feedback alignment. Mean and 95 % interval over "
            "networks. Dotted: $\\cos(\\theta/2)$, with which small weights grow.",
            look="To see: where the curve of a held angle comes to zero, beside the line at 90 "
            "degrees, and whether the other one bends at all. If a signal had to start within a "
            "right angle, both would fall at that line.",
            place="text on the condition on B",
            draw=draw_speed,
            rules=("fa",),
            numbers={
                **{f"speed at {d}": partial(relative_speed, degrees=d) for d in SHOWN},
                **{f"half angle at {d}": partial(half_angle_of, degrees=d) for d in SHOWN},
                "widest miss": lambda runs: (
                    half_angle(widest_miss(runs)) - relative_speed(runs, widest_miss(runs))
                ),
                "widest miss at": widest_miss,
            },
        ),
        Figure(
            id="rotation-curves",
            title="Error while the teaching signal is turned",
            alt="Two panels of the logarithm of the error against examples, one curve for each "
            "angle from 0 to 180 degrees, dashed beyond 90. Left: the angle is held. Right: the "
            "feedback is fixed and the forward weights are free.",
            caption="Mean error for each angle; a curve ends where a network has diverged, dashed "
            "beyond 90 degrees. Left: angle held. Right: feedback fixed, forward weights free.",
            look="To see, left: which curves fall to the end, and which turn back or stop. Right: "
            "how far apart the curves are; if the angle at the start mattered, they would fan out "
            "as on the left.",
            place="text on the condition on B",
            draw=draw_curves,
            rules=("fa",),
        ),
    ],
)
