"""Autoencoders and activations: references, targets that are images, and what claims measure."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bioprop import studies
from bioprop.book.claims import judge
from bioprop.book.records import make
from bioprop.learning import Training
from bioprop.learning.rules.targets import TargetPropagation
from bioprop.studies.bartunov2018 import autoencoder, autoencoder_pictures
from bioprop.studies.bartunov2018.methods import MethodSettings, prepare
from bioprop.studies.journal import Journal
from bioprop.tasks.images import load
from bioprop.tasks.reconstruct import Reconstruction, pixel_error, principal, references

DIGITS = load("digits")
EXACT = {"precision": "float64", "members": 2, "batch": 50}


def population(variant: str, **changes: Any) -> tuple[MethodSettings, Training, Reconstruction]:
    settings = studies.get("autoencoder").configure("smoke", variant, **{**EXACT, **changes})
    training, task = autoencoder.prepare(settings, settings.streams())
    return settings, training, task


# References


@pytest.mark.parametrize("units", [1, 8, 40])
def test_the_bound_of_a_narrow_linear_network_equals_a_direct_computation(units: int) -> None:
    train, test = (images.double().numpy() / 255 for images in (DIGITS.train, DIGITS.test))
    mean = train.mean(0)
    _, _, axes = np.linalg.svd(train - mean, full_matrices=False)
    back = mean + (test - mean) @ axes[:units].T @ axes[:units]
    found = references(DIGITS.train, DIGITS.test, units)
    assert found["components"] == pytest.approx(((test - back) ** 2).mean(), rel=1e-9)
    assert found["mean-image"] == pytest.approx(((test - mean) ** 2).mean(), rel=1e-12)


def test_no_linear_map_through_as_few_units_does_better_on_the_images_that_are_known() -> None:
    known = DIGITS.train.double() / 255
    centred = known - known.mean(0)
    axes = principal(centred, 8)
    least = (centred - centred @ axes @ axes.T).square().mean()
    for seed in range(20):
        turned = axes + 0.05 * torch.randn(axes.shape, generator=torch.manual_seed(seed)).double()
        encoded = centred @ turned
        decoder = torch.linalg.lstsq(encoded, centred).solution  # the best for this encoder
        assert (centred - encoded @ decoder).square().mean() > least


def test_more_components_than_pixels_are_refused() -> None:
    for units in (0, 65):
        with pytest.raises(ValueError, match=f"{units} principal components .* give 1 to 64"):
            references(DIGITS.train, DIGITS.test, units)


def test_the_error_is_the_mean_square_over_pixels_and_a_lost_member_has_none() -> None:
    _, training, task = population("bp")
    x, answers = task.test()
    y = training.network.forward(x.expand(2, *x.shape))[-1]
    expected = (y - answers).square().mean((1, 2))
    torch.testing.assert_close(pixel_error(training.network, x, answers, chunk=70), expected)
    training.network.weights[0][1] = torch.nan
    assert pixel_error(training.network, x, answers).isnan().tolist() == [False, True]


# Targets that are images


def test_the_target_is_the_image_that_is_shown() -> None:
    _, training, task = population("bp")
    x, target = task(3)
    assert torch.equal(x, target) and x.shape == (2, 50, 64)
    assert training.network.activations == ["tanh", "tanh", "tanh", "logistic"]
    assert training.network.loss == "squared"
    again, _ = super(Reconstruction, task).__call__(3)
    assert torch.equal(x, again), "the order is that of the classification"


def learnt(variant: str) -> tuple[Training, Any, list[torch.Tensor], Any]:
    """Return a population with inverses that have learnt a little, a trial and its gaps."""
    settings, training, task = population(variant)
    training.until(30)
    trial = training.network.present(*task(30), 30)
    assert isinstance(training.rule, TargetPropagation)
    gaps = training.rule.gaps(training.network, training.state, trial)
    return training, trial, gaps, settings


def inverse(training: Training, layer: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return ``tanh(x V + c)`` of a layer, from its weights."""
    kept = training.state["inverses"]
    place = kept.place(layer)
    V, c = training.state["V"][place], training.state["c"][place]
    assert V.any() and c.any(), "it has learnt"
    return lambda x: torch.tanh(x @ V + c)


