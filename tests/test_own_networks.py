"""Our own comparators against a forward pass by NumPy in float64."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from percgen import comparators
from percgen.comparators import weights as weights_lib

DEVIATION = np.array([0.229, 0.224, 0.225])
MEAN = np.array([0.485, 0.456, 0.406])


def convolve(x, arrays, name, padding="same", stride=1):
    """Returns a convolution of one picture `[H, W, C]`, zeros beyond it."""
    kernel = arrays[f"{name}_kernel"].astype(np.float64)
    if padding == "same":
        each = []
        for side, size in zip(x.shape[:2], kernel.shape[:2], strict=True):
            count = -(-side // stride)
            lacking = max(0, (count - 1) * stride + size - side)
            each.append((lacking // 2, lacking - lacking // 2))
        x = np.pad(x, [*each, (0, 0)])
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    windows = windows[::stride, ::stride]
    y = np.einsum("yxckl,klcf->yxf", windows, kernel, optimize=True)
    return y + arrays[f"{name}_bias"]


def relu(x):
    return np.maximum(x, 0.0)


def pool(x):
    height, width = (2 * (side // 2) for side in x.shape[:2])
    x = x[:height, :width]
    return np.max([x[i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)


def exemplar(picture, arrays):
    x = (picture - MEAN) / DEVIATION
    found = {"relu1": relu(convolve(x, arrays, "conv1"))}
    found["relu2"] = relu(convolve(pool(found["relu1"]), arrays, "conv2"))
    found["relu3"] = relu(convolve(pool(found["relu2"]), arrays, "conv3"))
    found["fc4"] = convolve(found["relu3"], arrays, "fc4", "valid")
    return found


def compact(picture, arrays):
    def trunk(x, name, stride=1):
        return relu(convolve(x, arrays, f"trunk{name}", stride=stride))

    x = trunk(picture * 2.0 - 1.0, "1_1", stride=2)
    found = {"relu1_2": convolve(x, arrays, "relu1_2")}
    x = trunk(trunk(x, "2_1"), "2_2")
    found["relu2_2"] = convolve(x, arrays, "relu2_2")
    x = trunk(trunk(pool(x), "3_1"), "3_2")
    found["relu3_1"] = convolve(x, arrays, "relu3_1")
    return found


@pytest.mark.parametrize(
    ("kind", "layers", "forward", "shape"),
    [
        (
            comparators.ExemplarCNN,
            ["relu1", "relu2", "relu3", "fc4"],
            exemplar,
            (35, 33),
        ),
        (
            comparators.Compact,
            ["relu1_2", "relu2_2", "relu3_1"],
            compact,
            (29, 38),
        ),
    ],
    ids=["exemplar", "compact"],
)
def test_is_what_numpy_computes(
    kind, layers, forward, shape, tmp_path, photographs
):
    random = np.random.default_rng(0)
    network = kind(layers, weights="random")
    for layer in network.layers:
        if hasattr(layer, "bias"):
            layer.bias.assign(random.normal(size=layer.bias.shape) * 0.1)
    arrays = weights_lib.arrays(network)
    file = tmp_path / "weights.npz"
    file.write_bytes(weights_lib.pack(arrays, "float32"))
    picture = photographs[1, : shape[0], : shape[1]]
    actual = kind(layers, weights=str(file))(picture[None])
    expected_features = forward(picture.astype(float), arrays)
    assert list(expected_features) == layers
    for layer, expected in expected_features.items():
        np.testing.assert_allclose(
            actual[layer][0], expected, rtol=1e-4, atol=1e-4 * expected.std()
        )
