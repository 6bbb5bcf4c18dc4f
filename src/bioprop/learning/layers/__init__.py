"""The kinds of layers: dense, locally connected, convolution; local ones as modules too."""

from bioprop.learning.layers.convolution import Convolution
from bioprop.learning.layers.dense import Dense
from bioprop.learning.layers.layer import Layer
from bioprop.learning.layers.local import LocallyConnected
from bioprop.learning.layers.modules import LocallyConnected2d, LocallyConnectedTranspose2d
from bioprop.learning.layers.transposed import Transposed

__all__ = [
    "Convolution",
    "Dense",
    "Layer",
    "LocallyConnected",
    "LocallyConnected2d",
    "LocallyConnectedTranspose2d",
    "Transposed",
]
