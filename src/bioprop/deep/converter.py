"""Converting a model: every layer with weights carries its signal back by a rule."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from bioprop.choose import choose
from bioprop.deep.direct import Direct, teach_directly
from bioprop.deep.layers import Conv2d, Layer, Linear, refuse_other_rules
from bioprop.deep.rules import RULES, called
from bioprop.learning.randomness import Streams
from bioprop.learning.rules import RULES as POPULATION_RULES

Choice = Mapping[str, str] | Callable[[str, nn.Module], str | None]

KINDS: dict[type[nn.Module], type[Layer]] = {
    nn.Linear: Linear,
    nn.Conv2d: Conv2d,
    Linear: Linear,
    Conv2d: Conv2d,
}
# Their parameters scale, shift or look up: no signal passes through a matrix of weights.
EXACT = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.PReLU, nn.Embedding, nn.EmbeddingBag)


@dataclass(frozen=True)
class Conversion:
    """What :func:`convert` did.

    ``converted`` names the rule of each layer that has one, ``left`` the reason why each other
    layer with parameters has none; ``shared`` lists the names of layers that have one weight, and
    under one rule so one feedback weight; ``direct`` names the blocks that the error teaches.
    """

    rule: str
    seed: int
    converted: dict[str, str]
    left: dict[str, str]
    shared: list[tuple[str, ...]] = field(default_factory=list)
    direct: tuple[str, ...] = ()


def convert(
    model: nn.Module,
    rule: str,
    *,
    last: str = "rule",
    seed: int = 0,
    layers: Choice | None = None,
    blocks: Mapping[str, int] | None = None,
) -> Conversion:
    """Let the layers of a model carry their signals back by a rule, and say which do.

    The model is converted where it stands. Its parameters stay the same objects, so an optimiser
    that has them goes on, but for rule ``"kp"``, whose feedback weights are parameters that learn:
    make the optimiser afterwards. A converted model can be converted again. ``rule`` is one of
    ``RULES``, or of a family of :func:`~bioprop.deep.rules.called`. ``last="bp"`` leaves the last
    layer to backpropagation. ``layers`` gives parts of the model, by name, a rule of their own: a
    mapping, or a function of name and module that returns a rule or None; "bp" for a module that
    cannot be converted leaves it as it is. Feedback weights are drawn from ``seed``, layer by layer
    in the order in which the model lists them. What a model computes with the weight of a layer,
    but outside of the layer, is not seen here.

    Under ``"dfa"`` the outputs of ``blocks`` are taught by the error itself, what lies within a
    block by backpropagation: see :class:`~bioprop.deep.direct.Direct`. ``blocks`` maps the names
    of modules to the channels, or units, of their outputs; it may be left out where the model has
    such a mapping as an attribute ``blocks``.

    Raises ``ValueError``, before anything is changed, where a name is unknown or the model has
    a layer that cannot follow its rule.
    """
    if rule in POPULATION_RULES and rule not in RULES:
        raise ValueError(
            f"rule {rule!r} is for populations alone (bioprop.learning); a model of PyTorch learns "
            f"by {', '.join(RULES)}"
        )
    called(rule)
    Streams((seed,))  # or it says what is wrong with the seed
    choose("value of last", last, ("rule", "bp"))
    if any(isinstance(module, Direct) for module in model.modules()):
        raise ValueError("the model is under rule 'dfa' already; convert a fresh one")
    plan, left = _plan(model, rule, layers)
    if last == "bp":
        plan[list(plan)[-1]] = "bp"
    modules = {name: model.get_submodule(name) for name in plan}
    taught = _blocks(model, blocks) if rule == "dfa" else {}
    first: dict[tuple[int, str], Layer] = {}  # of the layers with one weight and one rule
    for index, (name, layer) in enumerate(modules.items()):
        layer.__class__ = KINDS[type(layer)]
        assert isinstance(layer, Layer)
        tied = first.setdefault((id(layer.weight), plan[name]), layer)
        layer.adopt(called(plan[name]), seed, index, None if tied is layer else tied)
    hooks = model._load_state_dict_pre_hooks.values()
    if not any(getattr(hook, "hook", None) is refuse_other_rules for hook in hooks):
        model.register_load_state_dict_pre_hook(refuse_other_rules)
    if taught:
        assert isinstance(layer, Layer)  # the last one, whose outputs are the model's
        teach_directly(model, layer, taught, len(layer.weight), seed)
    return Conversion(rule, seed, plan, left, _shared(model), tuple(taught))


def _plan(
    model: nn.Module, rule: str, layers: Choice | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rule of each layer to be converted, and the reason for each that is not."""
    if isinstance(layers, Mapping):
        names = [name for name, _ in model.named_modules()]
        for name in layers:
            choose("layer", name, names)
    plan: dict[str, str] = {}
    left: dict[str, str] = {}
    for name, module, chosen in _walk("", model, None, layers, set()):
        if chosen is not None:
            _known(name, chosen)
        if type(module) in KINDS and _obstacle(module) is None:
            plan[name] = chosen or rule
        elif isinstance(module, EXACT):
            left[name] = f"{type(module).__name__}: its backward pass is exact"
        elif chosen == "bp":
            left[name] = f"{type(module).__name__}: left to backpropagation, as asked"
        else:
            raise ValueError(_refusal(model, name, module))
    if not plan:
        raise ValueError(f"{type(model).__name__} has no nn.Linear and no nn.Conv2d to convert")
    return plan, left


