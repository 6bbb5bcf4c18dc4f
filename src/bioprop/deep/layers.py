"""Linear and convolutional layers of PyTorch that carry their signal back through a rule's ``B``.

They are ``nn.Linear`` and ``nn.Conv2d`` in every other respect: same parameters, same options.
:func:`~bioprop.deep.converter.convert` turns layers into these where they stand.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bioprop.deep import small_maps
from bioprop.deep.functions import convolve, feedback_weights, linear
from bioprop.deep.rules import Rule, called, redraw, sign_scale
from bioprop.deep.small_maps import GRADIENT_SIDE, Geometry


class Layer(nn.Module):
    """What the two kinds share: a rule, and what the rule keeps.

    ``feedback`` is a parameter of the shape of ``weight``, or None where the rule keeps nothing.
    It is a parameter and not a buffer, though only Kolen-Pollack's has a gradient: so tied layers
    keep on sharing it when they are moved, and processes that train together exchange it once
    rather than with every batch.
    """

    weight: Tensor
    feedback: nn.Parameter | None
    batches: Tensor | None
    rule: str
    scale: float
    seed: int
    index: int

    def adopt(self, rule: Rule, seed: int, index: int, tied: "Layer | None" = None) -> None:
        """Take up a rule; ``index`` is the layer's place among the layers with weights.

        What ``tied`` keeps, a layer with the same weight under the same rule, is kept by both.
        """
        self.rule, self.scale, self.seed, self.index = rule.name, sign_scale(self), seed, index
        if tied is not None:
            self.index, kept = tied.index, tied.feedback
        elif rule.start is None:
            kept = None
        else:
            values = torch.empty_like(self.weight).copy_(rule.start(self, seed, index))
            kept = nn.Parameter(values, requires_grad=rule.learns)
        self.register_parameter("feedback", kept)
        count = torch.zeros((), dtype=torch.long, device=self.weight.device)
        self.register_buffer("batches", count if rule.redrawn or rule.every else None)

    def back(self) -> tuple[str, Tensor | float | None]:
        """Return the kind of the feedback weights, and what they are made with now."""
        rule = called(self.rule)
        if not rule.redrawn:
            return rule.kind, self.scale if rule.start is None else self.feedback
        even = isinstance(self, nn.Linear)
        W, batch = self.weight.detach(), self.batches
        return rule.kind, redraw(W, batch, self.seed, self.index, self.scale, even)

    def _next(self) -> tuple[str, Tensor | float | None]:
        """Return what is needed to carry this batch's signal back.

        Where activities are computed a second time (checkpointing), that counts as a batch.
        """
        if not torch.is_grad_enabled():
            return "weights", None  # there will be none
        if self.batches is not None and self.training:
            self._refresh()
            self.batches.add_(1)
        return self.back()

    @torch.no_grad()
    def _refresh(self) -> None:
        """Make what is kept anew before a batch where that is due; the device need not be asked."""
        rule = called(self.rule)
        if not rule.every:
            return
        assert rule.start and self.feedback is not None and self.batches is not None
        due = torch.remainder(self.batches, rule.every) == 0
        now = rule.start(self, self.seed, self.index).to(self.feedback)
        self.feedback.copy_(torch.where(due, now, self.feedback))

    def get_extra_state(self) -> Tensor:
        """Return the name of the rule as a tensor of bytes, to be saved with the weights."""
        return torch.tensor(list(self.rule.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Refuse what was saved under another rule."""

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        self.refuse_other_rule(state_dict, prefix)
        key = f"{prefix}_extra_state"
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        if key in missing_keys:  # weights of a model that was never converted
            missing_keys.remove(key)

    def refuse_other_rule(self, state_dict: dict[str, Any], prefix: str) -> None:
        """Raise ``ValueError`` where what was saved of this layer was saved under another rule."""
        state = state_dict.get(f"{prefix}_extra_state")
        if state is not None and (saved := bytes(state.tolist()).decode()) != self.rule:
            raise ValueError(
                f"{prefix.removesuffix('.')} was saved under rule {saved!r} and is now under "
                f"{self.rule!r}: load it before the model is converted, or convert the model by "
                f"{saved!r}"
            )

    def extra_repr(self) -> str:
        """Return the settings of the layer, and its rule."""
        return f"{super().extra_repr()}, rule={self.rule!r}"


