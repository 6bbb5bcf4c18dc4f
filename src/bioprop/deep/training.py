"""The training loop for deep networks: any model, any rule.

PyTorch itself is the engine: autocast, its SGD, and a module's own ``state_dict``. A framework on
top of it would bring data loaders, which images that lie on the device as bytes do not need, and
checkpoints of its own, which a run here keeps in its journal.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep.recipes import Recipe

Batches = Callable[[int], tuple[Tensor, Tensor]]
WATCH = 20  # steps between two looks at whether the loss is still a number


class OutOfMemory(ValueError):
    """A batch that does not fit into memory; the message says which one to try."""


class Weights(NamedTuple):
    """What a network has learnt."""

    weights: list[Tensor]
    biases: list[Tensor]


class Training:
    """A model in training: its weights, those of its optimiser, a count of steps.

    ``batches(step)`` returns images ``(batch, channel, row, column)`` and classes ``(batch,)``, and
    ``each_epoch`` is how many make an epoch: with both functions of the step alone, an interrupted
    run goes on with the same bits. ``autocast`` is the dtype that products are made in, or None.
    ``named`` says what the training is, such as its rule; a state that was saved by a training of
    another name is refused. ``keep`` is called after each step: it may put weights back where a
    constraint wants them. A training whose loss is no number any more stops learning.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        recipe: Recipe,
        each_epoch: int,
        *,
        autocast: torch.dtype | None = None,
        named: Mapping[str, Any] | None = None,
        keep: Callable[[], None] | None = None,
    ):
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.batches, self.recipe, self.each_epoch = batches, recipe, each_epoch
        self.autocast, self.named = autocast, {**(named or {}), "recipe": repr(recipe)}
        self.keep, self.step, self.diverged = keep, 0, False
        groups = list(_groups(model, recipe))
        self.optimiser = torch.optim.SGD(
            groups, recipe.rate, recipe.momentum, weight_decay=recipe.decay
        )
        self._rates = [group["lr"] for group in self.optimiser.param_groups]
        self._finite = torch.ones((), dtype=torch.bool, device=self.device)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.model.parameters()).device

    @property
    def network(self) -> Weights:
        """What was learnt, to tell two runs apart by."""
        return Weights([p.detach() for p in self._parameters()], [])

    def until(self, step: int) -> None:
        """Learn from batches until ``step`` of them have been seen since the start."""
        self.model.train()
        with self._memory():
            while self.step < step and not self.diverged:
                self._learn()
        self.step = step

    def _learn(self) -> None:
        images, classes = self.batches(self.step)
        with self.products():
            loss = F.cross_entropy(self.model(images), classes)
        self.optimiser.zero_grad()
        loss.backward()
        self._changed(loss.detach())

    def _changed(self, loss: Tensor) -> None:
        """Change the weights by the gradients that are there."""
        factor = self.recipe.factor(self.step, self.each_epoch)
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
            for parameter in group["params"] if group["manhattan"] else ():
                if parameter.grad is not None:
                    parameter.grad.sign_()
        self.optimiser.step()
        if self.keep:
            self.keep()
        self._finite &= loss.isfinite()
        self.step += 1
        if self.step % WATCH == 0 or self.step == self.recipe.epochs * self.each_epoch:
            self.diverged = not bool(self._finite)

    @torch.no_grad()
    def errors(
        self, images: Iterator[tuple[Tensor, Tensor]], best: Sequence[int] = (1, 5)
    ) -> list[Tensor]:
        """Return in per cent how often the class is not among the ``best`` so many outputs.

        A number for each of ``best``. NaN where an output is no number, and for a training that has
        diverged.
        """
        self.model.eval()
        wrong = torch.zeros(len(best), dtype=torch.float64, device=self.device)
        seen = torch.zeros(2, dtype=torch.float64, device=self.device)  # and how many no number
        with self._memory():
            for x, classes in images:
                with self.products():
                    y = self.model(x)
                first = y.topk(min(max(best), y.shape[1])).indices == classes[:, None]
                wrong += torch.stack([(~first[:, :n].any(1)).sum() for n in best])
                seen += torch.stack([torch.full_like(seen[0], len(x)), (~y.isfinite()).sum()])
        counts = self._total(torch.cat([wrong, seen]))
        finite = (counts[-1] == 0) & (not self.diverged)
        return list(torch.where(finite, 100 * counts[:-2] / counts[-2], torch.nan))

    def _total(self, counts: Tensor) -> Tensor:
        """Return the counts of all who measure together."""
        return counts

    def products(self) -> torch.autocast:
        """Return the context in which products are made in the training's precision."""
        return torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None)

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        """Return all that learning changes, and what the training is.

        Without ``copy`` the tensors are those that go on learning: for who writes them at once.
        """
        slots = [self.optimiser.state[p].get("momentum_buffer") for p in self._parameters()]
        kept = torch.clone if copy else torch.Tensor.detach
        return {
            "named": self.named,
            "step": self.step,
            "diverged": self.diverged,
            "model": {name: kept(t) for name, t in self.model.state_dict().items()},
            "momentum": [None if slot is None else kept(slot) for slot in slots],
            "finite": kept(self._finite),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved ``state_dict``; the result is the same bit for bit.

        Raises ``ValueError`` where it is the state of another training, or none; nothing is
        changed then.
        """
        self.check(state)
        self.model.load_state_dict(state["model"])
        for parameter, slot in zip(self._parameters(), state["momentum"], strict=True):
            if slot is None:
                self.optimiser.state.pop(parameter, None)
            else:
                kept = torch.empty_like(parameter).copy_(slot)
                self.optimiser.state[parameter] = {"momentum_buffer": kept}
        self.step, self.diverged = state["step"], state["diverged"]
        self._finite = state["finite"].to(self.device, copy=True)

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise ``ValueError`` where a saved state is not one of this training."""
        kinds = {"named": Mapping, "step": int, "diverged": bool, "model": Mapping}
        kinds |= {"momentum": list, "finite": Tensor}
        for name, kind in kinds.items():
            if not (isinstance(state, Mapping) and isinstance(state.get(name), kind)):
                raise ValueError(f"a saved state is what state_dict returned; {name!r} is missing")
        if apart := [k for k in self.named if state["named"].get(k) != self.named[k]]:
            said = "; ".join(
                f"{name} was {state['named'].get(name)!r} and is {self.named[name]!r}"
                for name in apart
            )
            raise ValueError(f"the saved state is that of another training: {said}")
        own, saved = (_described(each) for each in (self.model.state_dict(), state["model"]))
        if own != saved:
            odd = sorted(name for name in own.keys() | saved if own.get(name) != saved.get(name))
            told = "; ".join(
                f"{name} is {saved.get(name, 'missing')} and has to be {own.get(name, 'left out')}"
                for name in odd[:4]
            )
            raise ValueError(f"the saved state is that of another model: {told}")
        self._fits(state["momentum"])

    def _fits(self, slots: list[Any]) -> None:
        """Raise ``ValueError`` where a saved momentum is not that of the parameters."""
        parameters = self._parameters()
        if len(slots) != len(parameters):
            raise ValueError(
                f"the saved momentum is that of {len(slots)} parameters, and {len(parameters)} "
                "learn here"
            )
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        for parameter, slot in zip(parameters, slots, strict=True):
            found = tuple(slot.shape) if isinstance(slot, Tensor) else type(slot).__name__
            if slot is not None and found != tuple(parameter.shape):
                raise ValueError(
                    f"the saved momentum of {names[parameter]} is of shape {found} and has to be "
                    f"of {tuple(parameter.shape)}"
                )

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimiser.param_groups for p in group["params"]]

    @contextmanager
    def _memory(self) -> Iterator[None]:
        """Turn the many ways to be out of memory into one error that helps."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
            if not known and "can't allocate memory" not in str(error):  # as a CPU says it
                raise
            raise OutOfMemory(
                f"a batch of {self.recipe.batch} images does not fit into the memory of "
                f"{self.device}: {self._advice()}"
            ) from error

    def _advice(self) -> str:
        batch = self.recipe.batch
        smaller = f"try batch = {batch // 2}" if batch > 1 else "nothing smaller is left to try"
        return f"{smaller}, and with it a rate in proportion"


class Members:
    """Trainings of several seeds, one after another in short turns, as one for a journal."""

    def __init__(self, trainings: Sequence[Training]):
        self.trainings = list(trainings)

    @property
    def step(self) -> int:
        """How many batches each training has seen."""
        return self.trainings[0].step

    @property
    def network(self) -> Weights:
        """What all of them have learnt."""
        return Weights([t for each in self.trainings for t in each.network.weights], [])

    def until(self, step: int) -> None:
        """Let each training learn until it has seen ``step`` batches."""
        for training in self.trainings:
            training.until(step)

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        """Return the states of all, in order; see :class:`Training`."""
        return {"members": [training.state_dict(copy) for training in self.trainings]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved ``state_dict`` of as many trainings.

        Raises ``ValueError`` where one is refused; nothing is changed then.
        """
        if not (isinstance(state, Mapping) and isinstance(state.get("members"), list)):
            raise ValueError("a saved state is what state_dict returned; 'members' is missing")
        if (count := len(state["members"])) != len(self.trainings):
            raise ValueError(f"the saved state has {count} members, not {len(self.trainings)}")
        for training, saved in zip(self.trainings, state["members"], strict=True):
            training.check(saved)  # all, before any is changed
        for training, saved in zip(self.trainings, state["members"], strict=True):
            training.load_state_dict(saved)


def _described(state: Mapping[str, Any]) -> dict[str, str]:
    """Return in words what a model has saved: shape and type, or the rule where it is one."""
    return {
        name: (
            repr(bytes(t.tolist()).decode(errors="replace"))
            if name.endswith("_extra_state") and t.dtype == torch.uint8
            else f"{t.dtype} of shape {tuple(t.shape)}"
        )
        if isinstance(t, Tensor)
        else type(t).__name__
        for name, t in state.items()
    }


def _groups(model: nn.Module, recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Yield the parameters that learn alike: those of the last layer may do so by themselves."""
    learning = [p for p in model.parameters() if p.requires_grad]
    alike, part = {"lr": recipe.rate, "manhattan": recipe.manhattan}, recipe.manhattan_in
    if recipe.last_rate is None and part == "all":
        yield {**alike, "params": learning}
        return
    layers = [m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    last = set(layers[-1].parameters())
    last_rate = recipe.rate if recipe.last_rate is None else recipe.last_rate
    for own, rate in ((False, recipe.rate), (True, last_rate)):
        signs = recipe.manhattan and part in ("all", "last" if own else "others")
        yield {
            "params": [p for p in learning if (p in last) == own],
            "lr": rate,
            "manhattan": signs,
        }
