"""Which rates serve controls best in which only upper layers learn, on MNIST, locally connected?

The search that backpropagation and feedback alignment have in the study targets-mnist-local-rates.
Above random layers backpropagation did best at its largest rate, so larger ones are tried as well.
"""

from bioprop.studies import to_see
from bioprop.studies.bartunov2018.search import ABOVE, ALONE, draw
from bioprop.studies.bartunov2018.targets_mnist_local import LAYERS, SMALL
from bioprop.studies.bartunov2018.untaught import UntaughtSearch, run, variants
from bioprop.studies.study import Figure, Study

CONTROLS = variants(LAYERS)

STUDY = Study(
    name="targets-mnist-local-untaught-rates",
    title="The best rates of upper layers alone on MNIST, locally connected",
    paper="bartunov2018",
    settings=UntaughtSearch,
    tiers={
        "smoke": SMALL | {"shown": 400, "epochs": 2, "rates": (1e-3, 1e-2)},
        "quick": SMALL | {"shown": 1000, "epochs": 3, "rates": (1e-3, 3e-3)},
        "reduced": {"shown": 20_000, "epochs": 6},  # as the search for the nine methods has
    },
    variants={name: {**control, **ALONE} for name, control in CONTROLS.items()}
    | {f"random{ABOVE}": {**CONTROLS["random"], **ALONE, "rates": (6.4e-3, 1.28e-2)}},
    run=run,
    cost={"reduced": 500.0},  # estimated, from the time of an epoch of the whole network
    population="points of the grid",
    figures=[
        Figure(
            id="targets-local-untaught-rates",
            title="Held-out error against the rates of upper layers alone, locally connected",
            alt="Three panels, backpropagation and feedback alignment above random layers and "
            "backpropagation in a shallower network: error on held-out images against the learning "
            "rate, both on log axes, a line for each epsilon of Adam; a ring marks the lowest.",
            caption="Error on held-out training images, mean over the last three epochs of a short "
            "run on a third of the images, against the rate of the layers that learn. Lines: "
            "Adam's epsilon. A ring marks the setting that was taken; a point that is missing "
            "diverged.",
            look=to_see.RATES,
            place="ours",
            draw=draw,
        )
    ],
)
