"""Style transfer by a feed-forward network.

References:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, section 3.
    Dumoulin, Shlens and Kudlur, "A learned representation for artistic style",
    ICLR 2017: many styles in one network.
"""

from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from percgen import losses
from percgen.tasks import noise
from percgen.tasks.style_objective import StyleObjective
from percgen.tasks.task import Task
from percgen.tasks.task import Terms


class Stylize(Task):
    """Trains a generator to keep what is in a photograph and take on a style.

    The terms are those of `StyleObjective`: `feature`, `style` and
    `total_variation`. Of several styles each picture of a batch learns one, at
    random: a function of the seed, the steps done and the place in the global
    batch. When it is called or evaluated, each has the one of its place.

    Args:
        generator: Photographs `[B, H, W, 3]` in [0, 1] to paintings; of several
            styles a pair, photographs and `[B, styles]`, and it has `styles`.
        feature: As of `StyleObjective`, as are the others.
        style: Likewise.
        style_image: Likewise.
        weights: Likewise.
        scales: Likewise.
        seed: Of the choice of styles.
        name: Of the task.

    Raises:
        ValueError: As `StyleObjective`, or if the generator has not as many
            styles as there are pictures of style.
    """

    def __init__(
        self,
        generator: keras.Model,
        feature: losses.FeatureLoss,
        style: losses.StyleLoss,
        style_image: np.ndarray | Sequence[np.ndarray],
        weights: Mapping[str, float],
        scales: int = 1,
        seed: int = 0,
        name: str = "stylize",
    ):
        objective = StyleObjective(feature, style, style_image, weights, scales)
        styles = getattr(generator, "styles", 1)
        if styles != objective.styles:
            raise ValueError(
                f"`generator` should have {objective.styles} styles, one for "
                f"each picture. Received: one of {styles}."
            )
        super().__init__(generator, weights, name)
        self.objective, self.seed = objective, seed
        self.feature, self.style = feature, style
        self.comparator = feature.comparator

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self._paint(images, self._of_places(images), training)

    def terms(self, batch: tf.Tensor, training: bool) -> Terms:
        which = self._drawn(batch) if training else self._of_places(batch)
        paintings = self._paint(batch, which, training)
        content = self.objective.describe(batch)
        return self.objective.terms(content, paintings, which)

    def maps(self, batch: tf.Tensor) -> dict[str, tf.Tensor]:
        # Unlike `self.feature.map`, for paintings that leave [0, 1] too.
        photographs, paintings = (
            self.objective.describe(pictures)
            for pictures in (batch, self(batch, training=False))
        )
        size = batch.shape[1:3]
        return {"feature": self.feature.locate(photographs, paintings, size)}

    def _paint(
        self, images: tf.Tensor, style_weights: tf.Tensor, training: bool
    ) -> tf.Tensor:
        alone = self.objective.styles == 1
        images = tf.convert_to_tensor(images)
        inputs = images if alone else [images, style_weights]
        return self.generator(inputs, training=training)

    def _of_places(self, images: tf.Tensor) -> tf.Tensor:
        styles = self.objective.styles
        return tf.one_hot(tf.range(tf.shape(images)[0]) % styles, styles)

    def _drawn(self, images: tf.Tensor) -> tf.Tensor:
        styles = self.objective.styles
        numbers = noise.rows(
            lambda count, seed: tf.random.stateless_uniform(
                [count], seed, 0, styles, tf.int32
            ),
            tf.shape(images)[0],
            self.seed,
            self.optimizer.iterations.value,
        )
        return tf.one_hot(numbers, styles)
