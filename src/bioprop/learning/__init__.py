"""Networks trained as populations, and the rules that teach them.

This package knows nothing of papers, records or files.
"""

from bioprop.learning.angles import angle
from bioprop.learning.functions import ACTIVATIONS, LOSSES
from bioprop.learning.layers import Convolution, Dense, Layer, LocallyConnected
from bioprop.learning.network import Network, Trial
from bioprop.learning.optimisers import Optimiser, adam, sgd
from bioprop.learning.randomness import STREAMS, Sequences, Streams, generator
from bioprop.learning.rules import RULES, Rule, rule
from bioprop.learning.training import Training

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "RULES",
    "STREAMS",
    "Convolution",
    "Dense",
    "Layer",
    "LocallyConnected",
    "Network",
    "Optimiser",
    "Rule",
    "Sequences",
    "Streams",
    "Training",
    "Trial",
    "adam",
    "angle",
    "generator",
    "rule",
    "sgd",
]