def test_the_targets_of_sdtp_start_at_the_image() -> None:
    training, trial, gaps, _ = learnt("sdtp-alternating")
    h, image = trial.activities, trial.activities[0]
    g = {layer: inverse(training, layer) for layer in (1, 2, 3)}
    target = h[3] + g[3](image) - g[3](h[4])
    for layer, gap in zip((3, 2, 1), gaps[::-1], strict=True):
        torch.testing.assert_close(gap, h[layer] - target)
        if layer > 1:
            target = h[layer - 1] + g[layer - 1](target) - g[layer - 1](h[layer])


def test_the_targets_of_dtp_start_at_a_step_against_the_squared_error() -> None:
    training, trial, gaps, settings = learnt("dtp-alternating")
    h = trial.activities
    W, b = training.network.weights[3], training.network.biases[3]
    top = h[3].clone().requires_grad_()
    loss = 0.5 * (torch.sigmoid(top @ W + b) - h[0]).square().sum()
    (slope,) = torch.autograd.grad(loss, top)
    target = h[3] - settings.alpha * slope
    g = {layer: inverse(training, layer) for layer in (1, 2)}
    for layer, gap in zip((3, 2, 1), gaps[::-1], strict=True):
        torch.testing.assert_close(gap, h[layer] - target)
        if layer > 1:
            target = h[layer - 1] + g[layer - 1](target) - g[layer - 1](h[layer])


