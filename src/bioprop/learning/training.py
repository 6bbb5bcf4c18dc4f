"""The training loop that serves all rules."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bioprop.learning.network import Network
from bioprop.learning.optimisers import Optimiser
from bioprop.learning.randomness import Streams
from bioprop.learning.rules import Rule

Batches = Callable[[int], tuple[Tensor, Tensor]]


@dataclass
class Training:
    """A population in training: a network, a rule and an optimiser with their states, a step count.

    ``batches(step)`` returns inputs and targets, each ``(member, batch, unit)``; being a function
    of the step alone, it lets an interrupted run go on with the same data.
    """

    network: Network
    rule: Rule
    optimiser: Optimiser
    batches: Batches
    streams: Streams
    step: int = 0

    def __post_init__(self) -> None:
        self.state: Any = self.rule.init(self.network, self.streams)
        self.averages: Any = self.optimiser.init(self.network)

    @torch.no_grad()
    def until(self, step: int) -> None:
        """Present batches until ``step`` of them have been seen since the start."""
        network, rule, update = self.network, self.rule, self.optimiser.update
        for now in range(self.step, step):
            trial = network.present(*self.batches(now), now)
            deltas = rule.teach(network, self.state, trial)
            update(network, self.averages, trial, deltas)
            if rule.learn is not None:
                rule.learn(network, self.state, trial, deltas)
            self.step = now + 1

    def state_dict(self) -> dict[str, Any]:
        """Return all that learning changes; what the seeds determine is drawn again instead."""
        parts = {name: [t.clone() for t in each] for name, each in self._parts().items()}
        return {"rule": self.rule.name, "step": self.step} | parts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved ``state_dict``; the result is the same bit for bit.

        Raises ``ValueError``, and leaves all as it is, where it is the state of another rule or of
        another kind of training.
        """
        if (saved := state.get("rule", self.rule.name)) != self.rule.name:
            raise ValueError(
                f"a state saved under rule {saved!r} is no state of {self.rule.name!r}"
            )
        parts = self._parts()
        for name, tensors in parts.items():
            given = [tuple(t.shape) for t in state.get(name, [])]
            if given != (needed := [tuple(t.shape) for t in tensors]):
                raise ValueError(f"saved {name} have shapes {given}; this training needs {needed}")
        for name, tensors in parts.items():
            for tensor, kept in zip(tensors, state[name], strict=True):
                tensor.copy_(kept)
        self.step = state["step"]

    def _parts(self) -> dict[str, list[Tensor]]:
        """Return the tensors that learning changes, by what they belong to."""
        network, plastic = self.network, self.rule.learn is not None
        return {
            "weights": list(network.weights),
            "biases": [bias for bias in network.biases if bias is not None],
            "averages": list(tensors(self.averages)),
            "feedback": list(tensors(self.state)) if plastic else [],
        }


def tensors(state: Any) -> Iterator[Tensor]:
    """Find the tensors of nested lists, tuples and dictionaries, in order."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        yield from tensors(list(state.values()))
    elif isinstance(state, (list, tuple)):
        for part in state:
            yield from tensors(part)
