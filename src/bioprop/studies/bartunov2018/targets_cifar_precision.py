"""Do products of bfloat16 lead to the same errors as float32 on CIFAR-10?

Targets are differences of nearly equal numbers, and rounding could drown them. Backpropagation and
alternating DTP and SDTP teach the fully connected networks of Table 3 in either precision, in short
runs at the rates that were best in runs as short: factors of products are rounded to bfloat16,
weights and sums stay in float32. That search was made with bfloat16, so it is float32 that may have
been served less well.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from bioprop.studies import drawing
from bioprop.studies.bartunov2018.activations import Pairs, draw_errors
from bioprop.studies.bartunov2018.measures import excess
from bioprop.studies.bartunov2018.methods import METHODS, MethodSettings, run
from bioprop.studies.bartunov2018.targets_cifar import COLUMN, LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.targets_cifar_rates import FOUND
from bioprop.studies.study import Figure, Region, Study, gone, own_claim

NAME = "targets-cifar-precision"
TAUGHT = ("bp", "dtp-alternating", "sdtp-alternating")
PAIRS = Pairs(TAUGHT, "bfloat16", ("float32", "bfloat16"))
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    variant: {**LAYERS, **METHODS[name], **FOUND[name], "precision": words}
    for name in PAIRS.taught
    for variant, words in zip(PAIRS.of(name), PAIRS.words, strict=True)
}

STUDY = Study(
    name=NAME,
    title="Products of bfloat16 on CIFAR-10",
    paper="bartunov2018",
    settings=MethodSettings,
    tiers={
        "smoke": SMOKE,
        "quick": QUICK | {"epochs": 10, "rate": 3e-3, "inverse_rate": 3e-3},
        # ours: enough for both to be far from the start; three networks left an interval too wide
        "reduced": {"epochs": 6, "members": 5},
    },
    variants=VARIANTS,
    run=run,
    after="targets-cifar-grid",
    found=bool(FOUND),
    kept=("precision",),
    cost={"reduced": 225.0},  # processor time, from the time of an epoch
    claims=[
        own_claim(
            id=f"{NAME}-{name}",
            statement=f"{drawing.LOOKS[name].name}: products of bfloat16 lead to the same error as "
            "float32, within a point.",
            measure=partial(excess, worse=PAIRS.of(name)[1], better=name),
            unit="points of test error at the epoch that held-out images choose, bfloat16 minus "
            "float32",
            holds=Region(-1.0, 1.0),
            reason="a point is a third of what a cell of the table is held to",
            figure=NAME,
            applies=COLUMN.about,
        )
        for name in PAIRS.taught
    ],
    learnt=gone("error"),
    figures=[
        Figure(
            id=NAME,
            title="Products of bfloat16 beside float32, CIFAR-10",
            alt="A row for each of backpropagation, alternating DTP and alternating SDTP; along it "
            "the test error in per cent, a filled mark with an interval for float32 and an open "
            "one for bfloat16.",
            caption="Test error of fully connected networks on CIFAR-10 after a short run, at the "
            "epoch whose error on held-out training images is lowest, mean and 95 % interval over "
            "networks. Filled: float32. Open: products of bfloat16.",
            look="To see: whether the open mark of a row lies within the interval of the filled "
            "one. If shorter products cost anything, it would lie to the right of it.",
            place="ours",
            draw=partial(draw_errors, pairs=PAIRS),
        )
    ],
)
