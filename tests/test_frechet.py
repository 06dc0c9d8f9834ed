import numpy as np
import pytest
from scipy import linalg

from percgen import metrics


def draw(count, size, seed):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=[size, size]) + np.eye(size)
    return rng.normal(size=[count, size]) @ mixed + rng.normal(size=size)


def test_is_what_scipy_says():
    one, other = draw(300, 6, 0), draw(200, 6, 1)
    c, d = np.cov(one.T), np.cov(other.T)
    expected = np.square(one.mean(0) - other.mean(0)).sum()
    expected += np.trace(c + d - 2.0 * linalg.sqrtm(c @ d).real)
    found = metrics.frechet_distance(one, other)
    assert found == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet_distance(other, one) == pytest.approx(found)


def test_of_gaussians_along_the_axes():
    """Where the root of the product is the product of roots."""
    signs = np.array([[x, y] for x in (-1.0, 1.0) for y in (-1.0, 1.0)])
    one, other = signs * [1.0, 3.0], signs * [2.0, 3.0] + [0.0, 5.0]
    unbiased = 4.0 / 3.0  # Of four rows.
    assert metrics.frechet_distance(one, other) == pytest.approx(
        25.0 + unbiased * (2.0 - 1.0) ** 2
    )


def test_of_a_set_to_itself_is_zero():
    few = draw(10, 40, 2)  # Fewer pictures than features.
    assert metrics.frechet_distance(few, few) == pytest.approx(0.0, abs=1e-5)
    one = draw(10, 1, 2)
    assert metrics.frechet_distance(one, one + 2.0) == pytest.approx(4.0)


@pytest.mark.parametrize(
    "shapes", [([1, 3], [4, 3]), ([4, 3], [4, 2]), ([4], [4]), ([4, 2, 2],) * 2]
)
def test_sets_that_are_none_are_refused(shapes):
    with pytest.raises(ValueError, match="Received: shapes"):
        metrics.frechet_distance(*map(np.zeros, shapes))
