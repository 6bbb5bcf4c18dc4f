"""Direct feedback alignment for networks of blocks: the error itself teaches each block.

Each block passes its output on cut off from the graph, so no signal is carried from block to block
and the first layer of a block has no use for one. At the end all outputs meet in one function,
whose backward pass sends the slope of the loss at the network's output to every block at once: an
ordinary ``loss.backward()`` trains the model.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from bioprop.learning import Dense, Streams


class Direct(nn.Module):
    """The feedback weights from the output of a model to its blocks.

    Block ``l`` has ``B`` of shape ``(unit_output, channel)``, drawn from U(-s, s) with ``s = 1 /
    sqrt(channel)``: block ``l + 1`` of the stream ``feedback``, as for hidden layer ``l`` of a
    population. Every pixel of a channel gets the same signal, ``e B / pixels``: what it would get
    under backpropagation if the mean of each channel were read out linearly.
    """

    def __init__(self, blocks: Mapping[str, int], outputs: int, seed: int):
        super().__init__()
        self.names = tuple(blocks)
        self.feedback = nn.ParameterList(
            nn.Parameter(_drawn(channel, outputs, seed, index), requires_grad=False)
            for index, channel in enumerate(blocks.values(), start=1)
        )
        self.active = True
        self.seen: dict[str, Tensor] = {}
        self.blind = False  # whether a block ran without a graph

    def begin(self, model: nn.Module, inputs: Any) -> None:
        """Forget the blocks of an earlier batch."""
        self.seen, self.blind = {}, False

    def cut(self, block: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        """Note the output of a block, and pass it on without its history."""
        self.blind = self.blind or not torch.is_grad_enabled()
        if not (self.active and torch.is_grad_enabled() and output.requires_grad):
            return None
        name = self.names[block.taught]  # type: ignore[index]
        if name in self.seen:
            raise RuntimeError(
                f"block {name!r} was used twice; the error teaches what is used once"
            )
        self.seen[name] = output
        return output.detach()

    def end(self, model: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        """Tie the outputs of all blocks to that of the model."""
        seen, self.seen = self.seen, {}
        if self.blind and output.requires_grad:
            raise RuntimeError(
                "blocks ran without a graph, as under checkpoint(use_reentrant=True); use "
                "use_reentrant=False"
            )
        if not seen:
            return None
        every = dict(zip(self.names, self.feedback, strict=True))
        for name, h in seen.items():
            B = every[name]
            if output.ndim != 2 or h.ndim not in (2, 4) or h.shape[1] != B.shape[1]:
                raise RuntimeError(
                    f"block {name!r} gave {tuple(h.shape)} and the model {tuple(output.shape)}; "
                    f"needed are (batch, {B.shape[1]}[, height, width]) and (batch, unit)"
                )
        return _Send.apply(output, *[every[name] for name in seen], *seen.values())


class _Send(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, *rest: Tensor) -> Tensor:
        return y.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        count = len(inputs) // 2
        ctx.save_for_backward(*inputs[1 : 1 + count])
        ctx.shapes = [h.shape for h in inputs[1 + count :]]

    @staticmethod
    def backward(ctx: Any, e: Tensor) -> Any:
        signals = [
            signal(e, B, shape) for B, shape in zip(ctx.saved_tensors, ctx.shapes, strict=True)
        ]
        return e, *[None] * len(signals), *signals


def signal(e: Tensor, B: Tensor, shape: torch.Size) -> Tensor:
    """Return what a block whose output has ``shape`` is taught by the error ``e``."""
    delta = e @ B.to(e.dtype)
    if len(shape) == 2:
        return delta
    return (delta / (shape[2] * shape[3]))[:, :, None, None].expand(shape)


def teach_directly(
    model: nn.Module, last: nn.Module, blocks: Mapping[str, int], outputs: int, seed: int
) -> None:
    """Let the error teach the blocks of a model, whose ``last`` layer takes the feedback weights.

    There they do no harm: a child of the model itself might be taken for one more layer.
    """
    direct = Direct(blocks, outputs, seed).to(next(last.parameters()))
    for index, name in enumerate(blocks):
        block = model.get_submodule(name)
        block.taught = index  # type: ignore[assignment]
        block.register_forward_hook(direct.cut)
    model.register_forward_pre_hook(direct.begin)
    model.register_forward_hook(direct.end)
    last.add_module("direct", direct)


def _drawn(channel: int, outputs: int, seed: int, index: int) -> Tensor:
    path = Dense(channel, outputs)
    return Streams((seed,)).uniform("feedback", path.feedback_shape, path.sign_scale, index)[0]
