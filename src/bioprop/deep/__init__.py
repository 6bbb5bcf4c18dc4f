"""Any ``nn.Module`` under a learning rule: layers whose backward pass uses feedback weights.

This package knows nothing of papers, records or files.
"""

from bioprop.deep.converter import Conversion, convert
from bioprop.deep.layers import feedback_of
from bioprop.deep.models import alexnet, resnet18
from bioprop.deep.rules import RULES
from bioprop.deep.signals import backprop, beside_backprop, signal_angles, signals_and_changes

__all__ = [
    "RULES",
    "Conversion",
    "alexnet",
    "backprop",
    "beside_backprop",
    "convert",
    "feedback_of",
    "resnet18",
    "signal_angles",
    "signals_and_changes",
]
