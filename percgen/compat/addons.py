"""Models that hold layers of tensorflow-addons, in Keras 3.

That library ended in 2024 and does not import beside TensorFlow 2.16 or later.
What is read here is what its release 0.23.0 wrote.
"""

import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from percgen import archives
from percgen.compat import addons_layers
from percgen.compat import keras2_files
from percgen.compat import keras2_layers

SpectralEmbedding = addons_layers.SpectralEmbedding
WeightNormalization = addons_layers.WeightNormalization

_PACKAGE = "Addons>"


def load_model(
    path: str | pathlib.Path,
    weights: str | pathlib.Path | None = None,
    custom_objects: dict[str, Any] | None = None,
) -> keras.Model:
    """Loads a model with layers of tensorflow-addons that Keras 2 saved.

    `InstanceNormalization` and `GroupNormalization` become
    `keras.layers.GroupNormalization`; `SpectralNormalization` becomes
    `keras.layers.SpectralNormalization`, of an embedding `SpectralEmbedding`;
    `WeightNormalization` becomes percgen's own, with magnitudes and directions
    that go on learning. Wherever they lie: in nested models and in wrappers.

    What comes out gives the same numbers, trains by the same steps (on JAX not
    those of spectral normalization, whose kernels stay there as they were), and
    can be saved as `.keras`. It is not compiled, and its optimizer's state is
    lost.

    Args:
        path: An `.h5` file of `model.save`, or a `.json` file of
            `model.to_json`.
        weights: With a `.json` file, the `.h5` file of `model.save_weights`.
        custom_objects: The model's own classes and functions, by name.

    Raises:
        ValueError: If a file is not what it should be; if the model holds
            another layer of tensorflow-addons, or one of these four with an
            option that Keras has no equal of; if the weights do not fit; or if
            Keras itself refuses another part of the model.
        OSError: If a file cannot be read.
    """
    path = pathlib.Path(path)
    whole = weights is None and path.suffix in (".h5", ".hdf5")
    if not whole and (weights is None or path.suffix != ".json"):
        raise ValueError(
            "`path` should be an .h5 file of a whole model, or a .json file "
            "with `weights`, an .h5 file. Received: "
            f"path={str(path)!r}, weights={weights and str(weights)!r}."
        )
    source = path if weights is None else pathlib.Path(weights)
    text = keras2_files.description(path) if whole else path.read_bytes()
    description = _describe(text, path)
    with keras2_files.rewritten(source, description) as file:
        try:
            return keras.models.load_model(file, custom_objects, compile=False)
        except archives.BROKEN as error:
            raise ValueError(
                f"Keras cannot make a model of {path} with the weights of "
                f"{source}: {error}"
            ) from error


def _describe(text: str | bytes, path: pathlib.Path) -> str:
    """Returns a description that Keras 3 reads."""
    try:
        model = json.loads(text)
        kind = keras2_layers.registered_name(model)
    except (AttributeError, ValueError):
        kind = ""
    if not kind:
        raise ValueError(
            "Expected the description of a model, as `model.to_json` gives it. "
            f"Received: {path}, which holds {text[:40]!r}."
        )
    try:
        return json.dumps(keras2_layers.translate(_translate(model)))
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            "Expected a Sequential or functional model as Keras 2 describes "
            f"it. Received: {path}, a {kind}, with {error!r}."
        ) from error


def _translate(node: Any) -> Any:
    """Returns a description with Keras's layers in place of the old ones."""
    if isinstance(node, list):
        return [_translate(value) for value in node]
    if isinstance(node, dict):
        name = keras2_layers.registered_name(node)
        if name.startswith(_PACKAGE):
            return _layer(name.removeprefix(_PACKAGE), node)
        return {key: _translate(value) for key, value in node.items()}
    if isinstance(node, str) and node.startswith(_PACKAGE):
        raise _unknown(node)
    return node


def _layer(kind: str, node: dict[str, Any]) -> dict[str, Any]:
    if kind not in _LAYERS:
        raise _unknown(_PACKAGE + kind)
    new_class, config = _LAYERS[kind](_translate(node["config"]))
    # `name` and `inbound_nodes` are the place in a graph.
    kept = {key: node[key] for key in node if key in ("name", "inbound_nodes")}
    return {**kept, "class_name": new_class, "config": config}


def _unknown(name: str) -> ValueError:
    known = ", ".join(_PACKAGE + kind for kind in _LAYERS)
    return ValueError(
        f"Of tensorflow-addons these are supported: {known}. Received: {name}."
    )


def _group(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    axis = config.get("axis", -1)
    # With as many groups as channels, as in instance normalization, the old
    # layers normalized another axis than such a one, or none.
    if not isinstance(axis, int) or axis < -1:
        raise ValueError(
            "`axis` of an old normalization should be -1 or positive: others "
            "were counted from the wrong end. Received: "
            f"axis={axis}, of layer {config.get('name')!r}."
        )
    return "GroupNormalization", config


def _instance(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return _group({**config, "groups": -1})


def _spectral(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if config["layer"]["class_name"] == "Embedding":
        return "percgen>SpectralEmbedding", config
    return "SpectralNormalization", config


def _weight(config: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    config = {key: config[key] for key in config if key != "data_init"}
    return "percgen>WeightNormalization", config


_LAYERS: dict[str, Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "InstanceNormalization": _instance,
    "GroupNormalization": _group,
    "SpectralNormalization": _spectral,
    "WeightNormalization": _weight,
}
