"""Which layers learn, and when, and when feedback does: schedules around any rule."""

import copy
import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from bioprop.learning.network import Deltas, Network, Trial
from bioprop.learning.randomness import Streams
from bioprop.learning.rules.base import Rule


def in_turn(rule: Rule, turns: Sequence[Collection[int]], steps: int = 1) -> Rule:
    """Teach as ``rule`` does, but only the layers whose turn it is; the others stay as they are.

    ``turns`` names the layers of each turn, counted from 0; a turn lasts ``steps`` batches, and
    after the last one the first comes again. With one turn the layers that it leaves out are frozen
    for good. A layer that is not taught still carries activity up and teaching signals down.
    Raises ``ValueError`` where there is no turn, no step, or no such layer.
    """
    if not turns or steps < 1:
        raise ValueError(f"{len(turns)} turns of {steps} steps teach nothing; give 1 or more")

    def init(network: Network, streams: Streams) -> Any:
        layers = len(network.layers)
        if unknown := {layer for turn in turns for layer in turn} - set(range(layers)):
            raise ValueError(
                f"layer {min(unknown)} is to learn, but the network's layers are 0 to {layers - 1}"
            )
        return rule.init(network, streams)

    def teach(network: Network, state: Any, trial: Trial) -> Deltas:
        turn = turns[trial.step // steps % len(turns)]
        deltas = rule.teach(network, state, trial)
        return [delta if layer in turn else None for layer, delta in enumerate(deltas)]

    return dataclasses.replace(rule, name=f"{rule.name} in turn", init=init, teach=teach)


def upper(network: Network, lowest: int) -> Network:
    """Return the network of the layers from ``lowest`` up, counted from 0.

    Its weights are those of ``network`` itself, and learn where either does. Raises ``ValueError``
    where no layer is left.
    """
    if not 0 <= lowest < len(network.layers):
        raise ValueError(
            f"layers from {lowest} up are to learn, but the network's layers are 0 to "
            f"{len(network.layers) - 1}"
        )
    view = copy.copy(network)  # what fits together does so from any layer up
    for name in ("layers", "activations", "functions", "weights", "biases", "masks"):
        setattr(view, name, getattr(network, name)[lowest:])
    return view


def above(rule: Rule, lowest: int) -> Rule:
    """Teach the layers from ``lowest`` up, as ``rule`` teaches a network of these alone.

    Layers are counted from 0. The activity below them is that network's input; the layers below
    stay as they are, and nothing is carried down to them.
    """

    def seen(trial: Trial) -> Trial:
        return dataclasses.replace(
            trial, activities=trial.activities[lowest:], weights=trial.weights[lowest:]
        )

    def init(network: Network, streams: Streams) -> Any:
        return rule.init(upper(network, lowest), streams)

    def teach(network: Network, state: Any, trial: Trial) -> Deltas:
        return [*[None] * lowest, *rule.teach(upper(network, lowest), state, seen(trial))]

    def learn(network: Network, state: Any, trial: Trial, deltas: Deltas) -> None:
        assert rule.learn is not None
        rule.learn(upper(network, lowest), state, seen(trial), deltas[lowest:])

    return Rule(f"{rule.name} above {lowest}", init, teach, learn if rule.learn else None)


def plastic_within(rule: Rule, first: int, last: int) -> Rule:
    """Teach as ``rule`` does, but let what it keeps learn only from batch ``first`` to ``last``.

    Batches are counted from 0, ``last`` is the first that comes too late. Outside, feedback weights
    stay as they are. Raises ``ValueError`` where ``rule`` keeps nothing that learns, and where
    there is no such batch.
    """
    if rule.learn is None:
        raise ValueError(f"rule {rule.name!r} keeps nothing that learns, so nothing can be held")
    if not 0 <= first < last:
        raise ValueError(f"no batch lies between {first} and {last}: give 0 or more, then more")
    learn_always = rule.learn

    def learn(network: Network, state: Any, trial: Trial, deltas: Deltas) -> None:
        if first <= trial.step < last:
            learn_always(network, state, trial, deltas)

    return dataclasses.replace(rule, name=f"{rule.name} at times", learn=learn)
