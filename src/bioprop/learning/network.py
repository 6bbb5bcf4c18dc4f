"""Populations of feedforward networks, and what one presentation of a batch leaves behind."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from bioprop.choose import choose
from bioprop.learning.functions import ACTIVATIONS, LOSSES
from bioprop.learning.layers.layer import Layer
from bioprop.learning.members import share_memory


@dataclass
class Trial:
    """One batch, presented to a population: what every rule may look at.

    ``activities[0]`` is the input and ``activities[-1]`` the output, each ``(member, batch,
    unit)``; ``target`` has the shape of the output; ``error`` is the loss's slope there.
    ``step`` counts the batches presented before this one. ``weights`` are those of the network as
    its products used them: rounded where layers compute in another precision.
    """

    activities: list[Tensor]
    target: Tensor
    error: Tensor
    step: int = 0
    weights: Sequence[Tensor] = ()


Deltas = Sequence[Tensor | None]  # one teaching signal for each layer; None: it is not taught


@dataclass
class Network:
    """A population of feedforward networks of one shape, and the loss they are trained on.

    ``weights[l]`` has shape ``(member, *layers[l].weight_shape)``, for dense layers ``(member,
    unit_in, unit_out)``; ``biases[l]`` has shape ``(member, *layers[l].bias_shape)``, for dense
    layers ``(member, 1, unit_out)``, or is None. ``masks[l]``, of the shape of the weights or None,
    is 0 where a connection has been removed and 1 elsewhere. ``activations`` names one function
    for each layer.
    Raises ``ValueError`` when shapes, types, activations and loss do not fit together, where a
    connection that a mask removes has a weight, and where weights or biases share memory: they
    change in place, each for itself.
    """

    layers: Sequence[Layer]
    activations: Sequence[str]
    weights: list[Tensor]
    biases: list[Tensor | None] = field(default_factory=list)
    loss: str = "squared"
    masks: list[Tensor | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.biases = self.biases or [None] * len(self.layers)
        self.masks = self.masks or [None] * len(self.layers)
        _check(self)
        self.functions = [ACTIVATIONS[name] for name in self.activations]
        self._loss = LOSSES[self.loss]

    @property
    def members(self) -> int:
        """Number of networks trained side by side."""
        return self.weights[0].shape[0]

    def forward(self, x: Tensor, weights: Sequence[Tensor] = ()) -> list[Tensor]:
        """Return all activities, input first, for ``x`` of shape ``(member, batch, unit)``.

        ``weights`` stand in for the network's own where they are given. Raises ``ValueError`` for
        inputs of another shape, dtype or device than the network's.
        """
        members, inputs = self.members, self.layers[0].inputs
        if x.ndim != 3 or (x.shape[0], x.shape[2]) != (members, inputs):
            raise ValueError(
                f"inputs of shape {tuple(x.shape)} given where ({members}, batch, {inputs}) is "
                "needed: (member, batch, unit)"
            )
        _alike("inputs", x, self.weights[0])
        activities = [x]
        for index, W in enumerate(weights or self.weights):
            activities.append(self.propagate(index, activities[-1], W))
        return activities

    def propagate(self, index: int, h: Tensor, W: Tensor | None = None) -> Tensor:
        """Return the activity of layer ``index`` above the activity ``h`` below it."""
        return self.functions[index].function_(self.net_input(index, h, W))

    def net_input(self, index: int, h: Tensor, W: Tensor | None = None) -> Tensor:
        """Return the input of the units of layer ``index``, in memory of its own."""
        layer, bias = self.layers[index], self.biases[index]
        a = layer.forward(h, self.weights[index] if W is None else W)
        if bias is not None:
            a.add_(layer.spread_bias(bias))
        return a

    def present(self, x: Tensor, target: Tensor, step: int = 0) -> Trial:
        """Run a batch forward and compare the output with ``target``."""
        weights = [layer.rounded(W) for layer, W in zip(self.layers, self.weights, strict=True)]
        return self.compare(self.forward(x, weights), target, step, weights)

    def compare(
        self, activities: list[Tensor], target: Tensor, step: int, weights: Sequence[Tensor]
    ) -> Trial:
        """Return the trial that left ``activities`` behind, its output compared with ``target``.

        Both have shape ``(member, batch, unit)``; ``ValueError`` where they differ in it.
        """
        y = activities[-1]
        if target.shape != y.shape:
            raise ValueError(
                f"the target has shape {tuple(target.shape)}, the output {tuple(y.shape)}; "
                "they must agree in (member, batch, unit)"
            )
        _alike("targets", target, self.weights[0])
        error = self._loss.error(self.functions[-1], y, target)
        return Trial(activities, target, error, step, weights)

    def losses(self, y: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each example, shape ``(member, batch)``."""
        return self._loss.value(y, target)


