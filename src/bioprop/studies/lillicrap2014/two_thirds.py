"""What feedback alignment's weights become: two thirds of the way to the pseudoinverse of B.

From zero weights the conserved relation of Theorem 1 (Lillicrap et al. 2014) fixes where learning
ends. For a teacher with T T^T proportional to the identity the output weights become proportional
to (B^T B)^(-2/3) B^T, between B^T (power 0) and B^+ (power 1); the chapter why-it-works derives
it. This study follows the flow for such a teacher and for the paper's, sets what the formula says
against what other studies recorded, and measures Theorem 2's angle to the transpose as well.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import pydantic
import scipy
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from torch import Tensor

from bioprop.learning import angle, generator, rule
from bioprop.learning.rules import pseudoinverse
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.lillicrap2014 import initial_weights
from bioprop.studies.lillicrap2014.theorems import TheoremSettings, draw_matrix, flow
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
    Study,
    at,
    curve,
    gone,
    own_claim,
    rows_at,
)
from bioprop.tasks.linear import LinearTask, linear_network

POWER = 2 / 3
ZERO = 1e-4  # Fig 4: the smallest range of initial weights, the nearest to zero
QUANTITIES = {
    "w_to_transpose": "$W$ to $B^T$",
    "w_to_pseudoinverse": "$W$ to $B^+$",
    "to_bp": "$Be$ to $W^Te$",
    "to_pbp": "$Be$ to $W^+e$",
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class LawSettings(Settings):
    """Settings; the law is about any sizes, these are those of the linear task."""

    what: Literal["flow", "single pair", "prediction", "learning"]  # ours: see ``run``
    white: bool = False  # ours: whether T T^T is made proportional to the identity
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
    time: Positive = 6.0  # ours: what error remains by then the solver still resolves
    marks: Count = 60  # ours: points of a drawn line
    probe: Count = 100  # ours: examples on which angles are measured
    first_seed: Seed = 100  # ours: the networks of the studies that are compared with
    precision: Literal["float64"] = "float64"  # ours: as the solver has it
    device: Literal["cpu"] = "cpu"  # ours: where the solver runs


def run(settings: LawSettings, journal: Journal) -> None:
    """Measure angles: along the flow, for one pair, by the formula, or as networks learn."""
    if settings.what == "learning":  # those of Fig 4 from the smallest weights, once more
        sweep = initial_weights.SweepSettings(
            bounds=(ZERO,), members=settings.members, first_seed=settings.first_seed
        )
        initial_weights.run(sweep, journal)
        return
    journal.label(seed=settings.seeds)
    runs = {"flow": along_flow, "single pair": single_pair, "prediction": predict}
    runs[settings.what](settings, journal)


def task_of(settings: LawSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Return T ``(member, output, input)``, B ``(member, hidden, output)`` and probe inputs.

    The paper's order; the matrices are those of the studies of the linear task.
    """
    streams = settings.streams()
    task = LinearTask(streams)
    network = linear_network(streams, (30, 20, 10), ZERO)
    B = rule("fa", bound=settings.feedback).init(network, streams)[0]
    T = whitened(task.T) if settings.white else task.T
    return T.mT, B.mT, task.probe(settings.probe)[0]


def whitened(T: Tensor) -> Tensor:
    """Return T with all singular values equal, and its mean square kept."""
    left, values, right = torch.linalg.svd(T, full_matrices=False)
    return values.square().mean(-1).sqrt()[:, None, None] * (left @ right)