@pytest.mark.parametrize("variant", autoencoder.VARIANTS)
def test_every_method_lowers_the_error_of_an_autoencoder(variant: str) -> None:
    settings, training, task = population(variant, rate=3e-3)
    x, answers = task.test()
    before = pixel_error(training.network, x, answers)
    hidden = [W.clone() for W in training.network.weights[:-1]]
    training.until(20 * settings.turns * settings.each_epoch // settings.batch)
    after = pixel_error(training.network, x, answers)
    mean_image = references(task.images.train, task.images.test, 8)["mean-image"]
    assert (before > 2 * mean_image).all() and (after < mean_image).all()
    moved = [not torch.equal(*pair) for pair in zip(hidden, training.network.weights, strict=False)]
    assert moved == [variant != "shallow"] * 3


def test_a_method_whose_hidden_layers_are_not_taught_has_no_angle() -> None:
    for variant, there in (("shallow", False), ("dtp-alternating", True)):
        settings = studies.get("autoencoder").configure("smoke", variant, epochs=1)
        journal = Journal()
        studies.get("autoencoder").run(settings, journal)
        table = journal.table()
        assert ("angle-1" in table) is there
        assert table["components"].nunique() == table["mean-image"].nunique() == 1
        assert (table["components"] < table["mean-image"]).all()


# Pictures


def test_the_pictures_are_the_first_of_each_class_and_what_the_first_network_returns() -> None:
    study = studies.get("autoencoder-pictures")
    settings = study.configure("smoke", "bp", precision="float64")
    journal = Journal()
    study.run(settings, journal)
    run = SimpleNamespace(table=journal.table())
    shown = autoencoder_pictures.pictures(run, "original")  # type: ignore[arg-type]
    labels = DIGITS.test_labels.tolist()
    places = [labels.index(digit) for digit in range(10)]
    assert shown == pytest.approx(DIGITS.test[places].numpy() / 255, abs=5e-4)
    _, training, _ = population("bp", members=3, batch=100)
    training.until(2 * settings.each_epoch // settings.batch)
    x = DIGITS.test[places].double() / 255
    expected = training.network.forward(x.expand(3, 10, 64))[-1][0]
    back = autoencoder_pictures.pictures(run, "reconstruction")  # type: ignore[arg-type]
    assert back == pytest.approx(expected.numpy(), abs=6e-4)


# Activations


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_network_and_its_inverses_have_the_activation_that_is_set(activation: str) -> None:
    settings = studies.get("activations").configure("smoke", "sdtp-alternating")
    assert settings.activation == "tanh"
    changed = studies.get("activations").configure(
        "smoke", "sdtp-alternating", activation=activation
    )
    training, _ = prepare(changed, changed.streams())
    assert training.network.activations == [activation] * 2 + ["softmax"]
    assert training.state["inverses"].network.activations == [activation] * 2


def test_an_activation_that_no_study_has_is_refused() -> None:
    with pytest.raises(ValueError, match="setting activation = 'logistic'"):
        studies.get("activations").configure("smoke", "bp", activation="logistic")


# What the claims measure


def record(study: str, variant: str, error: float, start: float, **constant: float) -> Any:
    """Return a record at the reduced tier whose three networks end at about ``error``."""
    settings = studies.get(study).configure("reduced", variant)
    journal = Journal()
    journal.label(seed=settings.seeds)
    spread = torch.tensor([0.99, 1.0, 1.01], dtype=torch.float64)
    for mark, level in ((0, start), (1000, error)):
        columns = {name: torch.full((3,), value) for name, value in constant.items()}
        journal.write(mark, error=level * spread, validation=level * spread, **columns)
    return make(studies.get(study), "reduced", variant, settings, journal)


def verdicts(study: str, errors: dict[str, float], start: float, **constant: float) -> pd.Series:
    runs = {name: record(study, name, error, start, **constant) for name, error in errors.items()}
    chosen = studies.get(study)
    return pd.Series({c.id: judge(chosen, c, runs, "reduced").verdict for c in chosen.claims})


AUTOENCODERS = {"start": 0.23, "mean-image": 0.07, "components": 0.009}
TAUGHT = ("bp", "dtp-alternating", "sdtp-alternating", "shallow")


@pytest.mark.parametrize(
    "errors, expected",
    [
        ((0.003, 0.004, 0.006, 0.03), {}),
        ((0.010, 0.011, 0.012, 0.03), {"components": "not reproduced"}),
        ((0.020, 0.025, 0.030, 0.07), {"components": "not reproduced", "mean-image": "partly"}),
        ((0.003, 0.002, 0.001, 0.03), {"above": "not reproduced"}),
        ((0.003, 0.004, 0.006, 0.0065), {"hidden": "partly"}),
        ((0.003, 0.004, 0.006, 0.0035), {"hidden": "not reproduced"}),
    ],
)
def test_claims_about_autoencoders_can_fail(
    errors: tuple[float, ...], expected: dict[str, str]
) -> None:
    found = verdicts("autoencoder", dict(zip(TAUGHT, errors, strict=True)), **AUTOENCODERS)
    for id, verdict in found.items():
        special = [word for part, word in expected.items() if part in str(id)]
        assert verdict == (special or ["reproduced"])[0], id


@pytest.mark.parametrize(
    "relu, expected",
    [
        ({}, {"dtp": "reproduced", "bp": "reproduced", "dtp-more-than-bp": "reproduced"}),
        ({"dtp-alternating": 2.0}, {"dtp": "not reproduced", "dtp-more-than-bp": "not reproduced"}),
        ({"bp": 4.0}, {"bp": "not reproduced", "dtp-more-than-bp": "not reproduced"}),
        ({"sdtp-alternating": 1.0, "fa": 4.0}, {"sdtp": "not reproduced", "fa": "not reproduced"}),
    ],
)
def test_claims_about_activations_can_fail(
    relu: dict[str, float], expected: dict[str, str]
) -> None:
    tanh = {"bp": 2.0, "fa": 2.2, "dtp-alternating": 2.2, "sdtp-alternating": 2.4}
    worse = {"bp": 2.1, "fa": 2.3, "dtp-alternating": 3.0, "sdtp-alternating": 3.5} | relu
    errors = tanh | {f"{name}-relu": error for name, error in worse.items()}
    found = verdicts("activations", errors, 90.0)
    for name in ("bp", "fa", "dtp", "sdtp", "dtp-more-than-bp"):
        assert found[f"activations-{name}"] == expected.get(name, "reproduced"), name


def test_the_networks_are_those_of_the_figures() -> None:
    _, training, _ = population("bp")
    shapes = [layer.weight_shape for layer in training.network.layers]
    assert shapes == [(64, 32), (32, 8), (8, 32), (32, 64)], "of the live run"
    for variant in autoencoder.VARIANTS:
        settings = studies.get("autoencoder").configure("reduced", variant)
        assert (settings.images, settings.hidden) == ("mnist", (512, 64, 512))
        assert (settings.reads, settings.step) == ("output", 1.0)
