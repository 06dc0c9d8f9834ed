"""Layers of paper B's released nets, initial weights and all (seen)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

_SLOPE = 0.3
# Of the standard deviation sqrt(2 / inputs).
_UP_GAIN, _BETWEEN_GAIN, _DENSE_GAIN = 1.8, 0.9, 1.0


def conv(x: Any, filters: int, kernel: int = 3, **options: Any) -> Any:
    """Convolves and activates; without bias or loss of border by default."""
    options = {"padding": "same", "use_bias": False, **options}
    return activate(
        layers.Conv2D(
            filters,
            kernel,
            kernel_initializer=_scaled(_BETWEEN_GAIN),
            **options,
        )(x)
    )


def up(x: Any, filters: int, **options: Any) -> Any:
    """Makes a map twice as large, by an up-convolution without activation."""
    return layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        # Caffe counts a transposed kernel's outputs as its inputs; so Keras.
        kernel_initializer=_scaled(_UP_GAIN),
        **options,
    )(x)


def dense(x: Any, units: int, **options: Any) -> Any:
    """Applies a dense layer and activates."""
    initializer = _scaled(_DENSE_GAIN)
    return activate(
        layers.Dense(units, kernel_initializer=initializer, **options)(x)
    )


def activate(x: Any) -> Any:
    """Applies leaky ReLU."""
    return layers.LeakyReLU(negative_slope=_SLOPE)(x)


def standardize(
    x: Any, mean: float | Sequence[float], scale: float | Sequence[float]
) -> Any:
    """Takes the mean from features and divides by the scale, by channel."""
    factor = 1.0 / np.asarray(scale, np.float32)
    return layers.Rescaling(factor, -np.asarray(mean) * factor)(x)


def _scaled(gain: float) -> keras.Initializer:
    return keras.initializers.VarianceScaling(
        2.0 * gain**2, "fan_in", "untruncated_normal"
    )
