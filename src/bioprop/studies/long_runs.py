"""Learning rates for runs far longer than the search that found them: one rule for all methods.

A rate that is best in a short run can be too high for a long one: a first network under
sign-symmetry diverged half-way through its run. Where a search in longer runs would cost about as
much as the result itself, all rates are made smaller beforehand by one share, whatever the method
or the network.
"""

from collections.abc import Mapping

LONG_RUNS = 0.5  # ours: the share of a rate of short runs that long ones on photographs have
RATES = ("rate", "inverse_rate")


def for_long_runs(
    found: Mapping[str, Mapping[str, float]], share: float = LONG_RUNS
) -> dict[str, dict[str, float]]:
    """Return what short runs found for each method, with a share of its rates."""
    return {
        name: {key: value * (share if key in RATES else 1.0) for key, value in point.items()}
        for name, point in found.items()
    }
