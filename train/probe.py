r"""Asks how much a comparator's features tell of what a picture shows.

A linear classifier (scikit-learn's ridge regression, its strength chosen on the
training pictures by leaving one out) learns from the features of labelled
pictures, the largest in each quarter of the picture as in Dosovitskiy et al.
2014 (recalled). What it gets right on other pictures is printed, beside the
same for random weights. The last line is of all layers together.

Example:
    python -m train.probe --comparator=exemplar --probe_layers=relu3 \
        --comparator_weights=runs/exemplar/comparator.npz --labelled=cifar10.npz
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from sklearn import linear_model
from sklearn import pipeline
from sklearn import preprocessing

from percgen import archives
from percgen import command
from percgen import comparators
from train import comparison

_LABELLED = flags.DEFINE_string(
    "labelled",
    None,
    ".npz file with x_train and x_test, uint8 [N, H, W, 3], and labels y_train "
    "and y_test, [N].",
)
_PROBE_LAYERS = flags.DEFINE_list(
    "probe_layers", None, "Layers to probe; by default the comparator's own."
)
_PROBE_SIZE = flags.DEFINE_integer(
    "probe_size",
    None,
    "Side to which labelled pictures are enlarged; by default 32 for exemplar "
    "and compact, else 99.",
    lower_bound=8,
)
flags.adopt_module_key_flags(comparison)

_BATCH = 100
_STRENGTHS = np.logspace(0, 6, 13)
_ALL = "all"
_LAYERS = {
    "exemplar": ["relu1", "relu2", "relu3", "relu4"],
    "video": ["relu1", "relu2", "relu3", "relu4", "relu5"],
    "alexnet": ["relu3", "relu5", "pool5"],
    "squeezenet": ["fire5", "fire9"],
}


class Labelled(NamedTuple):
    """Pictures, uint8 `[N, H, W, 3]`, and classes, to learn and to test."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def main() -> None:
    labelled = read_labelled()
    if labelled is None:
        raise ValueError("Give --labelled.")
    print(
        compare(
            comparison.COMPARATOR.value,
            comparison.COMPARATOR_WEIGHTS.value,
            labelled,
        )
    )


def read_labelled() -> Labelled | None:
    """Reads --labelled, if it is given.

    Raises:
        ValueError: If it is no such file.
    """
    return None if _LABELLED.value is None else read(_LABELLED.value)


def read(path: str) -> Labelled:
    """Reads labelled pictures.

    Raises:
        ValueError: If they are none, or have fewer than two classes.
    """
    labelled = Labelled(*archives.read(path, Labelled._fields))
    for x, y in (labelled[:2], labelled[2:]):
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[::3] != (*y.shape, 3):
            raise ValueError(
                f"{path} should hold uint8 [N, H, W, 3] and a label [N] for "
                f"each. Received: {x.dtype} {x.shape}, {y.shape}."
            )
    classes = len(np.unique(labelled.y_train))
    if classes < 2 or not len(labelled.y_test):
        raise ValueError(
            f"{path} should hold two classes at least, and pictures to test. "
            f"Received: {classes}, and {len(labelled.y_test)}."
        )
    return labelled


def compare(name: str, weights: str | None, labelled: Labelled) -> str:
    """Returns a table: layers, accuracy, accuracy with random weights."""
    layers = _PROBE_LAYERS.value or _LAYERS.get(
        name, list(comparators.COMPARATORS[name].style_layers)
    )
    right = {
        kind: probe(comparators.COMPARATORS[name](layers, source), labelled)
        for kind, source in (("trained", weights), ("random", "random"))
    }
    lines = [f"{'layer':10} trained   random   gain  (% right)"]
    for layer in right["random"]:
        trained, random = (100 * right[kind][layer] for kind in right)
        lines.append(
            f"{layer:10} {trained:7.1f} {random:8.1f} {trained - random:+6.1f}"
        )
    return "\n".join(lines)


def probe(
    comparator: comparators.comparator.Comparator, labelled: Labelled
) -> dict[str, float]:
    """Returns the share of test pictures that each layer gets right.

    And, by the name of `all`, all of them together, if there are several.
    """
    train, test = (
        _features(comparator, x) for x in (labelled.x_train, labelled.x_test)
    )
    right = {}
    for layer in train:
        classifier = pipeline.make_pipeline(
            preprocessing.StandardScaler(),
            linear_model.RidgeClassifierCV(_STRENGTHS),
        )
        classifier.fit(train[layer], labelled.y_train)
        right[layer] = classifier.score(test[layer], labelled.y_test)
    return right


def _features(
    comparator: comparators.comparator.Comparator, pictures: np.ndarray
) -> dict[str, np.ndarray]:
    small = comparator.name in ("exemplarcnn", "compact")
    side = _PROBE_SIZE.value or (32 if small else 99)

    @tf.function
    def look(batch: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = tf.cast(batch, tf.float32) / 255.0
        batch = keras.ops.image.resize(batch, (side, side), "bicubic")
        features = comparator(tf.clip_by_value(batch, 0.0, 1.0))
        return {layer: _quarters(x) for layer, x in features.items()}

    found = [
        look(pictures[start : start + _BATCH])
        for start in range(0, len(pictures), _BATCH)
    ]
    features = {
        layer: np.concatenate([each[layer] for each in found])
        for layer in found[0]
    }
    if len(features) > 1:
        features[_ALL] = np.concatenate(list(features.values()), axis=1)
    return features


def _quarters(features: tf.Tensor) -> tf.Tensor:
    """Returns what is largest in each quarter, or in all of it if small."""
    height, width = (max(1, side // 2) for side in features.shape[1:3])
    parts = (
        features[:, top, left]
        for top in (slice(None, height), slice(-height, None))
        for left in (slice(None, width), slice(-width, None))
    )
    largest = [tf.reduce_max(part, axis=(1, 2)) for part in parts]
    small = min(features.shape[1:3]) == 1
    return tf.concat(largest[: 1 if small else 4], axis=1)


if __name__ == "__main__":
    command.run(main)
