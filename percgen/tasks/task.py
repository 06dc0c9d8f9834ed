"""What every task shares: terms, their total, and one step down."""

import math
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

Terms = dict[str, tf.Tensor]
# A number, or what gives one for the steps done.
Weight = float | Callable[[tf.Tensor], tf.Tensor]


def refuse_weights(weights: Mapping[str, Weight]) -> None:
    """Raises `ValueError` if a weight is negative or infinite, or all are 0."""
    numbers = [w for w in weights.values() if not callable(w)]
    if not any(weights.values()) or not all(
        0.0 <= number < math.inf for number in numbers
    ):
        raise ValueError(
            "`weights` should not be negative, and one at least positive. "
            f"Received: weights={dict(weights)}."
        )


class Task(keras.Model):
    """Trains a generator on a weighted sum of terms.

    A subclass says what the terms are. It trains by `fit`, or by any loop that
    calls `train_step`, on one device or under `tf.distribute`.

    A weight may be a schedule: `tasks.Piecewise`, or any of Keras's. It is
    asked at `optimizer.iterations`, the steps done, which every checkpoint of
    the optimizer holds; so a resumed run goes on where its schedules were.
    Under mixed precision a step that was skipped is not counted.

    Args:
        generator: The network that learns.
        weights: Weight of each term, by name: a number or a schedule. A number
            0 leaves its term to the eye alone, and costs no gradient.
        name: Of the task.

    Raises:
        ValueError: If a weight is negative or not finite, or all are zero.
    """

    def __init__(
        self, generator: keras.Model, weights: Mapping[str, Weight], name: str
    ):
        super().__init__(name=name)
        refuse_weights(weights)
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

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint has to hold, by name."""
        return {"generator": self.generator, "optimizer": self.optimizer}

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
        logs = self.record(terms)  # By the weights of this step, not the next.
        variables = self.generator.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return logs

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

    def weights_now(self) -> Terms:
        """Returns each term's weight at this step, float32 scalars.

        Not `weights`, which in Keras are variables.
        """
        return {
            name: tf.cast(self._at_this_step(weight), tf.float32)
            for name, weight in self.term_weights.items()
        }

    def shares(self, terms: Terms) -> Terms:
        """Returns the part that each term has in the loss; their sum is 1.

        Args:
            terms: As of `terms`, `[B]` each.

        Returns:
            Scalars; all 0 if the loss is.
        """
        parts = self._parts(terms)
        total = tf.add_n(list(parts.values()))
        return {
            name: tf.math.divide_no_nan(part, total)
            for name, part in parts.items()
        }

    def gradient_norms(self, batch: Any) -> Terms:
        """Returns how strongly each weighted term pulls at the generator.

        That is the norm, over all trainable variables at once, of the gradient
        of the term's mean over this replica's batch, times its weight. It is
        the gradient of training, `training=True`, and yet nothing moves: no
        statistics of a batch norm, no seed. The forward pass is made once, the
        backward pass once for each term of a weight that is not 0. The task
        has to be compiled; replica or cross-replica context are alike.

        Args:
            batch: As of `terms`.

        Returns:
            Scalars; not finite where float16 overflows, in whose steps the
            loss's scale is halved.
        """
        variables = self.generator.trainable_variables
        # Tensors in place of variables: what Keras assigns stays in the scope,
        # and mirrored variables cannot be watched in a cross-replica context.
        values = [tf.convert_to_tensor(v.value) for v in variables]
        scale = self.optimizer.scale_loss(1.0)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            with keras.StatelessScope(zip(variables, values, strict=True)):
                parts = self._parts(self.terms(batch, training=True))
            losses = {name: part * scale for name, part in parts.items()}
        return {
            name: tf.linalg.global_norm(
                tape.gradient(loss, values, unconnected_gradients="zero")
            )
            / scale
            if self.term_weights[name]
            else tf.zeros([])
            for name, loss in losses.items()
        }

    def _at_this_step(self, weight: Weight) -> Any:
        if not callable(weight):
            return weight
        return weight(tf.convert_to_tensor(self.optimizer.iterations.value))

    def _parts(self, terms: Terms) -> Terms:
        """Returns each term's mean, weighted."""
        weights = self.weights_now()
        return {
            name: weights[name] * tf.reduce_mean(tf.cast(values, tf.float32))
            for name, values in terms.items()
        }

    def _weigh(self, terms: Terms) -> tf.Tensor:
        weights = self.weights_now()
        return tf.add_n(
            [
                weights[name] * tf.cast(values, tf.float32)
                for name, values in terms.items()
                if self.term_weights[name]  # Or it would cost its gradient.
            ]
        )
