"""Which rule ends lower on MNIST when each layer of each rule has the rate that suits it best?

The paper's comparison is at one rate for all. Claim (ours): with the rates that the study
mnist-rates finds on held-out images, one for each layer and rule, neither is better.
"""

import pandas as pd
from matplotlib.figure import Figure as Picture

from bioprop.studies import drawing
from bioprop.studies.lillicrap2014 import mnist_matched
from bioprop.studies.lillicrap2014.mnist import excess, well_learnt
from bioprop.studies.lillicrap2014.mnist_matched import THIRD, MatchedSettings, run
from bioprop.studies.study import Figure, Region, Runs, Study, own_claim

CALIBRATED = "the range of W was chosen in a few trials on the test images"


def draw(runs: Runs) -> tuple[Picture, pd.DataFrame]:
    """Draw test error against examples."""
    figure, axes = drawing.panels(figsize=(7, 4.5))
    frames = [drawing.band(axes, result, "error", name) for name, result in runs.items()]
    drawing.log_y(axes)
    drawing.percent_ticks(axes.yaxis)
    axes.set(ylim=(1.2, 12), xlabel="examples", ylabel="test error (%)")
    axes.legend()
    return figure, pd.concat(frames)


STUDY = Study(
    name="mnist-own-rates",
    title="A rate of its own for each layer and rule on MNIST",
    paper="lillicrap2014",
    settings=MatchedSettings,
    tiers=mnist_matched.STUDY.tiers,
    variants={  # what the study mnist-rates found
        "bp": {"rule": "bp", "rate": 0.008, "hidden_factor": 8.0},
        "fa": {"rule": "fa", "rate": 0.004, "hidden_factor": 4.0},
    },
    run=run,
    learnt=well_learnt,
    cost={"paper": 130.0},  # estimated, from some batches on a busy core
    after="mnist-rates",
    claims=[
        own_claim(
            id="mnist-own-rates-end",
            statement="With rates of its own for each layer, neither rule ends lower than the "
            "other.",
            measure=lambda runs: excess(runs, "fa", "bp"),
            unit="points of test error at the end, FA minus BP",
            holds=Region(-0.2, 0.2),
            partly=Region(-0.5, 0.5),
            reason="0.2 points are 20 of the 10 000 test images, either way",
            figure="mnist-own-rates",
            calibrated=CALIBRATED,
        ),
        own_claim(
            id="mnist-own-rates-third",
            statement="At a third of the run feedback alignment's error is not below "
            "backpropagation's.",
            measure=lambda runs: excess(runs, "fa", "bp", THIRD),
            unit="points of test error at a third of the run, FA minus BP",
            holds=Region(low=0.0),
            reason="not below is a difference of zero or more, interval included",
            figure="mnist-own-rates",
            calibrated=CALIBRATED,
        ),
    ],
    figures=[
        Figure(
            id="mnist-own-rates",
            title="Test error on MNIST with a rate of its own for each layer and rule",
            alt="Test error in per cent on a log axis against examples, a line with a band for "
            "backpropagation and for feedback alignment, each with its own rates.",
            caption="Test error of 784-1000-10 networks with logistic units, where the output and "
            "the hidden layer of each rule have the rates that left it the lowest error on "
            "held-out images. Mean and 95 % interval over networks.",
            look="To see: which curve is lower at the right edge, and whether the bands touch. A "
            "difference between the rules that one common rate had hidden would show here.",
            place="Ours: both rules have one rate in the paper",
            draw=draw,
        )
    ],
)
