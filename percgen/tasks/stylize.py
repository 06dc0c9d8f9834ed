"""Style transfer by a feed-forward network.

Reference:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, section 3.
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from percgen import losses
from percgen import ops
from percgen.tasks.task import Task
from percgen.tasks.task import Terms


class Stylize(Task):
    """Trains a generator to keep what is in a photograph and take on a style.

    The terms are `feature` (the painting's features against the photograph's),
    `style` (its Gram matrices against the style picture's) and
    `total_variation`. Features of the painting are computed once for both
    losses, those of the style picture once for the whole training.

    Args:
        generator: Photographs `[B, H, W, 3]` in [0, 1] to paintings.
        feature: The feature loss.
        style: The style loss, over the same comparator.
        style_image: `[1, H, W, 3]`, RGB in [0, 1].
        weights: Of `feature`, `style` and `total_variation`.
        scales: Sizes at which style is compared, each half the one before. The
            second and later ones reach strokes larger than the comparator's
            deepest layer sees.
        name: Of the task.

    Raises:
        ValueError: If the losses' comparators differ, a weight is missing or
            unknown, or the style picture is too small for that many scales.
    """

    def __init__(
        self,
        generator: keras.Model,
        feature: losses.FeatureLoss,
        style: losses.StyleLoss,
        style_image: np.ndarray,
        weights: Mapping[str, float],
        scales: int = 1,
        name: str = "stylize",
    ):
        expected = {"feature", "style", "total_variation"}
        if set(weights) != expected:
            raise ValueError(
                f"`weights` should name {sorted(expected)}. "
                f"Received: weights={dict(weights)}."
            )
        if feature.comparator is not style.comparator:
            raise ValueError("`feature` and `style` should share a comparator.")
        if scales < 1 or min(style_image.shape[1:3]) < 16 * 2**scales:
            raise ValueError(
                "`scales` should be at least 1, and leave the style picture 32 "
                f"pixels. Received: scales={scales}, a style picture of shape "
                f"{style_image.shape}."
            )
        super().__init__(generator, weights, name)
        self.feature, self.style = feature, style
        # Unchecked: a painting of Johnson et al.'s network may leave [0, 1].
        self.roughness = losses.TotalVariationLoss(check=False)
        self.comparator = feature.comparator
        self.targets = [
            {layer: np.asarray(gram) for layer, gram in grams.items()}
            for grams in self._styles(tf.constant(style_image), scales)
        ]

    def terms(self, batch: tf.Tensor, training: bool) -> Terms:
        paintings = self(batch, training=training)
        features = self.comparator(paintings)
        content = self.comparator(batch)
        return {
            "feature": self.feature.compare(
                self.feature.describe(content), self.feature.describe(features)
            ),
            "style": self._style(paintings, features),
            "total_variation": self.roughness.call(batch, paintings),
        }

    def maps(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        # Unlike `self.feature.map`, for paintings that leave [0, 1] too.
        photographs, paintings = (
            self.feature.describe(self.comparator(pictures))
            for pictures in (batch, self(batch, training=False))
        )
        size = batch.shape[1:3]
        return {"feature": self.feature.locate(photographs, paintings, size)}

    def _style(
        self, paintings: tf.Tensor, features: losses.feature.Features
    ) -> tf.Tensor:
        grams = self._styles(paintings, len(self.targets), features)
        pairs = zip(self.targets, grams, strict=True)
        return tf.add_n([self.style.compare(*pair) for pair in pairs])

    def _styles(
        self,
        pictures: tf.Tensor,
        scales: int,
        features: losses.feature.Features | None = None,
    ) -> list[dict[str, tf.Tensor]]:
        """Returns the Gram matrices at each size, the features at the first."""
        grams = [self.style.describe(features or self.comparator(pictures))]
        for _ in range(1, scales):
            pictures = ops.halve(pictures)
            grams.append(self.style.describe(self.comparator(pictures)))
        return grams
