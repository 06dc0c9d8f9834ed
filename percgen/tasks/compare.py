"""Training comparators: by surrogate classes, by ranking, by a teacher.

References:
    Dosovitskiy, Springenberg, Riedmiller and Brox, "Discriminative unsupervised
    feature learning with convolutional neural networks", NIPS 2014.
    Wang and Gupta, "Unsupervised learning of visual representations using
    videos", ICCV 2015, section 4.
"""

from collections.abc import Callable
from collections.abc import Mapping

import keras
import tensorflow as tf

from percgen import ops
from percgen.tasks.task import Task
from percgen.tasks.task import Terms

Features = Mapping[str, tf.Tensor]


class Distill(Task):
    """Teaches a pupil to see in a picture what its teacher sees.

    The terms are the layers: mean squares of what the pupil's prediction lacks,
    in variances of the teacher's features over photographs.

    A network that learns through the pupil will look for pictures that please
    it and not its teacher. So a quarter of each batch is painted first, by a
    few steps on the pixels down the pupil's own distance from the next
    picture's style, and the teacher is asked about the paintings too. Batches
    have to be of 8 at least on each replica, or there is no next picture.

    Args:
        pupil: From pictures to predictions by layer. Its `targets` prepares the
            teacher's features.
        teacher: From pictures to features by layer.
        layers: Names of the layers.
        steps: Of painting.
        name: Of the task.
    """

    # The root mean square of a step of painting, over pictures of a batch.
    _STRIDES = (0.01, 0.06)

    def __init__(
        self,
        pupil: keras.Model,
        teacher: Callable[[tf.Tensor], Features],
        layers: list[str],
        steps: int = 3,
        name: str = "distill",
    ):
        super().__init__(pupil, dict.fromkeys(layers, 1.0), name)
        self.teacher, self.steps = teacher, steps

    def terms(self, batch: tf.Tensor, training: bool) -> Terms:
        predicted = self.generator(batch, training=training)
        expected = self.generator.targets(self.teacher(batch))
        return {
            layer: tf.reduce_mean(
                tf.square(predicted[layer] - expected[layer]), [1, 2, 3]
            )
            for layer in self.term_weights
        }

    def train_step(self, batch: tf.Tensor) -> Terms:
        some = batch.shape[0] // 4
        painted = self.paint(batch[:some])
        return super().train_step(tf.concat([painted, batch[some:]], 0))

    def paint(self, batch: tf.Tensor) -> tf.Tensor:
        """Returns pictures on their way to the style of their neighbours."""
        count = batch.shape[0]
        strides = tf.reshape(tf.linspace(*self._STRIDES, count), [-1, 1, 1, 1])
        features = self.generator(batch)
        styles = {
            layer: tf.roll(ops.gram(features[layer]), 1, axis=0)
            for layer in self.term_weights
        }
        pictures = batch
        for _ in range(self.steps):
            with tf.GradientTape() as tape:
                tape.watch(pictures)
                distance = self._distance(pictures, styles, features)
            slope = tape.gradient(distance, pictures)
            size = tf.reduce_mean(tf.square(slope), [1, 2, 3], keepdims=True)
            pictures -= strides * slope * tf.math.rsqrt(size + 1e-20)
            pictures = tf.clip_by_value(pictures, 0.0, 1.0)
        return pictures

    def _distance(
        self, pictures: tf.Tensor, styles: Features, content: Features
    ) -> tf.Tensor:
        """Returns how far pictures are from styles, and a bit from content."""
        features = self.generator(pictures)
        total = 0.0
        for layer, style in styles.items():
            gram = ops.gram(features[layer])
            total += tf.reduce_sum(tf.square(gram - style)) / tf.reduce_sum(
                tf.square(style)
            )
            away = tf.square(features[layer] - content[layer])
            total += 0.1 * tf.reduce_mean(away)
        return total


class Classify(Task):
    """Teaches a network to tell classes apart.

    The terms are `cross_entropy` and, for the eye alone, `error`: the share of
    pictures given to a wrong class.

    Args:
        network: From pictures `[B, H, W, 3]` to logits `[B, classes]`.
        name: Of the task.
    """

    def __init__(self, network: keras.Model, name: str = "classify"):
        super().__init__(network, {"cross_entropy": 1.0, "error": 0.0}, name)

    def terms(
        self, batch: tuple[tf.Tensor, tf.Tensor], training: bool
    ) -> Terms:
        patches, classes = batch
        logits = tf.cast(self(patches, training=training), tf.float32)
        wrong = tf.not_equal(tf.argmax(logits, 1, classes.dtype), classes)
        return {
            "cross_entropy": keras.losses.sparse_categorical_crossentropy(
                classes, logits, from_logits=True
            ),
            "error": tf.cast(wrong, tf.float32),
        }


class Rank(Task):
    """Teaches a network that a patch is most like itself, seen later.

    The term is `ranking`: max(0, D(x, x+) - D(x, x-) + margin), D being one
    minus the cosine; x+ is where x was tracked to, x- are the x+ of the other
    pairs of the batch on the same replica. At first all of these count, later
    only those that are hardest to tell from x (Wang and Gupta 2015, section
    4.2, margin .5 and the 4 hardest: recalled).

    Args:
        network: From pictures `[B, H, W, 3]` to embeddings `[B, N]`.
        hard_after: Step after which only the hardest count.
        hardest: How many those are; batches have to be larger.
        margin: Of the ranking.
        name: Of the task.
    """

    def __init__(
        self,
        network: keras.Model,
        hard_after: int,
        hardest: int = 4,
        margin: float = 0.5,
        name: str = "rank",
    ):
        super().__init__(network, {"ranking": 1.0}, name)
        self.hard_after, self.hardest = hard_after, hardest
        self.margin = margin

    def terms(self, batch: tf.Tensor, training: bool) -> Terms:
        count = batch.shape[0]
        both = tf.concat([batch[:, 0], batch[:, 1]], 0)
        embedded = tf.cast(self(both, training=training), tf.float32)
        first, second = tf.split(tf.math.l2_normalize(embedded, 1), 2)
        similar = tf.matmul(first, second, transpose_b=True)
        lacking = similar - tf.linalg.diag_part(similar)[:, None] + self.margin
        lacking = tf.maximum(tf.linalg.set_diag(lacking, tf.zeros(count)), 0.0)
        every = tf.reduce_sum(lacking, 1) / (count - 1)
        hard = tf.reduce_mean(tf.math.top_k(lacking, self.hardest)[0], 1)
        late = self.optimizer.iterations >= self.hard_after
        return {"ranking": tf.where(late, hard, every)}
