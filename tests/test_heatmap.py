"""Where a comparator sees a difference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import comparators
from percgen import images
from percgen import losses
from percgen import networks
from percgen import tasks

WEIGHTS = {"edges": 2.0, "colours": 0.5, "coarse": 1.0}


def comparator(images):
    """Gives features of three sizes, simple enough for NumPy too."""
    return {
        "edges": images[:, 1:] - images[:, :-1],
        "colours": images * 3.0,
        "coarse": images[:, ::4, ::4],
    }


@pytest.fixture(scope="module")
def vgg():
    return comparators.VGG19(["relu2_2"], weights="random")


@pytest.fixture
def noisy(photographs):
    noise = np.random.default_rng(0).normal(0.0, 0.1, photographs.shape)
    return np.clip(photographs + noise, 0, 1).astype(np.float32)


def enlarged(values, size):
    """Interpolates `[B, h, w]` linearly between centres of pixels."""
    for axis, length in enumerate(size, 1):
        old = values.shape[axis]
        at = (np.arange(length) + 0.5) * old / length - 0.5
        values = np.apply_along_axis(
            lambda line, at=at, old=old: np.interp(at, np.arange(old), line),
            axis,
            values,
        )
    return values


def test_a_map_is_its_formula(photographs, noisy):
    actual = losses.FeatureLoss(comparator, WEIGHTS).map(photographs, noisy)
    true, pred = comparator(photographs), comparator(noisy)
    expected = sum(
        weight
        * enlarged(((true[name] - pred[name]) ** 2).mean(axis=-1), [64, 64])
        for name, weight in WEIGHTS.items()
    )
    assert keras.backend.standardize_dtype(actual.dtype) == "float32"
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "tolerance"), [("colours", 1e-5), ("edges", 0.02)]
)
def test_its_mean_is_the_loss(layer, tolerance, photographs, noisy):
    loss = losses.FeatureLoss(comparator, {layer: 2.0})
    means = np.mean(loss.map(photographs, noisy), axis=(1, 2))
    expected = loss.call(photographs, noisy)
    np.testing.assert_allclose(means, expected, rtol=tolerance)


def test_one_target_serves_all(photographs, noisy):
    loss = losses.FeatureLoss(comparator, WEIGHTS)
    actual = loss.map(photographs[:1], noisy)
    assert actual.shape == (4, 64, 64)
    alone = loss.map(photographs[:1], noisy[2:3])
    np.testing.assert_allclose(actual[2], alone[0], rtol=1e-6)


def test_a_change_lights_up_where_it_is(photographs, vgg):
    loss = losses.FeatureLoss(vgg, {"relu2_2": 1.0})
    changed = photographs[:1].copy()
    changed[:, 40:44, 12:16] = 1.0 - changed[:, 40:44, 12:16]
    where = np.asarray(loss.map(photographs[:1], changed))[0]
    assert where.shape == (64, 64)
    assert np.isfinite(where).all()
    row, column = np.unravel_index(where.argmax(), where.shape)
    assert 38 <= row < 46
    assert 10 <= column < 18
    # relu2_2 sees 14 pixels; enlarging adds two at most.
    near = np.zeros([64, 64], bool)
    near[40 - 9 : 44 + 9, 12 - 9 : 16 + 9] = True
    assert where[near].max() > 0
    np.testing.assert_array_equal(where[~near], 0)
    mean = where.mean()
    np.testing.assert_allclose(
        mean, loss.call(photographs[:1], changed)[0], rtol=1e-4
    )


def test_a_map_refuses_what_the_loss_refuses(photographs):
    loss = losses.FeatureLoss(comparator, WEIGHTS)
    with pytest.raises(ValueError, match="the same shape"):
        loss.map(photographs, photographs[:, :40])
    with pytest.raises(ValueError, match="y_pred.*0-255"):
        loss.map(photographs, photographs * 255)


def test_style_has_no_place(photographs):
    loss = losses.StyleLoss(comparator, WEIGHTS)
    with pytest.raises(ValueError, match="`style` .* lost place: it has no"):
        loss.map(photographs, photographs)


def test_a_task_shows_where_its_terms_differ(photographs, vgg):
    task = tasks.Stylize(
        networks.StyleGenerator(width=4),
        losses.FeatureLoss(vgg, {"relu2_2": 1.0}),
        losses.StyleLoss(vgg, {"relu2_2": 1.0}),
        photographs[:1],
        {"feature": 1.0, "style": 1.0, "total_variation": 0.0},
    )
    maps = task.maps(tf.constant(photographs))
    assert set(maps) == {"feature"}
    expected = task.feature.map(photographs, task(photographs))
    np.testing.assert_allclose(maps["feature"], expected, rtol=1e-5)
    plain = tasks.Task(task.generator, {"a": 1.0}, "plain")
    assert plain.maps(photographs) == {}


def test_heat_grows_with_the_root():
    squares = np.linspace(0, 1, 101, dtype=np.float32)[None] ** 2 * 7
    drawn = images.heat(squares, 7.0)
    assert drawn.shape == (1, 101, 3)
    assert drawn.dtype == np.uint8
    luma = drawn[0] @ [0.299, 0.587, 0.114]
    assert luma[0] < 4
    assert np.all(np.diff(luma) > 0)
    # Equal steps of the root look about equal.
    assert luma[50] == pytest.approx(luma[-1] / 2, rel=0.25)
    np.testing.assert_array_equal(
        images.heat(squares * 9, 7.0)[0, -1], drawn[0, -1]
    )


def test_heat_of_nothing_is_black():
    assert images.heat(np.zeros([4, 5]), 0.0).max() < 8


def test_the_brightest_leaves_out_outliers():
    squares = np.ones([100, 100])
    squares[0, :10] = 1e6
    assert images.brightest(squares) == 1.0
