"""How what was measured of the members becomes one number with a 95 % interval.

A measure gives ``(member,)``, or ``(case, member)`` where a claim is about several cases at once. A
claim names the summary that it is judged by; none has a number without an interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

FEWEST = 3  # members below which no interval over them is worth the name
RESAMPLES = 5000  # of the members, for a bootstrap interval
Estimate = tuple[np.ndarray, np.ndarray, np.ndarray]  # number, lower and upper end


def interval(values: np.ndarray, axis: int = -1, cases: int = 1) -> Estimate:
    """Return mean, lower and upper end of the 95 % interval of the mean (Student's t).

    Of several ``cases`` it is that of each, so wide that all hold at once (Bonferroni). ``axis``
    runs over members. Fewer than two members, or a member that is NaN, give NaN ends.
    """
    n = values.shape[axis]
    mean = values.mean(axis)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = scipy.special.stdtrit(n - 1, 1 - 0.025 / cases) * values.std(axis, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Summary:
    """What a claim is judged by: ``name`` as it is called, ``of`` the number and its interval.

    ``fewest``: how many members its interval needs. ``in_unit``: whether the members are in the
    unit of that number, as they are for a mean; a correlation has none of what it correlates.
    """

    name: str
    of: Callable[[np.ndarray], Estimate]
    fewest: int = FEWEST
    in_unit: bool = True


def _geometric(values: np.ndarray) -> Estimate:
    logs = np.log(np.where(values > 0, values, np.nan))
    mean, low, high = map(np.exp, interval(logs))
    return mean, low, high


def _largest(cases: np.ndarray) -> Estimate:
    mean, _, high = interval(cases)
    _, low, _ = interval(cases, cases=len(cases))
    return mean.max(0), low.max(0), high.max(0)


def _smallest(cases: np.ndarray) -> Estimate:
    mean, low, high = _largest(-cases)
    return -mean, -high, -low


def bootstrapped(name: str, statistic: Callable[[np.ndarray], np.ndarray]) -> Summary:
    """Return the summary by a statistic of all members, with a percentile bootstrap interval.

    ``statistic`` maps ``(case, ..., member)`` to ``(...)``. Members are drawn with replacement,
    all cases of a member together, and always the same ones: the interval is repeatable. What they
    are measured in need not be what the statistic is in: ``in_unit`` is False.
    """

    def of(values: np.ndarray) -> Estimate:
        n = values.shape[-1]
        drawn = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
        with np.errstate(invalid="ignore", divide="ignore"):  # a few equal members have no spread
            spread = statistic(values[..., drawn])
            known = spread[np.isfinite(spread)]
            low, high = np.quantile(known if len(known) else np.nan, (0.025, 0.975))
            return statistic(values), low, high

    return Summary(name, of, in_unit=False)


def over_images(count: int) -> Summary:
    """Return the summary of errors in per cent of few networks, by ``count`` test images.

    The 95 % interval (Wilson's) is that of other images and the same networks: what another network
    would have it does not say. For several networks it is that of their mean on as many images.
    """

    def of(values: np.ndarray) -> Estimate:
        mean, z2 = values.mean(-1), scipy.special.ndtri(0.975) ** 2
        share = mean / 100
        centre = (share + z2 / (2 * count)) / (1 + z2 / count)
        half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
        return mean, 100 * (centre - half), 100 * (centre + half)

    return Summary("mean, with the interval of its test images", of, fewest=1)


def sampling_error(error: float, count: int) -> float:
    """Return the standard error of an error in per cent from the choice of ``count`` test images.

    In points: that of a share among as many images, were they drawn anew.
    """
    share = error / 100
    return 100 * (share * (1 - share) / count) ** 0.5


def rank_correlation(pairs: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation over members of two rows, ``(2, ..., member)``."""
    x, y = scipy.stats.rankdata(pairs, axis=-1) - (pairs.shape[-1] + 1) / 2
    return (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))


MEAN = Summary("mean", interval)
GEOMETRIC = Summary("geometric mean", _geometric)  # of skewed values above zero; NaN for others
# Of several cases the one that is furthest out: its mean, never the mean of extremes, which noise
# alone pushes out. Its outer end is the outermost of all cases' ends: all lie below an edge if it
# does. That any one lies above is as many chances for noise as there are cases, so the inner end is
# taken of intervals that hold at once.
LARGEST = Summary("largest mean", _largest)
SMALLEST = Summary("smallest mean", _smallest)
RANK_CORRELATION = bootstrapped("rank correlation", rank_correlation)
