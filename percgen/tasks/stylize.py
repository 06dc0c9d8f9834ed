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
from percgen.tasks.style_objective import StyleObjective
from percgen.tasks.task import Task
from percgen.tasks.task import Terms


class Stylize(Task):
    """Trains a generator to keep what is in a photograph and take on a style.

    The terms are those of `StyleObjective`: `feature`, `style` and
    `total_variation`.

    Args:
        generator: Photographs `[B, H, W, 3]` in [0, 1] to paintings.
        feature: As of `StyleObjective`, as are the others.
        style: Likewise.
        style_image: Likewise.
        weights: Likewise.
        scales: Likewise.
        name: Of the task.

    Raises:
        ValueError: As `StyleObjective`.
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
        objective = StyleObjective(feature, style, style_image, weights, scales)
        super().__init__(generator, weights, name)
        self.objective = objective
        self.feature, self.style = feature, style
        self.comparator = feature.comparator

    def terms(self, batch: tf.Tensor, training: bool) -> Terms:
        paintings = self(batch, training=training)
        return self.objective.terms(self.objective.describe(batch), paintings)

    def maps(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        # Unlike `self.feature.map`, for paintings that leave [0, 1] too.
        photographs, paintings = (
            self.objective.describe(pictures)
            for pictures in (batch, self(batch, training=False))
        )
        size = batch.shape[1:3]
        return {"feature": self.feature.locate(photographs, paintings, size)}
