"""Bartunov et al. 2018, Table 2: the other methods in the network for ImageNet, on Tiny ImageNet.

Claim: parallel target propagation, DTP or SDTP, hardly leaves chance either, and the ConvNet, which
shares its weights, is better than the locally connected network. Direct feedback alignment did not
fit into the memory of the paper's card. They stand apart from the study towards-imagenet, with
whose runs they are compared, so that those can be judged while some of these are still to be made.
"""

from functools import partial

from bioprop.studies import drawing, to_see
from bioprop.studies.bartunov2018 import towards_imagenet
from bioprop.studies.bartunov2018.figures import CURVES, TURNS, draw_curves
from bioprop.studies.bartunov2018.methods import costs
from bioprop.studies.bartunov2018.towards_imagenet import (
    EPOCH,
    FOUND,
    OTHERS,
    STEP,
    TIERS,
    VARIANTS,
    ImageNetSettings,
    behind,
    hardly_learns,
    run,
    with_rates,
)
from bioprop.studies.study import Claim, Figure, Region, Study, gone

FIGURE = f"{OTHERS}-curves"
NAMES = [name for name in VARIANTS if name not in towards_imagenet.HERE]

CLAIMS: list[Claim] = [
    *hardly_learns("dtp-parallel", FIGURE, beside="towards-imagenet"),
    *hardly_learns("sdtp-parallel", FIGURE, beside="towards-imagenet"),
    behind(
        "bp",
        "bp-convnet",
        FIGURE,
        id="towards-imagenet-convnet",
        statement="Under backpropagation the ConvNet, which shares its weights, is better.",
        holds=Region(low=0.0),
        reason="locally connected minus ConvNet, above zero",
        beside="towards-imagenet",
    ),
    behind(
        "dfa",
        "fa",
        FIGURE,
        id="towards-imagenet-dfa-behind-fa",
        statement=f"{drawing.LOOKS['dfa'].name.capitalize()} is worse than feedback alignment.",
        place="ours",
        origin="ours",
        reported=None,
        holds=Region(low=0.0),
        reason="DFA minus FA, above zero, as in both locally connected columns of Table 1",
        unlearnt="direct feedback alignment that hardly learns photographs is worse all the same",
        idle=("dfa",),
        beside="towards-imagenet",
    ),
]

STUDY = Study(
    name=OTHERS,
    title="Other methods on Tiny ImageNet, in the paper's network for ImageNet",
    paper="bartunov2018",
    settings=ImageNetSettings,
    tiers=TIERS,
    variants=with_rates(*NAMES),
    run=run,
    after="towards-imagenet-rates",
    found=bool(FOUND),
    cost={"reduced": costs(NAMES, 8 * EPOCH, **STEP)},
    claims=CLAIMS,
    learnt=gone("error", 0.02),
    figures=[
        Figure(
            id=FIGURE,
            title="Other methods on Tiny ImageNet over epochs",
            alt="Two panels, top-1 test error and training error in per cent against epochs, each "
            "with a line and a band for direct feedback alignment, parallel DTP and SDTP, and the "
            "ConvNet under backpropagation.",
            caption=f"{CURVES}. {TURNS}",
            look=to_see.CURVES,
            place="ours",
            draw=partial(draw_curves, logarithmic=False),
        )
    ],
)