def between(B: Tensor, power: float) -> Tensor:
    """Return (B^T B)^(-power) B^T: the transpose of B at 0, its pseudoinverse at 1."""
    left, values, right = torch.linalg.svd(B, full_matrices=False)
    return right.mT @ (values ** (1 - 2 * power)).diag_embed() @ left.mT


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Return the angle between matrices, each as one long vector, in degrees."""
    return angle(a.flatten(-2), b.flatten(-2))


def angles(W: Tensor, B: Tensor, e: Tensor) -> dict[str, Tensor]:
    """Return the four angles of Fig 4's study in degrees, ``(member,)`` each.

    W ``(member, output, hidden)``, B ``(member, hidden, output)``, errors e
    ``(member, example, output)``.
    """
    random = e @ B.mT
    return {
        "w_to_transpose": apart(W, B.mT),
        "w_to_pseudoinverse": apart(W, pseudoinverse(B)),
        "to_bp": angle(random, e @ W).mean(-1),
        "to_pbp": angle(random, e @ pseudoinverse(W).mT).mean(-1),
    }


def predict(settings: LawSettings, journal: Journal) -> None:
    """The angles that the formula gives, before learning; the error is the first one, T x."""
    T, B, x = task_of(settings)
    journal.begin(T, B)
    journal.write(0, **angles(between(B, POWER), B, x @ T.mT))


def along_flow(settings: LawSettings, journal: Journal) -> None:
    """The same angles at every mark of the flow, and the power that W is nearest to."""
    T, B, x = task_of(settings)
    journal.begin(T, B)
    solver = TheoremSettings(what="theorem 1", time=settings.time, marks=settings.marks)
    paths = [flow(t.numpy(), b.numpy(), solver) for t, b in zip(T, B, strict=True)]
    A, W = (torch.from_numpy(np.stack(each, axis=1)) for each in zip(*paths, strict=True))
    for mark in range(1, settings.marks + 1):  # W is 0 before
        measured = angles(W[mark], B, x @ (T - W[mark] @ A[mark]).mT)
        measured["to_law"] = apart(W[mark], between(B, POWER))
        journal.write(mark, power=nearest_power(W[mark], B), **measured)


def nearest_power(W: Tensor, B: Tensor) -> Tensor:
    """Return the power p at which (B^T B)^(-p) B^T makes the smallest angle with W."""

    def of(w: Tensor, b: Tensor) -> float:
        def degrees(p: float) -> float:
            return float(apart(w, between(b, p)))

        return scipy.optimize.minimize_scalar(degrees, bounds=(-1, 2), method="bounded").x

    return torch.tensor([of(w, b) for w, b in zip(W, B, strict=True)])


def single_pair(settings: LawSettings, journal: Journal) -> None:
    """Theorem 2, for both signals: angles of B e to W^+ e and to W^T e while one pair is learnt.

    The largest so far, counted while a thousandth of the error remains: what is left later is
    the solver's rounding, which has a direction of its own.
    """
    solver = TheoremSettings(what="theorem 2", time=settings.time, marks=settings.marks)
    inputs, hidden, outputs = solver.sizes
    found: dict[str, list[np.ndarray]] = {"to_bp": [], "to_pbp": []}
    for seed in settings.seeds:
        draws = generator(seed, "data")
        x, target = draws.standard_normal(inputs), draws.standard_normal(outputs)
        B = draw_matrix(seed, "feedback", (hidden, outputs), settings.feedback)
        x /= np.linalg.norm(x)
        journal.begin(torch.from_numpy(x), torch.from_numpy(target), torch.from_numpy(B))
        A, W = (torch.from_numpy(path[1:]) for path in flow(np.outer(target, x), B, solver))
        e = (torch.from_numpy(target) - W @ A @ torch.from_numpy(x)).unsqueeze(-2)
        random = e @ torch.from_numpy(B).T
        inverse = torch.linalg.pinv(W, rtol=1e-6)  # rank 1: what is smaller is rounding
        remains = torch.linalg.vector_norm(e, dim=(1, 2)).numpy() > 1e-3 * np.linalg.norm(target)
        for name, signal in {"to_bp": e @ W, "to_pbp": e @ inverse.mT}.items():
            degrees = angle(random, signal).squeeze(-1).numpy()
            found[name].append(np.maximum.accumulate(np.where(remains, degrees, 0.0)))
    rows = zip(*(np.array(values).T for values in found.values()), strict=True)
    for mark, row in enumerate(rows, start=1):
        journal.write(mark, **dict(zip(found, row, strict=True)))


def missed(quantity: str) -> Callable[[Runs], np.ndarray]:
    """Return a measure: the predicted angle minus the one recorded in Fig 4's study, by seed."""

    def measure(runs: Runs) -> np.ndarray:
        end = rows_at(runs["initial-weights/fa"])
        end = end[end["bound"] == ZERO].set_index("seed")
        predicted = rows_at(runs["predicted"]).set_index("seed")[quantity]
        return (predicted - end[quantity]).reindex(predicted.index).to_numpy()

    return measure


