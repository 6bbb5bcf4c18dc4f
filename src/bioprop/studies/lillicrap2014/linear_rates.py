"""Which learning rate makes each rule fastest on the linear task?

Lillicrap et al. 2014 chose the learning rates of Fig 1 "via manual search to optimize learning
speed" and print none of them. This study makes the search a population: every rate on a grid,
for networks whose seeds are used nowhere else.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pydantic
import torch
from matplotlib.figure import Figure as Picture

from bioprop.learning import Training, sgd
from bioprop.studies import drawing, reported
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    MemberCount,
    Positive,
    RuleName,
    Run,
    Runs,
    Seed,
    Settings,
    Study,
    rule_with,
    whole_mean,
)
from bioprop.studies.summaries import interval
from bioprop.tasks.linear import LinearTask, linear_network


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class RateSearch(Settings):
    """Settings of the search; ``members`` counts the networks for each point of the grid."""

    rule: RuleName  # Fig 1d: the four curves
    lowest: Positive = 1e-3  # ours: a decade below the fastest stable rate of backprop
    highest: Positive = 2e-2  # ours: every rule that uses this range diverges here
    rates: Count = 31  # ours: neighbours differ by about a tenth
    sigmas: tuple[Positive, ...] = ()  # ours: noise of node perturbation, searched as well
    examples: Count = 3000  # ours: backprop passes the end of the paper's axis well before
    bound: Positive = 0.01  # Methods, task 1: W0, W ~ U(-0.01, 0.01)
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
    members: MemberCount = 10  # ours: networks for each point of the grid
    first_seed: Seed = 1000  # ours: apart from the seeds of the result itself

    def unread(self) -> dict[str, str]:
        """Return what a run does not read, with the reasons."""
        if self.rule == "np":
            return {}
        return {"sigmas": f"rule {self.rule!r} adds no noise; set it to [] then"}


def run(settings: RateSearch, journal: Journal) -> None:
    """Train every point of the grid for every seed, side by side."""
    rates = np.geomspace(settings.lowest, settings.highest, settings.rates)
    points = [
        (rate, sigma, seed)
        for rate in rates
        for sigma in settings.sigmas or (0.0,)
        for seed in settings.seeds
    ]
    rate, sigma, seeds = zip(*points, strict=True)
    streams = settings.streams(seeds)
    task = LinearTask(streams)
    network = linear_network(streams, (30, 20, 10), settings.bound, settings.compute)
    teaching = rule_with(settings.rule, bound=settings.feedback, sigma=streams.each(sigma))
    training = Training(network, teaching, sgd(streams.each(rate)), task, streams)
    journal.label(seed=seeds, rate=rate, sigma=sigma)
    for examples in journal.follow(training, range(0, settings.examples + 1, 100)):
        journal.write(examples, log_nse=torch.log10(task.normalised_squared_error(network)))


def means(run: Run) -> pd.DataFrame:
    """Return mean log10 NSE over seeds: a row for each (rate, sigma), a column for each mark.

    NaN where any network of the point has diverged: such a rate is not usable.
    """
    grouped = run.table.groupby(["rate", "sigma", "examples"])["log_nse"]
    return grouped.agg(whole_mean).unstack("examples")


def axis_end(runs: Runs, paper: str = "lillicrap2014") -> int:
    """Return the examples at which the fastest backprop reaches the paper's final error.

    The units of the paper's axis are not known; this fixes ours. Rounded up to a whole hundred.
    """
    fastest = means(runs["bp"]).min()
    there = fastest.index[fastest <= reported.value(paper, "fig1d-bp-98")]
    if there.empty:
        raise ValueError(
            f"backprop does not reach the paper's final error within {fastest.index.max()} "
            "examples; search with more examples or at the tier paper"
        )
    return int(there[0])


def best(runs: Runs) -> Mapping[str, tuple[float, float]]:
    """Return (rate, sigma) of each rule that leaves the lowest error at the end of the axis."""
    end = axis_end(runs)
    return {name: means(run)[end].idxmin() for name, run in runs.items()}


def lead_at_equal_rate(runs: Runs, paper: str = "lillicrap2014") -> pd.Series:
    """Return FA's log10 NSE minus backprop's when backprop reaches the paper's final error.

    Both run at the same rate; rates at which backprop does not get there are left out.
    """
    goal = reported.value(paper, "fig1d-bp-98")
    bp, fa = (means(runs[name]).xs(0.0, level="sigma") for name in ("bp", "fa"))
    there = bp[(bp <= goal).any(axis="columns")]
    marks = (there <= goal).idxmax(axis="columns")
    values = {rate: fa.loc[rate, mark] - bp.loc[rate, mark] for rate, mark in marks.items()}
    return pd.Series(values, dtype=float)


README = 4e-3  # the one rate of the example in README


def near(runs: Runs, rate: float) -> float:
    """Return the rate of the search that is nearest to one."""
    tried = runs["bp"].table["rate"].unique()
    return float(tried[np.abs(np.log(tried / rate)).argmin()])


def at_end(runs: Runs, rate: float) -> np.ndarray:
    """Return FA's log10 NSE minus backprop's at the end of the axis, seed by seed, at one rate."""
    chosen, end = near(runs, rate), axis_end(runs)

    def errors(table: pd.DataFrame) -> pd.Series:
        there = table[(table["rate"] == chosen) & (table["examples"] == end)]
        return there.set_index("seed")["log_nse"].sort_index()

    return (errors(runs["fa"].table) - errors(runs["bp"].table)).to_numpy()


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error at the end of the axis against the learning rate."""
    end, chosen = axis_end(runs), best(runs)
    figure, (left, right, third) = drawing.panels(1, 3, figsize=(11, 4), width_ratios=(3, 1, 2))
    frames = []
    for name, run in runs.items():
        rate, sigma = chosen[name]
        errors = means(run)[end].xs(sigma, level="sigma")
        look = drawing.LOOKS[name]
        axes = right if name == "shallow" else left  # its rates are a thousand times as large
        axes.plot(errors.index, errors, color=look.colour, linestyle=look.line, label=look.name)
        axes.plot(rate, errors[rate], "o", color=look.colour)
        frame = {"rule": name, "sigma": sigma, "rate": errors.index, "log_nse": errors.to_numpy()}
        frames.append(pd.DataFrame(frame))
    for axes in (left, right):
        axes.set(xscale="log", xlabel="learning rate")
        axes.legend()
    left.set(ylabel=f"log10 NSE after {end} examples", ylim=(-13, 0.5))
    right.set(ylim=left.get_ylim(), yticklabels=[])
    lead = lead_at_equal_rate(runs)
    third.axhline(0, color="0.6", lw=1)
    third.plot(lead.index, lead, "-o", color=drawing.LOOKS["fa"].colour)
    third.set(xlabel="learning rate of both", ylim=(-1, 4), title="at equal rates")
    third.set(ylabel="FA minus BP (decades)\nwhen BP is at the paper's last point")
    frames.append(pd.DataFrame({"rule": "fa minus bp", "rate": lead.index, "log_nse": lead}))
    return figure, pd.concat(frames)


