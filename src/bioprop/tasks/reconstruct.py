"""Networks that give back the image that they were shown, and how far off they are.

Beside them two references that learn nothing layer by layer: the mean image, and the best that
linear units can do.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bioprop.learning import Layer, Network, Streams
from bioprop.tasks.classify import layered_network
from bioprop.tasks.images import Classification


class Reconstruction(Classification):
    """Images whose targets are the images themselves, in the order of a classification."""

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets ``(member, batch, pixel)``: the same pixels from 0 to 1."""
        x, _ = super().__call__(step)
        return x, x

    def test(self, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Return test inputs ``(image, pixel)``, twice: they are the answers, too."""
        x, _ = super().test(count)
        return x, x


def autoencoder(streams: Streams, layers: Sequence[Layer], hidden: str = "tanh") -> Network:
    """Return networks that learn to give back pixels from 0 to 1, under squared error.

    Output units are logistic, as pixels lie between 0 and 1. Weights come from Glorot's uniform
    range, biases are 0.
    """
    return layered_network(streams, layers, hidden=hidden, output="logistic", loss="squared")


@torch.no_grad()
def pixel_error(network: Network, x: Tensor, answers: Tensor, chunk: int = 1000) -> Tensor:
    """Return the mean squared error of a pixel over images ``(image, pixel)``, ``(member,)``.

    ``answers`` are the images that each member should return. NaN for a member that has diverged.
    """
    total = torch.zeros(network.members, dtype=torch.float64)
    for images, wanted in zip(x.split(chunk), answers.split(chunk), strict=True):
        y = network.forward(images.expand(network.members, *images.shape))[-1]
        total += (y - wanted).square().sum((1, 2)).double().cpu()
    return total / answers.numel()


def references(train: Tensor, test: Tensor, units: int) -> dict[str, float]:
    """Return the mean squared error of a pixel of test images that comes without a network.

    Both are bytes ``(image, pixel)``. ``mean-image`` answers every image with the mean of the
    training images. ``components`` adds the first ``units`` principal components of the training
    images: on those no linear network with so narrow a layer does better (Baldi and Hornik 1989).
    """
    known, new = (images.double() / 255 for images in (train, test))
    mean = known.mean(0)
    away = new - mean
    kept = away @ principal(known - mean, units)
    total = away.square().sum()
    return {
        "mean-image": float(total / away.numel()),
        "components": float((total - kept.square().sum()) / away.numel()),
    }


def principal(centred: Tensor, units: int) -> Tensor:
    """Return the first ``units`` principal components of ``(image, pixel)``, ``(pixel, unit)``.

    Raises ``ValueError`` where there are fewer pixels than that.
    """
    if not 0 < units <= centred.shape[1]:
        raise ValueError(
            f"{units} principal components of images of {centred.shape[1]} pixels: give 1 to "
            f"{centred.shape[1]}"
        )
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -units:]
