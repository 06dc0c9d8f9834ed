import keras
import numpy as np
import pytest
from backends import gradient
from scipy import stats
from skimage import metrics as skimage_metrics

from percgen import comparators
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


def test_pixel_losses_are_their_formulas(photographs, noisy):
    difference = noisy.astype(np.float64) - photographs
    for function, each in (
        (losses.l1, np.abs(difference)),
        (losses.l2, difference**2),
        (losses.charbonnier, np.sqrt(difference**2 + 1e-6)),
    ):
        actual = function(photographs, noisy)
        np.testing.assert_allclose(actual, each.mean((1, 2, 3)), rtol=1e-5)


def test_psnr_is_scikit_images(photographs, noisy):
    for one, true, pred in zip(
        losses.psnr(photographs, noisy), photographs, noisy, strict=True
    ):
        expected = skimage_metrics.peak_signal_noise_ratio(
            true.astype(np.float64), pred.astype(np.float64), data_range=1.0
        )
        assert float(one) == pytest.approx(expected, rel=1e-5)
    assert np.isinf(losses.psnr(photographs, photographs)).all()


@pytest.mark.parametrize("epsilon", [0.0, -1.0])
def test_charbonnier_needs_an_epsilon(photographs, epsilon):
    with pytest.raises(ValueError, match=f"epsilon={epsilon}"):
        losses.CharbonnierLoss(epsilon)
    with pytest.raises(ValueError, match=f"epsilon={epsilon}"):
        losses.charbonnier(photographs, photographs, epsilon)


def test_log_losses_are_cross_entropies():
    real, fake = np.random.default_rng(0).normal(0, 3, [2, 6]).astype("f4")

    def entropy(labels, logits):
        return keras.losses.BinaryCrossentropy(
            from_logits=True, reduction=None
        )(np.full([6, 1], labels), logits[:, None])

    np.testing.assert_allclose(
        losses.discriminator_log_loss(real, fake),
        entropy(1.0, real) + entropy(0.0, fake),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        losses.generator_log_loss(fake), entropy(1.0, fake), rtol=1e-4
    )


def test_log_losses_average_patches_and_stay_finite():
    sure = np.float32([[[200.0], [-200.0]], [[0.0], [0.0]]])
    np.testing.assert_allclose(
        losses.generator_log_loss(sure), [100.0, np.log(2)], rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.discriminator_log_loss(sure, sure),
        [200.0, 2 * np.log(2)],
        rtol=1e-6,
    )


def test_kl_divergence_is_its_integral():
    mean, log_variance = np.float32([0.7, -0.4]), np.float32([-1.2, 0.5])
    x = np.linspace(-12, 12, 200_001)
    expected = 0.0
    for m, v in zip(mean, np.exp(log_variance), strict=True):
        density = stats.norm.pdf(x, m, v**0.5)
        ratio = stats.norm.logpdf(x, m, v**0.5) - stats.norm.logpdf(x)
        expected += np.trapezoid(density * ratio, x)
    actual = losses.kl_divergence(mean[None], log_variance[None])
    np.testing.assert_allclose(actual, [expected], rtol=1e-5)
    np.testing.assert_array_equal(
        losses.kl_divergence(np.zeros([3, 5]), np.zeros([3, 5])), 0.0
    )
    with pytest.raises(ValueError, match=r"\(1, 2\) and \(2,\)"):
        losses.kl_divergence(mean[None], log_variance)


HEADS = [np.array([0.2, 0.5, 0.3]), np.array([1.0, 0.0, 0.5])]


def test_lpips_is_its_formula(photographs, noisy):
    loss = losses.LPIPSLoss(comparator, HEADS, list(WEIGHTS), published=True)
    expected = np.zeros(4)
    for layer, head in zip(WEIGHTS, HEADS, strict=True):
        unit = []
        for images in (photographs, noisy):
            features = comparator(images.astype(np.float64))[layer]
            length = np.linalg.norm(features, axis=-1, keepdims=True)
            unit.append(features / np.maximum(length, 1e-10))
        each = np.sum(head * (unit[0] - unit[1]) ** 2, axis=-1)
        expected += each.mean((1, 2))
    # Where neighbouring pixels are equal, rounding decides the direction.
    actual = loss.call(photographs, noisy)
    np.testing.assert_allclose(actual, expected, rtol=1e-3)


