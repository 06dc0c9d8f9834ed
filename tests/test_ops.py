import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from percgen import ops


def test_gram_is_its_formula(photographs):
    actual = ops.gram(photographs)
    for image, gram in zip(photographs.astype(np.float64), actual, strict=True):
        flat = image.reshape(-1, 3)
        np.testing.assert_allclose(gram, flat.T @ flat / flat.size, rtol=1e-5)


def test_gram_knows_what_but_not_where(photographs):
    rolled = np.roll(photographs, [7, -5], axis=[1, 2])
    np.testing.assert_allclose(
        ops.gram(photographs), ops.gram(rolled), rtol=1e-5
    )


def test_gram_does_not_overflow_in_float16():
    features = tf.fill([1, 64, 64, 2], tf.constant(300.0, tf.float16))
    np.testing.assert_allclose(ops.gram(features), np.full([1, 2, 2], 45000.0))


def test_total_variation_agrees_with_tensorflow(photographs):
    # TensorFlow's sums over a square of n x n; ours averages n (n - 1) pairs.
    expected = tf.image.total_variation(tf.constant(photographs)) / (
        64 * 63 * 3
    )
    actual = ops.total_variation(photographs, exponent=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_squared_total_variation_is_its_formula(photographs):
    double = photographs.astype(np.float64)
    expected = np.mean(np.diff(double, axis=1) ** 2, axis=(1, 2, 3))
    expected += np.mean(np.diff(double, axis=2) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(
        ops.total_variation(photographs), expected, rtol=1e-5
    )


def test_total_variation_of_an_unknown_exponent_raises(photographs):
    with pytest.raises(ValueError, match="exponent=3"):
        ops.total_variation(photographs, exponent=3)


def test_halving_averages_fours(photographs):
    odd = photographs[:, :63, :61]
    even = np.concatenate([odd, odd[:, -1:]], axis=1)
    even = np.concatenate([even, even[:, :, -1:]], axis=2)
    expected = even.reshape(4, 32, 2, 31, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(ops.halve(odd), expected, atol=1e-6)


def test_luma_is_the_standard_one():
    # BT.601: black 16, white 235, and 219 times .299, .587, .114 between.
    colours = np.eye(3, dtype=np.float32)[:, None, None]
    extremes = np.stack([np.zeros([1, 1, 3]), np.ones([1, 1, 3])])
    actual = ops.luma(np.concatenate([colours, extremes.astype(np.float32)]))
    expected = np.array([219 * 0.299, 219 * 0.587, 219 * 0.114, 0, 219]) + 16
    np.testing.assert_allclose(
        np.ravel(actual) * 255, expected, rtol=1e-6, atol=1e-4
    )


@pytest.mark.parametrize("side", [11, 24, 37])
def test_blur_is_scipys(photographs, side):
    images = photographs[:, :side, : side + 9]
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    expected = images.astype(np.float64)
    for axis in (1, 2):
        expected = ndimage.correlate1d(expected, taps, axis, mode="constant")
    valid = ops.blur(images, 11, 1.5, "valid")
    np.testing.assert_allclose(valid, expected[:, 5:-5, 5:-5], atol=1e-6)
    weight = np.ones_like(expected)
    for axis in (1, 2):
        weight = ndimage.correlate1d(weight, taps, axis, mode="constant")
    same = ops.blur(images, 11, 1.5, "same")
    np.testing.assert_allclose(same, expected / weight, atol=1e-6)


@pytest.mark.parametrize("border", ["valid", "same"])
@pytest.mark.parametrize("channels", [3, 24])
def test_spread_is_the_transpose_of_blur(border, channels):
    random = np.random.default_rng(0)
    images = random.normal(size=[2, 19, 23, channels]).astype(np.float32)
    blurred = np.asarray(ops.blur(images, 11, 1.5, border))
    maps = random.normal(size=blurred.shape).astype(np.float32)
    spread = np.asarray(ops.spread(maps, 11, 1.5, border))
    assert spread.shape == images.shape
    np.testing.assert_allclose(
        np.sum(blurred * maps), np.sum(images * spread), rtol=1e-4
    )


def test_squares_to_channels_and_back_are_tensorflows():
    features = np.random.default_rng(0).normal(size=[2, 6, 9, 5]).astype("f")
    deep = ops.space_to_depth(features, 3)
    np.testing.assert_array_equal(deep, tf.nn.space_to_depth(features, 3))
    np.testing.assert_array_equal(ops.depth_to_space(deep, 3), features)
