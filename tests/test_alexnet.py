"""AlexNet against its definition, computed by NumPy in float64."""

import backends
import keras
import numpy as np
import pytest
from numpy.lib import stride_tricks

from percgen import comparators
from percgen.comparators import caffe_layers

# {layer: (filters, side, groups, zeros around, stride)}
CONVOLUTIONS = {
    "conv1": (96, 11, 1, 0, 4),
    "conv2": (256, 5, 2, 2, 1),
    "conv3": (384, 3, 1, 1, 1),
    "conv4": (384, 3, 2, 1, 1),
    "conv5": (256, 3, 2, 1, 1),
}
NORM_LAST = [
    *("conv1", "relu1", "pool1", "norm1", "conv2", "relu2", "pool2", "norm2"),
    *("conv3", "relu3", "conv4", "relu4", "conv5", "relu5", "pool5"),
    *("fc6", "relu6", "fc7", "relu7", "fc8"),
]
MEAN = [0.485, 0.456, 0.406]
DEVIATION = [0.229, 0.224, 0.225]


def convolve(x, kernel, bias, groups, zeros, stride):
    x = np.pad(x, ((0, 0), (zeros, zeros), (zeros, zeros), (0, 0)))
    side, filters = kernel.shape[0], kernel.shape[3] // groups
    outputs = []
    for group in range(groups):
        channels = x.shape[3] // groups
        part = x[..., group * channels : (group + 1) * channels]
        windows = stride_tricks.sliding_window_view(part, (side, side), (1, 2))
        windows = windows[:, ::stride, ::stride]  # [B, H, W, C, h, w]
        weights = kernel[..., group * filters : (group + 1) * filters]
        outputs.append(np.einsum("bxychw,hwco->bxyo", windows, weights))
    return np.concatenate(outputs, -1) + bias


