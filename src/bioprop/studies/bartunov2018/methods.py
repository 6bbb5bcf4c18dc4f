"""The methods of Bartunov et al. 2018, Table 1, and how each is trained and measured here.

What the studies of target propagation share: settings with their places in the paper, the networks
of Table 3, a training that counts forward epochs, and what is measured at the end of each.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import pydantic
import torch
from pydantic import Field
from torch import Tensor

from bioprop.learning import (
    Convolution,
    Dense,
    Layer,
    LocallyConnected,
    Network,
    Rule,
    Streams,
    Training,
    Trial,
    adam,
    angle,
    memory,
)
from bioprop.learning.layers.transposed import Transposed, glorot
from bioprop.learning.memory import Undrawn
from bioprop.learning.optimisers import Number, Optimiser
from bioprop.learning.rules import Deltas, carry_back, transposes
from bioprop.learning.rules.inverses import Inverses, reconstruction
from bioprop.learning.rules.steps import weight_gradients
from bioprop.learning.rules.targets import TargetPropagation, signals
from bioprop.studies.journal import Journal
from bioprop.studies.study import (
    STRICT,
    Count,
    MemberCount,
    Natural,
    Positive,
    Precision,
    RuleName,
    Settings,
    Share,
    Some,
    rule_with,
)
from bioprop.tasks.augmentation import Augmentation
from bioprop.tasks.classify import error_rate, layered_network
from bioprop.tasks.images import Classification, Images, load

METHODS: Mapping[str, Mapping[str, Any]] = {
    "bp": {"rule": "bp"},
    "fa": {"rule": "fa"},
    "dfa": {"rule": "dfa"},
    "dtp-alternating": {"rule": "dtp", "schedule": "alternating"},
    "dtp-parallel": {"rule": "dtp", "schedule": "parallel"},
    "sdtp-alternating": {"rule": "sdtp", "schedule": "alternating"},
    "sdtp-parallel": {"rule": "sdtp", "schedule": "parallel"},
    "ao-sdtp-alternating": {"rule": "ao-sdtp", "schedule": "alternating"},
    "ao-sdtp-parallel": {"rule": "ao-sdtp", "schedule": "parallel"},
}

Changes = list[Tensor | None]  # of the weights of each layer
Measure = Callable[[Training, Trial], dict[str, Tensor]]
Errors = Callable[[Network, Any, Tensor], Tensor]
Prepare = Callable[..., tuple[Training, Classification]]
Kernel = tuple[Count, Count, Count]  # width of the kernel, channels, stride
Flips = Literal["none", "horizontal", "vertical", "both"]
Beta = Annotated[float, Field(ge=0, lt=1)]


def costs(names: Iterable[str], steps: float, alone: float, targets: float) -> dict[str, float]:
    """Return the processor time of a network of each variant, in seconds, for a study to declare.

    So many steps of a network, which take ``targets`` seconds each where it learns inverses as
    well, and ``alone`` where it does not.
    """
    return {name: steps * (targets if "dtp" in name else alone) for name in names}


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT, kw_only=True)
class MethodSettings(Settings):
    """Settings of one method on one network, and where each value stands in the paper."""

    rule: RuleName  # Table 1
    schedule: Literal["alternating", "parallel"] = "parallel"  # Table 1: how inverses learn
    images: str = "mnist"  # Table 1; "digits" are scikit-learn's, for quick runs
    local: tuple[Kernel, ...] = ()  # Table 3: locally connected layers, (kernel, channels, stride)
    shared: bool = False  # Table 1, "BP ConvNet": the same layers with shared weights
    hidden: Some[Count] = (256, 256, 256, 256, 256)  # Table 3: fully connected layers
    activation: Literal["tanh", "relu"] = "tanh"  # Methods: tanh, better with DTP than ReLU
    held_out: Count = 5000  # ours: training images to choose by; the paper names none
    shown: Natural = 0  # ours: training images learnt from; 0: all others
    pad: Natural = 0  # sec. 3: random crops of CIFAR-10; ours: border in pixels, 0 for no crops
    flips: Flips = "none"  # sec. 3: vertical on CIFAR-10; ours: none of digits
    batch: Count = 100  # ours: not stated
    epochs: Count = 150  # sec. 3: 500; ours: what two cores allow
    rate: Positive = 5e-4  # ours: each method has its own, once the search is recorded
    beta1: Beta = 0.9  # Table 4
    beta2: Beta = 0.99  # Table 4
    eps: Positive = 1e-8  # Table 4
    inverse_rate: Positive = 1e-3  # ours: likewise
    inverse_beta1: Beta = 0.9  # Table 4
    inverse_beta2: Beta = 0.99  # Table 4
    inverse_eps: Positive = 1e-4  # Table 4
    alpha: Positive = 0.2  # Table 4: DTP's gradient step at the penultimate layer
    sigma: Positive = 0.12  # Table 4: size of the noise that trains inverses
    step: Share = 0.3  # ours: SDTP's way to the label; the paper goes all of it
    reads: Literal["logits", "output"] = "logits"  # ours: by the top inverse; the paper: output
    linear: Literal["none", "all", "top", "lower"] = "none"  # Methods: no inverse is linear
    auxiliary: Natural = 128  # ours for MNIST; sec. 3.2: 512 on CIFAR-10
    gain: Positive = 1.0  # ours: size of the random features
    measured: Count = 10_000  # ours: training images on which the training error is measured
    probe: Count = 1000  # ours: held-out images on which angles are measured
    precision: Precision = "float32"  # ours: targets are small differences; bfloat16 on CIFAR
    members: MemberCount = 5  # ours: the paper prints one number a cell and no seeds

    def pictures(self, held_out: int = 0) -> Images:
        """Return the images of the study; so many of the last stand in for the test images."""
        return load(self.images, held_out)

    @property
    def each_epoch(self) -> int:
        """Examples of one epoch: whole batches of the images that are not held out."""
        return len(learnt_from(self).train) // self.batch * self.batch

    @property
    def turns(self) -> int:
        """Passes over the images for one forward epoch: one more where inverses learn alone."""
        return 2 if self.schedule == "alternating" and self.learns_inverses else 1

    @property
    def learns_inverses(self) -> bool:
        """Whether the rule propagates targets."""
        return self.rule in ("tp", "dtp", "sdtp", "ao-sdtp")


def on_mnist(settings: Any) -> bool:
    """Say whether a run is on the paper's images."""
    return settings.images == "mnist"


