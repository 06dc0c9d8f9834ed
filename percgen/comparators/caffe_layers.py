"""Layers of Caffe's networks that Keras lacks, or is slow at."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("percgen")
class GroupedConv2D(keras.layers.Conv2D):
    """A convolution in groups of channels, one after the other.

    It is `keras.layers.Conv2D`, kernels included, `[h, w, in / groups, out]`.
    Keras compiles grouped convolutions by XLA on a CPU, for TensorFlow's own
    have no gradient there: ten times slower than this, and once more for each
    size of pictures.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        convolve = super().convolution_op
        parts = zip(
            ops.split(inputs, self.groups, axis=-1),
            ops.split(kernel, self.groups, axis=-1),
            strict=True,
        )
        return ops.concatenate([convolve(x, k) for x, k in parts], axis=-1)


@keras.saving.register_keras_serializable("percgen")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides features by how strong their neighbouring channels are.

    `x / (1 + alpha / n * sum(x ** 2)) ** beta`, the sum over the `n` channels
    around each: Krizhevsky et al. 2012, section 3.3, as Caffe computes it.

    Differs from Krizhevsky et al. in what Caffe does: 1 in place of their k = 2
    and `alpha / n` in place of alpha.

    Args:
        n: Channels of a neighbourhood, odd.
        alpha: Strength.
        beta: Exponent.
        **kwargs: Of `keras.layers.Layer`.

    Raises:
        ValueError: If `n` is not odd.
    """

    def __init__(
        self,
        n: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if n % 2 != 1:
            raise ValueError(f"`n` should be odd. Received: n={n}.")
        self.n, self.alpha, self.beta = n, alpha, beta

    def build(self, input_shape: tuple[Any, ...]) -> None:
        channel = np.arange(input_shape[-1])
        distance = np.abs(channel[:, None] - channel)
        self._band = np.float32(distance <= self.n // 2)

    def call(self, inputs: Any) -> Any:
        # A product with a band of ones sums neighbours, quickly on a CPU.
        # Scaled before they are squared, features stay finite in float16.
        squares = ops.square(inputs * (self.alpha / self.n) ** 0.5)
        band = ops.convert_to_tensor(self._band, inputs.dtype)
        return inputs * (1.0 + ops.matmul(squares, band)) ** -self.beta

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "n": self.n,
            "alpha": self.alpha,
            "beta": self.beta,
        }


def max_pool(name: str, dtype: Any) -> Callable[[Any], Any]:
    """Returns 3 x 3 max pooling of stride 2, its size rounded up as Caffe's.

    A row and a column of zeros make up for what is missing below and at the
    right. They never win: features are non-negative where this is used.
    """
    frame = keras.layers.ZeroPadding2D(
        ((0, 1), (0, 1)), name=f"{name}_frame", dtype=dtype
    )
    pool = keras.layers.MaxPooling2D(3, 2, name=name, dtype=dtype)
    return lambda x: pool(frame(x))
