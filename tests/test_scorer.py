import csv

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from percgen import comparators


@pytest.fixture(scope="module")
def folded_file(tmp_path_factory):
    """Returns an int8 file of random weights, batch normalization folded."""
    random = np.random.default_rng(0)
    arrays = {}

    def add(name, *shape):
        scale = (2 / np.prod(shape[:3])) ** 0.5 * 2**9
        kernel = np.clip(random.normal(0, scale, shape), -127, 127)
        arrays[f"{name}_kernel_q"] = np.int8(kernel)
        arrays[f"{name}_kernel_exp"] = np.int8(9)
        arrays[f"{name}_bias_q"] = random.integers(-99, 99, shape[3], np.int8)
        arrays[f"{name}_bias_exp"] = np.int8(7)

    add("conv1", 7, 7, 3, 64)
    taken = 64
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        width = 32 * 2**stage
        for block in range(blocks):
            name = f"layer{stage}_{block}"
            add(f"{name}_conv1", 1, 1, taken, width)
            add(f"{name}_conv2", 3, 3, width, width)
            add(f"{name}_conv3", 1, 1, width, 4 * width)
            if not block:
                add(f"{name}_downsample_0", 1, 1, taken, 4 * width)
            taken = 4 * width
    add("fc", 1, 1, 2048, 1000)
    path = tmp_path_factory.mktemp("scorer") / "resnet50.npz"
    np.savez(path, **arrays)
    return path


def test_folded_weights_get_in_and_nothing_else_acts(folded_file, photographs):
    scorer = comparators.ResNet50Scorer(str(folded_file), size=64)
    with np.load(folded_file) as arrays:
        for ours, theirs in (
            ("conv1_conv", "conv1"),
            ("conv2_block1_0_conv", "layer1_0_downsample_0"),
            ("conv4_block6_2_conv", "layer3_5_conv2"),
            ("predictions", "fc"),
        ):
            layer = scorer.network.get_layer(ours)
            kernel = arrays[f"{theirs}_kernel_q"].reshape(layer.kernel.shape)
            np.testing.assert_array_equal(layer.kernel, kernel / 2.0**9)
            np.testing.assert_array_equal(
                layer.bias, arrays[f"{theirs}_bias_q"] / 2.0**7
            )
    for layer in scorer.network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            x = np.ones([1, 1, 1, layer.gamma.shape[0]], "float32")
            np.testing.assert_allclose(layer(x), x, rtol=2e-7)
    assert not scorer.trainable_variables
    assert "resnet50.npz, sha256" in scorer.provenance
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    np.testing.assert_allclose(
        scorer(photographs),
        scorer.network(np.float32((photographs - mean) / deviation)),
        rtol=1e-3,
    )


def test_pictures_of_any_size_give_probabilities(folded_file, photographs):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        scorer = comparators.ResNet50Scorer(str(folded_file), size=32)
    finally:
        keras.config.set_dtype_policy("float32")
    for images in (photographs, photographs[:, :20]):
        classes = scorer(images)
        assert classes.shape == (4, 1000)
        assert classes.dtype == "float32"
        np.testing.assert_allclose(np.sum(classes, -1), 1.0, rtol=1e-5)


def write_h5(path, network):
    """Writes the layout of the files that keras-applications downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name for layer in network.layers]
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [variable.name for variable in layer.weights]
            group.attrs["weight_names"] = names
            for name, value in zip(names, layer.get_weights(), strict=True):
                group[name] = value
    return str(path)


def test_keras_weights_get_keras_preprocessing(
    monkeypatch, tmp_path, photographs
):
    network = keras.applications.ResNet50(weights=None)
    file = write_h5(tmp_path / "resnet50.h5", network)
    photographs = photographs.repeat(4, 1).repeat(4, 2)[:, 16:-16, 16:-16]
    expected = network(
        keras.applications.resnet50.preprocess_input(photographs * 255.0)
    )
    actual = comparators.ResNet50Scorer(file)(photographs)
    np.testing.assert_allclose(actual, expected, rtol=1e-3)

    monkeypatch.setattr(
        keras.applications,
        "ResNet50",
        lambda weights, application=keras.applications.ResNet50, **options: (
            network if weights else application(weights=None, **options)
        ),
    )
    scorer = comparators.ResNet50Scorer("imagenet", size=64)
    np.testing.assert_array_equal(
        scorer.network.get_weights()[0], network.get_weights()[0]
    )
    assert "imagenet" in scorer.provenance


@pytest.mark.parametrize("name", ["w.h5", "w.npz", "w.pth"])
@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_files_that_are_none_are_refused(name, content, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(comparators.WeightsError, match=name):
        comparators.ResNet50Scorer(str(tmp_path / name), size=32)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    arrays = {"conv1_kernel": np.zeros([7, 7, 3, 32]), "conv1_bias": [0.0]}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(comparators.WeightsError, match=r"\(7, 7, 3, 32\)"):
        comparators.ResNet50Scorer(str(tmp_path / "w.npz"), size=32)
    with pytest.raises(ValueError, match="at least 32. Received: 31"):
        comparators.ResNet50Scorer(size=31)


def test_weights_that_cannot_be_downloaded_are_refused(monkeypatch):
    build = keras.applications.ResNet50

    def application(weights, **options):
        if weights:
            raise Exception("URL fetch failure")  # As Keras does.
        return build(weights=None, **options)

    monkeypatch.setattr(keras.applications, "ResNet50", application)
    with pytest.raises(comparators.WeightsError, match="URL fetch failure"):
        comparators.ResNet50Scorer(size=32)


def test_it_sees_what_pictures_show(shared):
    """Of 100 pictures of 128 x 128 it gets most; by chance it would get 0.1."""
    scorer = comparators.ResNet50Scorer(
        str(shared / "data/weights/resnet50_pruned_int8.npz")
    )
    table = shared / "data/labelled/ilsvrc_128_labels.tsv"
    with table.open() as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:101]
    pictures = []
    for name, _ in rows:
        with Image.open(shared / "data/train/ilsvrc_128" / name) as image:
            pictures.append(np.asarray(image.convert("RGB")) / np.float32(255))
    classes = scorer.predict(np.stack(pictures), batch_size=25, verbose=0)
    right = np.argmax(classes, -1) == [int(label) for _, label in rows]
    assert np.mean(right) > 0.55
