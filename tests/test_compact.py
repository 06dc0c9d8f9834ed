"""Compact as it lies in the package."""

import numpy as np
import pytest
from conftest import ROOT

from percgen import comparators
from percgen import losses

LAYERS = ["relu1_2", "relu2_2", "relu3_1"]
PRETRAINED = ROOT / "percgen" / "pretrained"


def test_is_the_default_and_needs_nothing(photographs):
    compact = comparators.Compact()
    assert "compact.npz" in compact.provenance
    assert compact(photographs)["relu2_2"].shape == (4, 32, 32, 64)


def test_is_small_and_has_a_card():
    assert (PRETRAINED / "compact.npz").stat().st_size < 2e6
    card = (PRETRAINED / "compact.md").read_text()
    for part in ("How it was trained", "On what", "Licence", "Measured"):
        assert part in card


def test_was_taught(photographs):
    """Blur takes more from what a trained network sees than from random."""
    spoilt = photographs.copy()
    spoilt[:, ::2], spoilt[:, 1::2] = photographs[:, 1::2], photographs[:, ::2]
    brighter = np.clip(photographs + 0.02, 0.0, 1.0)
    for layer in LAYERS:
        loss = losses.FeatureLoss(comparators.Compact([layer]), {layer: 1.0})
        far = np.mean(loss.call(photographs, spoilt))
        assert far > 3 * np.mean(loss.call(photographs, brighter))


@pytest.mark.parametrize("layer", LAYERS)
def test_finds_apart_what_vgg19_finds_apart(layer, shared, photographs):
    file = shared / "data/weights/vgg19_keras_block1-3.npz"
    vgg = comparators.VGG19([layer], str(file))
    compact = comparators.Compact([layer])
    true, pred = _pairs(photographs)
    there, here = (
        np.asarray(losses.FeatureLoss(c, {layer: 1.0}).call(true, pred))
        for c in (vgg, compact)
    )
    assert np.corrcoef(np.log(there), np.log(here))[0, 1] > 0.9


def _pairs(photographs):
    """Returns photographs, and each of them spoilt in several ways."""
    random = np.random.default_rng(0)
    spoilt = []
    for strength in (0.02, 0.05, 0.1, 0.2):
        noise = random.normal(size=photographs.shape) * strength
        shift = round(strength * 50)
        spoilt += [
            photographs + noise,
            photographs * (1 - strength),
            np.roll(photographs, shift, axis=1),
            photographs * (1 - strength) + photographs[:, ::-1] * strength,
        ]
    pred = np.clip(np.concatenate(spoilt), 0.0, 1.0).astype(np.float32)
    return np.concatenate([photographs] * len(spoilt)), pred
