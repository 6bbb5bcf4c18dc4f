"""Of points that were searched: which lie at an edge, and whether networks learnt at the chosen."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from bioprop.book import claims
from bioprop.studies import STUDIES, Study
from bioprop.studies.questions import searched
from bioprop.studies.questions.searched import RATES, at_an_edge, edges, some_point_learns

SEARCHED = [s for s in STUDIES.values() if s.learnt is some_point_learns and claims.evidence(s)[0]]
FREE = ("rate", "plasticity")
RATE, DECAY = (0.1, 0.2, 0.4), (0.0, 0.01, 0.1)


def runs_of(best: tuple[float, float], rates: Any = RATE, decays: Any = DECAY) -> Any:
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
    runs = runs_of(best, rates, decays)
    assert at_an_edge(runs, "x", FREE) == edge
    numbers = edges(lambda runs: [("x", FREE, {}), ("x", FREE, {"seed": 1})])
    assert {name: number(runs) for name, number in numbers.items()} == {
        "points": 2,
        "at an edge": 2 * edge,
    }


@pytest.mark.parametrize("study", SEARCHED, ids=[study.name for study in SEARCHED])
def test_networks_have_learnt_at_the_points_that_a_claim_in_favour_reads(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy, choose = [], searched.chosen

    def watch(runs: Any, name: str, free: Any = ("rate",), **where: Any) -> dict[str, Any]:
        best = choose(runs, name, free, **where)
        if best and not some_point_learns(At(runs[name], {**where, **best})).all():
            lazy.append((name, where))
        return best

    monkeypatch.setattr(searched, "chosen", watch)
    tier, runs = claims.evidence(study)
    for judged in claims.judge_all(study, runs, tier or ""):
        lazy.clear()
        if judged.verdict in ("reproduced", "partly") and not judged.claim.unlearnt:
            judged.claim.measure({**runs, **others(judged.claim.beside)})
            assert not lazy, f"{judged.claim.id}: nothing was learnt at {lazy}"


def others(study: str | None) -> Mapping[str, Any]:
    """Return the runs of the study that a claim stands beside, if any."""
    return claims.of_study(study, claims.evidence(STUDIES[study])[1]) if study else {}


class At:
    """A run of which only the rows at one point are seen."""

    def __init__(self, run: Any, where: Mapping[str, Any]) -> None:
        self.settings, self.table = run.settings, searched.only(run, **where)
