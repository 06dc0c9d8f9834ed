"""Models of tensorflow-addons come over, to what record_addons.py recorded."""

import json
import pathlib
import shutil

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from percgen.compat import addons

FOLDER = pathlib.Path(__file__).parent / "addons"
RECORDED = sorted(path.stem for path in FOLDER.glob("*.npz"))
RATE = 0.1  # Of record_addons.py.


def load(name):
    weights = FOLDER / f"{name}.h5"
    description = weights.with_suffix(".json")
    if description.exists():
        return addons.load_model(description, weights)
    return addons.load_model(weights)


def figures(name):
    """Returns what a model was given, what it gave, and gave after a step."""
    with np.load(FOLDER / f"{name}.npz") as file:
        inputs = [file[key] for key in sorted(file) if key.startswith("input")]
        given = inputs if len(inputs) > 1 else inputs[0]
        return given, file["output"], file["after"]


def close(value, recorded):
    np.testing.assert_allclose(np.asarray(value), recorded, rtol=0, atol=1e-5)


def kinds(model):
    """Returns the classes of all layers, nested and wrapped ones too."""
    return {type(layer) for layer in model._flatten_layers()}


def gan(tmp_path, change):
    """Writes a description of the recorded `gan` with a change."""
    path = tmp_path / "gan.json"
    path.write_text(change((FOLDER / "gan.json").read_text()))
    return path, FOLDER / "gan.h5"


def test_every_kind_is_recorded():
    assert RECORDED == [
        "discriminator",
        "gan",
        "generator",
        "options",
        "projection",
        "weight_norm",
        "weight_norm_fresh",
    ]
    for name in RECORDED:
        _, output, after = figures(name)
        assert np.std(output) > 0.01
        assert np.max(np.abs(after - output)) > 0.01


@pytest.mark.parametrize("name", RECORDED)
def test_outputs_are_those_recorded(name):
    inputs, output, _ = figures(name)
    close(load(name)(inputs), output)


@pytest.mark.parametrize("name", RECORDED)
def test_a_step_of_training_does_what_it_did(name):
    model = load(name)
    inputs, output, after = figures(name)
    model.compile(keras.optimizers.SGD(RATE), "mse")
    model.train_on_batch(inputs, np.zeros_like(output))
    close(model(inputs), after)


@pytest.mark.parametrize("name", RECORDED)
def test_a_loaded_model_is_saved_as_keras(name, tmp_path):
    inputs, output, after = figures(name)
    load(name).save(tmp_path / "new.keras")
    model = keras.models.load_model(tmp_path / "new.keras")
    close(model(inputs), output)
    model.compile(keras.optimizers.SGD(RATE), "mse")
    model.train_on_batch(inputs, np.zeros_like(output))
    close(model(inputs), after)


def test_layers_are_those_of_keras_where_it_has_them():
    assert layers.GroupNormalization in kinds(load("generator"))
    assert layers.SpectralNormalization in kinds(load("discriminator"))
    for name in ("generator", "discriminator", "options"):
        assert all(
            kind.__module__.startswith("keras.") for kind in kinds(load(name))
        )
    both = {addons.SpectralEmbedding, addons.WeightNormalization}
    assert both <= kinds(load("projection"))


def test_what_was_frozen_stays_frozen():
    model = load("gan")
    assert model.get_layer("generator").trainable_weights
    assert not model.layers[-1].trainable_weights


def test_weights_may_come_from_a_whole_model(tmp_path):
    with h5py.File(FOLDER / "generator.h5") as file:
        text = file.attrs["model_config"]
    (tmp_path / "model.json").write_text(text)
    model = addons.load_model(tmp_path / "model.json", FOLDER / "generator.h5")
    inputs, output, _ = figures("generator")
    close(model(inputs), output)


def test_own_layers_are_given_by_name(tmp_path):
    files = gan(tmp_path, lambda text: text.replace('"ReLU"', '"Ramp"'))
    with pytest.raises(ValueError, match="Ramp"):
        addons.load_model(*files)
    model = addons.load_model(*files, custom_objects={"Ramp": layers.ReLU})
    inputs, output, _ = figures("gan")
    close(model(inputs), output)


def test_mixed_precision_is_read(tmp_path):
    policy = {
        "module": "keras.mixed_precision",
        "class_name": "Policy",
        "config": {"name": "mixed_float16"},
        "registered_name": None,
    }
    full, half = (
        '"trainable": true, "dtype": ' + json.dumps(dtype)
        for dtype in ("float32", policy)
    )
    files = gan(tmp_path, lambda text: text.replace(full, half))
    model = addons.load_model(*files)
    assert (
        model.get_layer("generator").layers[1].dtype_policy.name
        == "mixed_float16"
    )
    inputs, output, _ = figures("gan")
    outputs = np.asarray(model(inputs))
    np.testing.assert_allclose(outputs, output, rtol=0, atol=0.02)


def test_long_lists_of_weights_are_read(tmp_path):
    path = tmp_path / "long.h5"
    shutil.copy(FOLDER / "weight_norm.h5", path)
    with h5py.File(path, "r+") as file:
        for layer in file["model_weights"].values():
            names = layer.attrs["weight_names"]
            if len(names) > 4:  # As Keras cuts what is too long for a file.
                del layer.attrs["weight_names"]
                layer.attrs["weight_names0"] = names[:4]
                layer.attrs["weight_names1"] = names[4:]
    inputs, output, _ = figures("weight_norm")
    close(addons.load_model(path)(inputs), output)


