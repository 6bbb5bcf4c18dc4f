"""The locally connected layer as a module of PyTorch, for networks trained with autograd."""

from typing import Any

import torch
from torch import Tensor, nn

from bioprop.learning.layers.local import LocallyConnected
from bioprop.learning.layers.windows import Padding, Pair, pair


class LocallyConnected2d(nn.Module):
    """A ``torch.nn.Conv2d`` with weights of its own at every place.

    ``image_size`` is the height and width of its inputs, ``padding`` also takes ``"same"`` as in
    TensorFlow; see :class:`~bioprop.learning.layers.windows.Windowed`. ``weight`` has shape
    ``(position, patch, channel_out)`` and ``bias`` ``(channel_out, height, width)``. Both start as
    those of ``Conv2d`` do, in U(-1, 1) / sqrt(inputs of a unit). The products are those of
    :class:`~bioprop.learning.layers.local.LocallyConnected`, kept as ``layer``.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        image_size: Pair,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        image = (in_channels, *pair(image_size))
        self.layer = LocallyConnected(image, out_channels, kernel_size, stride, padding)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(self.layer.weight_shape, **made))
        values = torch.empty(self.layer.image_out, **made) if bias else None
        self.register_parameter("bias", None if values is None else nn.Parameter(values))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and biases afresh."""
        bound = self.layer.fan_in**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images of the layer below.

        Raises ``ValueError`` for images of another shape than the layer was made for.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != self.layer.image:
            raise ValueError(
                f"images of shape {tuple(x.shape)} given where (batch, "
                f"{', '.join(map(str, self.layer.image))}) is needed: (batch, channel, height, "
                "width)"
            )
        a = self.layer.forward(x.flatten(1).unsqueeze(0), self.weight.unsqueeze(0))
        images = a.view(len(x), *self.layer.image_out)
        return images if self.bias is None else images + self.bias

    def extra_repr(self) -> str:
        """Return the settings of the layer."""
        return repr(self.layer)
