"""Lillicrap et al. 2014, Theorems 1 and 2 and Proof 2: why random feedback works.

Claims: in a linear network with whitened inputs and B^+ B = I the error goes to zero, along paths
that conserve B W + W^T B^T - A A^T; for a single pair learnt from zero weights the signal B e is a
positive multiple of W^+ e; and W^+ e approximates a Gauss-Newton step of the hidden activity.
"""

from typing import Literal

import numpy as np
import pandas as pd
import pydantic
import scipy
import torch
from matplotlib.figure import Figure as Picture

from bioprop.learning import Network, angle, generator
from bioprop.learning.rules import pseudoinverse
from bioprop.studies import drawing
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Claim,
    Count,
    Figure,
    Positive,
    Region,
    Runs,
    Settings,
    Study,
    at,
    curve,
    gone,
)
from bioprop.studies.summaries import LARGEST
from bioprop.tasks.classify import dense_network


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class TheoremSettings(Settings):
    """Settings; the theorems are about any sizes, these are those of the linear task."""

    what: Literal["theorem 1", "theorem 2", "proof 2"]  # Theorem 1, Theorem 2, Proof 2
    sizes: tuple[Count, Count, Count] = (30, 20, 10)  # Methods, task 1
    feedback: Positive = 0.5  # Methods, task 1: B ~ U(-0.5, 0.5)
    time: Positive = 20.0  # ours: long enough for the solver's own limit
    marks: Count = 60  # ours: points of a drawn line
    tolerance: Positive = 1e-11  # ours: of the solver
    examples: Count = 100  # ours: for Proof 2, inputs of a logistic network
    precision: Literal["float64"] = "float64"  # ours: as the solver has it
    device: Literal["cpu"] = "cpu"  # ours: where the solver runs


def run(settings: TheoremSettings, journal: Journal) -> None:
    """Measure what one of the theorems is about, for every seed."""
    journal.label(seed=settings.seeds)
    {"theorem 1": dynamics, "theorem 2": single_pair, "proof 2": gauss_newton}[settings.what](
        settings, journal
    )


def draw_matrix(seed: int, stream: str, shape: tuple[int, int], bound: float) -> np.ndarray:
    """Draw one matrix from U(-bound, bound)."""
    return generator(seed, stream).uniform(-bound, bound, shape)


