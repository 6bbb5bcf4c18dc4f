"""Learning rules: what teaching signal does each layer get?

A rule is a value with two functions, or three. ``init`` draws what the rule keeps beside the
network (its feedback weights, say); ``teach`` turns a trial into one teaching signal ``delta`` for
each layer, of the shape of that layer's activity; ``learn`` changes what the rule keeps, where that
is plastic. The weight change is the same local product for all rules, ``dW = -rate * h^T delta``,
and belongs to the optimiser. ``delta`` is None for a layer that is not taught.

To add a rule: write a function that returns a ``Rule``, in the file of its kin or in one of its
own, give it a line in ``RULES``, and say in ``tests/test_equivalences.py`` with which rule it
coincides; ``tests/test_rules.py`` runs over the table.
"""

import inspect
from collections.abc import Callable
from typing import Any

from bioprop.choose import choose
from bioprop.learning.network import Deltas
from bioprop.learning.rules.alignment import (
    direct_feedback_alignment,
    feedback_alignment,
    redrawn_feedback,
    shallow,
)
from bioprop.learning.rules.base import Matrices, Rule, carry_back, nothing, transposes
from bioprop.learning.rules.channels import channelled
from bioprop.learning.rules.continuous import continuous_time
from bioprop.learning.rules.contrastive import contrastive_hebbian, generalized_recirculation
from bioprop.learning.rules.perturbation import node_perturbation
from bioprop.learning.rules.plastic import kolen_pollack, weight_mirror
from bioprop.learning.rules.predictive import predictive_coding
from bioprop.learning.rules.rotation import isoclinic, rotated_alignment, rotated_backprop
from bioprop.learning.rules.scheduled import above, in_turn, plastic_within, upper
from bioprop.learning.rules.signs import (
    sign_symmetry,
    sign_symmetry_fixed,
    sign_symmetry_redrawn,
)
from bioprop.learning.rules.targets import (
    TargetPropagation,
    auxiliary_output_target_propagation,
    difference_target_propagation,
    simplified_difference_target_propagation,
    target_propagation,
)
from bioprop.learning.rules.transport import backprop, pseudobackprop, pseudoinverse

__all__ = [
    "RULES",
    "Deltas",
    "Matrices",
    "Rule",
    "TargetPropagation",
    "above",
    "carry_back",
    "continuous_time",
    "in_turn",
    "isoclinic",
    "nothing",
    "plastic_within",
    "pseudoinverse",
    "rule",
    "transposes",
    "upper",
]

RULES: dict[str, Callable[..., Rule]] = {
    "bp": backprop,
    "fa": feedback_alignment,
    "fa-redrawn": redrawn_feedback,
    "dfa": direct_feedback_alignment,
    "shallow": shallow,
    "np": node_perturbation,
    "pbp": pseudobackprop,
    "ss": sign_symmetry,
    "ss-fixed": sign_symmetry_fixed,
    "ss-redrawn": sign_symmetry_redrawn,
    "kp": kolen_pollack,
    "wm": weight_mirror,
    "rotated": rotated_backprop,
    "rotated-fixed": rotated_alignment,
    "tp": target_propagation,
    "dtp": difference_target_propagation,
    "sdtp": simplified_difference_target_propagation,
    "ao-sdtp": auxiliary_output_target_propagation,
    "generec": generalized_recirculation,
    "chl": contrastive_hebbian,
    "channel": channelled,
    "pc": predictive_coding,
}


def rule(name: str, **options: Any) -> Rule:
    """Return the rule called ``name``; unknown names and options raise ``ValueError``."""
    choose("learning rule", name, RULES)
    try:
        return RULES[name](**options)
    except TypeError as error:
        known = ", ".join(inspect.signature(RULES[name]).parameters) or "none"
        raise ValueError(f"rule {name!r}: {error}; its options: {known}") from error
