"""What Table 1 of Bartunov et al. 2018 says, as claims that its columns have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.measures import (
    above_backprop,
    by_seed,
    excess,
    lost_in,
    lowest,
    paired,
)
from bioprop.studies.study import LATER, Claim, Region, Run, Runs, within
from bioprop.studies.summaries import SMALLEST

PARALLEL = ("dtp", "sdtp", "ao-sdtp")  # methods whose inverses learn in two ways
ABOVE = Region(low=0.0)
LEVEL = "a method is above another where the interval of the difference lies above zero"


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


def below_full(
    runs: Runs, name: str, full: str = "targets-mnist", equal: bool = False
) -> np.ndarray:
    """Return by how many points a method is better here than fully connected, seed by seed.

    Of the seeds that both have; ``full`` is the study of the fully connected ones. Where examples
    are to be ``equal``, what these learnt after as many as the others had is left out.
    """
    here, there = runs[name], runs[f"{full}/{name}"]
    if equal:
        there = Beginning(there, int(here.table["examples"].max()))
    return paired(by_seed(there), by_seed(here)).to_numpy()


@dataclass(frozen=True)
class Beginning:
    """A run up to a number of examples."""

    run: Run
    examples: int

    @property
    def settings(self) -> Any:
        """The settings of the run, which went on from there."""
        return self.run.settings

    @property
    def table(self) -> pd.DataFrame:
        """The rows of the marks up to that number."""
        return self.run.table[self.run.table["examples"] <= self.examples]


def gains(column: Column, full: Column, name: str) -> Claim:
    """Return the claim that a method gains from local connections."""
    return Claim(
        id=f"{column.prefix}-{name}-gains",
        statement=f"{drawing.LOOKS[name].name} is better locally connected than fully connected.",
        place=column.place,
        measure=lambda runs: below_full(runs, name, full.prefix),
        unit="points of test error, fully minus locally connected",
        holds=ABOVE,
        reason="better where the interval of the difference lies above zero; the two nets were "
        "trained for different numbers of epochs",
        reported=f"{full.reported(name)} - {column.reported(name)}",
        figure=column.figure,
        applies=column.about,
        beside=full.prefix,
    )


def shared(column: Column) -> Claim:
    """Return the claim that sharing weights takes off some more."""
    return differing(
        column,
        "convnet",
        "Under backpropagation the ConvNet, which shares its weights, is better still.",
        "bp",
        "bp-convnet",
        reason="locally connected minus ConvNet, above zero",
    )


def beside_test(name: str, runs: Runs) -> str:
    """Say how far a method was trained, and what is left of its training error."""
    here, later = runs[name], lost_in(name, runs)
    mean = float(np.mean(lowest(here, "training")))
    words = f"training error {mean:.1f} %, {here.settings.epochs} epochs"
    return f"{words}; {later}" if later else words


def with_training(claims: Sequence[Claim], methods: Sequence[str]) -> list[Claim]:
    """Return claims, those about a cell with the training error and the epochs beneath them."""
    prefix = claims[0].id.removesuffix(methods[0])
    named = {prefix + name: partial(beside_test, name) for name in methods}
    return [replace(claim, aside=named.get(claim.id, claim.aside)) for claim in claims]
