"""What is measured of runs of the methods of Bartunov et al. 2018: errors, by seed."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from bioprop.studies import drawing
from bioprop.studies.study import Run, Runs, curve


def lowest(run: Run, quantity: str = "error") -> np.ndarray:
    """Return the lowest test error over all epochs, ``(member,)``: what the paper reports.

    Or the lowest of another kind of error. That of a member that diverged is from before it did.
    """
    return curve(run, quantity).min().to_numpy()


def lost(run: Run) -> str:
    """Say how many members diverged in the course of a run; nothing where none did."""
    return drawing.diverged(chosen(run))


def lost_in(name: str, runs: Runs) -> str:
    """Say how many networks of a method diverged after their lowest error, if any did."""
    return lost(runs[name]) and f"{lost(runs[name])} later"


def chosen(run: Run, quantity: str = "error") -> np.ndarray:
    """Return the test error at the epoch whose error on held-out images is lowest, ``(member,)``.

    Or another quantity there. NaN for a member that diverged at any time.
    """
    held_out, error = (curve(run, name).to_numpy() for name in ("validation", quantity))
    picked = np.nan_to_num(held_out, nan=np.inf).argmin(0)
    at_best = np.take_along_axis(error, picked[None], 0)[0]
    return np.where(np.isfinite(held_out).all(0), at_best, np.nan)


def excess(
    runs: Runs, worse: str, better: str, error: Callable[[Run], np.ndarray] = chosen
) -> np.ndarray:
    """Return by how many points one method ends above another, for each seed that both have.

    By the error that held-out images choose, or by another.
    """
    above, below = (by_seed(runs[name], error) for name in (worse, better))
    return paired(above, below).to_numpy(float)


def by_seed(run: Run, error: Callable[[Run], np.ndarray] = chosen) -> pd.Series:
    """Return the test error that held-out images choose, or another, for each seed."""
    seeds = run.table.drop_duplicates("member").sort_values("member")["seed"]
    return pd.Series(error(run), pd.Index(seeds))


def paired(above: pd.Series, below: pd.Series) -> pd.Series:
    """Return the difference of two measurements for each seed that both have.

    NaN at a seed of which a network diverged.
    """
    seeds = above.index.intersection(below.index)
    return above[seeds] - below[seeds]


def above_backprop(runs: Runs, others: Sequence[str]) -> np.ndarray:
    """Return how far above backpropagation each of the others is, ``(method, member)``.

    A method of which a network diverged is not the best, and is left out; but not where the others
    of its networks are ahead of backpropagation, so that nothing can be said, or where all methods
    have such a network.
    """
    above = np.array([excess(runs, name, "bp") for name in others])
    diverged = ~np.isfinite(above)
    ahead = np.where(diverged, 0.0, above).sum(1) < 0
    kept = above[~diverged.any(1) | ahead]
    return kept if len(kept) else above


def by_epoch(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of marks after the first with forward epochs in the place of examples.

    From the marks alone: a page is built where no images are.
    """
    epochs = pd.Index(table.index * run.settings.epochs / table.index.max(), name="epochs")
    return table.set_index(epochs).iloc[1:]


def angles_of(run: Run, kind: str = "angle") -> list[str]:
    """Return the quantities that are angles of layers, the lowest layer's first."""
    return sorted(name for name in run.table if str(name).startswith(f"{kind}-"))
