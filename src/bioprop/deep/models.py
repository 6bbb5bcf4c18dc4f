"""The two networks of Xiao et al. 2018, with the initial weights of their official code.

ResNet-18 (He et al. 2016) and AlexNet (Krizhevsky 2014) with batch normalisation before each ReLU
and no bias before it, and without dropout. ``width`` scales all channels; 64 is the published size.
``blocks`` lists the modules whose output direct feedback alignment teaches, with their channels:
all that end in a ReLU.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from bioprop.choose import choose
from bioprop.deep.rules import sign_scale
from bioprop.learning import Streams

STEMS = ("imagenet", "small")
# Of AlexNet: kernel, stride and padding of the first convolution, and which are pooled after.
FIRST = {"imagenet": ((11, 4, 2), (1, 2, 5)), "small": ((3, 1, 1), (2, 5))}


class Block(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution where the size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: bool = True):
        super().__init__()
        normal = nn.BatchNorm2d if norm else nn.Identity
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=not norm)
        self.bn1 = normal(outputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=not norm)
        self.bn2 = normal(outputs)
        self.relu2 = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=not norm)
            self.downsample = nn.Sequential(shortcut, normal(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return images ``(batch, channel, height, width)`` of images."""
        a = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(a + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    """ResNet-18; parameters have the names that torchvision's have."""

    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    layer4: nn.Module

    def __init__(self, classes: int, width: int, stem: str, norm: bool = True):
        super().__init__()
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=not norm)
        else:
            self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=not norm)
        self.bn1: nn.Module = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem == "imagenet" else nn.Identity()
        self.blocks = {"relu": width}
        inputs = width
        for stage, outputs in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
            stride = 1 if stage == 1 else 2
            pair = Block(inputs, outputs, stride, norm), Block(outputs, outputs, 1, norm)
            self.add_module(f"layer{stage}", nn.Sequential(*pair))
            each = (f"layer{stage}.{k}.relu{j}" for k in (0, 1) for j in (1, 2))
            self.blocks |= dict.fromkeys(each, outputs)
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, class)`` for images ``(batch, 3, height, width)``."""
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        h = self.layer4(self.layer3(self.layer2(self.layer1(h))))
        return self.fc(self.avgpool(h).flatten(1))


def resnet18(
    classes: int = 1000,
    width: int = 64,
    stem: str = "imagenet",
    seed: int = 0,
    norm: bool = True,
) -> ResNet18:
    """Make a ResNet-18.

    ``stem`` is ``"imagenet"``, a 7 x 7 convolution of stride 2 and max-pooling, or ``"small"``,
    a 3 x 3 convolution that keeps the size of small images. Convolutions start in N(0, s^2), the
    last layer in U(-s, s), with the ``s`` of the feedback weights (official code of Xiao et al.).
    Without ``norm`` there is no batch normalisation, and convolutions have biases in its place.
    Raises ``ValueError`` for another stem.
    """
    choose("stem", stem, STEMS)
    model = ResNet18(classes, width, stem, norm)
    _initialise(model, seed, normal=True)
    return model


class AlexNet(nn.Module):
    """AlexNet as in *One weird trick*, with batch normalisation."""

    def __init__(self, classes: int, width: int, image: int, stem: str = "imagenet"):
        super().__init__()
        channels = (3, width, 3 * width, 6 * width, 4 * width, 4 * width)
        first, pooled = FIRST[stem]
        shapes = (first, (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        for k, (kernel, stride, padding) in enumerate(shapes, start=1):
            sizes = channels[k - 1], channels[k]
            parts[f"conv{k}"] = nn.Conv2d(*sizes, kernel, stride, padding, bias=False)
            parts[f"bn{k}"] = nn.BatchNorm2d(channels[k])
            parts[f"relu{k}"] = nn.ReLU(inplace=True)
            if k in pooled:
                parts[f"pool{k}"] = nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(parts)
        units = (4 * width * _side(image, stem, shapes, pooled) ** 2, 64 * width, 64 * width)
        head: OrderedDict[str, nn.Module] = OrderedDict()
        for k in (1, 2):
            head[f"fc{k}"] = nn.Linear(units[k - 1], units[k], bias=False)
            head[f"bn{k}"] = nn.BatchNorm1d(units[k])
            head[f"relu{k}"] = nn.ReLU(inplace=True)
        head["fc3"] = nn.Linear(units[2], classes)
        self.classifier = nn.Sequential(head)
        self.blocks = {f"features.relu{k}": channels[k] for k in range(1, 6)}
        self.blocks |= {f"classifier.relu{k}": units[k] for k in (1, 2)}

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, class)`` for images ``(batch, 3, image, image)``."""
        return self.classifier(self.features(x).flatten(1))


def alexnet(
    classes: int = 1000,
    width: int = 64,
    image: int = 224,
    seed: int = 0,
    stem: str = "imagenet",
) -> AlexNet:
    """Make an AlexNet for images of ``image`` rows and columns, 63 or more.

    With the stem ``"small"``, a 3 x 3 convolution that keeps the size and no pooling after it, 7
    are enough. All weights start in U(-1, 1) / sqrt(inputs of a unit), PyTorch's own choice, which
    the official code leaves as it is. Raises ``ValueError`` where the images are too small, and for
    another stem.
    """
    choose("stem", stem, STEMS)
    model = AlexNet(classes, width, image, stem)
    _initialise(model, seed, normal=False)
    return model


def _side(
    image: int, stem: str, shapes: tuple[tuple[int, int, int], ...], pooled: tuple[int, ...]
) -> int:
    """Return the rows of the last image."""
    side = image
    for k, (kernel, stride, padding) in enumerate(shapes, start=1):
        side = (side + 2 * padding - kernel) // stride + 1
        if k in pooled:
            side = (side - 3) // 2 + 1
    if side < 1:
        least = "63 is the least; stem='small' takes 7" if stem == "imagenet" else "7 is the least"
        raise ValueError(f"images of {image} rows are too small for AlexNet; {least}")
    return side


@torch.no_grad()
def _initialise(model: nn.Module, seed: int, normal: bool) -> None:
    """Draw the weights of layer ``k`` from block ``k`` of the stream ``weights``; biases likewise.

    A bias is drawn from the block of its layer counted from 1000.
    """
    streams = Streams((seed,))
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    for index, layer in enumerate(layers):
        shape, bound = layer.weight.shape, layer.weight[0].numel() ** -0.5
        if normal and isinstance(layer, nn.Conv2d):
            drawn = streams.normal("weights", shape, index) * sign_scale(layer)
        else:
            drawn = streams.uniform("weights", shape, bound, index)
        layer.weight.copy_(drawn[0])
        if layer.bias is not None:
            layer.bias.copy_(streams.uniform("weights", layer.bias.shape, bound, 1000 + index)[0])
