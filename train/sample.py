r"""Makes pictures with a trained variational autoencoder.

Of codes that are drawn, of photographs' own codes, or of codes between those of
two photographs. Takes what `train.vae` left, or `train.reconstruct
--stochastic`.

Example:
    python -m train.sample --run=runs/vae --output=drawn.png
    python -m train.sample --run=runs/vae --like='photos/*.jpg' \
        --output=like.png
    python -m train.sample --run=runs/vae --restore='photos/*.jpg' \
        --output=restored.png
    python -m train.sample --run=runs/vae --between=one.jpg,other.jpg \
        --output=between.png
"""

import pathlib

import keras
import numpy as np
from absl import flags

from percgen import command
from percgen import comparators  # noqa: F401  An encoder may be of its layers.
from percgen import data
from percgen import images
from percgen import networks  # noqa: F401  Known by name when loaded.
from percgen import tasks
from train import panels

_RUN = flags.DEFINE_string(
    "run", None, "--workdir of the training.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "PNG to write.", required=True)
_COUNT = flags.DEFINE_integer(
    "count", 64, "Pictures to draw, restore, or put between.", lower_bound=2
)
_SEED = flags.DEFINE_integer("seed", 0, "Of codes that are drawn.")
_SPREAD = flags.DEFINE_float(
    "spread", 1.0, "Of codes that are drawn; 1 is the prior's.", lower_bound=0.0
)
_LIKE = flags.DEFINE_string(
    "like",
    None,
    "Glob of photographs, all of whose codes together tell the Gaussian that "
    "codes are drawn from, in place of the standard one: a short training does "
    "not bring them there.",
)
_RESTORE = flags.DEFINE_string(
    "restore", None, "Glob of photographs, shown above what they become."
)
_BETWEEN = flags.DEFINE_list("between", None, "Two photographs' paths.")
_ACROSS = 8
_MOST, _AT_ONCE = 1000, 50  # Photographs of --like.


def main() -> None:
    given = [flag for flag in (_RESTORE, _BETWEEN, _LIKE) if flag.value]
    if len(given) > 1:
        raise ValueError(
            "Give --restore or --between or --like, or none. Received: "
            f"{' and '.join(f'--{flag.name}' for flag in given)}."
        )
    network = _load(pathlib.Path(_RUN.value) / "generator.keras")
    if _RESTORE.value:
        rows = _restore(network)
    elif _BETWEEN.value:
        rows = _go_between(network)
    else:
        rows = _draw(network)
    images.write(_OUTPUT.value, panels.contact_sheet(rows))
    print(f"Wrote {_OUTPUT.value}")


def _load(path: pathlib.Path) -> keras.Model:
    """Returns the network of a run.

    Raises:
        ValueError: If there is none, or it has no codes to draw.
    """
    if not path.exists():
        raise ValueError(f"No finished training: {path} does not exist.")
    network = keras.saving.load_model(path, compile=False)
    if not tasks.vae.is_stochastic(network):
        raise ValueError(
            f"{_RUN.value} holds no variational autoencoder but "
            f"{network.name}: it has no codes to draw. Train with train.vae, "
            "or train.reconstruct --stochastic."
        )
    return network


def _draw(network: keras.Model) -> list[np.ndarray]:
    shape = [_COUNT.value, *network.decoder.input.shape[1:]]
    codes = keras.random.normal(shape, stddev=_SPREAD.value, seed=_SEED.value)
    if _LIKE.value:
        codes = _like(network, np.asarray(codes))
    return _rows(network, codes)


def _like(network: keras.Model, codes: np.ndarray) -> np.ndarray:
    """Gives codes that are spread as the standard Gaussian photographs' own."""
    photographs = data.Files(_LIKE.value)
    count = min(_MOST, max(2, len(photographs.paths)))
    pictures = photographs.panel(count, _size(network))
    found = [
        network.bottleneck(network.encoder(part, training=False))
        for part in np.array_split(pictures, -(-count // _AT_ONCE))
    ]
    mean, covariance = tasks.vae.aggregated_posterior(
        *(np.concatenate(part) for part in zip(*found, strict=True))
    )
    factor = np.linalg.cholesky(covariance)
    flat = mean + codes.reshape([len(codes), -1]) @ factor.T
    return flat.reshape(codes.shape).astype(np.float32)


def _restore(network: keras.Model) -> list[np.ndarray]:
    photographs = data.Files(_RESTORE.value)
    count = min(_COUNT.value, len(photographs.paths))
    pictures = photographs.panel(count, _size(network))
    rows = []
    for start in range(0, count, _ACROSS):
        row = pictures[start : start + _ACROSS]
        rows += [row, network(row, training=False)]
    return [np.asarray(row) for row in rows]


def _go_between(network: keras.Model) -> list[np.ndarray]:
    if len(_BETWEEN.value) != 2:
        raise ValueError(
            "--between should be two photographs. "
            f"Received: {','.join(_BETWEEN.value)}."
        )
    size = _size(network)
    ends = [data.Files(path).panel(1, size) for path in _BETWEEN.value]
    features = network.encoder(np.concatenate(ends), training=False)
    (one, other), _ = network.bottleneck(features, training=False)
    parts = np.linspace(0.0, 1.0, _COUNT.value, dtype=np.float32)[:, None]
    return _rows(network, (1.0 - parts) * one + parts * other)


def _rows(network: keras.Model, codes: np.ndarray) -> list[np.ndarray]:
    pictures = np.asarray(network.decoder(codes, training=False))
    starts = range(0, len(pictures), _ACROSS)
    return [pictures[start : start + _ACROSS] for start in starts]


def _size(network: keras.Model) -> int:
    return network.decoder.output.shape[1]


if __name__ == "__main__":
    command.run(main)
