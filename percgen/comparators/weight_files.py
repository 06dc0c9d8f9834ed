"""Files of weights, of Keras's layout, of NumPy's and of Caffe's."""

import contextlib
import pathlib
from collections.abc import Iterator

import h5py
import numpy as np

from percgen import archives
from percgen.comparators import caffe

# {layer: {"kernel": ..., "bias": ...}}
Arrays = dict[str, dict[str, np.ndarray]]


class WeightsError(ValueError):
    """Raised when weights cannot be had, or lack a layer that is needed."""


def read(path: pathlib.Path) -> Arrays:
    """Reads a file of weights: `.h5`, `.npz` or `.caffemodel`.

    Raises:
        WeightsError: If it cannot be read.
    """
    readers = {".h5": _read_h5, ".npz": _read_npz, ".caffemodel": caffe.read}
    if path.suffix not in readers:
        raise WeightsError(
            '`weights` should be "imagenet", "random", or the path of an .h5, '
            f".npz or .caffemodel file. Received: weights={str(path)!r}."
        )
    with reading(path):
        return readers[path.suffix](path)


def array_names(path: pathlib.Path) -> list[str]:
    """Returns the names of the arrays of an `.npz` file.

    Raises:
        WeightsError: If it cannot be read.
    """
    with reading(path), archives.open_npz(path) as file:
        return file.files


def layer_types(path: pathlib.Path) -> list[str]:
    """Returns the types of the layers of a `.caffemodel` file, in order.

    Raises:
        WeightsError: If it cannot be read.
    """
    with reading(path):
        return caffe.layer_types(path)


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Makes a WeightsError of whatever a broken file does to its reader.

    Raises:
        WeightsError: If the file cannot be read.
    """
    try:
        yield
    except WeightsError:
        raise
    except archives.BROKEN as error:
        raise WeightsError(f"Cannot read weights {path}: {error}") from error


def _read_npz(path: pathlib.Path) -> Arrays:
    """Reads `conv1_kernel`, `conv1_bias`, ...; or `conv1_kernel_q`, ..."""
    arrays: Arrays = {}
    with archives.open_npz(path) as file:
        for kind in ("kernel", "bias"):
            layers = [
                key.removesuffix("_q").removesuffix(f"_{kind}")
                for key in file.files
                if key.endswith((f"_{kind}", f"_{kind}_q"))
            ]
            for number, layer in enumerate(layers):
                value = _read_array(file, layer, kind, number)
                arrays.setdefault(layer, {})[kind] = value
    return arrays


def _read_array(
    file: np.lib.npyio.NpzFile, layer: str, kind: str, number: int
) -> np.ndarray:
    """Returns float32; of a quantised array q, q * 2^-exponent.

    The exponent is the layer's own, or the `number`-th of all layers'.
    """
    name = f"{layer}_{kind}"
    if name in file.files:
        return np.asarray(file[name], np.float32)
    if f"{name}_exp" in file.files:
        exponent = int(file[f"{name}_exp"])
    else:
        exponent = int(file[f"{kind}_exp"][number])
    return np.ldexp(np.float32(file[f"{name}_q"]), -exponent)


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
