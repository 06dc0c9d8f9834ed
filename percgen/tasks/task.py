"""What every task shares: terms, their total, and one step down."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

Terms = dict[str, tf.Tensor]


class Task(keras.Model):
    """Trains a generator on a weighted sum of terms.

    A subclass says what the terms are. It trains by `fit`, or by any loop that
    calls `train_step`, on one device or under `tf.distribute`.

    Args:
        generator: The network that learns.
        weights: Weight of each term, by name.
        name: Of the task.

    Raises:
        ValueError: If a weight is negative, or all are zero.
    """

    def __init__(
        self, generator: keras.Model, weights: Mapping[str, float], name: str
    ):
        super().__init__(name=name)
        if min(weights.values()) < 0.0 or not any(weights.values()):
            raise ValueError(
                "`weights` should not be negative, and one at least positive. "
                f"Received: weights={dict(weights)}."
            )
        self.generator = generator
        self.term_weights = dict(weights)
        self.trackers = [
            keras.metrics.Mean(name=name) for name in (*weights, "loss")
        ]
        self.built = True  # As its generator is, from its constructor on.

    def compile(self, optimizer: keras.Optimizer, **kwargs: Any) -> None:
        """Takes the optimizer and builds it on what it moves.

        Built later, a resumed run would lose its state in silence.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.generator.trainable_variables)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return self.generator(images, training=training)

    def terms(self, batch: Any, training: bool) -> Terms:
        """Returns each term of a batch, one number per image: `[B]`."""
        raise NotImplementedError

    def maps(self, batch: Any) -> dict[str, tf.Tensor]:
        """Returns where terms see a difference, `[B, H, W]` each.

        By the name of the term; only for terms that have a place.
        """
        return {}

    def train_step(self, batch: Any) -> Terms:
        with tf.GradientTape() as tape:
            terms = self.terms(batch, training=True)
            loss = self.optimizer.scale_loss(self.total(terms))
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return self.record(terms)

    def test_step(self, batch: Any) -> Terms:
        return self.record(self.terms(batch, training=False))

    def total(self, terms: Terms) -> tf.Tensor:
        """Averages over the global batch: Keras's optimizers sum replicas."""
        return tf.nn.compute_average_loss(self._weigh(terms))

    def record(self, terms: Terms) -> Terms:
        """Updates the running mean of each term and returns them all."""
        terms = {**terms, "loss": self._weigh(terms)}
        for tracker in self.trackers:
            tracker.update_state(terms[tracker.name])
        return {tracker.name: tracker.result() for tracker in self.trackers}

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return self.trackers

    def _weigh(self, terms: Terms) -> tf.Tensor:
        return tf.add_n(
            [
                self.term_weights[name] * values
                for name, values in terms.items()
                if self.term_weights[name]  # Or it would cost its gradient.
            ]
        )
