"""Random crops and flips of images, drawn anew at each step, as batched operations on bytes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bioprop.choose import choose
from bioprop.learning import Streams

FLIPS = {"none": (False, False), "horizontal": (True, False), "vertical": (False, True)}
FLIPS |= {"both": (True, True)}


@dataclass(frozen=True)
class Augmentation:
    """Crops of images that were padded with black, mirrored with probability 1/2.

    ``pad`` is the width of the border in pixels; ``flips`` says along which axes images are
    mirrored: ``none``, ``horizontal`` (left and right change places), ``vertical`` or ``both``.
    """

    pad: int = 4
    flips: str = "horizontal"

    def __post_init__(self) -> None:
        choose("kind of flip", self.flips, FLIPS)
        if self.pad < 0:
            raise ValueError(f"a border of {self.pad} pixels cannot be added: give 0 or more")

    def fits(self, shape: tuple[int, int, int]) -> None:
        """Raise ``ValueError`` where a crop could hold nothing of an image of ``shape``."""
        _, height, width = shape
        if self.pad >= min(height, width):
            raise ValueError(
                f"a border of {self.pad} pixels leaves crops of {height} x {width} images that "
                f"show nothing of them: give 0 to {min(height, width) - 1}"
            )

    def __call__(self, images: Tensor, streams: Streams, step: int) -> Tensor:
        """Return images of the same shape ``(member, batch, channel, row, column)`` and dtype.

        What happens to an image depends on the seed, the step and its place in the batch alone.
        """
        members, batch, _, height, width = images.shape
        chance = streams.chances("augmentation", (batch, 4), step).to(images.device)
        # float32 rounds the largest chances up to 1, which is one shift too far
        shifts = (chance[..., :2] * (2 * self.pad + 1)).long().clamp_(max=2 * self.pad)
        mirrored = (chance[..., 2:] < 0.5) & torch.tensor(FLIPS[self.flips], device=images.device)
        columns = _places(width, shifts[..., 0], mirrored[..., 0])
        rows = _places(height, shifts[..., 1], mirrored[..., 1])
        padded = torch.nn.functional.pad(images, (self.pad,) * 4).flatten(-2)
        at = rows[..., :, None] * (width + 2 * self.pad) + columns[..., None, :]
        at = at.view(members, batch, 1, -1).expand(*images.shape[:3], -1)
        return padded.gather(-1, at).view(images.shape)


def _places(size: int, shift: Tensor, mirrored: Tensor) -> Tensor:
    """Return from which row or column of the padded image each one is taken."""
    there = torch.arange(size, device=shift.device)
    return torch.where(mirrored[..., None], there.flip(0), there) + shift[..., None]