STUDY = Study(
    name="linear-rates",
    title="The fastest learning rate of each rule on the linear task",
    paper="lillicrap2014",
    settings=RateSearch,
    tiers={
        "smoke": {"members": 2, "rates": 4, "examples": 300},
        "quick": {"members": 3, "rates": 16},
        "paper": {},
    },
    variants={
        "bp": {"rule": "bp"},
        "fa": {"rule": "fa"},
        "shallow": {"rule": "shallow", "lowest": 0.5, "highest": 50.0},  # ours: h is tiny
        "np": {"rule": "np", "lowest": 2e-4, "highest": 6e-3, "sigmas": (1e-3, 1e-2, 1e-1)},
    },
    run=run,
    figures=[
        Figure(
            id="linear-rates",
            title="Error against learning rate on the linear task",
            alt="Three panels. Left and middle: error after a fixed number of examples against the "
            "learning rate, a curve for each rule, with a dot at the rate chosen. Right: feedback "
            "alignment's error minus backpropagation's at equal rates, in decades.",
            caption="Left and middle: error at the end of the axis for every learning rate at "
            "which no network diverged; mean over the networks of the search. A dot marks the rate "
            "that was chosen. Right, found after the run: both rules at the same rate, compared "
            "when backpropagation reaches the last point of the paper's curve.",
            look="To see: whether each dot lies at the bottom of its curve, and on which side of "
            "zero the right panel is. A rate chosen badly would make a rule look worse than it is.",
            place="Methods, task 1: rates chosen by search for speed, values not printed",
            draw=draw,
            numbers={
                "compared": lambda runs: int(lead_at_equal_rate(runs).count()),
                "behind": lambda runs: int((lead_at_equal_rate(runs) > 0).sum()),
                "at the smallest": lambda runs: lead_at_equal_rate(runs).dropna().iloc[0],
                "equal rate": lambda runs: 1000 * near(runs, README),
                "equal": lambda runs: float(interval(at_end(runs, README))[0]),
                "equal low": lambda runs: float(interval(at_end(runs, README))[1]),
                "equal high": lambda runs: float(interval(at_end(runs, README))[2]),
                "equal networks": lambda runs: len(at_end(runs, README)),
                "at the largest": lambda runs: lead_at_equal_rate(runs).dropna().iloc[-1],
            },
        )
    ],
)