def learnt_from(settings: MethodSettings) -> Images:
    """Return the images: those learnt from, and in the place of test images those held out."""
    images = settings.pictures(settings.held_out)
    if not settings.shown:
        return images
    shown = slice(settings.shown)
    return replace(images, train=images.train[shown], train_labels=images.train_labels[shown])


def augmentation(settings: MethodSettings) -> Augmentation | None:
    """Return what happens to each training image before it is shown, None for nothing."""
    changed = Augmentation(settings.pad, settings.flips)
    return None if changed == Augmentation(0, "none") else changed


def layers(settings: MethodSettings, shape: tuple[int, int, int], outputs: int) -> list[Layer]:
    """Return the layers of Table 3: locally connected ones (or convolutions), then dense ones.

    They read an image of ``shape`` (channels, rows, columns).
    """
    kind = Convolution if settings.shared else LocallyConnected
    built: list[Layer] = []
    for kernel, channels, stride in settings.local:
        layer = kind(shape, channels, kernel, stride, "same", compute=settings.compute)
        built.append(layer)
        shape = layer.image_out
    sizes = [math.prod(shape), *settings.hidden, outputs]
    dense = (Dense(a, b, settings.compute) for a, b in itertools.pairwise(sizes))
    return [*built, *dense]


def prepare(
    settings: MethodSettings, streams: Streams, **each: Number
) -> tuple[Training, Classification]:
    """Return a population, ready to be trained, and its task.

    ``each`` has settings that differ from member to member, shape ``(member, 1, 1)``. Raises
    ``TooLarge`` where the memory does not hold all of it, before any of it is drawn.
    """
    images = learnt_from(settings)
    shown = augmentation(settings)
    task = Classification(images, streams, settings.batch, augmentation=shown)
    built = layers(settings, images.shape, images.classes)
    undrawn = Undrawn(streams)
    shapes = layered_network(undrawn, built, hidden=settings.activation)
    memory.check(shapes, *means(settings, shapes), undrawn)
    network = layered_network(streams, built, hidden=settings.activation)
    return taught(settings, network, task, streams, **each), task


