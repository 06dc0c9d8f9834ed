"""Training by features, pixels and a discriminator at once.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 3.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from percgen import losses
from percgen.tasks import noise
from percgen.tasks import reconstruct
from percgen.tasks.pause import Pause
from percgen.tasks.task import Terms
from percgen.tasks.task import Weight

# What is told of the discriminator; no part of the generator's loss.
_TOLD = (
    "discriminator",
    "ratio",
    "real_accuracy",
    "fake_accuracy",
    "discriminator_learns",
    "generator_learns",
)
_REAL, _FAKE, _AGAIN = range(3)  # Which masks of a step.


class DeePSiM(reconstruct.Reconstruct):
    """Trains a generator by what compares pictures, and a discriminator.

    The terms are those given, for paper B a `losses.FeatureLoss` as `feature`
    and a `losses.L2Loss` as `image`, and `adversarial`, -log D(G(x)). For the
    loss of Larsen et al. (2016) give the feature loss the discriminator's
    `trunk` as comparator.

    One step, in the released code's order (seen): the generator makes pictures;
    the discriminator learns from them and the real ones,
    -log D(y) - log(1 - D(G(x))), once; then the generator learns from the same
    pictures, through the discriminator as it is now; then `pause` says who
    learns in the next.

    Besides terms, `train_step` tells `discriminator` (its loss), `ratio` (that
    over the adversarial term, by which it rests), `real_accuracy`,
    `fake_accuracy`, and whether each learns.

    Args:
        generator: From inputs to pictures `[B, H, W, 3]`, shaped as targets.
        discriminator: As `networks.Discriminator`. If it looks at features,
            they are the inputs.
        terms: As of `Reconstruct`.
        weights: Of those and of `adversarial`; `caffe_weights` has paper B's.
        pause: When who rests; by default paper B's rule.
        seed: Of what dropout leaves out in the discriminator.
        name: Of the task.

    Raises:
        ValueError: As `Reconstruct`.
    """

    _OWN_TERMS: tuple[str, ...] = ("adversarial",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        terms: Mapping[str, reconstruct.Criterion],
        weights: Mapping[str, Weight],
        pause: Pause | None = None,
        seed: int = 0,
        name: str = "deepsim",
    ):
        super().__init__(generator, terms, weights, name=name)
        self.discriminator = discriminator
        self.pause, self.seed = pause or Pause(), seed
        self.told = [keras.metrics.Mean(name=name) for name in _TOLD]
        # The optimizer's own count rests with the generator.
        self.steps = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def compile(
        self,
        optimizer: keras.Optimizer,
        d_optimizer: keras.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes both optimizers; the discriminator's is by default a twin."""
        if d_optimizer is None:
            d_optimizer = optimizer.from_config(optimizer.get_config())
        super().compile(optimizer, **kwargs)
        scaled = keras.optimizers.LossScaleOptimizer
        if isinstance(self.optimizer, scaled) and not isinstance(
            d_optimizer, scaled
        ):
            d_optimizer = scaled(d_optimizer)
        self.d_optimizer = d_optimizer
        d_optimizer.build(self.discriminator.trainable_variables)

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "discriminator": self.discriminator,
            "d_optimizer": self.d_optimizer,
            "pause": self.pause,
            "steps": self.steps,
        }

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*super().metrics, *self.told]

    def terms(self, batch: Any, training: bool) -> Terms:
        inputs, targets = self.pair(batch)
        outputs, own = self.generate(inputs, training)
        return {**self._judge(inputs, targets, outputs, training), **own}

    def train_step(self, batch: Any) -> Terms:
        inputs, targets = self.pair(batch)
        with tf.GradientTape() as tape:
            outputs, own = self.generate(inputs, training=True)
            with tape.stop_recording():
                told = self._teach(inputs, targets, outputs)
            terms = self._judge(inputs, targets, outputs, training=True) | own
            loss = self.optimizer.scale_loss(self.total(terms))
        logs = self.record(terms)
        variables = self.generator.trainable_variables
        learns = self.pause.generator_learns
        gradients = tape.gradient(loss, variables)
        _apply_if(learns, self.optimizer, gradients, variables)
        told["ratio"] = _ratio(told["discriminator"], terms["adversarial"])
        logs.update(self._tell(told))
        self.pause.decide(told["ratio"])
        self.steps.assign_add(1)
        return logs

    def _judge(
        self, inputs: Any, targets: Any, outputs: Any, training: bool
    ) -> Terms:
        """Returns the generator's terms."""
        masks = self._masks(outputs, _AGAIN) if training else None
        logits = self._look(outputs, inputs, masks, training=False)
        return {
            **self.compare(targets, outputs),
            "adversarial": losses.generator_log_loss(logits),
        }

    def _teach(self, inputs: Any, targets: Any, outputs: Any) -> Terms:
        """Moves the discriminator; returns what it made of the pictures."""
        with tf.GradientTape() as tape:
            real, fake = (
                self._look(x, inputs, self._masks(x, which), training=True)
                for which, x in ((_REAL, targets), (_FAKE, outputs))
            )
            values = losses.discriminator_log_loss(real, fake)
            decay = tf.nn.scale_regularization_loss(self.discriminator.losses)
            loss = tf.nn.compute_average_loss(values) + decay
            loss = self.d_optimizer.scale_loss(loss)
        variables = self.discriminator.trainable_variables
        learns = self.pause.discriminator_learns
        gradients = tape.gradient(loss, variables)
        _apply_if(learns, self.d_optimizer, gradients, variables)
        return {
            "discriminator": values,
            "real_accuracy": tf.cast(real > 0.0, tf.float32),
            "fake_accuracy": tf.cast(fake < 0.0, tf.float32),
        }

    def _look(
        self, pictures: Any, inputs: Any, masks: Any, training: bool
    ) -> tf.Tensor:
        both = (pictures, inputs) if self.discriminator.features else pictures
        return self.discriminator(both, masks=masks, training=training)

    def _masks(self, pictures: tf.Tensor, which: int) -> Sequence[tf.Tensor]:
        """Returns what dropout leaves of a step's batch; 0 or 1 / kept."""
        widths = self.discriminator.mask_widths
        share = self.discriminator.dropout
        uniform = noise.rows(
            lambda count, seed: tf.random.stateless_uniform(
                [count, sum(widths)], seed
            ),
            tf.shape(pictures)[0],
            self.seed,
            self.steps * 3 + which,
        )
        masks = tf.cast(uniform >= share, tf.float32) / (1.0 - share)
        return tf.split(masks, widths, axis=1)

    def _tell(self, told: Terms) -> Terms:
        told["discriminator_learns"] = self.pause.discriminator_learns
        told["generator_learns"] = self.pause.generator_learns
        for tracker in self.told:
            tracker.update_state(tf.cast(told[tracker.name], tf.float32))
        return {tracker.name: tracker.result() for tracker in self.told}


def _ratio(discriminator: tf.Tensor, adversarial: tf.Tensor) -> tf.Tensor:
    """Returns the ratio of both over the global batch."""
    means = [tf.reduce_mean(discriminator), tf.reduce_mean(adversarial)]
    both = tf.distribute.get_replica_context().all_reduce("MEAN", means)
    return tf.math.divide_no_nan(*both)


def _apply_if(
    learns: tf.Variable,
    optimizer: keras.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[Any],
) -> None:
    """Applies gradients, or leaves weights and optimizer as they are.

    Under a strategy optimizers merge replicas, which TensorFlow allows inside
    no condition; so the condition stands where they are merged already.
    """

    def across(strategy: tf.distribute.Strategy, gradients: Any) -> None:
        tf.cond(
            tf.convert_to_tensor(learns),
            lambda: strategy.extended.call_for_each_replica(
                optimizer.apply, args=(gradients, variables)
            ),
            lambda: None,
        )

    tf.distribute.get_replica_context().merge_call(across, args=(gradients,))