def missed_in_task(runs: Runs) -> np.ndarray:
    """Return the predicted angle to backprop's signal minus the linear task's, by seed."""
    end = rows_at(runs["linear-task/fa"]).set_index("seed")["angle"]
    predicted = rows_at(runs["predicted"]).set_index("seed")["to_bp"]
    return (predicted - end).reindex(predicted.index).to_numpy()


def draw_law(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the nearest power along the flow, and predicted beside learnt angles."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(10, 4))
    looks = {"white": ("$TT^T \\propto I$", "fa"), "uniform": ("the paper's $T$", "layer-1")}
    frames = []
    for variant, (label, look) in looks.items():
        frames.append(over_time(left, runs, variant, "power", look, label=label))
    left.axhline(POWER, color="0.7", lw=1)
    left.set(xlabel="time", ylabel="nearest power $p$", ylim=(-0.15, 1.15))
    left.set_yticks([0, 1 / 3, 2 / 3, 1], labels=["0 ($B^T$)", "1/3", "2/3", "1 ($B^+$)"])
    left.legend(loc="lower right")
    frames.append(predicted_beside_learnt(right, runs))
    return figure, pd.concat(frames)


def over_time(
    axes: Axes, runs: Runs, variant: str, quantity: str, look: str, label: str
) -> pd.DataFrame:
    """Draw mean and 95 % interval over networks of a quantity of a flow, against its time."""
    run, style = runs[variant], drawing.LOOKS[look]
    values = curve(run, quantity)
    values.index = pd.Index(values.index * run.settings.time / run.settings.marks, name="time")
    options = {"color": style.colour, "linestyle": style.line, "label": label}
    drawn = drawing.shaded(axes, values, **options)
    return pd.DataFrame({"variant": variant, "quantity": quantity} | drawn)


def predicted_beside_learnt(axes: Axes, runs: Runs) -> pd.DataFrame:
    """Draw, for each of the four angles, what the formula says and what was learnt."""
    frames = []
    looks = {"predicted": ("the formula", "0.15", "D"), "learnt": ("learnt", "#029e73", "s")}
    for place, (quantity, _) in enumerate(QUANTITIES.items()):
        for shift, (variant, (label, colour, marker)) in enumerate(looks.items()):
            mean, low, high = drawing.interval(at(runs[variant], quantity))
            bar = [[mean - low], [high - mean]]
            options: dict[str, Any] = {"color": colour, "fmt": marker, "capsize": 3}
            options["label"] = label if place == 0 else None
            axes.errorbar([mean], [place + 0.2 * shift - 0.1], xerr=bar, **options)
            shown = {"variant": variant, "quantity": quantity, "mean": [mean], "low": [low]}
            frames.append(pd.DataFrame(shown | {"high": [high]}))
    axes.set(yticks=range(len(QUANTITIES)), ylim=(len(QUANTITIES) - 0.5, -0.5), xlim=(0, 45))
    axes.set_yticklabels(QUANTITIES.values())
    axes.set(xlabel="angle (degrees)")
    axes.legend()
    return pd.concat(frames)


def draw_pairs(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw both signals' angles for one pair, and for many with either teacher."""
    figure, panels = drawing.panels(1, 3, figsize=(11, 4))
    titles = {
        "single-pair": "one pair",
        "uniform": "many pairs, the paper's $T$",
        "white": "many pairs, $TT^T \\propto I$",
    }
    labels = {"to_bp": ("bp", "to $W^Te$"), "to_pbp": ("pbp", "to $W^+e$")}
    frames = []
    for axes, (variant, title) in zip(panels, titles.items(), strict=True):
        for quantity, (look, label) in labels.items():
            if variant == "single-pair":
                frames.append(largest_of_pairs(axes, runs, quantity, look, label))
            else:
                frames.append(over_time(axes, runs, variant, quantity, look, label))
        axes.set_title(title)
        axes.set(xlabel="time", ylim=(0, 60))
    drawing.log_y(panels[0])
    panels[0].set(ylim=(1e-15, 100), ylabel="angle of $Be$ (degrees)")
    panels[1].legend()
    return figure, pd.concat(frames)


def largest_of_pairs(axes: Axes, runs: Runs, quantity: str, look: str, label: str) -> pd.DataFrame:
    """Draw the largest angle over networks, which hardly differ from zero, against time."""
    run, style = runs["single-pair"], drawing.LOOKS[look]
    largest = curve(run, quantity).max(axis="columns", skipna=False)
    time = largest.index * run.settings.time / run.settings.marks
    axes.plot(time, largest, color=style.colour, linestyle=style.line, label=label)
    shown = {"variant": "single-pair", "quantity": quantity, "time": time}
    return pd.DataFrame(shown | {"largest": largest.to_numpy()})


def learnt(run: Run) -> np.ndarray:
    """Say of each network whether it has learnt, of each flow whether it has left its start.

    It starts at the transpose, where the power is 0. Of a formula, and of one pair, that it has.
    """
    if run.settings.what == "learning":
        return gone("log_nse")(run)
    if run.settings.what == "flow":
        return at(run, "power") > 0.1
    return np.ones(len(rows_at(run)), dtype=bool)


NEAR = Region(-4.0, 4.0)
STILL = "the formula does not learn; what it is compared with stands at 90 degrees until it does"
CLOSE = "small beside the 90 degrees of random directions; nothing is fitted"


def law(quantity: str, statement: str) -> Claim:
    """Return the claim that the formula gives an angle that Fig 4's study recorded."""
    return own_claim(
        id=f"two-thirds-{quantity.replace('_', '-')}",
        statement=statement,
        measure=missed(quantity),
        unit="degrees, predicted minus recorded at the end from weights up to 0.0001",
        holds=NEAR,
        reason=CLOSE,
        unlearnt=STILL,
        figure="two-thirds",
        decimals=1,
        beside="initial-weights",
    )


FORMULA = "The formula (BᵀB)^(−2/3) Bᵀ predicts the recorded angle of"
CLAIMS = [
    own_claim(
        id="two-thirds-white",
        statement="For a teacher with TTᵀ proportional to I the flow from zero weights makes W "
        "proportional to (BᵀB)^(−2/3) Bᵀ.",
        measure=lambda runs: at(runs["white"], "to_law"),
        unit="degrees between the two at the end",
        holds=Region(high=0.1),
        reason="a tenth of a degree is what the end of a flow in finite time leaves open",
        figure="two-thirds",
        decimals=3,
    ),
    own_claim(
        id="two-thirds-power",
        statement="For the paper's teacher the power of BᵀB that comes nearest is two thirds too.",
        measure=lambda runs: at(runs["uniform"], "power"),
        unit="power at the end, sign turned",
        holds=Region(POWER - 0.1, POWER + 0.1),
        reason="a tenth tells two thirds from the transpose (0), a half and the pseudoinverse (1)",
        figure="two-thirds",
    ),
    law("w_to_transpose", f"{FORMULA} the weights to the transpose of B."),
    law("w_to_pseudoinverse", f"{FORMULA} the weights to the pseudoinverse of B."),
    law("to_bp", f"{FORMULA} the signal to backpropagation's."),
    law("to_pbp", f"{FORMULA} the signal to pseudobackprop's."),
    own_claim(
        id="two-thirds-linear-task",
        statement=f"{FORMULA} the signal to backpropagation's on the linear task.",
        measure=missed_in_task,
        unit="degrees, predicted minus recorded at the end of the linear task",
        holds=NEAR,
        reason=CLOSE,
        unlearnt=STILL,
        figure="two-thirds",
        decimals=1,
        beside="linear-task",
    ),
    own_claim(
        id="two-thirds-late",
        statement="For a teacher with TTᵀ proportional to I the signal goes on turning, until it "
        "is backpropagation's.",
        measure=lambda runs: at(runs["white"], "to_bp"),
        unit="degrees between the two signals at the end",
        holds=Region(high=5.0),
        reason="added after a trial with other seeds: what error is left lies along few "
        "directions, which the formula's angle over all directions does not know of",
        figure="single-pair",
        decimals=1,
    ),
    own_claim(
        id="two-thirds-late-pseudoinverse",
        statement="For the paper's teacher the signal goes on turning, until it is "
        "pseudobackprop's.",
        measure=lambda runs: at(runs["uniform"], "to_pbp"),
        unit="degrees between the two signals at the end",
        holds=Region(high=5.0),
        reason="added after the same trial: an error that is an eigenvector of WB is taught so, "
        "whatever the teacher",
        figure="single-pair",
        decimals=1,
    ),
    own_claim(
        id="single-pair-transpose",
        statement="For a single pair learnt from zero weights Be is a positive multiple of Wᵀe as "
        "well: Theorem 2 does not tell the two apart.",
        measure=lambda runs: curve(runs["single-pair"], "to_bp").max().to_numpy() * 1e4,
        unit="largest angle on the way, in 10⁻⁴ degrees",
        unlearnt="weights that stay zero have no signal, and so no angle",
        holds=Region(high=1.0),
        reason="a ten-thousandth of a degree is zero to the solver's precision",
        figure="single-pair",
        decimals=3,
    ),
]

STUDY = Study(
    name="two-thirds",
    title="Two thirds of the way to the pseudoinverse",
    paper="lillicrap2014",
    settings=LawSettings,
    tiers={
        "smoke": {"members": 3, "time": 2.0, "marks": 6},
        "quick": {"members": 5},
        "paper": {},
    },
    variants={
        "white": {"what": "flow", "white": True},
        "uniform": {"what": "flow"},
        "single-pair": {"what": "single pair", "time": 3.0},
        "predicted": {"what": "prediction"},
        "learnt": {"what": "learning"},
    },
    run=run,
    claims=CLAIMS,
    learnt=learnt,
    figures=[
        Figure(
            id="two-thirds",
            title="Where the weights end between the transpose and the pseudoinverse of B",
            alt="Left: the power that the weights are nearest to against time, a line each for a "
            "teacher of equal singular values and for the paper's, with level lines at 0, two "
            "thirds and 1. Right: four angles in degrees, each with a dot for the formula and one "
            "for what was learnt.",
            caption="Left: the power $p$ at which $(B^TB)^{-p} B^T$ makes the smallest angle with "
            "the output weights $W$, along the flow from zero weights. Right: the angles that "
            "$(B^TB)^{-2/3} B^T$ gives in place of $W$, before learning, and those of networks "
            "that learnt the linear task from weights up to 0.0001. Mean and 95 % interval over "
            "networks.",
            look="To see, left: the level at which the curves come to rest, between transpose and "
            "pseudoinverse. Right: how far each square lies from its diamond; if the formula were "
            "wrong, they would lie apart.",
            place="an argument of our own on Theorems 1 and 2 and Fig 4",
            draw=draw_law,
            rules=("fa",),
        ),
        Figure(
            id="single-pair",
            title="Angles of the random signal to both others, for one pair and for many",
            alt="Three panels of two angles against time, to the signal of the transposed weights "
            "and to that of their pseudoinverse. One pair, on a log axis: both below a "
            "millionth of a degree or so. Many pairs, the paper's teacher and one with equal "
            "singular values: up to 60 degrees.",
            caption="Angles of $Be$ to $W^Te$ and to $W^+e$ along the flow from zero weights. "
            "Left: one pair, the largest angle so far of any network, on a log axis. Middle and "
            "right: all inputs, for two teachers. Mean and 95 % interval over networks.",
            look="To see, left: the powers of ten on the axis, which are those of rounding; for "
            "one pair, theory has both angles at zero. Middle and right: which of the curves ends "
            "lower, and whether both come to zero.",
            place="Theorem 2; many pairs are ours",
            draw=draw_pairs,
            rules=("fa",),
        ),
    ],
)
