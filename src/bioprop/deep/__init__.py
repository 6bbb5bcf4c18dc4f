"""Any ``nn.Module`` under a learning rule: layers whose backward pass uses feedback weights.

This package knows nothing of papers, records or files.
"""

from bioprop.deep.converter import Conversion, convert
from bioprop.deep.layers import backprop, feedback_of
from bioprop.deep.models import alexnet, resnet18
from bioprop.deep.rules import RULES

__all__ = ["RULES", "Conversion", "alexnet", "backprop", "convert", "feedback_of", "resnet18"]
