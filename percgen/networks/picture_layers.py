"""Layers of picture networks that Keras does not have."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from percgen import ops as house_ops

_BLUR, _SIGMA = 5, 1.0  # Side and deviation of Detail's Gaussian, in pixels.


@keras.saving.register_keras_serializable("percgen")
class ReflectionPadding2D(layers.Layer):
    """Frames pictures with their mirror image, the border pixel not repeated.

    Args:
        padding: Pixels on each side; less than the picture's height and width.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, padding: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        each = [self.padding, self.padding]
        return ops.pad(inputs, [[0, 0], each, each, [0, 0]], mode="reflect")

    def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
        return _grown(shape, self.padding)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("percgen")
class MirrorFrame2D(ReflectionPadding2D):
    """Frames pictures like `ReflectionPadding2D`, of whatever size they are.

    A picture smaller than the frame is mirrored more than once. Gathers rows
    and columns, which is slow to differentiate: meant for a network's input.
    """

    def call(self, inputs: Any) -> Any:
        shape = ops.shape(inputs)
        for axis in (1, 2):
            index = self._mirror(shape[axis])
            inputs = ops.take(inputs, index, axis=axis)
        return inputs

    def _mirror(self, size: Any) -> Any:
        period = 2 * (size - 1)
        away = ops.arange(size + 2 * self.padding, dtype="int32") - self.padding
        away = ops.mod(away, period)
        return ops.minimum(away, period - away)


@keras.saving.register_keras_serializable("percgen")
class BlockConv2D(layers.Conv2D):
    """A convolution of stride 1 that computes 2 x 2 positions as one.

    The same numbers, from one kernel shifted to each of the four places: with
    three filters, a CPU is twice as fast at four times as many and stride 2.
    Takes `[B, H, W, C]` and gives `[B, H - K + 1, W - K + 1, filters]`, which
    have to be even.
    """

    def call(self, inputs: Any) -> Any:
        kernels = [
            ops.pad(self.kernel, [[a, 1 - a], [b, 1 - b], [0, 0], [0, 0]])
            for a in (0, 1)
            for b in (0, 1)
        ]
        x = ops.conv(inputs, ops.concatenate(kernels, -1), strides=2)
        return house_ops.depth_to_space(x, 2) + self.bias


@keras.saving.register_keras_serializable("percgen")
class Detail(layers.Layer):
    """Leaves of pictures what a small blur takes away, of either sign."""

    def call(self, inputs: Any) -> Any:
        return inputs - house_ops.blur(inputs, _BLUR, _SIGMA, "same")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable("percgen")
class CropLike(layers.Layer):
    """Cuts the first of two batches of pictures to the size of the second."""

    def call(self, inputs: Any) -> Any:
        images, like = inputs
        shape = ops.shape(like)
        return images[:, : shape[1], : shape[2]]

    def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
        images, like = shape
        return (images[0], like[1], like[2], images[3])


class Enlarge(layers.Layer):
    """Makes pictures larger by a whole factor, of whatever size they are.

    From `[B, H, W, C]` to `[B, scale H, scale W, C]`. Beyond the border lies
    the picture's mirror image, the border pixel repeated.

    Args:
        scale: How many times.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, scale: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale

    def taps(self) -> np.ndarray:
        """Returns how new pixels are made of old ones, along one axis.

        Returns:
            `[2 R + 1, scale]`: of R neighbours on either side and the pixel
            itself, for each of the new pixels in its place.
        """
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        # A pixel's square of new ones comes as channels.
        taps, channels = self.taps(), inputs.shape[-1]
        kernel = np.einsum("yi,xj,cd->yxcijd", taps, taps, np.eye(channels))
        kernel = kernel.reshape([len(taps), len(taps), channels, -1])
        kernel = ops.convert_to_tensor(kernel, self.compute_dtype)
        framed = _mirror(inputs, len(taps) // 2)
        squares = ops.conv(framed, kernel, data_format="channels_last")
        return house_ops.depth_to_space(squares, self.scale)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, height, width, channels = input_shape
        return (
            batch,
            None if height is None else height * self.scale,
            None if width is None else width * self.scale,
            channels,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("percgen")
class BilinearEnlarge(Enlarge):
    """Enlarges bilinearly. Keras's own needs to know the size before."""

    def taps(self) -> np.ndarray:
        centres = (np.arange(self.scale) + 0.5) / self.scale - 0.5
        return np.maximum(1.0 - np.abs([[-1], [0], [1]] - centres), 0.0)


@keras.saving.register_keras_serializable("percgen")
class StyleAffine(layers.Layer):
    """Scales and shifts channels as a mixture of styles does.

    Takes a pair, maps `[B, H, W, C]` and weights `[B, styles]`. Each style has
    a row of scales, ones at first, and one of shifts, zeros at first.

    Args:
        styles: How many.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, styles: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.styles = styles

    def build(self, shapes: Any) -> None:
        shape = [self.styles, shapes[0][-1]]
        self.scale = self.add_weight(shape=shape, initializer="ones")
        self.shift = self.add_weight(shape=shape, initializer="zeros")

    def call(self, inputs: Any) -> Any:
        maps, weights = inputs
        scale, shift = (
            (weights @ ops.cast(rows, weights.dtype))[:, None, None]
            for rows in (self.scale, self.shift)
        )
        return maps * scale + shift

    def compute_output_shape(self, shapes: Any) -> Any:
        return shapes[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "styles": self.styles}


def _grown(shape: Any, padding: int) -> tuple[int | None, ...]:
    batch, height, width, channels = shape
    return (
        batch,
        None if height is None else height + 2 * padding,
        None if width is None else width + 2 * padding,
        channels,
    )


def _mirror(images: Any, reach: int) -> Any:
    """Frames pictures with their mirror image, the border pixel repeated."""
    # Not ops.pad(mode="symmetric"), which on PyTorch repeats the last pixel.
    for axis in (1, 2):
        size = ops.shape(images)[axis]
        index = ops.arange(size + 2 * reach, dtype="int32") - reach
        index = ops.maximum(index, -1 - index)
        index = ops.minimum(index, 2 * size - 1 - index)
        images = ops.take(images, index, axis=axis)
    return images
