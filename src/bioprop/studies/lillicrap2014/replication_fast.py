"""Does the slope of the output units spoil what feedback alignment learns, or only slow it down?

A published replication of Lillicrap et al. 2014 multiplies the error by that slope and ends far
above the paper's error under both rules. The study mnist-readings takes its reading at twenty times
the printed rate, under backpropagation alone. Claim (ours): feedback alignment, too, then reaches
the paper's error.
"""

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing, reported
from bioprop.studies.lillicrap2014 import mnist_readings
from bioprop.studies.lillicrap2014.mnist import excess, well_learnt
from bioprop.studies.lillicrap2014.mnist_readings import REPLICATION, ReadingSettings, run, spread
from bioprop.studies.study import Claim, Figure, Region, Runs, Study, at, own_claim, within

FAST = {**REPLICATION, "rate": 2e-2}  # twenty times the printed rate, as in bp-replication-fast


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error against examples, and the paper's errors at the end."""
    figure, axes = drawing.panels(figsize=(7, 4.2))
    frames = []
    for name, result in runs.items():
        frames.append(spread(axes, result, name))
        if result.settings.images == "mnist":
            paper = reported.value("lillicrap2014", f"{name}-mean-error-n-20")
            axes.axhline(paper, color=drawing.LOOKS[name].colour, linestyle=":", lw=1)
    drawing.log_y(axes)
    drawing.percent_ticks(axes.yaxis)
    axes.set(xlabel="examples", ylabel="test error (%)", ylim=(1.5, 100))
    axes.legend()
    return figure, pd.concat(frames)


STUDY = Study(
    name="replication-fast",
    title="The output slope at twenty times the rate",
    paper="lillicrap2014",
    settings=ReadingSettings,
    tiers=mnist_readings.STUDY.tiers,
    variants={"bp": {"rule": "bp", **FAST}, "fa": {"rule": "fa", **FAST}},
    kept=mnist_readings.STUDY.kept,
    run=run,
    learnt=well_learnt,
    cost={"paper": 100.0},  # estimated, from some batches on a busy core
    claims=[
        Claim(
            id="replication-fast-fa",
            statement="With the output slope at twenty times the printed rate feedback alignment "
            "reaches the paper's error.",
            place="p. 4",
            measure=lambda runs: at(runs["fa"], "error"),
            unit="% test error",
            holds=within(0.5),
            partly=within(1.0),
            reason="the tolerance that the reading recorded in this book is held to",
            reported="fa-mean-error-n-20",
            figure="replication-fast",
            origin="ours",
            applies=lambda settings: settings.images == "mnist",
        ),
        own_claim(
            id="replication-fast-alike",
            statement="There it ends where backpropagation does.",
            measure=lambda runs: excess(runs, "fa", "bp"),
            unit="points of test error, FA minus BP",
            holds=Region(-0.5, 0.5),
            partly=Region(-1.0, 1.0),
            reason="the tolerance that each of the two is held to, either way",
            figure="replication-fast",
        ),
    ],
    figures=[
        Figure(
            id="replication-fast",
            title="The output slope at twenty times the rate, under both rules",
            alt="Test error in per cent on a log axis against examples, a line with a band for "
            "backpropagation and for feedback alignment with the output slope at twenty times the "
            "printed rate; dotted lines in the same colours are the paper's errors.",
            caption="Test error under the reading of a published replication, inputs from 0 to 1 "
            "and error multiplied by the slope of the output units, at twenty times the printed "
            "rate. Dotted lines: the paper's errors. Mean over networks, and the "
            "range from the lowest to the highest.",
            look="To see: whether the bands overlap at the end, and whether they come down to the "
            "dotted lines. If the higher rate served both rules alike, the curves would lie "
            "together.",
            place="Full methods, task 2",
            draw=draw,
        )
    ],
)
