"""SDTP to the letter, and three repairs, each alone: all of MNIST's images, at several rates.

Claims (ours): read to the letter, SDTP does not get below five per cent at any rate; linear
inverses, a tenth of the step, or a top inverse that reads logits bring it below three, each alone.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pydantic
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.measures import by_epoch, chosen, lowest
from bioprop.studies.bartunov2018.methods import on_mnist
from bioprop.studies.bartunov2018.targets_sdtp import DIGITS, ChangeSettings, best_learn, run
from bioprop.studies.study import (
    STRICT,
    Count,
    Figure,
    Region,
    Run,
    Runs,
    Seed,
    Study,
    curve,
    own_claim,
    whole_mean,
)

RATES = tuple(("rate", rate) for rate in (2e-4, 5e-4, 1e-3))
REPAIRS = {
    "linear": "linear inverses",
    "small-step": "a tenth of the step",
    "logits": "a top inverse that reads logits",
}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class FullSettings(ChangeSettings):
    """Settings, on all images; ``members`` counts the networks for each rate."""

    shown: Count = 55_000  # ours: all that are not held out
    held_out: Count = 5000  # ours: training images to choose by
    epochs: Count = 30  # ours: where the first repairs come to rest
    first_seed: Seed = 3000  # ours: apart from the seeds of the results and of the searches


def at_best_rate(
    run: Run, measure: Callable[[Run], np.ndarray], label: str = "value"
) -> np.ndarray:
    """Return ``measure`` for the networks of the rate whose held-out error gets lowest on average.

    One number for each seed. ``label`` is what the rates are called in the run.
    """
    held_out = curve(run, "validation").min(skipna=False)
    members = run.table.drop_duplicates("member").set_index("member")
    frame = members[[label, "seed"]].assign(held_out=held_out, measured=measure(run))
    means = frame.groupby(label)["held_out"].agg(whole_mean)
    best = frame[frame[label] == means.fillna(np.inf).idxmin()]
    return best.sort_values("seed")["measured"].to_numpy(float)


def repaired(name: str, runs: Runs) -> np.ndarray:
    """Return the test error that held-out images choose for one of the repairs, by seed."""
    return at_best_rate(runs[name], chosen)


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw the test error against epochs for each reading, a line for each rate."""
    figure, each = drawing.panels(1, len(runs), figsize=(13, 3.8), sharey=True)
    frames = []
    titles = {"literal": "to the letter"} | REPAIRS
    for axes, (name, result) in zip(each, runs.items(), strict=True):
        rates = sorted(result.table["value"].unique())
        for colour, rate in zip(drawing.shades(len(rates)), rates, strict=True):
            rows = result.table[result.table["value"] == rate]
            table = rows.pivot(index="examples", columns="member", values="error")
            drawn = drawing.shaded(
                axes, by_epoch(result, table), color=colour, label=f"rate {rate:g}"
            )
            frames.append(pd.DataFrame({"reading": name, "rate": rate} | drawn))
        axes.set(xlabel="epochs", title=titles[name])
        drawing.log_y(axes)
        drawing.percent_ticks(axes.yaxis)
    each[0].set(ylabel="test error (%)")
    each[0].legend()
    return figure, pd.concat(frames)


CLAIMS = [
    own_claim(
        id="targets-sdtp-literal",
        statement="Read to the letter (tanh inverses, probabilities, the label itself as target), "
        "SDTP stays above five per cent at each of three forward rates.",
        measure=lambda runs: at_best_rate(runs["literal"], lowest),
        unit="% test error, lowest over epochs, at the best rate",
        holds=Region(low=5.0),
        reason="the paper reports less than half of that after 500 epochs",
        unlearnt="that it hardly learns is what it says",
        reported="mnist-fc-sdtp-alternating-test",
        figure="targets-sdtp-full",
        applies=on_mnist,
    ),
    *(
        own_claim(
            id=f"targets-sdtp-{name}",
            statement=f"With {words}, and nothing else changed, it gets below three per cent.",
            measure=partial(repaired, name),
            unit="% test error at the rate and the epoch that held-out images choose",
            holds=Region(high=3.0),
            reason="three per cent is far below what the letter reaches, and the paper's error is "
            "the goal of longer runs",
            reported="mnist-fc-sdtp-alternating-test",
            figure="targets-sdtp-full",
            applies=on_mnist,
        )
        for name, words in REPAIRS.items()
    ),
]

LETTER = {"reads": "output", "step": 1.0, "changes": RATES}

STUDY = Study(
    name="targets-sdtp-full",
    title="SDTP to the letter, and three repairs",
    paper="bartunov2018",
    settings=FullSettings,
    tiers={
        "smoke": DIGITS | {"epochs": 2},
        "quick": DIGITS | {"batch": 50, "epochs": 4},
        "reduced": {},
    },
    variants={
        "literal": LETTER,
        "linear": LETTER | {"linear": "all"},
        "small-step": LETTER | {"step": 0.1},
        "logits": LETTER | {"reads": "logits"},
    },
    run=run,
    cost={"reduced": 350.0},  # estimated, from the time of an epoch
    claims=CLAIMS,
    learnt=best_learn,
    figures=[
        Figure(
            id="targets-sdtp-full",
            title="SDTP to the letter, and three repairs",
            alt="Four panels with a log axis, test error in per cent against epochs: SDTP to the "
            "letter, and with linear inverses, a tenth of the step, and logits; a line with a band "
            "for each of three learning rates.",
            caption="Test error of alternating SDTP on all of MNIST's images, mean and 95 % "
            "interval over networks, at three rates of the forward weights. Left: read to the "
            "letter. Others: one change each.",
            look="To see: whether a repair brings its curves below those of the first panel, at "
            "any of the rates. If the reading to the letter did as well, the four panels would "
            "look alike.",
            place="ours",
            draw=draw,
        )
    ],
)
