import numpy as np
import pytest

from percgen import losses

WEIGHTS = {"edges": 2.0, "colours": 0.5}


def comparator(images):
    """Gives features simple enough to compute in NumPy too."""
    return {"edges": images[:, 1:] - images[:, :-1], "colours": images * 3.0}


@pytest.fixture
def noisy(photographs):
    noise = np.random.default_rng(0).normal(0.0, 0.1, photographs.shape)
    return np.clip(photographs + noise, 0, 1).astype(np.float32)


def test_feature_loss_is_its_formula(photographs, noisy):
    actual = losses.FeatureLoss(comparator, WEIGHTS).call(photographs, noisy)
    difference = (noisy - photographs).astype(np.float64)
    expected = 2.0 * np.mean(np.diff(difference, axis=1) ** 2, axis=(1, 2, 3))
    expected += 0.5 * np.mean((3.0 * difference) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


def test_style_loss_is_its_formula(photographs, noisy):
    def gram(x):
        flat = x.astype(np.float64).reshape(4, -1, 3)
        return np.einsum("bpi,bpj->bij", flat, flat) / flat[0].size

    actual = losses.StyleLoss(comparator, WEIGHTS).call(photographs, noisy)
    expected = np.zeros(4)
    for layer, weight in WEIGHTS.items():
        true, pred = comparator(photographs)[layer], comparator(noisy)[layer]
        expected += weight * np.mean(
            (gram(true) - gram(pred)) ** 2, axis=(1, 2)
        )
    np.testing.assert_allclose(actual, expected, rtol=1e-3)


def test_style_may_have_another_size(photographs):
    style = photographs[:1, :40, :50]
    values = losses.StyleLoss(comparator, WEIGHTS).call(style, photographs)
    assert values.shape == [4]


def test_total_variation_ignores_the_target(photographs, noisy):
    loss = losses.TotalVariationLoss()
    values = loss.call(noisy, photographs)
    np.testing.assert_array_equal(values, loss.call(photographs, photographs))
    assert np.all(loss.call(noisy, noisy) > values)


@pytest.mark.parametrize("kind", [losses.FeatureLoss, losses.StyleLoss])
def test_no_layers_raise(kind):
    with pytest.raises(ValueError, match="at least one layer"):
        kind(comparator, {})


def test_an_unknown_exponent_raises():
    with pytest.raises(ValueError, match="exponent=0"):
        losses.TotalVariationLoss(exponent=0)