def test_lpips_of_dead_features_has_a_finite_gradient():
    dead = {"dead": 0.0}
    loss = losses.LPIPSLoss(
        lambda x: {"dead": keras.ops.relu(x - 2.0)},
        [np.ones(3)],
        list(dead),
        published=True,
    )
    flat = np.full([1, 8, 8, 3], 0.5, np.float32)
    slope = gradient(lambda x: loss.call(flat, x), flat)
    np.testing.assert_array_equal(slope, 0.0)


def test_lpips_reads_its_heads(tmp_path, photographs, noisy):
    arrays = {f"alex_lin{n}": h[None, :, None] for n, h in enumerate(HEADS)}
    np.savez(tmp_path / "heads.npz", vgg_lin0=np.ones(64), **arrays)
    options = {"layers": list(WEIGHTS), "published": True}
    loss = losses.LPIPSLoss(
        comparator, tmp_path / "heads.npz", net="alex", **options
    )
    expected = losses.LPIPSLoss(comparator, HEADS, **options)
    np.testing.assert_array_equal(
        loss.call(photographs, noisy), expected.call(photographs, noisy)
    )
    for net, message in (
        ("vgg", r"of \[3, 3\] channels. Received: heads of \[64\]"),
        ("squeeze", "should hold squeeze_lin0.*They hold: vgg_lin0, alex"),
    ):
        with pytest.raises(ValueError, match=message):
            losses.LPIPSLoss(
                comparator, tmp_path / "heads.npz", net=net, **options
            )
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 but no more")
    for name in ("broken.npz", "missing.npz"):
        with pytest.raises(ValueError, match="Cannot read heads"):
            losses.LPIPSLoss(comparator, tmp_path / name, **options)
    with pytest.raises(ValueError, match="It lacks: .'relu9_9'"):
        losses.LPIPSLoss(comparator, HEADS, ["edges", "relu9_9"])


@pytest.mark.parametrize(
    ("net", "trunk", "widths"),
    [
        ("vgg", comparators.VGG16, [64, 128, 256, 512, 512]),
        ("squeeze", comparators.SqueezeNet, [64, 128, 256, 384, 384, 512, 512]),
    ],
)
def test_lpips_knows_the_layers_of_its_published_trunks(
    net, trunk, widths, photographs, noisy
):
    layers = losses.lpips.LAYERS[net]
    network = trunk(layers, "random", preprocessing="torch")
    heads = [np.ones(width) for width in widths]
    loss = losses.LPIPSLoss(network, heads, layers, net)
    values = loss.call(photographs, noisy)
    assert values.shape == (4,)
    assert np.all(np.asarray(values) > 0)


def test_lpips_says_when_its_trunk_is_not_the_published_one(caplog):
    vgg = comparators.VGG16(
        ["relu1_2"], weights="random", preprocessing="torch"
    )
    caplog.clear()
    loss = losses.LPIPSLoss(vgg, [np.ones(64)], ["relu1_2"])
    assert "vgg16: random orthogonal weights" in loss.remark
    assert "not with published ones" in caplog.text


def test_vgg_prepares_pictures_as_pytorch_does(photographs):
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    vgg = comparators.VGG16(["conv1_1"], "random", preprocessing="torch")
    kernel = vgg.get_layer("conv1_1").kernel
    expected = keras.ops.conv(
        np.float32((photographs - mean) / deviation), kernel, padding="same"
    )
    np.testing.assert_allclose(vgg(photographs)["conv1_1"], expected, atol=1e-4)
    with pytest.raises(ValueError, match="preprocessing='tf'"):
        comparators.VGG16(["conv1_1"], "random", preprocessing="tf")
