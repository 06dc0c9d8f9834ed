"""Where the weights of a comparator come from, and how they get in."""

import hashlib
import io
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from absl import logging
from keras import ops

from percgen.comparators import weight_files
from percgen.comparators.weight_files import WeightsError as WeightsError


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
        weights: `"imagenet"`, `"random"`, `"zeros"` or the path of a file.
        application: The network of `keras.applications` that knows Keras's own
            file and its hash, if there is one.
        names: From layers of `model` to their names in files, where they
            differ. Files that keep to the model's own names serve, too.
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
    if weights == "zeros":
        return f"{model.name}: zeros, which see nothing"
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
        arrays = weight_files.read(path)
        provenance = record(model, path)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            name = names.get(layer.name, layer.name)
            if name not in arrays and layer.name in arrays:
                name = layer.name
            _assign(layer, arrays, name, weights)
    return provenance


def record(model: keras.Model, path: pathlib.Path) -> str:
    """Returns one line on weights from a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{model.name}: {path}, sha256 {digest}"


def _download(application: Callable[..., keras.Model]) -> weight_files.Arrays:
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


def _assign(
    layer: keras.layers.Layer,
    arrays: weight_files.Arrays,
    name: str,
    weights: str,
) -> None:
    found = arrays.get(name, {})
    for variable, kind in ((layer.kernel, "kernel"), (layer.bias, "bias")):
        shape = tuple(variable.shape)
        if kind not in found:
            raise WeightsError(
                f"Weights {weights} do not reach layer {layer.name}: they lack "
                f"{name}_{kind}, {shape}. "
                f"They hold: {', '.join(sorted(arrays)) or 'no layer'}."
            )
        value = _as_convolution(found[kind], shape)
        if value.shape != shape:
            raise WeightsError(
                f"Weights {weights} do not fit layer {layer.name}: its {kind} "
                f"is {shape}, theirs {value.shape}."
            )
        variable.assign(value)


def _as_convolution(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the kernel of a dense layer as that of the same convolution.

    Or the reverse. Keras flattens features as they lie: height, width,
    channels.
    """
    dense = {value.ndim, len(shape)} == {2, 4} and value.shape[-1] == shape[-1]
    fits = dense and value.size == np.prod(shape)
    return value.reshape(shape) if fits else value


def arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns kernels and biases of a comparator as an `.npz` names them."""
    return {
        f"{layer.name}_{kind}": ops.convert_to_numpy(getattr(layer, kind))
        for layer in model.layers
        if hasattr(layer, "kernel")
        for kind in ("kernel", "bias")
    }


def pack(named: Mapping[str, np.ndarray], dtype: str) -> bytes:
    """Returns an `.npz` file of arrays, compressed."""
    stream = io.BytesIO()
    content: Any = {name: x.astype(dtype) for name, x in named.items()}
    np.savez_compressed(stream, **content)
    return stream.getvalue()
