import numpy as np
import pytest
import tensorflow as tf

from percgen import inversion
from percgen import ops


def halved(pictures):
    return ops.halve(pictures)


@pytest.fixture(scope="module")
def small(photographs):
    return photographs[:2, 16:48, 16:48]


@pytest.fixture(scope="module")
def features(small):
    return halved(small).numpy()


def test_finds_pictures_that_have_the_features(small, features):
    found = inversion.invert(halved, features, 32, 1e-2, 0.0)
    assert found.shape == small.shape
    assert found.dtype == np.float32
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    missed = np.square(halved(found) - features).sum((1, 2, 3))
    assert np.all(missed < 1e-3 * np.square(features).sum((1, 2, 3)))
    # And of those that have them, smoother than pixels four times over.
    blocks = features.repeat(2, axis=1).repeat(2, axis=2)
    rough = ops.total_variation(blocks)
    assert np.all(ops.total_variation(found) < 0.9 * rough)


def test_the_objective_is_that_of_the_docstring(features):
    """Whatever is near to what it found is worse."""
    weights = {"total_variation": 0.2, "norm": 0.3}
    found = inversion.invert(halved, features[:1], 32, **weights, steps=300)

    def judge(picture):
        z = 2.0 * picture - 1.0
        missed = tf.reduce_sum((halved(picture) - features[:1]) ** 2)
        return float(
            missed / np.square(features[:1]).sum()
            + 0.2 * ops.total_variation(z)[0]
            + 0.3 * tf.reduce_mean(z**6)
        )

    best = judge(found)
    rng = np.random.default_rng(0)
    for _ in range(20):
        nudge = rng.normal(scale=3e-3, size=found.shape).astype(np.float32)
        assert judge(np.clip(found + nudge, 0.0, 1.0)) > best


def test_the_prior_smooths(features):
    rough, smooth = (
        inversion.invert(halved, features[:1], 32, weight, 0.0, steps=60)
        for weight in (1e-4, 3.0)
    )
    assert ops.total_variation(smooth) < 0.3 * ops.total_variation(rough)


def test_what_it_refuses(features):
    with pytest.raises(ValueError, match=r"\[B, 16, 16, 3\].*\(2, 8, 16, 3\)"):
        inversion.invert(halved, features[:, ::2], 32)
    with pytest.raises(ValueError, match="all zeros"):
        inversion.invert(halved, features * [[[[0.0]]], [[[1.0]]]], 32)
