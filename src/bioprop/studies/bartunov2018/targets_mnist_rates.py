"""Which learning rates serve each of the nine methods best on MNIST, fully connected?

Bartunov et al. 2018 searched 60 random settings for each method and chose on the test images. Here
each method is tried at twelve settings, or sixteen where inverses have a rate of their own, with
seeds that the result does not use, and is measured on training images that were held out: the test
images play no part in the choice.
"""

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.methods import METHODS
from bioprop.studies.bartunov2018.search import RateSettings, draw, over_grid, run
from bioprop.studies.study import Figure, Study

STUDY = Study(
    name="targets-mnist-rates",
    title="The best rates of nine methods on MNIST, fully connected",
    paper="bartunov2018",
    settings=RateSettings,
    tiers={
        "smoke": {
            "images": "digits",
            "hidden": (16, 16),
            "held_out": 200,
            "epochs": 2,
            "rates": (1e-3, 1e-2),
            "auxiliary": 8,
        },
        "quick": {
            "images": "digits",
            "hidden": (32, 32),
            "held_out": 200,
            "epochs": 5,
            "rates": (1e-3, 3e-3),
            "auxiliary": 8,
        },
        "reduced": {},  # twelve or sixteen settings for each method; the paper has 60
    },
    variants={name: over_grid(method) for name, method in METHODS.items()},
    run=run,
    cost={"reduced": 700.0},  # estimated, from the time of an epoch
    population="points of the grid",
    figures=[
        Figure(
            id="targets-mnist-rates",
            title="Held-out error against the rates of nine methods",
            alt="Nine panels, one for each method: error on held-out images against the learning "
            "rate, both on log axes, a line for each rate of the inverses or each epsilon of Adam; "
            "a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a short "
            "run, against the rate of the forward weights. Lines: the rate of the inverses, or "
            "Adam's epsilon where there are none. A ring marks the setting that was taken; a point "
            "that is missing diverged.",
            look=to_see.RATES,
            place="App 5.3: 60 random settings for each method",
            draw=draw,
        )
    ],
)
