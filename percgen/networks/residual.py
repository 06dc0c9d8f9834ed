"""Residual image-to-image networks.

Reference:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, supplement, table 1 (seen).
"""

from typing import Any

import keras
from keras import layers
from keras import ops

from percgen import ops as house_ops

SMALLEST = 16
_BLOCKS = 5
_FRAME = 40


@keras.saving.register_keras_serializable("percgen")
class StyleGenerator(keras.Model):
    """Paints a picture: shrinks it four times, reworks it, grows it back.

    Takes RGB in [0, 1], `[B, H, W, 3]` with H and W at least 16, and gives RGB
    in [0, 1] of exactly the same size, odd sizes too.

    Args:
        variant: `"modern"` normalizes every picture by itself, pads every
            convolution by reflection and grows by nearest upsampling followed
            by a convolution, which leaves neither borders nor checkerboards.
            `"johnson2016"` is the paper's table to the letter: one reflected
            frame of 40 pixels, residual blocks without padding, batch
            normalization, transposed convolutions, scaled tanh.
        width: Filters of the first layer. By default 16, half of the paper's,
            which Johnson et al. found enough with instance normalization
            (README of the released code, seen), and 32 for `"johnson2016"`.
        name: Of the model.

    Raises:
        ValueError: If an argument is unknown, or, when called, if a picture is
            smaller than 16 x 16.
    """

    def __init__(
        self,
        variant: str = "modern",
        width: int | None = None,
        name: str = "style_generator",
    ):
        if variant not in ("modern", "johnson2016"):
            raise ValueError(
                '`variant` should be "modern" or "johnson2016". '
                f"Received: variant={variant!r}."
            )
        if width is None:
            width = 16 if variant == "modern" else 32
        if width < 1:
            raise ValueError(
                f"`width` should be at least 1. Received: width={width}."
            )
        draw = _draw_modern if variant == "modern" else _draw_johnson2016
        images = keras.Input([None, None, 3], name="images")
        super().__init__(images, draw(images, width), name=name)
        self.variant, self.width = variant, width

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        for size in inputs.shape[1:3]:
            if size is not None and size < SMALLEST:
                raise ValueError(
                    f"Pictures should be at least {SMALLEST} x {SMALLEST}. "
                    f"Received: shape={tuple(inputs.shape)}."
                )
        return super().call(inputs, training=training, mask=mask)

    def get_config(self) -> dict[str, Any]:
        return {"variant": self.variant, "width": self.width, "name": self.name}


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
class CropLike(layers.Layer):
    """Cuts the first of two batches of pictures to the size of the second."""

    def call(self, inputs: Any) -> Any:
        images, like = inputs
        shape = ops.shape(like)
        return images[:, : shape[1], : shape[2]]

    def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
        images, like = shape
        return (images[0], like[1], like[2], images[3])


def _grown(shape: Any, padding: int) -> tuple[int | None, ...]:
    batch, height, width, channels = shape
    return (
        batch,
        None if height is None else height + 2 * padding,
        None if width is None else width + 2 * padding,
        channels,
    )


def _draw_modern(images: Any, width: int) -> Any:
    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        # No bias: the norm takes it away again, so that its gradient would be
        # rounding noise, which Adam turns into full steps.
        x = ReflectionPadding2D(size // 2)(x)
        x = layers.Conv2D(filters, size, strides, use_bias=False)(x)
        # Differs from Johnson et al., who normalize over the batch: a picture
        # must not depend on its neighbours, in training nor in serving.
        return layers.GroupNormalization(groups=-1, epsilon=1e-5)(x)

    def block(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        return layers.ReLU()(conv(x, filters, size, strides))

    x = block(images, width, 9)
    x = block(x, 2 * width, 3, strides=2)
    x = block(x, 4 * width, 3, strides=2)
    for _ in range(_BLOCKS):
        x = layers.Add()([x, conv(block(x, 4 * width, 3), 4 * width, 3)])
    # Differs from Johnson et al., who use transposed convolutions, which leave
    # checkerboards (Odena et al., "Deconvolution and checkerboard artifacts").
    x = block(layers.UpSampling2D(2)(x), 2 * width, 3)
    x = block(layers.UpSampling2D(2)(x), width, 3)
    x = BlockConv2D(3, 9)(ReflectionPadding2D(4)(x))
    x = CropLike()([x, images])
    return layers.Activation("sigmoid", dtype="float32")(x)


def _draw_johnson2016(images: Any, width: int) -> Any:
    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        # Zeros on both sides, as in Torch; Keras's "same" would put the odd one
        # of a strided convolution at the end.
        x = layers.ZeroPadding2D(size // 2)(x)
        return layers.Conv2D(filters, size, strides)(x)

    def up(x: Any, filters: int) -> Any:
        return layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)

    def finish(x: Any) -> Any:
        return layers.ReLU()(layers.BatchNormalization()(x))

    def residual(x: Any) -> Any:
        y = finish(layers.Conv2D(4 * width, 3)(x))
        y = layers.BatchNormalization()(layers.Conv2D(4 * width, 3)(y))
        return layers.Add()([layers.Cropping2D(2)(x), y])

    x = MirrorFrame2D(_FRAME)(images)
    x = finish(conv(x, width, 9))
    x = finish(conv(x, 2 * width, 3, strides=2))
    x = finish(conv(x, 4 * width, 3, strides=2))
    for _ in range(_BLOCKS):
        x = residual(x)
    x = finish(up(x, 2 * width))
    x = finish(up(x, width))
    x = CropLike()([conv(x, 3, 9), images])
    # The paper's text scales tanh to [0, 255]. The released code takes and
    # gives 150 tanh about the mean of ImageNet instead (seen).
    x = layers.Activation("tanh", dtype="float32")(x)
    return layers.Rescaling(0.5, 0.5, dtype="float32")(x)
