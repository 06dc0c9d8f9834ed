"""Where the weights of a comparator come from, and how they get in."""

import hashlib
import pathlib
import zipfile
from collections.abc import Callable
from collections.abc import Mapping

import h5py
import keras
import numpy as np
from absl import logging

Arrays = dict[
    str, dict[str, np.ndarray]
]  # {layer: {"kernel": ..., "bias": ...}}


class WeightsError(ValueError):
    """Raised when weights cannot be had, or lack a layer that is needed."""


def load(
    model: keras.Model,
    weights: str | None,
    application: Callable[..., keras.Model] | None,
    names: Mapping[str, str],
    warn: bool,
) -> str:
    """Puts weights into a comparator.

    Args:
        model: The comparator, whose initial weights are the random ones.
        weights: `"imagenet"`, `"random"` or the path of a file.
        application: The network of `keras.applications` that knows Keras's own
            file and its hash, if there is one.
        names: From layers of `model` to their names in files, where they
            differ.
        warn: Whether random weights are worth a warning.

    Returns:
        One line that says what was used, for the record of a run.

    Raises:
        WeightsError: If the weights cannot be had or lack a layer.
    """
    if weights == "random":
        if warn:
            logging.warning(
                "%s has RANDOM weights: it compares edges and colours, but has "
                "never seen a picture. Results will be worse than with trained "
                "weights.",
                model.name,
            )
        return f"{model.name}: random orthogonal weights"
    if weights == "imagenet" and application:
        arrays = _download(application)
        provenance = f"{model.name}: imagenet, of keras.applications"
    elif weights in (None, "imagenet"):
        raise WeightsError(
            f"{model.name} has no weights to download; give the path of a file "
            f'or "random". Received: weights={weights!r}.'
        )
    else:
        path = pathlib.Path(weights).expanduser()
        arrays = read(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        provenance = f"{model.name}: {weights}, sha256 {digest}"
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            name = names.get(layer.name, layer.name)
            _assign(layer, arrays, name, weights)
    return provenance


def _download(application: Callable[..., keras.Model]) -> Arrays:
    try:
        source = application(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises bare Exception for a failed URL.
        raise WeightsError(
            'weights="imagenet" could not be downloaded; give the path of a '
            f'file or "random" instead. {" ".join(str(error).split())}'
        ) from error
    return {
        layer.name: dict(
            zip(("kernel", "bias"), layer.get_weights(), strict=True)
        )
        for layer in source.layers
        if layer.get_weights()
    }


def read(path: pathlib.Path) -> Arrays:
    """Reads a file of weights.

    Raises:
        WeightsError: If it cannot be read.
    """
    readers = {".h5": _read_h5, ".npz": _read_npz}
    if path.suffix not in readers:
        raise WeightsError(
            '`weights` should be "imagenet", "random", or the path of an .h5 '
            f"or .npz file. Received: weights={str(path)!r}."
        )
    try:
        return readers[path.suffix](path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"Cannot read weights {path}: {error}") from error


def _read_npz(path: pathlib.Path) -> Arrays:
    arrays: Arrays = {}
    with path.open("rb") as stream, np.load(stream) as file:
        for key in file.files:
            layer, _, kind = key.rpartition("_")
            arrays.setdefault(layer, {})[kind] = file[key]
    return arrays


def _read_h5(path: pathlib.Path) -> Arrays:
    """Reads the layout of keras-applications: a group for each layer."""
    arrays: Arrays = {}
    with h5py.File(path) as file:
        layers = file.get("model_weights", file)
        for name in layers.attrs["layer_names"]:
            group = layers[name]
            values = [np.asarray(group[w]) for w in group.attrs["weight_names"]]
            kinds = ("kernel", "bias")[: len(values)]
            arrays[_text(name)] = dict(zip(kinds, values, strict=False))
    return arrays


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _assign(
    layer: keras.layers.Layer, arrays: Arrays, name: str, weights: str
) -> None:
    found = arrays.get(name, {})
    if not {"kernel", "bias"} <= set(found):
        raise WeightsError(
            f"Weights {weights} do not reach layer {layer.name}: they lack "
            f"{name}. They hold: {', '.join(sorted(arrays)) or 'no layer'}."
        )
    for variable, kind in ((layer.kernel, "kernel"), (layer.bias, "bias")):
        if found[kind].shape != tuple(variable.shape):
            raise WeightsError(
                f"Weights {weights} do not fit layer {layer.name}: its {kind} "
                f"is {tuple(variable.shape)}, theirs {found[kind].shape}."
            )
        variable.assign(found[kind])
