"""The training loop that serves all rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bioprop.learning import memory
from bioprop.learning.layers.arguments import whole
from bioprop.learning.memory import tensors
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
    Raises ``ValueError`` where ``rule`` is none, or where ``streams`` are of another type, device
    or number of members than the network, and :class:`~bioprop.learning.memory.TooLarge`, with the
    number of members that fit, where the memory does not hold what is kept.
    """

    network: Network
    rule: Rule
    optimiser: Optimiser
    batches: Batches
    streams: Streams
    step: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ValueError(f"{self.rule!r} is no rule; make one of its name with rule(...)")
        _check(self.network, self.streams)
        memory.check(self.network, self.rule, self.optimiser, self.streams)
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

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        """Return all that learning changes; what the seeds determine is drawn again instead.

        Without ``copy`` the tensors are those that go on learning: for who writes them at once.
        """
        parts = self._parts()
        if copy:
            parts = {name: [t.clone() for t in each] for name, each in parts.items()}
        return {"rule": self.rule.name, "step": self.step, "drawn": self._drawn()} | parts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved ``state_dict``; the result is the same bit for bit.

        Raises ``ValueError``, and leaves all as it is, where it is the state of another rule, of
        other fixed feedback weights or of another kind of training, or no state at all.
        """
        parts = self._parts()
        step = _fits(state, self.rule.name, parts)
        _same(state.get("drawn"), self._drawn())
        for name, own in parts.items():
            for tensor, kept in zip(own, state.get(name, ()), strict=True):
                tensor.copy_(kept)
        self.step = step

    def _drawn(self) -> list[Tensor]:
        """Return a sample of each tensor of the rule that stays as it was drawn.

        Up to eight numbers of each member: by them other seeds, or another bound, are told apart.
        """
        if self.rule.learn is not None:
            return []
        drawn = map(torch.atleast_2d, tensors(self.state))
        return [each[..., :8].flatten(1)[:, :8].clone() for each in drawn]

    def _parts(self) -> dict[str, list[Tensor]]:
        """Return the tensors that learning changes, by what they belong to."""
        network, plastic = self.network, self.rule.learn is not None
        return {
            "weights": list(network.weights),
            "biases": [bias for bias in network.biases if bias is not None],
            "averages": list(tensors(self.averages)),
            "feedback": list(tensors(self.state)) if plastic else [],
        }


def _check(network: Network, streams: Streams) -> None:
    """Refuse streams whose numbers could not be added to those of a network."""
    W = network.weights[0]
    if streams.dtype != W.dtype or torch.device(streams.device).type != W.device.type:
        raise ValueError(
            f"streams of {streams.dtype} on {streams.device} given to a network of {W.dtype} on "
            f"{W.device}; make both with the same Streams"
        )
    if len(streams.seeds) != network.members:
        raise ValueError(
            f"{len(streams.seeds)} seeds given to a population of {network.members}: one for each "
            "member"
        )


def _fits(state: Any, rule: str, parts: Mapping[str, list[Tensor]]) -> int:
    """Return the step of a saved state; refuse one that is not of a rule and these parts."""
    if not isinstance(state, Mapping):
        raise ValueError(f"a saved state is what state_dict returned, not a {type(state).__name__}")
    if (saved := state.get("rule", rule)) != rule:
        raise ValueError(f"a state saved under rule {saved!r} is no state of {rule!r}")
    step = whole("the step of a saved state", state.get("step"))
    if step < 0:
        raise ValueError(f"the step of a saved state is 0 or more, not {step}")
    for name, own in parts.items():
        given = state.get(name, [])
        if not isinstance(given, Sequence) or not all(isinstance(t, Tensor) for t in given):
            raise ValueError(f"saved {name} are not a list of tensors, but {given!r:.80}")
        for what in ("shape", "dtype"):
            saved, needed = ([_named(getattr(t, what)) for t in each] for each in (given, own))
            if len(saved) != len(needed):
                raise ValueError(f"saved {name} have {what}s {saved}; this training needs {needed}")
            for place, (one, other) in enumerate(zip(saved, needed, strict=True)):
                if one != other:
                    raise ValueError(
                        f"saved {name}[{place}] has {what} {one}; this training needs {other}"
                    )
    return step


def _same(saved: Any, own: list[Tensor]) -> None:
    """Refuse a state whose fixed tensors were drawn otherwise; one that does not say may pass."""
    if saved is None:
        return
    pairs = zip(saved, own, strict=False) if isinstance(saved, Sequence) else ()
    alike = [isinstance(one, Tensor) and torch.equal(one.to(other), other) for one, other in pairs]
    if not isinstance(saved, Sequence) or len(saved) != len(own) or not all(alike):
        raise ValueError(
            "the state was saved beside other fixed feedback weights: make the rule with the "
            "arguments, and the streams with the seeds, that they had"
        )


def _named(value: Any) -> Any:
    """Return a shape as a tuple, for messages."""
    return tuple(value) if isinstance(value, torch.Size) else value
