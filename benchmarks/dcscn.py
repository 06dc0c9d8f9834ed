"""Compact DCSCN x4, drawn from its description.

c-DCSCN of Yamanaka et al. (jiny2001/dcscn-super-resolution, version 2) is the
best of the compact networks for super-resolution that still run today.
"""

from typing import Any

import keras
from keras import layers

from percgen.networks import upscaling

# Filters of the seven layers; of the two branches after them.
_FILTERS = (32, 26, 22, 18, 14, 11, 8)
_BRANCHES = (24, 8)


def draw() -> keras.Model:
    """Returns c-DCSCN x4: from luma `[B, H, W, 1]`, and that enlarged."""

    def conv(x: Any, filters: int, size: int = 3) -> Any:
        x = layers.Conv2D(filters, size, padding="same")(x)
        return layers.PReLU(shared_axes=[1, 2])(x)

    small = x = keras.Input([None, None, 1])
    large = keras.Input([None, None, 1])
    found = []
    for filters in _FILTERS:
        x = conv(x, filters)
        found.append(x)
    every = layers.Concatenate()(found)
    wide, narrow = _BRANCHES
    x = layers.Concatenate()(
        [conv(conv(every, narrow, 1), narrow), conv(every, wide, 1)]
    )
    for filters in (sum(_BRANCHES), 1):
        x = layers.Conv2D(4 * filters, 3, padding="same")(x)
        x = upscaling.PixelShuffle(2)(x)
    x = layers.Conv2D(1, 3, padding="same", use_bias=False)(x)
    return keras.Model([small, large], layers.Add()([x, large]))