def taught(
    settings: MethodSettings,
    network: Network,
    task: Classification,
    streams: Streams,
    **each: Number,
) -> Training:
    """Return the training of a population by the method of the settings.

    ``each`` has settings that differ from member to member, shape ``(member, 1, 1)``.
    """
    return Training(network, *means(settings, network, **each), task, streams)


def means(settings: MethodSettings, network: Network, **each: Number) -> tuple[Rule, Optimiser]:
    """Return the rule of the method, with an optimiser of its inverses, and the network's own."""

    def value(name: str) -> Any:
        return each.get(name, getattr(settings, name))

    def optimiser(prefix: str = "") -> Optimiser:
        rate, *betas, eps = (value(prefix + name) for name in ("rate", "beta1", "beta2", "eps"))
        return adam(rate, betas=(betas[0], betas[1]), eps=eps)

    teaching = rule_with(
        settings.rule,
        bound=feedback_bounds(network) if settings.rule == "fa" else direct_bound(network),
        optimiser=optimiser("inverse_"),
        turn=settings.each_epoch // settings.batch if settings.turns == 2 else None,
        **{name: value(name) for name in ("alpha", "sigma", "step", "gain")},
        **{name: getattr(settings, name) for name in ("reads", "linear", "auxiliary")},
    )
    return teaching, optimiser()


def feedback_bounds(network: Network) -> list[float]:
    """Return the ranges of B under feedback alignment: those of W, for each layer but the first."""
    return [glorot(layer) for layer in network.layers[1:]]


def direct_bound(network: Network) -> float:
    """Return the range of B under direct feedback alignment: that of the output layer's W."""
    return glorot(network.layers[-1])


def run(settings: MethodSettings, journal: Journal) -> None:
    """Train one method."""
    journal.label(seed=settings.seeds)
    follow(settings, journal, *prepare(settings, settings.streams()))


