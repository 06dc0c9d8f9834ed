"""Networks that percgen has trained, in the package: float16, with their cards.

`percgen/pretrained/NAME.npz` holds a network's description and its weights,
`NAME.md` beside it tells how it was made and how well it does.
"""

import io
import json
import os
import pathlib
from typing import Any

import keras
import numpy as np

from percgen import archives
from percgen import images
from percgen import networks  # noqa: F401  Known by name when described.

FOLDER = pathlib.Path(__file__).parent / "pretrained"
_DESCRIPTION = "network"


def names() -> list[str]:
    """Returns the names of the networks in the package."""
    return sorted(
        path.stem
        for path in FOLDER.glob("*.npz")
        if _DESCRIPTION in archives.names(path)
    )


def load(name: str) -> keras.Model:
    """Returns a network of the package, in float32.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in names():
        raise ValueError(
            f"In the package are {', '.join(names())}. Received: {name}."
        )
    return read(FOLDER / f"{name}.npz")


def trained(workdir: str | os.PathLike) -> keras.Model:
    """Returns the network that a run has left in its folder.

    Raises:
        ValueError: If there is none.
    """
    file = pathlib.Path(workdir) / "generator.keras"
    if not file.is_file():
        raise ValueError(f"No {file}: has the training run ended?")
    return keras.saving.load_model(file, compile=False)


def read(path: str | os.PathLike) -> keras.Model:
    """Returns the network that `write` kept.

    Raises:
        ValueError: If the file cannot be read, or is another.
    """
    keys = [key for key in archives.names(path) if key != _DESCRIPTION]
    description, *weights = archives.read(path, [_DESCRIPTION, *keys])
    network = keras.saving.deserialize_keras_object(
        json.loads(str(description))
    )
    network.set_weights([weight.astype(np.float32) for weight in weights])
    return network


def write(network: keras.Model, path: str | os.PathLike) -> None:
    """Keeps a network in a file, weights in float16.

    Raises:
        ValueError: If a weight does not fit into float16.
    """
    described = json.dumps(keras.saving.serialize_keras_object(network))
    kept: dict[str, Any] = {_DESCRIPTION: np.array(described)}
    for number, weight in enumerate(network.get_weights()):
        with np.errstate(over="ignore"):
            kept[f"{number:03}"] = weight.astype(np.float16)
        if not np.all(np.isfinite(kept[f"{number:03}"])):
            raise ValueError(
                f"Weight {number} of {network.name}, of up to "
                f"{np.abs(weight).max():.3g}, does not fit into float16."
            )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **kept)
    images.write_bytes(path, buffer.getvalue())
