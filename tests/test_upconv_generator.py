"""The released inversion nets of paper B, row by row (papers.md 2.6)."""

import keras
import numpy as np
import pytest

from percgen import networks

# Name, kernel, shape of the output, without activation.
_DENSE = [(f"defc{n}", None, (4096,)) for n in (7, 6, 5)]
_BEFORE = [
    ("Rconv6", 3, (6, 6, 512)),
    ("Rconv7", 3, (6, 6, 512)),
    ("Rconv8", 3, (4, 4, 512)),
]
_ROWS = [
    ("deconv5", 4, (8, 8, 256)),
    ("conv5_1", 3, (8, 8, 512)),
    ("deconv4", 4, (16, 16, 256)),
    ("conv4_1", 3, (16, 16, 256)),
    ("deconv3", 4, (32, 32, 128)),
    ("conv3_1", 3, (32, 32, 128)),
    ("deconv2", 4, (64, 64, 64)),
    ("deconv1", 4, (128, 128, 32)),
    ("deconv0", 4, (256, 256, 3)),
]


@pytest.mark.parametrize(
    ("features", "before", "count"),
    [
        ((4096,), _DENSE, 50_343_936 + 5_752_320),
        ((1000,), _DENSE, 43_415_040),
        ((6, 6, 256), _BEFORE, 12_700_672),
    ],
    ids=["fc6 and fc7", "fc8", "pool5"],
)
def test_is_the_released_net(features, before, count):
    network = networks.UpconvGenerator(features)
    kinds = (
        keras.layers.Dense,
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
    )
    found = [x for x in network.unfold.layers if isinstance(x, kinds)]
    rows = [
        (
            x.name,
            getattr(x, "kernel_size", [None])[0],
            tuple(x.output.shape[1:]),
        )
        for x in found
    ]
    assert rows == [*before, *_ROWS]
    assert {x.name for x in found if x.use_bias} == {x for x, *_ in before}
    slopes = [
        x.negative_slope
        for x in network.unfold.layers
        if isinstance(x, keras.layers.LeakyReLU)
    ]
    assert slopes == [0.3] * (len(rows) - 1)  # All but the colors.
    assert network.count_params() == count
    assert network.unfold.output.shape == (None, 227, 227, 3)
    stds = {x.name: x.kernel.numpy().std() for x in found}
    assert stds["conv3_1"] == pytest.approx(0.9 * (2 / 1152) ** 0.5, rel=0.02)
    assert stds["deconv3"] == pytest.approx(1.8 * (2 / 2048) ** 0.5, rel=0.02)


def test_dense_layers_make_channels_first():
    network = networks.UpconvGenerator([5], size=32, width=1)
    x = keras.Model(
        network.unfold.input, network.unfold.get_layer("deconv2").input
    )
    before = keras.Model(
        network.unfold.input, network.unfold.get_layer("defc5").output
    )
    codes = np.random.default_rng(0).normal(size=[2, 5]).astype(np.float32)
    flat = before(codes).numpy()
    expected = np.where(flat > 0.0, flat, 0.3 * flat).reshape(2, 8, 4, 4)
    np.testing.assert_allclose(
        x(codes), expected.transpose(0, 2, 3, 1), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("features", "size", "first"),
    [((13, 13, 24), 227, 15), ((6, 6, 3), 128, 8), ((8, 8, 3), 128, 8)],
)
def test_maps_of_any_layer_keep_their_places(features, size, first):
    network = networks.UpconvGenerator(features, size, width=1)
    assert network.unfold.get_layer("Rconv8").output.shape[1] == first
    pictures = network(np.zeros([2, *features], np.float32))
    assert pictures.shape == (2, size, size, 3)
    np.testing.assert_array_equal(pictures, 0.5)  # No bias but Rconv's, 0.


def test_the_middle_is_left():
    whole = networks.UpconvGenerator([3], size=64, width=1)
    part = networks.UpconvGenerator([3], size=59, width=1)
    part.set_weights(whole.get_weights())
    codes = np.ones([1, 3], np.float32)
    np.testing.assert_array_equal(part(codes), whole(codes)[:, 2:61, 2:61])


@pytest.mark.parametrize(
    ("mean", "scale"), [(0.0, 8.0), ([1.0, -2.0, 0.5], [8.0, 0.25, 1.0])]
)
def test_features_are_standardized(mean, scale):
    features, size, width = [4, 4, 3], 32, 1
    plain = networks.UpconvGenerator(features, size, width)
    other = networks.UpconvGenerator(features, size, width, scale, mean)
    other.set_weights(plain.get_weights())
    codes = np.random.default_rng(0).normal(size=[1, 4, 4, 3]).astype("float32")
    np.testing.assert_allclose(
        other(codes * scale + mean), plain(codes), rtol=1e-5, atol=1e-6
    )


def test_pictures_are_float32_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = networks.UpconvGenerator([3], size=30, width=1)
    finally:
        keras.config.set_dtype_policy("float32")
    pictures = network(np.ones([1, 3], np.float32)).numpy()
    assert pictures.dtype == np.float32
    crop = network.unfold.layers[-1]
    inside = crop(np.float32(0.5 + 2**-12) * np.ones([1, 32, 32, 3]))
    assert np.all(inside.numpy() == np.float32(0.5 + 2**-12))


def test_is_saved_and_loaded(tmp_path):
    mean = np.arange(6.0).tolist()
    network = networks.UpconvGenerator([4, 4, 6], 64, 2, 3.0, mean)
    network.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    codes = np.ones([1, 4, 4, 6], np.float32)
    np.testing.assert_array_equal(again(codes), network(codes))


@pytest.mark.parametrize(
    "change",
    [
        {"features": [6, 5, 3]},
        {"features": [6, 6]},
        {"features": []},
        {"features": [0]},
        {"features": [6, 6, 3], "size": 11},
        {"features": [1, 1, 3], "size": 128},
        {"width": 0},
        {"size": 0},
        {"scale": 0.0},
        {"scale": [1.0] * 7 + [0.0]},
    ],
)
def test_wrong_arguments_raise(change):
    with pytest.raises(ValueError, match="Received: features="):
        networks.UpconvGenerator(**{"features": [8], "size": 64, **change})


def test_features_of_another_shape_raise():
    network = networks.UpconvGenerator([4, 4, 6], 32, 1)
    with pytest.raises(
        ValueError, match=r"takes features of shape \(4, 4, 6\)"
    ):
        network(np.zeros([1, 4, 4, 5], np.float32))
