import numpy as np
import pytest
import tensorflow as tf

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
    expected = odd[:, :62, :60].reshape(4, 31, 2, 30, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(ops.halve(odd), expected, atol=1e-6)
