import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from percgen import networks

MEANS = np.array([123.0, 117.0, 104.0])


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return networks.Discriminator(width=4, units=12)


def convolve(x, layer, stride):
    """Returns a convolution of one picture without padding, and its ReLU."""
    kernel, bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    windows = windows[::stride, ::stride]
    y = np.einsum("yxckl,klcf->yxf", windows, kernel, optimize=True)
    return np.maximum(y + bias, 0.0)


def test_is_what_numpy_computes(network, photographs):
    keras.utils.set_random_seed(1)
    masks = [np.random.default_rng(0).random([1, n]) for n in (32, 12)]
    for given in (None, masks):
        x = photographs[0] * 255.0 - MEANS
        convs = [x for x in network.trunk.layers if "conv" in x.name]
        for layer, stride in zip(convs, (2, 1, 2, 1, 2), strict=True):
            x = convolve(x, layer, stride)
        x = x.mean(axis=(0, 1))
        for number, dense in enumerate((network.hidden, network.verdict)):
            kernel, bias = dense.get_weights()
            x = (x * given[number][0] if given else x) @ kernel + bias
            x = x if number else np.maximum(x, 0.0)
        found = network(photographs[:1], masks=given)
        np.testing.assert_allclose(np.asarray(found)[0], x, rtol=1e-4)


@pytest.mark.parametrize(
    ("stride", "size", "sides"),
    [(2, 64, (29, 25, 12, 10, 4)), (4, 227, (56, 52, 25, 23, 11))],
)
def test_has_the_papers_sizes(stride, size, sides):
    """Table 1 of paper B, its 227 x 227 version seen in released code."""
    network = networks.Discriminator(stride)
    features = network.trunk(np.zeros([1, size, size, 3], np.float32))
    shapes = [features[f"relu{n}"].shape[1:] for n in range(1, 6)]
    filters = (32, 64, 128, 256, 256)
    assert shapes == [(s, s, f) for s, f in zip(sides, filters, strict=True)]
    assert network.mask_widths == (256, 512)
    convs = [(7, 3, 32), (5, 32, 64), (3, 64, 128), (3, 128, 256)]
    count = sum(k * k * i * o + o for k, i, o in [*convs, (3, 256, 256)])
    assert network.count_params() == count + 257 * 512 + 513


def test_weights_start_as_released():
    network = networks.Discriminator()
    first, second = (network.trunk.layers[n].get_weights()[0] for n in (2, 3))
    np.testing.assert_allclose(first.std(), 0.1 * (2 / 147) ** 0.5, rtol=0.05)
    np.testing.assert_allclose(second.std(), (2 / 800) ** 0.5, rtol=0.05)


def test_looks_at_features(photographs):
    network = networks.Discriminator(width=4, features=2 * 3 * 5)
    features = np.random.default_rng(0).random([4, 2, 3, 5], np.float32)
    logits = network((photographs, features))
    assert logits.shape == (4, 1)
    assert network.mask_widths == (32 + 512, 512)
    others = network((photographs, features[::-1]))
    assert np.abs(np.asarray(logits) - np.asarray(others)).min() > 0.0
    assert [x.units for x in network.branch.layers[1:]] == [1024, 512]


def test_spectral_normalization_bounds_every_kernel(photographs):
    network = networks.Discriminator(width=4, units=12, spectral=True)
    for _ in range(30):
        network(photographs, training=True)
    kernels = [w for w in network.weights if w.path.endswith("kernel")]
    assert len(kernels) == 7
    for kernel in kernels:
        flat = np.reshape(kernel.numpy(), [-1, kernel.shape[-1]])
        largest = np.linalg.svd(flat, compute_uv=False)[0]
        np.testing.assert_allclose(largest, 1.0, rtol=0.02)


def test_sees_detail_alone(photographs):
    keras.utils.set_random_seed(0)
    network = networks.Discriminator(width=4, units=12, detail=True)
    seen = keras.Model(network.trunk.input, network.trunk.layers[2].output)
    taps = np.exp(-np.square(np.arange(-2, 3)) / 2.0)
    blurred = photographs
    for axis in (1, 2):
        blurred = ndimage.convolve1d(blurred, taps / taps.sum(), axis)
    detail = 4.0 * 255.0 * (photographs - blurred)
    np.testing.assert_allclose(
        np.asarray(seen(photographs))[:, 2:-2, 2:-2],
        detail[:, 2:-2, 2:-2],
        atol=0.01,
    )
    paler = 0.5 * photographs
    np.testing.assert_allclose(network(paler), network(paler + 0.3), rtol=1e-3)


def test_decays_kernels_alone(network):
    kernels = [w.numpy() for w in network.weights if w.path.endswith("kernel")]
    expected = 2e-6 * sum(np.square(k).sum() for k in kernels)
    np.testing.assert_allclose(sum(network.losses), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{}, {"features": 7, "stride": 4}, {"spectral": True}, {"detail": True}],
)
def test_is_saved_and_loaded(options, tmp_path):
    network = networks.Discriminator(width=4, **options)
    inputs = np.random.default_rng(0).random([2, 80, 90, 3], np.float32)
    if "features" in options:
        inputs = (inputs, np.ones([2, 7], np.float32))
    network.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    np.testing.assert_array_equal(again(inputs), network(inputs))


def test_wrong_arguments_raise():
    with pytest.raises(ValueError, match="Received: stride=0"):
        networks.Discriminator(0)
    with pytest.raises(ValueError, match="dropout=1.0"):
        networks.Discriminator(dropout=1.0)
    with pytest.raises(ValueError, match="at least 35 x 35"):
        networks.Discriminator(width=4)(np.zeros([1, 34, 99, 3], np.float32))
    small = np.zeros([1, 63, 63, 3], np.float32)
    assert networks.Discriminator(4, width=4)(small).shape == (1, 1)
