"""What a study is: settings, variants, claims and figures, all declared before the run."""

import dataclasses
import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_type_hints

import matplotlib.figure
import numpy as np
import pandas as pd
import pydantic
import torch
from pydantic import Field

from bioprop import values
from bioprop.choose import choose
from bioprop.learning import RULES, Rule, Streams, rule
from bioprop.studies.journal import Journal
from bioprop.studies.summaries import MEAN, Summary

MOST = 10**9  # of anything that is counted: what no machine can hold is refused before it tries
# Common types of settings, with the ranges that are allowed.
Count = Annotated[int, Field(ge=1, le=MOST)]
MemberCount = Annotated[int, Field(ge=1, le=10**6)]  # a run lists the seeds of all
Natural = Annotated[int, Field(ge=0, le=MOST)]
Seed = Natural
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(ge=0, lt=1)]
Item = TypeVar("Item")
Some = Annotated[tuple[Item, ...], Field(min_length=1)]  # one or more
RuleName = Annotated[
    str, pydantic.AfterValidator(lambda name: choose("learning rule", name, RULES))
]
Precision = Literal["float64", "float32", "bfloat16"]


def known_device(name: str) -> str:
    """Return a name; ``ValueError`` for that of a device that the code was never run on."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", name):
        raise ValueError("allowed are cpu, cuda, and cuda:1 for the second of several")
    return name


Device = Annotated[str, pydantic.AfterValidator(known_device)]

STRICT = pydantic.ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False,
    defer_build=True,  # a process loads the settings of all studies and uses those of few
)  # fmt: skip
HERE = Path(__file__).parent
TIERS = ("smoke", "quick", "reduced", "paper")  # from least to most evidence


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class Settings:
    """Settings that every study has; each study adds its own in a subclass."""

    members: MemberCount = 20  # ours: networks trained side by side, one seed each
    first_seed: Seed = 0  # ours: member k has seed first_seed + k
    precision: Precision = "float64"  # ours: as NumPy has it, which the paper used
    device: Device = "cpu"  # ours: what everybody has

    def __post_init__(self) -> None:
        """Raise ``ValueError`` where a setting that a run does not read is not its default."""
        reasons = self.unread()
        for field in dataclasses.fields(self):
            given = getattr(self, field.name)
            if field.name in reasons and given != field.default:
                reason = reasons[field.name]
                raise ValueError(f"setting {field.name} = {given!r} would change nothing: {reason}")

    def unread(self) -> dict[str, str]:
        """Return the settings that a run does not read, with the reasons."""
        return {}

    @property
    def seeds(self) -> tuple[int, ...]:
        """Return one seed for each member."""
        return tuple(range(self.first_seed, self.first_seed + self.members))

    @property
    def dtype(self) -> torch.dtype:
        """Return the dtype of weights, activities and sums."""
        return torch.float64 if self.precision == "float64" else torch.float32

    @property
    def compute(self) -> torch.dtype | None:
        """Return the dtype that the factors of products are rounded to, or None for no rounding."""
        return torch.bfloat16 if self.precision == "bfloat16" else None

    def streams(self, seeds: Sequence[int] | None = None) -> Streams:
        """Return the random streams of the members, or of the given seeds."""
        return Streams(tuple(seeds or self.seeds), self.dtype, self.device)


def rule_with(name: str, **options: Any) -> Rule:
    """Return the rule called ``name`` with those of the options that it takes.

    So a study can say what any rule gets that draws feedback weights, or noise.
    """
    taken = inspect.signature(RULES[name]).parameters
    return rule(name, **{option: value for option, value in options.items() if option in taken})


class Run(Protocol):
    """What a claim or a figure may read of a finished run."""

    @property
    def settings(self) -> Any:
        """The settings of the run."""

    @property
    def table(self) -> pd.DataFrame:
        """One row for each member and mark."""


Runs = Mapping[str, Run]


class NoQuantity(LookupError):
    """A quantity is asked for that a run did not measure: another version of its study made it."""


def measured(run: Run, quantity: str) -> pd.DataFrame:
    """Return the table of a run; raises ``NoQuantity`` where the quantity is not in it."""
    if quantity not in run.table:
        raise NoQuantity(f"{quantity!r} was not measured, only {', '.join(run.table.columns)}")
    return run.table


def at(run: Run, quantity: str, percent: float = 100.0) -> np.ndarray:
    """Return ``quantity`` of each member, shape ``(member,)``, at a percentage of the examples.

    Takes the mark nearest to it. NaN where a member had diverged by then.
    """
    measured(run, quantity)
    return rows_at(run, percent)[quantity].to_numpy(float)


def rows_at(run: Run, percent: float = 100.0) -> pd.DataFrame:
    """Return the rows of the mark nearest to a percentage of the examples, one for each member."""
    table = run.table
    marks = table["examples"].unique()
    mark = marks[np.abs(marks - marks.max() * percent / 100).argmin()]
    return table.loc[table["examples"] == mark].sort_values("member")


def curve(run: Run, quantity: str) -> pd.DataFrame:
    """Return ``quantity`` as a frame with a row for each mark and a column for each member."""
    return measured(run, quantity).pivot(index="examples", columns="member", values=quantity)


def gone(quantity: str, share: float = 0.25) -> Callable[[Run], np.ndarray]:
    """Return the test of who has learnt: those who have lost a share of their error at the start.

    ``quantity`` is an error, or the log10 of one if it is called ``log_...``. Shape ``(member,)``.
    """
    logarithm = quantity.startswith("log_")

    def learnt(run: Run) -> np.ndarray:
        start, end = at(run, quantity, 0), at(run, quantity)
        return end - start <= math.log10(1 - share) if logarithm else end <= (1 - share) * start

    return learnt


def whole_mean(values: pd.Series) -> float:
    """Return the mean, NaN where any value is: a network that diverged is not left out."""
    return values.mean(skipna=False)


@dataclass(frozen=True)
class Region:
    """A closed range of values; ``around_reported`` counts it from the paper's own value.

    ``times_reported`` gives its ends as multiples of that value, of either sign.
    """

    low: float = -math.inf
    high: float = math.inf
    around_reported: bool = False
    times_reported: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"no value lies between {self.low} and {self.high}: exchange the ends")

    def placed(self, reported: float | None) -> tuple[float, float]:
        """Return the range in the unit of the claim."""
        if not (self.around_reported or self.times_reported):
            return self.low, self.high
        if reported is None:
            raise ValueError("a region around the reported value needs a reported value")
        if self.times_reported:
            low, high = sorted((reported * self.low, reported * self.high))
            return low, high
        return reported + self.low, reported + self.high


def within(tolerance: float) -> Region:
    """Return the region within ``tolerance`` of the reported value."""
    return Region(-tolerance, tolerance, around_reported=True)


def within_factor(factor: float) -> Region:
    """Return the region within a factor of the reported value, for values above zero."""
    return Region(1 / factor, factor, times_reported=True)


def at_least(share: float) -> Region:
    """Return the region of a share of the reported value or more, in that value's direction."""
    return Region(share, math.inf, times_reported=True)


