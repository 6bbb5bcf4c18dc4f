"""Several processes that train one network: who they are, and the step that they take together.

``torchrun`` starts them and says in the environment which place each has. Batches come in shares.
Each share is normalised by its own statistics, as with one card for each in the official code, and
the running statistics follow the mean over shares. So the result depends on the number of shares,
and on that of the processes only by the order of sums.
"""

import atexit
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep.recipes import Recipe
from bioprop.deep.training import WATCH, Training
from bioprop.processes import size, whole

Shares = Callable[[int], list[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Team:
    """The processes that train together, and the place of this one among them."""

    rank: int = 0
    size: int = 1

    def total(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes, where it lies."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def from_first(self, content: bytes | None) -> bytes | None:
        """Return what the first process has, to all."""
        if self.size == 1:
            return content
        box = [content]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]


def team(device: str = "cpu") -> Team:
    """Return the team of this process, which meets the others when it is first asked for.

    ``cuda`` is the card that belongs to the process' place on its machine. Raises ``ValueError``
    where it has none.
    """
    if size() == 1:
        return Team()
    if not dist.is_initialized():
        _meet(device)
    return Team(dist.get_rank(), dist.get_world_size())


def _meet(device: str) -> None:
    if device != "cpu":
        place, cards = whole("LOCAL_RANK", 0), torch.cuda.device_count()
        if device != "cuda" or place >= cards:
            raise ValueError(
                f"process {place} of this machine needs a card of its own and torch finds {cards}: "
                "start as many processes as there are cards, with --device cuda"
            )
        torch.cuda.set_device(place)
    needed = ("RANK", "MASTER_ADDR", "MASTER_PORT")
    if lacking := [name for name in needed if name not in os.environ]:
        raise ValueError(
            f"the environment says that {size()} processes were started together, and not "
            f"{', '.join(lacking)}: start them with torchrun, or unset WORLD_SIZE"
        )
    dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    atexit.register(dist.destroy_process_group)


class TeamTraining(Training):
    """A training whose batches come in ``shares``, some of them to each process of a team.

    ``batches(step)`` returns those of this process. All weights start equal, from one seed. The
    gradient is the mean over all shares. A share of fewer than two images teaches nothing. ``told``
    is given the step and the loss now and then, in the first process.
    """

    def __init__(
        self,
        model: nn.Module,
        batches: Shares,
        recipe: Recipe,
        each_epoch: int,
        team: Team,
        shares: int,
        *,
        autocast: torch.dtype | None = None,
        named: Mapping[str, Any] | None = None,
        missed: Callable[[], int] = lambda: 0,
        told: Callable[[int, float], None] | None = None,
    ):
        named = {**(named or {}), "shares": shares, "processes": team.size}
        super().__init__(model, batches, recipe, each_epoch, autocast=autocast, named=named)  # type: ignore[arg-type]
        self.team, self.shares, self.missed, self.told = team, shares, missed, told
        self.left_out = torch.zeros((), dtype=torch.float64)

    def _learn(self) -> None:
        self.optimiser.zero_grad()
        buffers = [(b, b.clone()) for b in self.model.buffers()]
        running = [(b, start) for b, start in buffers if b.is_floating_point()]
        means = [torch.zeros_like(start) for _, start in running]
        loss = torch.zeros(2, device=self.device)  # and how many shares taught
        for images, classes in self.batches(self.step):
            for b, start in buffers:
                b.copy_(start)
            if len(images) > 1:
                with self.products():
                    own = F.cross_entropy(self.model(images), classes)
                (own / self.shares).backward()
                loss += torch.stack([own.detach().float(), torch.ones_like(loss[0])])
                for mean, (b, start) in zip(means, running, strict=True):
                    mean += b - start
        self._together([*self._gradients(), *means, loss])
        for mean, (b, start) in zip(means, running, strict=True):
            b.copy_(start + mean / loss[1].clamp(min=1))
        for b, start in buffers:
            if not b.is_floating_point():  # it counts batches
                b.copy_(start + 1)
        missed = torch.tensor(float(self.missed()), dtype=torch.float64)
        self.left_out += self.team.total(missed)
        self._changed(loss[0] / loss[1].clamp(min=1))

    def _gradients(self) -> list[Tensor]:
        """Return the gradient of each parameter, 0 where nothing was learnt."""
        for parameter in self._parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [p.grad for p in self._parameters() if p.grad is not None]

    def _together(self, tensors: list[Tensor]) -> None:
        """Add up tensors over the team, in one message."""
        if self.team.size == 1:
            return
        whole = self.team.total(torch.cat([t.flatten() for t in tensors]))
        for tensor, part in zip(tensors, whole.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _total(self, counts: Tensor) -> Tensor:
        return self.team.total(counts)

    def _advice(self) -> str:
        return f"try shares = {2 * self.shares}, or smaller images"

    def _changed(self, loss: Tensor) -> None:
        super()._changed(loss)
        if self.told and self.step % WATCH == 0:
            self.told(self.step, float(loss))

    def state_dict(self, copy: bool = True) -> dict[str, Any]:
        """Return all that learning changes, and how many images were left out."""
        return super().state_dict(copy) | {"left_out": self.left_out.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved ``state_dict``, of as many processes; see :class:`Training`."""
        super().load_state_dict(state)
        self.left_out = state["left_out"].clone()