@pytest.mark.parametrize(
    ("path", "weights"),
    [
        ("model.keras", None),
        ("gan.json", None),
        ("generator.h5", "gan.h5"),
        ("model", "gan.h5"),
    ],
)
def test_names_of_files_say_what_they_are(path, weights):
    with pytest.raises(ValueError, match="should be an .h5 file of a whole"):
        addons.load_model(FOLDER / path, weights and FOLDER / weights)


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_a_broken_file_is_refused(keep, tmp_path):
    path = tmp_path / "broken.h5"
    path.write_bytes((FOLDER / "generator.h5").read_bytes()[:keep])
    with pytest.raises(ValueError, match="whole .h5 file. Received: .*broken"):
        addons.load_model(path)
    with pytest.raises(ValueError, match="whole .h5 file. Received: .*broken"):
        addons.load_model(FOLDER / "gan.json", path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.h5"):
        addons.load_model(tmp_path / "no.h5")
    with pytest.raises(FileNotFoundError, match=r"no\.json"):
        addons.load_model(tmp_path / "no.json", FOLDER / "gan.h5")


def test_weights_alone_are_no_model():
    with pytest.raises(ValueError, match="give it as `weights`"):
        addons.load_model(FOLDER / "gan.h5")


def test_weights_of_another_format_are_refused(tmp_path):
    model = keras.Sequential([layers.Input([2]), layers.Dense(2)])
    model.save_weights(tmp_path / "new.weights.h5")
    with pytest.raises(ValueError, match="which does not"):
        addons.load_model(FOLDER / "gan.json", tmp_path / "new.weights.h5")


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": 1}', b"\x89PNG\xff"])
def test_what_describes_no_model_is_refused(content, tmp_path):
    (tmp_path / "bad.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"`model.to_json`.*Received: .*bad"):
        addons.load_model(tmp_path / "bad.json", FOLDER / "gan.h5")


@pytest.mark.parametrize("key", ["layers", "inbound_nodes", "config"])
def test_half_a_description_is_refused(key, tmp_path):
    files = gan(tmp_path, lambda text: text.replace(f'"{key}"', '"lost"'))
    with pytest.raises(ValueError, match=r"Received: .*gan\.json"):
        addons.load_model(*files)


def test_other_layers_of_addons_are_refused(tmp_path):
    four = r"Instance.*, Addons>Group.*, Addons>Spectral.*, Addons>Weight"
    with pytest.raises(ValueError, match=rf"{four}.*Received: Addons>Maxout\."):
        addons.load_model(FOLDER / "maxout.h5")
    files = gan(tmp_path, lambda text: text.replace('"tanh"', '"Addons>gelu"'))
    with pytest.raises(ValueError, match=r"Received: Addons>gelu\."):
        addons.load_model(*files)


def test_an_axis_that_was_counted_wrong_is_refused(tmp_path):
    files = gan(tmp_path, lambda text: text.replace('"axis": 3', '"axis": -2'))
    with pytest.raises(ValueError, match="axis=-2, of layer 'instance_norm"):
        addons.load_model(*files)


def test_a_layer_that_waits_for_data_is_refused():
    with pytest.raises(ValueError, match="Received: 'weight_normalization"):
        addons.load_model(FOLDER / "never_called.h5")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected \d+ layers, found \d+"):
        addons.load_model(FOLDER / "gan.json", FOLDER / "generator.h5")
    files = gan(
        tmp_path, lambda text: text.replace('"filters": 4', '"filters": 5')
    )
    with pytest.raises(ValueError, match=r"expects shape .*5\).* saved .*4\)"):
        addons.load_model(*files)


def test_weight_normalization_is_its_definition():
    wrapped = layers.Dense(3, activity_regularizer="l2")
    layer = addons.WeightNormalization(wrapped)
    inputs = np.random.default_rng(0).random((4, 5), np.float32)
    first = np.asarray(layer(inputs))
    close(first, wrapped(inputs))  # Its own norms to begin with.
    wrapped.kernel.assign(7.0 * wrapped.kernel)
    layer.g.assign(2.0 * layer.g)
    close(layer(inputs), 2.0 * first)
    assert len(layer.losses) == 1  # Of a picture, as Keras has it.
    close(layer.losses[0], 0.01 * np.sum((2.0 * first) ** 2) / len(inputs))


def test_what_a_wrapped_layer_draws_is_new_each_time():
    gru = layers.GRU(8, dropout=0.5, seed=0)
    layer = addons.WeightNormalization(gru)
    inputs = np.ones((2, 3, 4), np.float32)
    first, second = (np.asarray(layer(inputs, training=True)) for _ in "12")
    assert np.max(np.abs(first - second)) > 0.01


def test_weight_normalization_wants_a_kernel():
    layer = addons.WeightNormalization(layers.ReLU(name="ramp"))
    with pytest.raises(ValueError, match="Received: layer=ramp, a ReLU"):
        layer(np.ones((1, 2), np.float32))
