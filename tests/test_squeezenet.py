"""SqueezeNet against its definition, computed by NumPy in float64."""

import backends
import keras
import numpy as np
import pytest
from numpy.lib import stride_tricks

from percgen import comparators

LAYERS = [
    *("conv1", "relu1", "pool1", "fire2", "fire3", "pool3", "fire4", "fire5"),
    *("pool5", "fire6", "fire7", "fire8", "fire9"),
]
SQUEEZED = {2: 16, 3: 16, 4: 32, 5: 32, 6: 48, 7: 48, 8: 64, 9: 64}
OXFORD_MEAN = [103.939, 116.779, 123.68]


def convolve(x, weights, zeros=0):
    kernel, bias = weights
    x = np.pad(x, ((zeros, zeros), (zeros, zeros), (0, 0)))
    windows = stride_tricks.sliding_window_view(x, kernel.shape[:2], (0, 1))
    return np.einsum("xychw,hwco->xyo", windows, kernel, optimize=True) + bias


def pool(x):
    """Caffe's: sizes rounded up, windows cut at the border."""
    rows, columns = (range(0, n - 1, 2) for n in x.shape[:2])
    return np.array(
        [[x[i : i + 3, j : j + 3].max((0, 1)) for j in columns] for i in rows]
    )


def fire(x, weights, number):
    x = np.maximum(convolve(x, weights[f"fire{number}/squeeze1x1"]), 0)
    parts = [
        convolve(x, weights[f"fire{number}/expand{kind}"], zeros)
        for zeros, kind in enumerate(("1x1", "3x3"))
    ]
    return np.maximum(np.concatenate(parts, -1), 0)


def expected_features(x, weights, deepest):
    features = {}
    for layer in LAYERS:
        if layer == "conv1":
            x = convolve(x, weights[layer])[::2, ::2]
        elif layer == "relu1":
            x = np.maximum(x, 0)
        elif layer.startswith("pool"):
            x = pool(x)
        else:
            x = fire(x, weights, int(layer[4:]))
        features[layer] = x
        if layer == deepest:
            break
    return features


def random_weights():
    random = np.random.default_rng(1)
    shapes, channels = {"conv1": [3, 3, 3, 64]}, 64
    for number, squeezed in SQUEEZED.items():
        name, expanded = f"fire{number}", 4 * squeezed
        shapes[f"{name}/squeeze1x1"] = [1, 1, channels, squeezed]
        shapes[f"{name}/expand1x1"] = [1, 1, squeezed, expanded]
        shapes[f"{name}/expand3x3"] = [3, 3, squeezed, expanded]
        channels = 2 * expanded
    return {
        name: [
            random.normal(0, (2 / np.prod(shape[:3])) ** 0.5, shape),
            random.normal(0, 10, shape[3]),
        ]
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("separator", ["/", "_"])
def test_is_what_it_is_defined_to_be(separator, tmp_path):
    weights = random_weights()
    arrays = {}
    for name, (kernel, bias) in weights.items():
        name = name.replace("/", separator)
        arrays |= {f"{name}_kernel": kernel, f"{name}_bias": bias}
    np.savez(tmp_path / "squeezenet.npz", **arrays)
    network = comparators.SqueezeNet(LAYERS, str(tmp_path / "squeezenet.npz"))
    assert network.layer_names == LAYERS
    # Of sizes that leave both odd and even ones to be pooled.
    picture = np.random.default_rng(2).random([37, 40, 3]).astype("float32")
    x = picture[..., ::-1] * 255.0 - OXFORD_MEAN
    expected = expected_features(x, weights, "fire9")
    assert expected["fire9"].shape == (2, 2, 512)
    actual = network(picture[None])
    for layer in LAYERS:
        np.testing.assert_allclose(
            actual[layer][0],
            expected[layer],
            rtol=1e-4,
            atol=1e-5 * np.max(expected[layer]),
            err_msg=layer,
        )


def test_reads_published_weights(shared):
    file = shared / "data/weights/squeezenet_v1.1_tf_notop.h5"
    network = comparators.SqueezeNet(["fire9"], str(file))
    assert network.count_params() == 722_496
    picture = np.random.default_rng(2).random([1, 33, 33, 3]).astype("float32")
    network = comparators.SqueezeNet(["fire3"], str(file))
    weights = {
        layer.name.replace("_", "/"): layer.get_weights()
        for layer in network.layers
        if layer.get_weights()
    }
    x = picture[0, ..., ::-1] * 255.0 - OXFORD_MEAN
    expected = expected_features(x, weights, "fire3")["fire3"]
    np.testing.assert_allclose(
        network(picture)["fire3"][0],
        expected,
        rtol=1e-4,
        atol=1e-5 * np.max(expected),
    )


def test_its_gradient_reaches_the_picture(photographs):
    network = comparators.SqueezeNet(["relu1", "fire9"], "random")
    slope = backends.gradient(
        lambda x: keras.ops.sum(network(x)["fire9"] ** 2), photographs
    )
    assert np.all(np.isfinite(slope))
    # Rounding down, a stride of 2 leaves the last row and column unseen.
    assert np.mean(slope[:, :-1, :-1] != 0) > 0.9


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="preprocessing='tf'"):
        comparators.SqueezeNet(weights="random", preprocessing="tf")
    with pytest.raises(comparators.WeightsError, match="no weights to down"):
        comparators.SqueezeNet()
    with pytest.raises(ValueError, match="conv1, relu1"):
        comparators.SqueezeNet(["fire1"], "random")
