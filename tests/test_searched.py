"""Of points that were searched: which lie at an edge of what was tried."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from bioprop.studies.questions.searched import RATES, at_an_edge, edges

FREE = ("rate", "plasticity")
RATE, DECAY = (0.1, 0.2, 0.4), (0.0, 0.01, 0.1)


def searched(best: tuple[float, float], rates: Any = RATE, decays: Any = DECAY) -> Any:
    """Return runs of which a point is best."""
    rows = [
        {"examples": 10, "rate": r, "plasticity": d, "seed": seed, "log_nse": -((r, d) == best)}
        for r in rates
        for d in decays
        for seed in range(2)
    ]
    return {
        f"x{RATES}": SimpleNamespace(
            table=pd.DataFrame(rows), settings=SimpleNamespace(task="linear")
        )
    }


EDGES = {
    "in the middle of both": ((0.2, 0.01), RATE, DECAY, False),
    "at the lowest rate": ((0.1, 0.01), RATE, DECAY, True),
    "at the highest rate": ((0.4, 0.01), RATE, DECAY, True),
    "at the largest decay": ((0.2, 0.1), RATE, DECAY, True),
    "without decay, of which there is no less": ((0.2, 0.0), RATE, DECAY, False),
    "at one of two decays": ((0.2, 0.1), RATE, DECAY[1:], False),
    "at the one rate": ((0.1, 0.01), RATE[:1], DECAY, False),
}


@pytest.mark.parametrize(("best", "rates", "decays", "edge"), EDGES.values(), ids=EDGES)
def test_a_point_is_at_an_edge_by_any_label_that_was_searched(
    best: tuple[float, float], rates: Any, decays: Any, edge: bool
) -> None:
    runs = searched(best, rates, decays)
    assert at_an_edge(runs, "x", FREE) == edge
    numbers = edges(lambda runs: [("x", FREE, {}), ("x", FREE, {"seed": 1})])
    assert {name: number(runs) for name, number in numbers.items()} == {
        "points": 2,
        "at an edge": 2 * edge,
    }