class Linear(Layer, nn.Linear):
    """``torch.nn.Linear`` under a rule."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x W^T + b``, ``(..., unit_in)`` to ``(..., unit_out)``."""
        if self.rule in ("bp", "dfa"):
            return F.linear(x, self.weight, self.bias)
        _not_transformed()
        return linear(*_cast(x, self.weight, self.bias), *self._next())


class Conv2d(Layer, nn.Conv2d):
    """``torch.nn.Conv2d`` under a rule."""

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images; one alone may come bare."""
        if x.ndim == 3:
            return self.forward(x.unsqueeze(0)).squeeze(0)
        x, padding = self._padded(x)
        geometry = Geometry(self.stride, padding, self.dilation, self.groups)  # type: ignore[arg-type]
        x, W, b = _cast(x, self.weight, self.bias)
        if self.rule in ("bp", "dfa") and not small_maps.pays(x, W, geometry, GRADIENT_SIDE):
            return F.conv2d(x, W, b, *geometry)
        _not_transformed()
        return convolve(x, W, b, geometry, *self._next())

    def _padded(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the images with what padding a convolution cannot add, and the padding it adds."""
        if self.padding_mode != "zeros":
            sides = self._reversed_padding_repeated_twice
            return F.pad(x, sides, mode=self.padding_mode), (0, 0)
        if self.padding == "valid":
            return x, (0, 0)
        if self.padding == "same":
            left, right, top, bottom = self._reversed_padding_repeated_twice
            if (left, top) == (right, bottom):
                return x, (top, left)
            return F.pad(x, [left, right, top, bottom]), (0, 0)
        return x, self.padding  # type: ignore[return-value]


def refuse_other_rules(model: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Refuse a state before any of it is loaded, where a layer was saved under another rule."""
    for name, layer in model.named_modules():
        if isinstance(layer, Layer):
            layer.refuse_other_rule(state_dict, f"{prefix}{name}." if name else prefix)


def feedback_of(layer: nn.Module) -> Tensor:
    """Return the feedback weights ``B`` of a converted layer as they are now, like ``weight``.

    Raises ``TypeError`` for a layer that was not converted.
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"a {type(layer).__name__} was not converted: it has no feedback weights")
    with torch.no_grad():
        kind, M = layer.back()
        return feedback_weights(kind, layer.weight, M).clone()


def _cast(x: Tensor, W: Tensor, b: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Cast as autocast would: an ``autograd.Function`` hides its products from it."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return x, W, b
    dtype = torch.get_autocast_dtype(device)
    x, W = (t if t.dtype == torch.float64 else t.to(dtype) for t in (x, W))
    return x, W, b if b is None or b.dtype == torch.float64 else b.to(dtype)


def _not_transformed() -> None:
    """Refuse torch.func inside of torch.compile: it would return other gradients.

    There the compiler drops the backward pass (vmap, and then backward), or some of the gradients
    come out as zero (grad). Raising ends the compilation: with ``fullgraph=True`` in an error, else
    what holds the transform is run as it is, which is right.
    """
    if torch.compiler.is_compiling() and _transformed():
        raise RuntimeError(
            "torch.func inside of torch.compile would lose the feedback weights; compile the model "
            "without torch.func, or use torch.func without compiling"
        )


def _transformed() -> bool:
    """Whether a transform of torch.func is at work; the compiler asks while it traces."""
    return torch._C._functorch.maybe_current_level() is not None


# All that torch.compiler.assume_constant_result does, which imports the compiler: a second.
_transformed._dynamo_marked_constant = True  # type: ignore[attr-defined]
