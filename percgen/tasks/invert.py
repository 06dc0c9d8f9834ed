"""Learning to give pictures back from their features.

References:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 4.3.
    Dosovitskiy and Brox, "Inverting visual representations with convolutional
    networks", CVPR 2016: by the term `image` alone.
"""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from percgen.tasks import deepsim
from percgen.tasks import reconstruct
from percgen.tasks.pause import Pause
from percgen.tasks.task import Weight


class Invert(deepsim.DeePSiM):
    """Trains a generator to make a picture of what a network saw in it.

    Batches are pictures; the generator is given their features. Called with
    pictures, it gives them as it makes them of their features.

    Args:
        generator: From features to pictures, as `networks.UpconvGenerator`.
        encoder: From pictures to a dict with one layer's features, frozen: a
            comparator.
        discriminator: As of `DeePSiM`; if it looks at features, at these.
        terms: As of `DeePSiM`.
        weights: Likewise.
        pause: Likewise.
        seed: Likewise.
        name: Of the task.

    Raises:
        ValueError: As `DeePSiM`, or if the encoder gives several layers.
    """

    def __init__(
        self,
        generator: keras.Model,
        encoder: keras.Model,
        discriminator: keras.Model,
        terms: Mapping[str, reconstruct.Criterion],
        weights: Mapping[str, Weight],
        pause: Pause | None = None,
        seed: int = 0,
        name: str = "invert",
    ):
        if len(encoder.output) != 1:
            raise ValueError(
                "`encoder` should give one layer. "
                f"Received: {', '.join(encoder.output)}."
            )
        super().__init__(
            generator, discriminator, terms, weights, pause, seed, name
        )
        self.encoder = encoder

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.generator(describe(self.encoder, images), training=training)

    def pair(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        _, pictures = super().pair(batch)
        return tf.stop_gradient(describe(self.encoder, pictures)), pictures


def describe(encoder: keras.Model, images: tf.Tensor) -> tf.Tensor:
    """Returns the features of an encoder of one layer.

    `[B, H, W, C]`, or `[B, C]` where they have one position.
    """
    (features,) = encoder(images).values()
    if tuple(features.shape[1:3]) == (1, 1):
        return features[:, 0, 0]
    return features
