"""The layer whose features a command's network is given, by its flags."""

from typing import Any

import keras
import numpy as np
from absl import flags

from percgen import comparators
from percgen import data
from percgen import tasks
from train import comparison
from train import feature_terms
from train import runner

LAYER = flags.DEFINE_string(
    "layer", None, "Whose features the network is given.", required=True
)
_ENCODER = flags.DEFINE_enum(
    "encoder",
    None,
    sorted(comparators.COMPARATORS),
    "Whose --layer it is; by default that of --comparator.",
)
_WEIGHTS = flags.DEFINE_string(
    "encoder_weights", None, "Of --encoder, as --comparator_weights."
)
_MEASURED = 128  # Pictures that features' mean and scale are taken of.
_LEAST_SCALE = 0.1  # Of a channel, in scales of all features.


def make(trainable: bool = False) -> comparators.comparator.Comparator:
    """Returns the encoder of the flags, from pictures to a dict of one layer.

    Args:
        trainable: Leaves it to be trained, in the precision of the training.

    Raises:
        ValueError: If there is no such layer, its weights cannot be had, or
            --image_size is too small for it.
    """
    kind, weights = comparison.chosen(), comparison.COMPARATOR_WEIGHTS.value
    if _ENCODER.value is not None:
        kind, weights = comparators.COMPARATORS[_ENCODER.value], _WEIGHTS.value
    encoder = kind(
        [LAYER.value],
        weights=weights,
        seed=runner.SEED.value,
        dtype=keras.config.dtype_policy() if trainable else "float32",
    )
    encoder.trainable = trainable
    feature_terms.refuse_small(encoder, f" for {LAYER.value}")
    return encoder


def look(
    encoder: keras.Model, photographs: data.Photographs
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Returns the shape of a photograph's features, and how they spread.

    The spread is `mean` and `scale`, the standard deviation, of each channel,
    as networks take them; of rare channels the scale is not far below others'.
    """
    pictures = photographs.panel(_MEASURED, runner.IMAGE_SIZE.value)
    features = np.asarray(tasks.invert.describe(encoder, pictures))
    each = tuple(range(features.ndim - 1))
    scale = np.maximum(features.std(each), _LEAST_SCALE * features.std())
    spread = {"mean": features.mean(each).tolist(), "scale": scale.tolist()}
    return features.shape[1:], spread
