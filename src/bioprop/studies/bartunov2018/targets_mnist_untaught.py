"""A control for Table 1 on MNIST: what do locally connected layers give that nobody teaches?

In the locally connected networks a layer of a thousand units learns above two local ones. If it
did as well above local layers that stay as they were drawn, a small error would say nothing of how
a method teaches these. Here they stay, and the layers above learn by backpropagation or feedback
alignment, at the best of three rates. That takes a tenth of the epochs of the nine methods, of
which as many count.
"""

from dataclasses import replace

from bioprop.studies.bartunov2018.targets_mnist_local import COLUMN as LOCAL
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL
from bioprop.studies.bartunov2018.untaught import UntaughtSettings, claims, figures, run
from bioprop.studies.study import Study, gone

COLUMN = replace(LOCAL, words="MNIST, locally connected")
HOME = "targets-mnist-local"  # has the methods that teach all layers
TAUGHT = ("bp", "fa")
RATES = (8e-4, 1.6e-3, 3.2e-3)  # around that of backpropagation in all layers

STUDY = Study(
    name="targets-mnist-untaught",
    title="Local layers that nobody teaches, on MNIST",
    paper="bartunov2018",
    settings=UntaughtSettings,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2)},
        "quick": SMALL | {"batch": 50, "epochs": 6, "rates": (1e-3, 3e-3, 1e-2)},
        "reduced": {"epochs": 4},  # a tenth of those of the nine methods, for time
    },
    variants={name: {**LAYERS, "rule": name, "rates": RATES} for name in TAUGHT},
    run=run,
    population="points of the grid",
    cost={"reduced": 700.0},  # of all rates; from the time of a batch on a busy core
    claims=claims(COLUMN, HOME, "untaught", "local", ("fa",)),
    learnt=gone("error"),
    figures=figures(
        COLUMN, HOME, "local", TAUGHT, "the locally connected networks of Table 3 on MNIST"
    ),
)
