"""What an exported version tells of itself, for clients that cut pictures.

A signature of TensorFlow Serving cannot hold plain numbers, but its inputs may
have defaults: `about` takes these numbers, all of them optional, and gives them
back. So a request that names nothing is told them, and the metadata of the
model shows them too. None are needed to ask for a picture.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

BITS = 16
EVERYWHERE = -1

SPECS = [
    tf.TensorSpec([None], tf.int32, name=name)
    for name in ("scale", "halo", "context", "bits", "smallest", "max_pixels")
]


def make(
    generator: keras.Model, context: bool, smallest: int, max_pixels: int
) -> Callable[..., dict[str, tf.Tensor]]:
    """Returns the function of the signature, whose inputs are `SPECS`.

    `scale`: how many times as large an answer is. `halo`: how far from a pixel
    of the answer the network looks, in pixels of the picture; -1 if it looks at
    the whole, as one that normalizes each picture by itself. `context`: 1 if a
    part of a picture may come with its context, else 0. `bits`: the most of a
    colour that a PNG may have and keep. `smallest`, `max_pixels`: what the
    version takes.

    Args:
        generator: May have attributes `scale` and `halo`.
        context: Whether there is a signature `part`.
        smallest: Of `signatures.Limits`.
        max_pixels: Likewise.
    """
    halo = getattr(generator, "halo", None)
    given = (
        getattr(generator, "scale", 1),
        EVERYWHERE if halo is None else halo,
        int(context),
        BITS,
        smallest,
        max_pixels,
    )
    # As tensors: other defaults the signature does not tell.
    its = [tf.constant([number], tf.int32) for number in given]

    def about(
        scale: Any = its[0],
        halo: Any = its[1],
        context: Any = its[2],
        bits: Any = its[3],
        smallest: Any = its[4],
        max_pixels: Any = its[5],
    ) -> dict[str, tf.Tensor]:
        numbers = (scale, halo, context, bits, smallest, max_pixels)
        return {
            spec.name: tf.identity(number)
            for spec, number in zip(SPECS, numbers, strict=True)
        }

    return about