def follow(
    settings: MethodSettings,
    journal: Journal,
    training: Training,
    task: Classification,
    measure: Measure | None = None,
    error: Errors = error_rate,
    stride: int | None = None,
    kinds: Collection[str] = ("error", "validation", "training"),
) -> None:
    """Train for the epochs of the settings; at the end of each, write what was measured.

    Examples are those that the forward weights learnt from. Beside each ``error(network, images,
    answers)``, of the ``kinds`` of :func:`measured_on`, stands what ``measure(training, trial)``
    finds on held-out images, :func:`beside` unless it is given. Where epochs are long, a checkpoint
    may be saved after ``stride`` batches.
    """
    whole = load(settings.images)
    journal.learns_from(settings.images, whole.parts, whole.digest)
    sets = measured_on(settings, task)
    x, answers = (part[: settings.probe] for part in sets["validation"])
    for seen in journal.follow(training, marks(settings), settings.batch, stride):
        errors = {name: error(training.network, *sets[name]) for name in kinds}
        found = (measure or beside)(training, present(training.network, x, answers))
        journal.write(seen // settings.turns, **errors, **found)


def nothing(training: Training, trial: Trial) -> dict[str, Tensor]:
    """Measure nothing beside the errors."""
    return {}


def marks(settings: MethodSettings) -> range:
    """Return the start and the end of each forward epoch, in examples of all passes."""
    epoch = settings.each_epoch * settings.turns
    return range(0, settings.epochs * epoch + 1, epoch)


def measured_on(settings: MethodSettings, task: Classification) -> dict[str, tuple[Any, Tensor]]:
    """Return the images, and the task's answers to them, on which each kind of error is measured.

    ``error`` is that on test images, ``validation`` on those held out, ``training`` on the first
    ones that are learnt from.
    """
    seen, whole = task.images, settings.pictures()
    first = slice(settings.measured)
    sets = {
        "error": (whole.test, whole.test_labels),
        "validation": (seen.test, seen.test_labels),
        "training": (seen.train[first], seen.train_labels[first]),
    }
    return {
        name: replace(task, images=replace(seen, test=images, test_labels=labels)).test()
        for name, (images, labels) in sets.items()
    }


@torch.no_grad()
def present(network: Network, x: Tensor, answers: Tensor) -> Trial:
    """Show all members the same images ``(image, pixel)`` with the answers to them.

    Answers are classes ``(image,)``, or the outputs that are right ``(image, unit)``.
    """
    hot = torch.nn.functional.one_hot
    target = hot(answers, network.layers[-1].outputs).to(x) if answers.ndim == 1 else answers
    shape = network.members, len(x), -1
    return network.present(x.expand(shape), target.expand(shape))


@torch.no_grad()
def beside(training: Training, trial: Trial, limits: bool = False) -> dict[str, Tensor]:
    """Return what sets a method apart from backpropagation, each ``(member,)``.

    ``angle-<layer>`` stands between the changes of a hidden layer's weights under the two, at the
    same weights and images, in degrees; ``limit-<layer>`` between that of a method with targets and
    its limit of small steps, where ``limits`` asks for it; ``rounding-<layer>`` between that of
    products of few digits and that of float32, where products have few; ``reconstruction`` is the
    mean error of its inverses, 1 being that of the mean activity.
    """
    network, rule = training.network, training.rule
    exact = changes(network, trial, carry_back(network, transposes(network), trial))
    own = changes(network, trial, taught_by(rule, network, training.state, trial))
    found = angles("angle", own, exact)
    if any(layer.compute for layer in network.layers):
        found |= angles("rounding", own, in_full(training, trial))
    if not isinstance(rule, TargetPropagation):
        return found
    errors = reconstruction(network, training.state, trial)
    if errors:  # a network with one hidden layer may have no inverse
        found["reconstruction"] = torch.stack(list(errors.values())).mean(0)
    if limits:
        small = signals(network, rule.limit(network, training.state, trial), trial)
        found |= angles("limit", own, changes(network, trial, small))
    return found


def taught_by(rule: Rule, network: Network, state: Any, trial: Trial) -> Deltas:
    """Return a rule's teaching signals, those of targets whosever turn it is."""
    if isinstance(rule, TargetPropagation):
        return signals(network, rule.gaps(network, state, trial), trial)
    return rule.teach(network, state, trial)


def in_full(training: Training, trial: Trial) -> Changes:
    """Return how the hidden layers' weights would change if no product were rounded.

    At the same weights, those of inverses among them, and for the same images.
    """
    network, state = unrounded(training.network), training.state
    if isinstance(state, dict) and isinstance(kept := state.get("inverses"), Inverses):
        made = kept.network and unrounded(kept.network)
        state = {**state, "inverses": replace(kept, network=made)}
    again = network.present(trial.activities[0], trial.target, trial.step)
    return changes(network, again, taught_by(training.rule, network, state, again))


def unrounded(network: Network) -> Network:
    """Return a network with the same weights whose products have all digits."""
    return replace(network, layers=[in_float32(layer) for layer in network.layers])


def in_float32(layer: Any) -> Layer:
    """Return a layer whose products have all digits; a transposed one has another within."""
    if isinstance(layer, Transposed):
        return replace(layer, layer=in_float32(layer.layer))
    return replace(layer, compute=None)


def changes(network: Network, trial: Trial, deltas: Deltas) -> Changes:
    """Return how teaching signals would change the weights of each hidden layer.

    A layer that is not taught has None.
    """
    return weight_gradients(network, trial, deltas)[:-1]


def angles(name: str, own: Changes, others: Changes) -> dict[str, Tensor]:
    """Return the angle between two changes of the weights of each hidden layer that is taught."""
    found = {}
    for layer, (one, two) in enumerate(zip(own, others, strict=True), start=1):
        if one is not None and two is not None:
            found[f"{name}-{layer}"] = angle(one, two)
    return found
