"""A control for Table 1 on CIFAR-10: what do hidden layers give that nobody teaches?

Of the three hidden layers of the fully connected networks the two lower ones stay as they were
drawn, and what lies above learns by backpropagation, for as many epochs as the nine methods have,
at the best of four rates. A method that ends above that has no use of its lower layers.
"""

from bioprop.studies.bartunov2018.targets_cifar import COLUMN, LAYERS, QUICK, SMOKE
from bioprop.studies.bartunov2018.untaught import UntaughtSettings, claims, figures, run
from bioprop.studies.study import Study, gone

HOME = "targets-cifar"  # has the methods that teach all layers
TAUGHT = ("bp",)
RATES = (6e-5, 1.2e-4, 2.5e-4, 5e-4)  # around that of backpropagation in all layers

STUDY = Study(
    name="targets-cifar-untaught",
    title="Hidden layers that nobody teaches, on CIFAR-10",
    paper="bartunov2018",
    settings=UntaughtSettings,
    tiers={
        "smoke": SMOKE | {"untaught": 1, "rates": (1e-3, 1e-2)},
        "quick": QUICK | {"epochs": 10, "rates": (1e-3, 3e-3, 1e-2)},
        "reduced": {},
    },
    variants={
        name: {**LAYERS, "rule": name, "rates": RATES, "epsilons": (1e-8,)} for name in TAUGHT
    },
    run=run,
    population="points of the grid",
    cost={"reduced": 1600.0},  # of all rates; from the time of an epoch
    claims=claims(COLUMN, HOME, "untaught-cifar", "two lower", ()),
    learnt=gone("error"),
    figures=figures(
        COLUMN, HOME, "two lower", TAUGHT, "the fully connected networks of Table 3 on CIFAR-10"
    ),
)
