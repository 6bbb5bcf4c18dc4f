"""What convolutions and locally connected layers share: an image, and a kernel that visits it."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bioprop.learning.layers.arguments import one_or_two, precision, whole, wholes

Pair = int | tuple[int, int]
Padding = int | str | tuple[int, int] | tuple[int, int, int, int]


@dataclass(frozen=True)
class Windowed:
    """A layer whose units look at an ``image`` ``(channel, height, width)`` through a kernel.

    Its units are ``channels`` images again, ``image_out``. Flat activities hold the channels last,
    those of one pixel beside each other, so that the inputs under a row of the kernel lie in a row.
    ``kernel`` and ``stride`` are numbers, or pairs (height, width). ``padding`` is the rows
    and columns of zeros around the image: a number, a pair, four numbers (top, bottom, left,
    right), or ``"same"`` as in TensorFlow, where every stride gives ``ceil(size / stride)`` places
    and an odd row or column of zeros stands at the bottom and the right. ``dilation`` is the rows
    and columns from one element of the kernel to the next; of the ``groups`` each reads its share
    of the channels below and makes its share of those above. ``compute`` names a dtype to which the
    factors of each product are rounded (``bfloat16``), and as a rule its result.
    Raises ``ValueError`` where these do not fit together.
    """

    image: tuple[int, int, int]
    channels: int
    kernel: Pair
    stride: Pair = 1
    padding: Padding = 0
    compute: torch.dtype | None = field(default=None, kw_only=True)
    dilation: Pair = field(default=1, kw_only=True)
    groups: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        self._take("image", wholes("an image", self.image))
        self._take("channels", whole("the number of channels", self.channels))
        self._take("kernel", one_or_two("a kernel", self.kernel))
        self._take("stride", one_or_two("a stride", self.stride))
        self._take("padding", _padding(self.padding))
        self._take("compute", precision(self.compute))
        self._take("dilation", one_or_two("a dilation", self.dilation))
        self._take("groups", whole("the number of groups", self.groups))
        if len(self.image) != 3 or min(*self.image, self.channels) < 1:
            raise ValueError(
                f"an image needs at least one channel, row and column, not {self.image} with "
                f"{self.channels} channels above: (channel, height, width)"
            )
        pairs = {"kernel": self.window, "stride": self.strides, "dilation": self.dilated}
        for what, numbers in pairs.items():
            if min(numbers) < 1:
                raise ValueError(f"a {what} is 1 or more, or a pair of such, not {numbers}")
        if min(self.places) < 1:
            raise ValueError(
                f"a kernel of {self.reach} does not fit into an image of {self.image[1:]} with "
                f"padding {self.pads} (top, bottom, left, right)"
            )
        if self.groups < 1 or self.image[0] % self.groups or self.channels % self.groups:
            raise ValueError(
                f"{self.groups} groups cannot share {self.image[0]} channels below and "
                f"{self.channels} above; both must be multiples of the groups"
            )

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return pair(self.kernel)

    @property
    def strides(self) -> tuple[int, int]:
        """Rows and columns from one place of the kernel to the next."""
        return pair(self.stride)

    @property
    def dilated(self) -> tuple[int, int]:
        """Rows and columns from one element of the kernel to the next."""
        return pair(self.dilation)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first that a kernel looks at to the last."""
        (kh, kw), (dh, dw) = self.window, self.dilated
        return (dh * (kh - 1) + 1, dw * (kw - 1) + 1)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Rows and columns of zeros at the top, bottom, left and right."""
        if self.padding == "same":
            return (*self._same(0), *self._same(1))
        if isinstance(self.padding, int):
            return (self.padding,) * 4
        each = 4 // len(self.padding)  # a pair stands for both sides of each axis
        top, bottom, left, right = (int(n) for n in self.padding for _ in range(each))
        return (top, bottom, left, right)

    def _same(self, axis: int) -> tuple[int, int]:
        size, stride, reach = self.image[1 + axis], self.strides[axis], self.reach[axis]
        missing = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return (missing // 2, missing - missing // 2)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the image with its padding."""
        top, bottom, left, right = self.pads
        return (self.image[1] + top + bottom, self.image[2] + left + right)

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of places that the kernel visits."""
        sizes = zip(self.padded, self.reach, self.strides, strict=True)
        high, wide = ((size - reach) // stride + 1 for size, reach, stride in sizes)
        return (high, wide)

    @property
    def positions(self) -> int:
        """Number of places that the kernel visits."""
        return self.places[0] * self.places[1]

    @property
    def image_out(self) -> tuple[int, int, int]:
        """Shape of the image above, ``(channel, height, width)``."""
        return (self.channels, *self.places)

    @property
    def inputs(self) -> int:
        """Units below."""
        return self.image[0] * self.image[1] * self.image[2]

    @property
    def outputs(self) -> int:
        """Units above."""
        return self.channels * self.positions

    @property
    def features(self) -> int:
        """Channels below of one group; a rotation turns those, each pixel in the same way."""
        return self.image[0] // self.groups

    @property
    def fan_in(self) -> int:
        """Inputs of one unit, those under the kernel."""
        return self.features * self.window[0] * self.window[1]

    @property
    def sign_scale(self) -> float:
        """Return ``sqrt(2 / (kernel height * kernel width * channels above))``."""
        return (2 / (self.window[0] * self.window[1] * self.channels)) ** 0.5

    def magnitudes(self, z: Tensor) -> Tensor:
        """Sizes of normal numbers whose standard deviation is ``sign_scale``."""
        return z.abs() * self.sign_scale

    def rounded(self, W: Tensor) -> Tensor:
        """Return weights as the products use them."""
        return W if self.compute is None else W.to(self.compute)

    def _take(self, name: str, value: Any) -> None:
        """Replace an argument by the same in Python's own numbers."""
        object.__setattr__(self, name, value)

    def _pad(self, images: Tensor) -> Tensor:
        """Put zeros around images ``(..., height, width)``."""
        top, bottom, left, right = self.pads
        return F.pad(images, (left, right, top, bottom)) if any(self.pads) else images

    def _crop(self, images: Tensor) -> Tensor:
        """Take padding off again."""
        top, _, left, _ = self.pads
        return images[..., top : top + self.image[1], left : left + self.image[2]]


def _padding(given: Any) -> Padding:
    """Return padding in Python's own numbers; raise ``ValueError`` where it is none."""
    if isinstance(given, str) and given == "same":
        return given
    try:
        numbers = wholes("padding", given)
    except ValueError:
        numbers = (whole("padding", given),) if hasattr(given, "__index__") else ()
    if len(numbers) not in (1, 2, 4) or min(numbers) < 0:
        raise ValueError(
            f"padding {given!r}; allowed: 'same', a number of 0 or more, two (height, width) or "
            "four (top, bottom, left, right)"
        )
    return numbers[0] if len(numbers) == 1 else numbers  # type: ignore[return-value]


def pair(given: Pair) -> tuple[int, int]:
    """Return a number twice, or a pair as it is."""
    return (given, given) if isinstance(given, int) else given