def _check(network: Network) -> None:
    sizes = {len(network.layers), len(network.activations), len(network.weights)}
    if len(sizes | {len(network.biases), len(network.masks)}) != 1:
        raise ValueError("layers, activations, weights, biases and masks must be equally many")
    if not network.layers:
        raise ValueError("a network has one layer or more, not none")
    for name in network.activations:
        choose("activation", name, ACTIVATIONS)
    choose("loss", network.loss, LOSSES)
    if network.activations[-1] not in LOSSES[network.loss].outputs:
        raise ValueError(
            f"loss {network.loss!r} goes with an output that is "
            f"{' or '.join(LOSSES[network.loss].outputs)}, not {network.activations[-1]}"
        )
    for index, layer in enumerate(network.layers):
        weight, bias = layer.weight_shape, layer.bias_shape
        each = "1, unit_out" if bias == (1, layer.outputs) else "1, channel_out"
        _fits("weights", network.weights[index], (network.members, *weight), layer.axes)
        _fits("biases", network.biases[index], (network.members, *bias), each)
        _fits("masks", network.masks[index], (network.members, *weight), layer.axes)
        _agrees(index, network.weights[index], network.masks[index])
    for below, above in zip(network.layers[:-1], network.layers[1:], strict=True):
        if below.outputs != above.inputs:
            raise ValueError(f"{below.outputs} units cannot feed a layer of {above.inputs} inputs")
    learnt = [p for p in (*network.weights, *network.biases) if p is not None]
    if not learnt[0].is_floating_point():
        raise ValueError(f"weights need a floating dtype, not {learnt[0].dtype}")
    for p in learnt:
        _alike("weights or biases", p, learnt[0])
    if share_memory(learnt):
        raise ValueError(
            "weights or biases of two members, or of two layers, lie in the same memory, where a "
            "change of one would change the other; give each its own, with .clone() or .repeat()"
        )


def _fits(what: str, tensor: Tensor | None, shape: tuple[int, ...], axes: str) -> None:
    if tensor is not None and tuple(tensor.shape) != shape:
        raise ValueError(
            f"{what} of shape {tuple(tensor.shape)} given where {shape} are needed: "
            f"(member, {axes})"
        )


def _agrees(index: int, W: Tensor, mask: Tensor | None) -> None:
    """Refuse a mask that is none, and weights of connections that it removes."""
    if mask is None:
        return
    removed = mask == 0
    if not (removed | (mask == 1)).all():
        raise ValueError(f"the mask of layer {index} is 0 or 1 for each connection, nothing else")
    if (removed & (W != 0)).any():
        raise ValueError(
            f"the mask of layer {index} removes connections that have a weight; set the weights "
            "there to 0, such as weights * mask"
        )


def _alike(what: str, given: Tensor, own: Tensor) -> None:
    """Refuse numbers of another type, or on another device, than the network's own."""
    if (given.dtype, given.device) != (own.dtype, own.device):
        raise ValueError(
            f"{what} of {given.dtype} on {given.device} given to a network of {own.dtype} on "
            f"{own.device}; turn them with .to({own.dtype}), .to({str(own.device)!r})"
        )