@dataclass(frozen=True)
class Lines:
    """Some lines of a source file, ``first`` to ``last``; the file from the package's folder."""

    file: str
    first: int
    last: int


@dataclass(frozen=True)
class Claim:
    """A statement of a paper, and what would count as reproducing it; fixed before the run.

    ``measure`` returns one number for each member, in ``unit``, or such a row for each of several
    cases. ``summary`` makes one number of them, with a 95 % interval: the mean, if nothing else is
    said. The claim is reproduced where the interval lies inside ``holds``, partly where it lies
    inside ``partly``. It cannot be judged where a member has no finite number (it diverged, or
    never got that far), nor be reproduced where a network that it reads has learnt nothing, unless
    ``unlearnt`` says why it may hold of such networks: in all runs, or in those named in ``idle``.
    ``reported`` is a key of ``data/reported``, ``log10`` of one, or the difference of two, or None
    where the paper gives no number. Where ``beside`` names another study, ``measure`` finds its
    recorded runs as ``<study>/<variant>``. ``declared`` are the lines of code that made the claim.
    """

    id: str
    statement: str
    place: str
    measure: Callable[[Runs], np.ndarray]
    unit: str
    holds: Region
    reason: str
    figure: str
    partly: Region | None = None
    reported: str | None = None
    decimals: int = 2
    origin: Literal["paper", "ours"] = "paper"  # whose claim is it?
    summary: Summary = MEAN  # how members become one number
    applies: Callable[[Any], bool] = lambda settings: True  # to runs with which settings?
    beside: str | None = None  # another study whose runs are compared with
    aside: Callable[[Runs], str] | None = None  # shown beneath the number, such as a p value
    unlearnt: str | None = None  # why it may hold where nothing was learnt
    idle: Collection[str] = ()  # in which runs that may be; in all where none is named
    calibrated: str | None = None  # what was chosen so that it, or a part of it, comes out
    declared: tuple[Lines, ...] = dataclasses.field(default=(), init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "declared", tuple(_declaring(sys._getframe(1))))


