"""When a discriminator or its generator stops learning, and goes on.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 3.4. The text has the
    first rule; all three, with their thresholds, were seen in released code.
"""

import tensorflow as tf


class Pause(tf.Module):
    """Lets that of two networks rest which is too far ahead.

    r is the discriminator's loss over the generator's adversarial one, of one
    step and the whole batch. After each step, in this order:

    - r < `low`, and the discriminator learns: it rests, the generator learns.
    - r > `high`, and the discriminator rests: both learn.
    - r > `top`, and the generator learns: it rests, the discriminator learns.
      Only the first rule wakes it.

    Who rests keeps its weights and its optimizer's state as they are.

    Args:
        low: Of the first rule.
        high: Of the second, at least `low`.
        top: Of the third, more than `high`.
        off: Never lets anybody rest.

    Attributes:
        discriminator_learns: Whether it does in the next step, a `tf.Variable`.
        generator_learns: Likewise.

    Raises:
        ValueError: If the thresholds are not in order.
    """

    def __init__(
        self,
        low: float = 0.1,
        high: float = 0.5,
        top: float = 10.0,
        off: bool = False,
    ):
        super().__init__(name="pause")
        if not 0.0 <= low <= high < top:
            raise ValueError(
                "Thresholds should be 0 <= low <= high < top. "
                f"Received: low={low}, high={high}, top={top}."
            )
        self.low, self.high, self.top, self.off = low, high, top, off
        self.discriminator_learns = _switch("discriminator_learns")
        self.generator_learns = _switch("generator_learns")

    def decide(self, ratio: tf.Tensor) -> None:
        """Says who learns in the next step, by the r of this one."""
        if self.off:
            return
        one, other = self.after(
            ratio,
            tf.convert_to_tensor(self.discriminator_learns),
            tf.convert_to_tensor(self.generator_learns),
        )
        self.discriminator_learns.assign(one)
        self.generator_learns.assign(other)

    def after(
        self, ratio: tf.Tensor, discriminator: tf.Tensor, generator: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns who learns after a step with `ratio`, given who did in it."""
        ahead = (ratio < self.low) & discriminator
        discriminator, generator = discriminator & ~ahead, generator | ahead
        back = (ratio > self.high) & ~discriminator
        discriminator, generator = discriminator | back, generator | back
        behind = (ratio > self.top) & generator
        return discriminator | behind, generator & ~behind


def _switch(name: str) -> tf.Variable:
    return tf.Variable(
        True,
        trainable=False,
        name=name,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )
