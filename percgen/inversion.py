"""Pictures found for features, one by one, without a network that has learnt.

Reference:
    Mahendran and Vedaldi, "Understanding deep image representations by
    inverting them", CVPR 2015, section 2.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from percgen import descent
from percgen import ops

_NORM_EXPONENT = 6  # Of Mahendran and Vedaldi (recalled).


def invert(
    encode: Callable[[tf.Tensor], tf.Tensor],
    features: np.ndarray,
    size: int,
    total_variation: float = 0.03,
    norm: float = 0.01,
    steps: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """Returns pictures whose features are as near to those given as it finds.

    For each picture x, with z = 2 x - 1, it makes small

        ||f(x) - f||^2 / ||f||^2 + total_variation * TV(z) + norm * mean |z|^6

    from faint noise about mid gray, by L-BFGS (`descent.lbfgs`) with values
    kept in [0, 1]. TV is `ops.total_variation` with exponent 2.

    Differs from Mahendran and Vedaldi: L-BFGS in place of gradient descent with
    momentum; the weights of the prior are ours, for means in place of sums.

    Args:
        encode: From pictures `[1, size, size, 3]` in [0, 1] to features.
        features: `[B, ...]`, none of them all zeros.
        size: Height and width of pictures.
        total_variation: Weight of the first part of the prior.
        norm: Weight of the second.
        steps: At most, of L-BFGS.
        seed: Of the noise.

    Returns:
        `[B, size, size, 3]` in [0, 1], float32.

    Raises:
        ValueError: If features have another shape than `encode` gives, or are
            all zeros.
    """

    def judge(z: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
        missed = tf.reduce_sum(tf.square(encode(0.5 + z / 2.0) - wanted))
        return (
            missed / tf.reduce_sum(tf.square(wanted))
            + total_variation * tf.reduce_sum(ops.total_variation(z))
            + norm * tf.reduce_mean(tf.abs(z) ** _NORM_EXPONENT)
        )

    shape = [1, size, size, 3]
    _refuse(encode(tf.fill(shape, 0.5)).shape[1:], features)
    slope = descent.differentiate(judge)
    rng = np.random.default_rng(seed)
    pictures = []
    for wanted in np.asarray(features, np.float32):
        noise = rng.normal(scale=0.02, size=shape)
        given = [tf.constant(wanted[None])]
        found = descent.lbfgs(slope, noise, (-1.0, 1.0), steps, given)
        pictures.append(0.5 + found[0] / 2.0)
    return np.stack(pictures).astype(np.float32)


def _refuse(expected: tf.TensorShape, features: np.ndarray) -> None:
    if tuple(features.shape[1:]) != tuple(expected):
        raise ValueError(
            f"`features` should be [B, {', '.join(map(str, expected))}]. "
            f"Received: shape={tuple(features.shape)}."
        )
    if not np.all(np.any(features != 0.0, axis=tuple(range(1, features.ndim)))):
        raise ValueError("`features` of a picture are all zeros.")
