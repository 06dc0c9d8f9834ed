import functools

import h5py
import keras
import numpy as np
import pytest

from percgen import comparators
from percgen import losses

APPLICATIONS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16),
    "vgg19": (keras.applications.VGG19, keras.applications.vgg19),
}
LAYERS = {
    "relu1_2": "block1_conv2",
    "pool2": "block2_pool",
    "relu3_3": "block3_conv3",
    "relu5_1": "block5_conv1",
}


@functools.cache
def application(name):
    """Returns Keras's own network, with random weights and biases."""
    keras.utils.set_random_seed(1)
    network = APPLICATIONS[name][0](weights=None, include_top=False)
    for layer in network.layers:
        if layer.weights:
            layer.bias.assign(np.random.normal(0.0, 1.0, layer.bias.shape))
    return network


def write_npz(path, network, last=None):
    arrays = {}
    for layer in network.layers:
        for kind, value in zip(("kernel", "bias"), layer.get_weights()):  # noqa: B905
            arrays[f"{layer.name}_{kind}"] = value
        if layer.name == last:
            break
    np.savez(path, **arrays)
    return str(path)


def write_h5(path, network):
    """Writes the layout of the files that keras-applications downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [
            layer.name.encode() for layer in network.layers
        ]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}_{i}:0" for i in range(len(layer.weights))]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value
    return str(path)


def expected_features(name, images, layers):
    network, module = application(name), APPLICATIONS[name][1]
    outputs = [network.get_layer(layer).output for layer in layers]
    model = keras.Model(network.input, outputs)
    return model(module.preprocess_input(images * 255.0))


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_agrees_with_keras_applications(name, suffix, tmp_path, photographs):
    write = {".npz": write_npz, ".h5": write_h5}[suffix]
    file = write(tmp_path / f"weights{suffix}", application(name))
    vgg = comparators.COMPARATORS[name](list(LAYERS), weights=file)
    actual = vgg(photographs)
    expected = expected_features(name, photographs, LAYERS.values())
    assert set(actual) == set(LAYERS)
    for layer, true in zip(LAYERS, expected, strict=True):
        np.testing.assert_allclose(
            actual[layer], true, rtol=1e-4, atol=1e-4 * np.max(true)
        )


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Of h5py.
def test_reads_a_whole_model_saved_by_keras(tmp_path):
    network = keras.Sequential(
        [
            keras.Input([None, None, 3]),
            keras.layers.Conv2D(64, 3, padding="same", name="block1_conv1"),
        ]
    )
    network.save(tmp_path / "whole.h5")
    vgg = comparators.VGG16(["conv1_1"], weights=str(tmp_path / "whole.h5"))
    for mine, theirs in zip(
        vgg.get_layer("conv1_1").get_weights(),
        network.layers[0].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_agrees_with_keras_on_imagenet_weights(shared, photographs):
    file = shared / "data/weights/vgg19_keras_block1-3.npz"
    vgg = comparators.VGG19(["relu3_4"], weights=str(file))
    network, module = APPLICATIONS["vgg19"]
    network = network(weights=None, include_top=False)
    arrays = np.load(file)
    for layer in network.layers:
        if f"{layer.name}_kernel" in arrays:
            layer.set_weights(
                [arrays[f"{layer.name}_{kind}"] for kind in ("kernel", "bias")]
            )
    output = network.get_layer("block3_conv4").output
    expected = keras.Model(network.input, output)(
        module.preprocess_input(photographs * 255.0)
    )
    np.testing.assert_allclose(
        vgg(photographs)["relu3_4"],
        expected,
        rtol=1e-4,
        atol=1e-4 * np.max(expected),
    )


def test_is_only_as_deep_as_asked(tmp_path):
    file = write_npz(tmp_path / "w.npz", application("vgg16"), "block2_conv1")
    vgg = comparators.VGG16(["relu1_1", "relu2_1"], weights=file)
    assert vgg.layers[-1].name == "relu2_1"
    assert not vgg.trainable_variables


def test_a_partial_file_that_stops_too_early_raises(tmp_path):
    file = write_npz(tmp_path / "w.npz", application("vgg16"), "block2_conv1")
    with pytest.raises(
        comparators.WeightsError, match="conv2_2: they lack block2_conv2"
    ):
        comparators.VGG16(["relu2_2"], weights=file)


def test_weights_of_another_shape_raise(tmp_path):
    np.savez(
        tmp_path / "w.npz",
        block1_conv1_kernel=np.zeros([3, 3, 3, 32]),
        block1_conv1_bias=np.zeros([32]),
    )
    with pytest.raises(comparators.WeightsError, match="do not fit.*conv1_1"):
        comparators.VGG16(["relu1_1"], weights=str(tmp_path / "w.npz"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.npz", None),
        ("text.npz", b"text"),
        ("half.npz", b"PK\x03\x04 and no more"),
        ("text.h5", b"text"),
    ],
)
def test_a_file_that_cannot_be_read_raises(tmp_path, name, content):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(comparators.WeightsError, match=name):
        comparators.VGG16(["relu1_1"], weights=str(tmp_path / name))


def test_an_unknown_source_of_weights_raises():
    with pytest.raises(comparators.WeightsError, match="should be"):
        comparators.VGG16(["relu1_1"], weights="imagnet")


def test_imagenet_that_cannot_be_downloaded_raises(monkeypatch):
    def application(**kwargs):
        raise Exception("URL fetch failure")  # As Keras does.

    monkeypatch.setattr(
        comparators.VGG16, "application", staticmethod(application)
    )
    with pytest.raises(comparators.WeightsError, match="URL fetch failure"):
        comparators.VGG16(["relu1_1"], weights="imagenet")


def test_imagenet_is_what_keras_has(monkeypatch, photographs):
    monkeypatch.setattr(
        comparators.VGG16,
        "application",
        staticmethod(lambda **kwargs: application("vgg16")),
    )
    vgg = comparators.VGG16(["relu3_3"], weights="imagenet")
    layers = ["block3_conv3", "block5_pool"]
    expected, _ = expected_features("vgg16", photographs, layers)
    np.testing.assert_allclose(
        vgg(photographs)["relu3_3"],
        expected,
        rtol=1e-4,
        atol=1e-4 * np.max(expected),
    )


@pytest.mark.parametrize("layers", [["relu9_9"], ["conv1"], []])
def test_unknown_layers_raise(layers):
    with pytest.raises(ValueError, match="conv1_1, relu1_1"):
        comparators.VGG16(layers, weights="random")


def test_random_weights_are_seeded_orthogonal_and_loud(photographs):
    one = comparators.VGG19(["relu3_1"], weights="random", seed=3)
    two = comparators.VGG19(["relu3_1"], weights="random", seed=3)
    other = comparators.VGG19(["relu3_1"], weights="random", seed=4)
    np.testing.assert_array_equal(
        one(photographs)["relu3_1"], two(photographs)["relu3_1"]
    )
    assert np.any(one(photographs)["relu3_1"] != other(photographs)["relu3_1"])
    kernel = one.get_layer("conv2_1").get_weights()[0].reshape(-1, 128)
    np.testing.assert_allclose(kernel.T @ kernel, 2 * np.eye(128), atol=1e-4)


def test_random_weights_say_so(run):
    done = run(
        "timeit",
        "-n1",
        "-r1",
        "from percgen import comparators;"
        "comparators.VGG16(['relu1_1'], weights='random')",
    )
    assert "RANDOM weights" in done.stderr


def test_measures_in_float32_under_mixed_precision(photographs, tmp_path):
    file = write_npz(tmp_path / "w.npz", application("vgg16"), "block3_conv1")
    expected = comparators.VGG16(["relu3_1"], weights=file)(photographs)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        vgg = comparators.VGG16(["relu3_1"], weights=file)
        loss = losses.FeatureLoss(vgg, {"relu3_1": 1.0})
        values = loss.call(photographs, photographs * np.float32(0.5))
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(
        vgg(photographs)["relu3_1"], expected["relu3_1"]
    )
    assert values.dtype == "float32"