def pool(x):
    """Caffe's: sizes rounded up, windows cut at the border."""
    height, width = (-((3 - n) // 2) + 1 for n in x.shape[1:3])
    output = np.empty([len(x), height, width, x.shape[3]])
    for i in range(height):
        for j in range(width):
            window = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            output[:, i, j] = window.max((1, 2))
    return output


def normalize(x):
    output = np.empty_like(x)
    for channel in range(x.shape[-1]):
        near = x[..., max(0, channel - 2) : channel + 3]
        scale = 1 + 1e-4 / 5 * np.sum(near**2, -1)
        output[..., channel] = x[..., channel] / scale**0.75
    return output


def expected_features(x, arrays, norm_first):
    features = {}
    for number, (name, (_, _, *geometry)) in enumerate(CONVOLUTIONS.items(), 1):
        x = convolve(
            x, arrays[f"{name}_kernel"], arrays[f"{name}_bias"], *geometry
        )
        features[name] = x
        x = features[f"relu{number}"] = np.maximum(x, 0)
        after = [("pool", pool), ("norm", normalize)]
        if number == 5:
            after = after[:1]
        elif number > 2:
            after = []
        for kind, step in after[::-1] if norm_first else after:
            x = features[f"{kind}{number}"] = step(x)
    return features


def random_arrays():
    """Returns weights that keep features of some hundred, as LRN needs."""
    random = np.random.default_rng(1)
    arrays, channels = {}, 3
    for name, (filters, side, groups, _, _) in CONVOLUTIONS.items():
        shape = [side, side, channels // groups, filters]
        scale = (2 / np.prod(shape[:3])) ** 0.5
        if name == "conv3":
            scale *= 20  # LRN has made them small.
        arrays[f"{name}_kernel"] = random.normal(0, scale, shape)
        arrays[f"{name}_bias"] = random.normal(0, 20, filters)
        channels = filters
    return {key: np.float32(value) for key, value in arrays.items()}


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(2).random([2, 67, 96, 3]).astype("float32")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.npz"
    np.savez(path, **random_arrays())
    return str(path)


def agree(actual, expected):
    assert actual
    for name, value in actual.items():
        largest = np.max(np.abs(expected[name]))
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-4, atol=1e-5 * largest, err_msg=name
        )


@pytest.mark.parametrize("variant", [None, "caffenet", "alexnet"])
def test_is_what_it_is_defined_to_be(variant, pictures, float_file):
    network = comparators.AlexNet(NORM_LAST[:15], float_file, variant)
    mean = [104.00698793, 116.66876762, 122.67891434]
    x = pictures[..., ::-1] * 255.0 - mean
    norm_first = variant == "alexnet"
    expected = expected_features(x, random_arrays(), norm_first)
    # LRN does something here, or its test would be worth nothing.
    before = expected["relu1"] if norm_first else expected["pool1"]
    assert np.mean(expected["norm1"] < 0.9 * before) > 0.2
    agree(network(pictures), expected)
    order = network.layer_names
    if norm_first:
        assert order.index("norm1") < order.index("pool1")
    else:
        assert order == NORM_LAST
    assert network.provenance.endswith(variant or "caffenet")


def test_quantised_weights_are_what_they_are_defined_to_be(shared, pictures):
    file = shared / "data/weights/alexnet_bvlc_pruned_int8_conv1-5.npz"
    network = comparators.AlexNet(NORM_LAST[:15], str(file))
    assert network.variant == "int8"
    quantised, arrays = np.load(file), {}
    for number, name in enumerate(CONVOLUTIONS):
        for kind in ("kernel", "bias"):
            step = 2.0 ** -float(quantised[f"{kind}_exp"][number])
            arrays[f"{name}_{kind}"] = quantised[f"{name}_{kind}_q"] * step
    x = 32 * (pictures - MEAN) / DEVIATION
    agree(network(pictures), expected_features(x, arrays, norm_first=True))


@pytest.mark.parametrize("layer", ["norm1", "relu2", "relu5", "pool5"])
def test_its_gradient_reaches_the_picture(layer, pictures):
    network = comparators.AlexNet([layer], "random")
    slope = backends.gradient(
        lambda x: keras.ops.sum(network(x)[layer] ** 2), pictures
    )
    assert np.all(np.isfinite(slope))
    # A stride of 4 leaves at most three pixels of a side unseen.
    assert np.mean(slope[:, :-4, :-4] != 0) > 0.9


@pytest.mark.parametrize("dense", [True, False])
def test_fully_connected_layers_are_convolutions(dense, tmp_path):
    random = np.random.default_rng(3)
    kernel = np.zeros([6 * 6 * 256, 4096], np.float16)
    kernel[:, ::256] = random.normal(0, 0.01, kernel[:, ::256].shape)
    bias = random.normal(size=4096).astype("float16")
    shape = kernel.shape if dense else (6, 6, 256, 4096)
    np.savez(
        tmp_path / "a.npz",
        **random_arrays(),
        fc6_kernel=kernel.reshape(shape),
        fc6_bias=bias,
    )
    file = str(tmp_path / "a.npz")
    network = comparators.AlexNet(["pool5", "fc6"], file)
    assert network.smallest_image == 199
    features = network(random.random([1, 227, 259, 3]).astype("float32"))
    assert features["fc6"].shape == (1, 1, 2, 4096)
    flat = np.reshape(features["pool5"][0, :, :6], -1)
    np.testing.assert_allclose(
        features["fc6"][0, 0, 0],
        flat @ np.float32(kernel) + bias,
        rtol=1e-3,
        atol=1e-3 * np.max(features["fc6"]),
    )


def test_pictures_of_the_smallest_size_will_do():
    network = comparators.AlexNet(["pool5"], "random")
    side = network.smallest_image
    features = network(np.zeros([1, side, side, 3], "float32"))
    assert features["pool5"].shape == (1, 1, 1, 256)
    with pytest.raises(ValueError, match=f"at least {side} x {side}"):
        network(np.zeros([1, side - 1, side, 3], "float32"))


def quantised_file(path):
    np.savez(
        path,
        conv1_kernel_q=np.zeros([11, 11, 3, 96], np.int8),
        conv1_bias_q=np.zeros([96], np.int8),
        kernel_exp=[7],
        bias_exp=[7],
    )
    return str(path)


@pytest.mark.parametrize("variant", ["caffenet", "alexnet"])
def test_a_quantised_file_is_no_other_variant(variant, tmp_path):
    file = quantised_file(tmp_path / "q.npz")
    assert comparators.AlexNet(["relu1"], file).variant == "int8"
    with pytest.raises(ValueError, match=f"should be int8 .*'{variant}'"):
        comparators.AlexNet(["relu1"], file, variant)


def test_no_other_file_is_a_quantised_one(float_file):
    with pytest.raises(ValueError, match="caffenet or alexnet .*'int8'"):
        comparators.AlexNet(["relu1"], float_file, "int8")
    with pytest.raises(ValueError, match="caffenet, alexnet, int8"):
        comparators.AlexNet(["relu1"], float_file, "zfnet")


@pytest.mark.parametrize("weights", [None, "imagenet"])
def test_there_are_no_weights_to_download(weights):
    with pytest.raises(comparators.WeightsError, match="no weights to down"):
        comparators.AlexNet(weights=weights)


def test_grouped_convolution_is_what_keras_computes():
    x = np.random.default_rng(0).normal(size=[2, 9, 8, 6]).astype("float32")
    keras.utils.set_random_seed(0)
    mine = caffe_layers.GroupedConv2D(4, 3, padding="same", groups=2)
    mine.build(x.shape)
    theirs = keras.layers.Conv2D(4, 3, padding="same", groups=2)
    theirs.build(x.shape)
    theirs.set_weights(mine.get_weights())
    np.testing.assert_allclose(mine(x), theirs(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        backends.gradient(lambda x: keras.ops.sum(mine(x) ** 2), x),
        backends.gradient(lambda x: keras.ops.sum(theirs(x) ** 2), x),
        rtol=1e-4,
        atol=1e-4,
    )


def test_normalization_keeps_its_settings_and_wants_a_middle():
    layer = caffe_layers.LocalResponseNormalization(3, 0.5, 0.5)
    again = layer.from_config(layer.get_config())
    x = np.full([1, 1, 1, 3], 2.0, "float32")
    expected = 2 / np.sqrt(1 + 0.5 / 3 * np.array([8, 12, 8]))
    np.testing.assert_allclose(again(x)[0, 0, 0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="should be odd. Received: n=4"):
        caffe_layers.LocalResponseNormalization(4)