def _declaring(frame: FrameType | None) -> Iterator[Lines]:
    """Yield the lines of studies that are being executed, from a frame out to its module."""
    while frame:
        path, code = Path(frame.f_code.co_filename), frame.f_code
        if path.is_relative_to(HERE) and path != HERE / "study.py":
            first, last = list(code.co_positions())[frame.f_lasti // 2][:2]
            yield Lines(str(path.relative_to(HERE.parent)), first or 0, last or 0)
            if code.co_name == "<module>":
                return
        frame = frame.f_back


# A claim of this book, which is not in the paper.
own_claim = functools.partial(Claim, place="ours", origin="ours")

# What the reason of a claim ends in that was made after its run.
LATER = ". The claim was made when the record was there"


def sized(claim: Claim, tolerance: float, statement: str) -> Claim:
    """Return the sister of a claim about a difference: that it has the paper's size, too.

    The tolerance is to be smaller than the difference: none at all must not pass for it. Partly
    where the difference has the paper's direction.
    """
    where = claim.place.partition(";")[0]
    return dataclasses.replace(
        claim,
        id=f"{claim.id}-size",
        statement=statement,
        place=f"{where}; this row was added when the one on the direction had been recorded",
        holds=within(tolerance),
        partly=at_least(0.0),
        reason="two-sided around the paper's difference and narrower than it; partly where the "
        "direction is the paper's",
    )


@dataclass(frozen=True)
class Figure:
    """A figure that can be cited: ``draw`` returns it with the data that were drawn.

    ``look`` says on its page what to see in it, with the roles of claims for what came out.
    ``numbers`` are those that the text of a chapter takes from what is drawn, by name. Of the
    studies in ``beside``, ``draw`` finds what is recorded, as ``<study>/<variant>``.
    """

    id: str
    title: str
    alt: str
    caption: str
    place: str
    draw: Callable[[Runs], tuple[matplotlib.figure.Figure, pd.DataFrame]]
    numbers: Mapping[str, Callable[[Runs], float]] = dataclasses.field(default_factory=dict)
    beside: Sequence[str] = ()  # other studies whose runs it shows
    look: str = ""
    rules: Sequence[str] = ()  # as in names of variants, where neither these nor what is drawn tell

    def __post_init__(self) -> None:
        if len(self.alt.split()) < 8:
            raise ValueError(
                f"figure {self.id!r} has no alt text worth the name: say in a sentence or two what "
                "a reader would see"
            )


@dataclass(frozen=True, eq=False)  # known by itself, so that what is read of it can be kept
class Study:
    """One result of a paper: settings, tiers, variants, how to run it, claims and figures.

    ``tiers`` and ``variants`` map a name to changes of the settings. Those of a tier go before
    those of a variant, but for the settings in ``kept``. ``run(settings, journal)`` trains one
    variant and writes what it measures into the journal. ``cost`` maps a tier to the seconds that
    one seed of its slowest variant took once, or of each variant, on the study's threads, for plans
    made before any is recorded; ``forecast(settings)`` returns such seconds for one seed and how
    they are known, where a trial run would take too long. ``decimals`` says of quantities that a
    run writes rounded to how many decimals.
    """

    name: str
    title: str
    paper: str
    settings: type[Settings]
    tiers: Mapping[str, Mapping[str, Any]]
    variants: Mapping[str, Mapping[str, Any]]
    run: Callable[[Any, Journal], None]
    claims: Sequence[Claim] = ()
    figures: Sequence[Figure] = ()
    population: str = "networks"  # what the members of its records are
    kept: Collection[str] = ()
    threads: int = 1  # small networks are fastest on one; sums depend on it, so it is fixed here
    cost: Mapping[str, float | Mapping[str, float]] = dataclasses.field(default_factory=dict)
    forecast: Callable[[Any], tuple[float, str]] | None = None
    after: str | None = None  # a study that finds the settings of this one: it is recorded first
    finders: Collection[str] = ()  # the variants of that study that find them; all where empty
    found: bool = True  # whether what that study found is in the settings already
    decimals: Mapping[str, int] = dataclasses.field(default_factory=dict)
    learnt: Callable[[Run], np.ndarray] | None = None  # who of a run's members, or of its seeds?
    together: bool = False  # whether several processes can train one network of it

    def step(self, quantity: str) -> float:
        """Return the step that a quantity is rounded to where a run writes it, 0 for none."""
        return float(f"1e-{self.decimals[quantity]}") if quantity in self.decimals else 0.0

    def __post_init__(self) -> None:
        for tier in self.tiers:
            choose("tier", tier, TIERS)
        for cost in self.cost.values():
            if isinstance(cost, Mapping) and cost.keys() != self.variants.keys():
                other = ", ".join(sorted(cost.keys() ^ self.variants.keys()))
                raise ValueError(f"cost is to have each variant, and no other: not so {other}")
        drawn = [figure.id for figure in self.figures]
        for claim in self.claims:
            choose(f"figure of claim {claim.id}", claim.figure, drawn)

    def configure(self, tier: str, variant: str, /, **changes: Any) -> Settings:
        """Return the settings of one variant at a tier, with a reader's own changes on top.

        Unknown names and values of a wrong type or outside their range raise ``ValueError``.
        """
        choose("tier", tier, self.tiers, f"study {self.name!r}")
        choose("variant", variant, self.variants, f"study {self.name!r}")
        known = self._known(*changes)
        changes = {n: _tuples(value) for n, value in zip(known, changes.values(), strict=True)}
        own = self.variants[variant]
        kept = {name: own[name] for name in self.kept if name in own}
        try:
            return self.settings(**{**own, **self.tiers[tier], **kept, **changes})
        except pydantic.ValidationError as error:
            raise ValueError(f"study {self.name!r}: {explain(error)}") from None

    def read(self, words: Mapping[str, str]) -> dict[str, Any]:
        """Return changes that a reader typed, each as the type of its setting has it.

        Unknown names and words that stand for no value of that type raise ``ValueError``.
        """
        types = get_type_hints(self.settings, include_extras=True)
        changes = {}
        for name, text in words.items():
            try:
                changes[name] = values.read(text, types[self._known(name)[0]])
            except pydantic.ValidationError as error:
                raise ValueError(f"study {self.name!r}: {explain(error, name)}") from None
        return changes

    def _known(self, *settings: str) -> list[str]:
        names = [field.name for field in dataclasses.fields(self.settings)]
        return [choose("setting", each, names, f"study {self.name!r}") for each in settings]

    def figure(self, id: str) -> Figure:
        """Return the figure called ``id``."""
        choose("figure", id, [figure.id for figure in self.figures], f"study {self.name!r}")
        return next(figure for figure in self.figures if figure.id == id)


def _tuples(value: Any) -> Any:
    """Return tuples for lists, as records hold them: JSON has no other."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def explain(error: pydantic.ValidationError, *place: str) -> str:
    """Return a validation error in one line: what was given, and what is allowed.

    ``place`` is the setting that the value is for, where the error does not name it.
    """
    return "; ".join(
        (f"setting {'.'.join(map(str, where))} = {item['input']!r}: " if where else "")
        + item["msg"].removeprefix("Value error, ")
        + ("; several are written as [30, 20, 10]" if item["type"] == "tuple_type" else "")
        for item in error.errors()
        for where in [(*place, *item["loc"])]
    )
