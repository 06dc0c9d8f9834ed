import numpy as np
import pytest
import tensorflow as tf

from percgen import descent

# A bowl, ten times as steep along one axis, whose bottom lies outside a box.
STEEP = np.array([[1.0, 10.0], [1.0, 10.0]], np.float32)
BOTTOM = np.array([[0.3, -0.5], [1.7, 0.6]], np.float32)
FOUND = np.array([[0.3, 0.0], [1.0, 0.6]])  # Within [0, 1].
NEAR = 3e-3  # Nearer a float32 value of 3, as there, does not tell.


def bowl(x, unit=1.0):
    return unit * tf.reduce_sum(STEEP * tf.square(x - BOTTOM))


@pytest.fixture
def slope():
    return descent.differentiate(bowl)


def test_the_slope_is_the_derivative(slope):
    x = tf.constant([[0.5, 0.5], [0.5, 0.5]])
    value, gradient = slope(x, 3.0)
    np.testing.assert_allclose(value, 3.0 * (0.04 + 10 + 1.44 + 0.1), rtol=1e-6)
    np.testing.assert_allclose(gradient, 6.0 * STEEP * (x - BOTTOM), rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e9])
def test_lbfgs_finds_the_lowest_place_in_the_box(slope, unit):
    start = np.full([2, 2], 0.9)
    found = descent.lbfgs(slope, start, (0.0, 1.0), 50, [tf.constant(unit)])
    np.testing.assert_allclose(found, FOUND, atol=NEAR)
    assert found.min() >= 0.0
    assert found.max() <= 1.0


def test_adam_finds_it_too(slope):
    start = np.full([2, 2], 0.9)
    for unit in (1e-12, 1.0):
        found = descent.adam(
            slope, start, (0.0, 1.0), 300, 0.05, [tf.constant(unit)]
        )
        np.testing.assert_allclose(found, FOUND, atol=NEAR)
        assert found.min() >= 0.0
        assert found.max() <= 1.0


def test_each_step_is_told(slope):
    told = []

    def watch(step, value, x):
        np.testing.assert_allclose(value, bowl(x.astype(np.float32)), rtol=1e-5)
        told.append((step, value))

    descent.adam(slope, np.ones([2, 2]), (0.0, 1.0), 7, 0.05, (), watch)
    assert [step for step, _ in told] == list(range(1, 8))
    told.clear()
    descent.lbfgs(slope, np.ones([2, 2]), (0.0, 1.0), 4, (), watch)
    steps, values = zip(*told, strict=True)
    assert steps == tuple(range(1, len(steps) + 1))
    assert len(steps) <= 4
    assert list(values) == sorted(values, reverse=True)


def test_a_start_outside_is_brought_in(slope):
    outside = np.array([[-7.0, 9.0], [0.2, 3.0]])
    found = descent.lbfgs(slope, outside, (0.0, 1.0), 50)
    np.testing.assert_allclose(found, FOUND, atol=NEAR)


def test_where_all_is_flat_it_stays():
    slope = descent.differentiate(lambda x: tf.reduce_sum(0.0 * x))
    start = np.full([3], 0.25)
    for find in (
        descent.lbfgs(slope, start, (0.0, 1.0), 5),
        descent.adam(slope, start, (0.0, 1.0), 5, 0.1),
    ):
        np.testing.assert_array_equal(find, start)


def test_what_is_not_finite_is_refused():
    slope = descent.differentiate(lambda x: tf.reduce_sum(tf.math.log(x - 2.0)))
    with pytest.raises(ValueError, match="not finite but nan"):
        descent.lbfgs(slope, np.ones([2]), (0.0, 1.0), 5)
