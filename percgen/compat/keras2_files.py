"""The .h5 files of Keras 2, as Keras 3 would have them."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator

import h5py
import numpy as np

from percgen import archives

_FLAG = "/initialized:0"
_CLONE = "/data_dep_init/"
_MAGNITUDES = "/g:0"


def description(path: pathlib.Path) -> str:
    """Returns the description of the model that a file holds, as JSON.

    Raises:
        ValueError: If it is no .h5 file, or one of weights alone.
        OSError: If it cannot be read.
    """
    with _reading(path) as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ValueError(
                "`path` should be the file of a whole model. Received: "
                f"{path}, which has no description of one. If it holds "
                "weights, give it as `weights`, and as `path` the .json file "
                "of `model.to_json`."
            )
        return _text(text)


@contextlib.contextmanager
def rewritten(path: pathlib.Path, model: str) -> Iterator[str]:
    """Gives the path of a copy, which lies only as long as the context.

    Args:
        path: An .h5 file of weights, or of a whole model.
        model: The description, as JSON, that the copy should hold.

    Raises:
        ValueError: If it is no .h5 file, or not one of Keras 2; or if a weight
            normalization should begin by data that it has not seen yet.
        OSError: If it cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = str(pathlib.Path(folder) / "model.h5")
        with _reading(path) as old, h5py.File(copy, "w") as new:
            _rewrite(old, new)
            new.attrs["model_config"] = model
        yield copy


@contextlib.contextmanager
def _reading(path: pathlib.Path) -> Iterator[h5py.File]:
    with open(path, "rb"):
        pass  # A file that is missing is not a broken one.
    try:
        with h5py.File(path, "r") as file:
            yield file
    except archives.BROKEN as error:
        if isinstance(error, ValueError):
            raise
        raise ValueError(
            f"Expected a whole .h5 file. Received: {path}: {error}"
        ) from error


def _rewrite(old: h5py.File, new: h5py.File) -> None:
    weights = old.get("model_weights", old)
    if not any(key.startswith("layer_names") for key in weights.attrs):
        raise ValueError(
            "Weights should be of `model.save_weights('weights.h5')` or "
            "`model.save('model.h5')`, which name the layers. Received: "
            f"{old.filename}, which does not."
        )
    old.copy(weights, new, "model_weights")
    for layer in new["model_weights"].values():
        _settle(layer)


def _settle(layer: h5py.Group) -> None:
    """Leaves only magnitudes and directions of weight normalizations.

    The old layer's flag that it has begun, and the copy of what it wraps by
    which it begins, are taken off the list of its weights.
    """
    # Long lists are cut: weight_names0, weight_names1, ...
    lists = [key for key in layer.attrs if key.startswith("weight_names")]
    names = {key: [_text(name) for name in layer.attrs[key]] for key in lists}
    every = [name for key in lists for name in names[key]]
    wrappers = [
        name.removesuffix(_FLAG)
        for name in every
        if name.endswith(_FLAG) and name.replace(_FLAG, _MAGNITUDES) in every
    ]
    for wrapper in wrappers:
        _begin(layer, wrapper, every)
    gone = tuple(wrapper + _FLAG for wrapper in wrappers)
    gone += tuple(wrapper + _CLONE for wrapper in wrappers)
    for key in lists:
        kept = [name for name in names[key] if not name.startswith(gone)]
        layer.attrs[key] = np.array(kept, "S")


def _begin(layer: h5py.Group, wrapper: str, names: list[str]) -> None:
    """Gives a wrapper that was never called the magnitudes of its kernel."""
    if layer[wrapper + _FLAG][()]:
        return
    if any(name.startswith(wrapper + _CLONE) for name in names):
        raise ValueError(
            "A weight normalization with `data_init=True` should have been "
            "called before it is saved: its first call sets its weights. "
            f"Received: {wrapper!r}, which never was."
        )
    # The kernel it normalizes is the one after its own magnitudes.
    kernel = layer[names[names.index(wrapper + _MAGNITUDES) + 1]][()]
    norm = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0)
    layer[wrapper + _MAGNITUDES][()] = norm


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