def _known(layer: str, rule: str) -> None:
    """Raise ``ValueError`` for a rule that a single layer cannot have."""
    try:
        found = called(rule)
    except ValueError as error:
        raise ValueError(f"rule for layer {layer!r}: {error}") from None
    if found.name == "dfa":
        single = [each for each in RULES if each != "dfa"]
        choose(f"rule for layer {layer!r}:", rule, single)


def _walk(
    name: str, module: nn.Module, chosen: str | None, layers: Choice | None, seen: set[nn.Module]
) -> Iterator[tuple[str, nn.Module, str | None]]:
    """Yield what a rule has to be found for: modules with parameters of their own."""
    if module in seen:
        return
    seen.add(module)
    if layers is not None:
        given = layers.get(name) if isinstance(layers, Mapping) else layers(name, module)
        chosen = given or chosen
    own = next(module.parameters(recurse=False), None)
    if own is not None or _obstacle(module) is not None:
        yield name, module, chosen
        return
    for child, below in module.named_children():
        yield from _walk(f"{name}.{child}" if name else child, below, chosen, layers, seen)


def _obstacle(module: nn.Module) -> str | None:
    """Return why a module cannot be converted although it may be of a kind that can be."""
    if isinstance(module, DistributedDataParallel | torch.jit.ScriptModule):
        return "convert a model before it is wrapped or scripted"
    if is_parametrized(module) or _computed(module):
        return "its weight is computed from other parameters; remove the parametrisation first"
    if any(is_lazy(p) for p in module.parameters(recurse=False)):
        return "its size is not known yet; run a batch through the model first"
    return None


def _computed(module: nn.Module) -> bool:
    return type(module) in KINDS and "weight" not in module._parameters


def _refusal(model: nn.Module, name: str, module: nn.Module) -> str:
    """Say why a module is refused and what can be done."""
    kind = type(module).__name__
    reason = _obstacle(module)
    if reason is None and isinstance(module, (nn.Linear, nn.Conv2d)):
        reason = "it is a subclass of nn.Linear or nn.Conv2d with code of its own"
    reason = reason or "only nn.Linear and nn.Conv2d have feedback weights here"
    able = any(type(m) in KINDS and _obstacle(m) is None for m in model.modules())
    if not able:
        advice = "There is nothing else in the model that could be, so no rule can teach it"
    elif not name:
        advice = (
            "Parameters of the model itself belong in a module within it, which can then be named: "
            "layers={'its name': 'bp'}"
        )
    else:
        advice = f"To leave it to backpropagation, name it: layers={{{name!r}: 'bp'}}"
    layer = f"layer {name!r}, a {kind}," if name else f"the model, a {kind},"
    return f"{layer} cannot be converted: {reason}. {advice}"


def _blocks(model: nn.Module, blocks: Mapping[str, int] | None) -> Mapping[str, int]:
    """Return the blocks to be taught directly, with the channels of their outputs."""
    blocks = getattr(model, "blocks", None) if blocks is None else blocks
    if not isinstance(blocks, Mapping) or not blocks:
        raise ValueError(
            "rule 'dfa' teaches the outputs of blocks: give their names and channels, such as "
            "blocks={'layer1': 64, 'layer2': 128}"
        )
    names = [name for name, _ in model.named_modules()]
    for name, channels in blocks.items():
        choose("module", name, names)
        if not isinstance(channels, int) or channels < 1:
            raise ValueError(f"block {name!r} has 1 channel or more, not {channels!r}")
    return blocks


def _shared(model: nn.Module) -> list[tuple[str, ...]]:
    """Group the names, all of them, of layers that have one weight and one rule."""
    names: dict[tuple[int, str], list[str]] = {}
    for name, layer in model.named_modules(remove_duplicate=False):
        if isinstance(layer, Layer):
            names.setdefault((id(layer.weight), layer.rule), []).append(name)
    return [tuple(group) for group in names.values() if len(group) > 1]
