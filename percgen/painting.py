"""What may be asked of a network that paints: which style, and how much of it.

Plain functions of tensors, for a served graph and for Python alike.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from percgen import ops

_LUMA_RANGE = 219.0 / 255.0  # From black to white, of BT.601's.


class Wishes:
    """Inputs that a request may leave out, and the checks of those it has.

    Args:
        styles: That the network has.

    Attributes:
        defaults: By name: `style_weights` `[1, styles]`, the first style alone;
            `strength` `[1]`, 1; `preserve_color` `[1]`, False.
        specs: Of these inputs, in order.
    """

    def __init__(self, styles: int):
        self.defaults = {
            "style_weights": np.eye(1, styles, dtype=np.float32),
            "strength": np.ones([1], np.float32),
            "preserve_color": np.zeros([1], bool),
        }
        self.specs = [
            tf.TensorSpec([None, *value.shape[1:]], value.dtype, name)
            for name, value in self.defaults.items()
        ]

    def check(self, **wished: Any) -> dict[str, tf.Tensor]:
        """Returns the inputs by name, if they are in order, weights of sum 1.

        Raises:
            tf.errors.InvalidArgumentError: If a shape does not fit, weights
                are negative, not finite or all 0, or `strength` is not in
                [0, 1].
        """
        weights, strength, color = (
            tf.ensure_shape(wished[spec.name], spec.shape)
            for spec in self.specs
        )
        sums = tf.reduce_sum(weights, axis=1, keepdims=True)
        checks = [
            tf.debugging.Assert(
                tf.reduce_all(weights >= 0.0)
                & tf.reduce_all((sums > 0.0) & tf.math.is_finite(sums)),
                ["style_weights should be at least 0, and one above"],
            ),
            tf.debugging.Assert(
                tf.reduce_all((strength >= 0.0) & (strength <= 1.0)),
                ["strength should be 0 (the photograph) to 1 (the painting)"],
            ),
        ]
        with tf.control_dependencies(checks):
            values = (weights / sums, tf.identity(strength), color)
        return dict(zip(self.defaults, values, strict=True))


def paint(
    generator: keras.Model,
    photographs: tf.Tensor,
    style_weights: tf.Tensor,
    strength: tf.Tensor,
    preserve_color: tf.Tensor,
) -> tf.Tensor:
    """Returns paintings, as they are wished.

    Args:
        generator: With `styles`: of photographs, or of them and weights.
        photographs: `[B, H, W, 3]`, RGB in [0, 1].
        style_weights: `[B, styles]`, of sum 1.
        strength: `[B]`: 0 gives the photograph itself, 1 the painting, and what
            is between fades one into the other.
        preserve_color: `[B]`: whether only the luma is the painting's, and
            the chroma the photograph's; as far as colours exist.

    Returns:
        Of the photographs' shape; it may leave [0, 1].
    """
    inputs = [photographs, style_weights]
    painted = generator(
        inputs if generator.styles > 1 else photographs, training=False
    )
    # One number for all three channels changes luma and no chroma.
    lighter = (ops.luma(painted) - ops.luma(photographs)) / _LUMA_RANGE
    preserve_color, strength = (
        tf.reshape(x, [-1, 1, 1, 1]) for x in (preserve_color, strength)
    )
    painted = tf.where(preserve_color, photographs + lighter, painted)
    return photographs + strength * (painted - photographs)