def flow(T: np.ndarray, B: np.ndarray, settings: TheoremSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return A and W at every mark of dA/dt = B E, dW/dt = E A^T, E = T - W A, from zero.

    Shapes in the paper's order: T ``(output, input)``, B ``(hidden, output)``; results have the
    mark first. Solved by an explicit Runge-Kutta method of order 8.
    """
    inputs, hidden, outputs = settings.sizes

    def slope(_: float, state: np.ndarray) -> np.ndarray:
        A = state[: hidden * inputs].reshape(hidden, inputs)
        W = state[hidden * inputs :].reshape(outputs, hidden)
        E = T - W @ A
        return np.concatenate([(B @ E).ravel(), (E @ A.T).ravel()])

    times = np.linspace(0, settings.time, settings.marks + 1)
    tolerance = {"rtol": settings.tolerance, "atol": settings.tolerance}
    start = np.zeros(hidden * (inputs + outputs))
    solve = scipy.integrate.solve_ivp
    path = solve(slope, (0, settings.time), start, "DOP853", times, **tolerance).y.T
    A = path[:, : hidden * inputs].reshape(-1, hidden, inputs)
    return A, path[:, hidden * inputs :].reshape(-1, outputs, hidden)


def dynamics(settings: TheoremSettings, journal: Journal) -> None:
    """Theorem 1: error relative to its start, and drift of what is conserved; marks are time."""
    inputs, hidden, outputs = settings.sizes
    error, drift = [], []
    for seed in settings.seeds:
        T = draw_matrix(seed, "teacher", (outputs, inputs), 1.0)
        B = draw_matrix(seed, "feedback", (hidden, outputs), settings.feedback)
        journal.begin(torch.from_numpy(T), torch.from_numpy(B))
        A, W = flow(T, B, settings)
        E = T - W @ A
        error.append(np.linalg.norm(E, axis=(1, 2)) / np.linalg.norm(T))
        conserved = B @ W + (B @ W).swapaxes(1, 2) - A @ A.swapaxes(1, 2)
        drift.append(np.abs(conserved).max((1, 2)))  # zero at the start, where A = W = 0
    for mark, row in enumerate(zip(np.array(error).T, np.array(drift).T, strict=True)):
        journal.write(mark, log_error=np.log10(row[0]), drift=row[1])


def single_pair(settings: TheoremSettings, journal: Journal) -> None:
    """Theorem 2: angle between B e and W^+ e while one pair is learnt from zero weights.

    The largest so far, counted while a thousandth of the error remains: what is left later is
    the solver's rounding, which has a direction of its own.
    """
    inputs, hidden, outputs = settings.sizes
    degrees = []
    for seed in settings.seeds:
        draws = generator(seed, "data")
        x, target = draws.standard_normal(inputs), draws.standard_normal(outputs)
        B = draw_matrix(seed, "feedback", (hidden, outputs), settings.feedback)
        x /= np.linalg.norm(x)
        journal.begin(torch.from_numpy(x), torch.from_numpy(target), torch.from_numpy(B))
        A, W = flow(np.outer(target, x), B, settings)
        e = target - np.einsum("toh,thi,i->to", W, A, x)
        random = torch.from_numpy(e @ B.T)[1:]
        apart = angle(random, _pseudo_signal(W[1:], e[1:])).numpy()
        remains = np.linalg.norm(e[1:], axis=1) > 1e-3 * np.linalg.norm(target)
        degrees.append(np.maximum.accumulate(np.where(remains, apart, 0.0)))
    for mark, row in enumerate(np.array(degrees).T):  # after mark + 1 steps: W is 0 before
        journal.write(mark, angle=row)


def _pseudo_signal(W: np.ndarray, e: np.ndarray) -> torch.Tensor:
    """Return W^+ e for each mark; W has rank 1, so smaller singular values are rounding."""
    inverse = torch.linalg.pinv(torch.from_numpy(W), rtol=1e-6)
    return torch.einsum("tho,to->th", inverse, torch.from_numpy(e))


def gauss_newton(settings: TheoremSettings, journal: Journal) -> None:
    """Proof 2: angles of three signals to the exact Gauss-Newton step of the hidden activity.

    For logistic outputs with squared error the exact step is (S W)^+ e with S the slopes of the
    outputs; pseudobackprop leaves S out. A linear output would make the two equal. ``backprop``
    leaves S out as well, so that the two differ in one thing; ``exact backprop`` has it.
    """
    inputs, hidden, outputs = settings.sizes
    streams = settings.streams()
    network: Network = dense_network(streams, settings.sizes, 1.0)
    journal.begin(*network.weights)
    x = streams.normal("probe", (settings.examples, inputs))
    target = (streams.normal("teacher", (settings.examples, outputs)) > 0).to(x)
    y = network.forward(x)[-1]
    e, W = y - target, network.weights[1]
    slopes = (y * (1 - y)).unsqueeze(-2)
    exact = (e.unsqueeze(-2) @ torch.linalg.pinv(W.unsqueeze(1) * slopes)).squeeze(-2)
    B = streams.uniform("feedback", (outputs, hidden), settings.feedback)
    carried = {
        "pseudobackprop": e @ pseudoinverse(W),
        "backprop": e @ W.mT,
        "exact backprop": (e * slopes.squeeze(-2)) @ W.mT,
        "random": e @ B,
    }
    measured = {name: angle(signal, exact).mean(-1) for name, signal in carried.items()}
    journal.write(0, **measured)


def draw_dynamics(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the error and what is conserved, a line for each network."""
    figure, (left, right) = drawing.panels(1, 2, figsize=(9, 3.8))
    run = runs["dynamics"]
    time = np.linspace(0, run.settings.time, run.settings.marks + 1)
    colour = drawing.LOOKS["fa"].colour
    left.plot(time, curve(run, "log_error"), color=colour, lw=1, alpha=0.6)
    left.set(xlabel="time", ylabel=r"log10 $\|E\|\, /\, \|T\|$")
    right.plot(time, curve(run, "drift"), color=colour, lw=1, alpha=0.6)
    right.set(xlabel="time", ylabel="drift of $BW + W^TB^T - AA^T$", yscale="log")
    table = run.table.assign(time=time[run.table["examples"]])
    return figure, table[["seed", "time", "log_error", "drift"]]


def draw_gauss_newton(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the angle of three signals to the exact Gauss-Newton step."""
    figure, axes = drawing.panels(figsize=(7, 3.2))
    names = {
        "pseudobackprop": ("pbp", "$W^+e$"),
        "backprop": ("bp", "$W^Te$"),
        "exact backprop": ("bp", "$W^TSe$, exact backprop"),
        "random": ("fa", "$Be$, before learning"),
    }
    frames = []
    for place, (quantity, (name, _)) in enumerate(names.items()):
        mean, low, high = drawing.interval(at(runs["gauss-newton"], quantity))
        look = drawing.LOOKS[name]
        axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="o", color=look.colour)
        frames.append({"signal": quantity, "mean": mean, "low": low, "high": high})
    axes.axvline(90, color="0.6", lw=1)
    axes.set(yticks=range(4), xlim=(0, 100), ylim=(-0.6, 3.6))
    axes.set_yticklabels([label for _, label in names.values()])
    axes.set(xlabel="angle to the Gauss-Newton step (degrees)")
    return figure, pd.DataFrame(frames)


STUDY = Study(
    name="theorems",
    title="Why it works",
    paper="lillicrap2014",
    settings=TheoremSettings,
    tiers={
        "smoke": {"members": 3, "time": 6.0, "marks": 6},
        "quick": {"members": 5},
        "paper": {},
    },
    variants={
        "dynamics": {"what": "theorem 1"},
        "single-pair": {"what": "theorem 2", "time": 3.0},
        "gauss-newton": {"what": "proof 2"},
    },
    run=run,
    learnt=gone("log_error"),
    claims=[
        Claim(
            id="theorem-error",
            statement="In continuous time, with whitened inputs and B⁺B = I, the error goes to "
            "zero.",
            place="Theorem 1",
            measure=lambda runs: at(runs["dynamics"], "log_error"),
            unit="log10 of the error relative to its start",
            holds=Region(high=-6.0),
            partly=Region(high=-2.0),
            reason="a millionth of the start is zero for any practical purpose",
            figure="theorem-dynamics",
        ),
        Claim(
            id="theorem-conserved",
            statement="BW + WᵀBᵀ − AAᵀ is conserved along the way.",
            place="Theorem 1, conserved relation",
            measure=lambda runs: curve(runs["dynamics"], "drift").max().to_numpy() * 1e8,
            unit="largest drift, times 10⁸",
            holds=Region(0.0, 1.0),
            reason="the solver is asked for 1e-11 at each step, so 1e-8 leaves room for many",
            figure="theorem-dynamics",
            decimals=3,
        ),
        Claim(
            id="theorem-single-pair",
            statement="For a single pair learnt from zero weights, Be is a positive multiple of "
            "W⁺e.",
            place="Theorem 2",
            measure=lambda runs: curve(runs["single-pair"], "angle").max().to_numpy() * 1e4,
            unit="largest angle on the way, in 10⁻⁴ degrees",
            holds=Region(0.0, 1.0),
            reason="a ten-thousandth of a degree is zero to the solver's precision",
            unlearnt="weights that stay zero have no signal, and so no angle",
            figure="theorem-dynamics",
            decimals=3,
        ),
        Claim(
            id="gauss-newton-closer",
            statement="The pseudoinverse's signal approximates a Gauss-Newton step of the hidden "
            "activity better than backpropagation's does.",
            place="Proof 2",
            measure=lambda runs: (
                at(runs["gauss-newton"], "pseudobackprop")
                - [at(runs["gauss-newton"], name) for name in ("backprop", "exact backprop")]
            ),
            summary=LARGEST,
            unit="degrees, angle of W⁺e to the step minus that of Wᵀe, without and with slopes",
            unlearnt="it is about random networks before learning",
            holds=Region(high=0.0),
            reason="better means a smaller angle to the exact step",
            figure="gauss-newton",
            decimals=1,
        ),
        Claim(
            id="gauss-newton-closer-exact",
            statement="It does so better than the signal that backpropagation uses, which has the "
            "slopes of the outputs.",
            place="Proof 2",
            measure=lambda runs: (
                at(runs["gauss-newton"], "pseudobackprop")
                - at(runs["gauss-newton"], "exact backprop")
            ),
            unit="degrees, angle of W⁺e to the step minus that of WᵀSe",
            unlearnt="it is about random networks before learning",
            holds=Region(high=0.0),
            reason="better means a smaller angle; added when the record already showed both",
            figure="gauss-newton",
            decimals=1,
        ),
    ],
    figures=[
        Figure(
            id="theorem-dynamics",
            title="Error and conserved quantity of the linear dynamics",
            alt="Two panels against time with a line for each network. Left: the logarithm of the "
            "error relative to its start. Right: the drift of the conserved quantity, on a log "
            "axis.",
            caption="Feedback alignment in continuous time on a linear network with whitened "
            "inputs, from zero weights; a line for each network. Left: size of the error matrix "
            "$E = T - WA$. Right: largest entry of the change of $BW + W^TB^T - AA^T$.",
            look="To see, left: how far each line falls before rounding stops it. Right: the "
            "powers of ten on the axis; a quantity that is not conserved would change as much as "
            "the weights do.",
            place="Theorem 1",
            draw=draw_dynamics,
            rules=("fa",),
        ),
        Figure(
            id="gauss-newton",
            title="Teaching signals beside the Gauss-Newton step",
            alt="Angle to the exact Gauss-Newton step of the hidden activity, in degrees from 0 to "
            "100, as a dot with an interval for each of four signals: pseudobackprop, backprop "
            "without and with the slopes of the outputs, and a random one.",
            caption="Angle of a hidden teaching signal to the exact Gauss-Newton step, for random "
            "logistic networks before learning; $S$ holds the slopes of the outputs. Mean and "
            "95 % interval over networks.",
            look="To see: the order of the dots from the left, beside the line at 90 degrees. If "
            "the transposed weights gave the best signal there is, theirs would be the dot "
            "furthest left.",
            place="Proof 2",
            draw=draw_gauss_newton,
            rules=("bp", "fa"),
        ),
    ],
)
