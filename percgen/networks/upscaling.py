"""Networks that make pictures larger.

References:
    Lim et al., "Enhanced deep residual networks for single image
    super-resolution", CVPRW 2017, section 3 (no batch normalization).
    Shi et al., "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network", CVPR 2016 (the shuffle).
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, supplement, table 2 (seen second-hand).
"""

import math
from typing import Any

import keras
from keras import layers

from percgen import ops
from percgen.networks import picture_layers


@keras.saving.register_keras_serializable("percgen")
class Upscaler(keras.Model):
    """Enlarges a picture: works at its own size, and grows it at the end.

    Takes RGB in [0, 1], `[B, H, W, 3]`, and gives `[B, scale H, scale W, 3]`.

    Args:
        scale: 2, 4 or 8.
        width: Filters; by default 32, and 64 for `"johnson2016"`.
        blocks: Residual blocks of two convolutions; by default 6, and 4 for
            `"johnson2016"`.
        variant: `"modern"` normalizes nothing and shuffles pixels. The answer
            is the picture enlarged bilinearly, plus what was learnt; the last
            layer starts at zero, so an untrained network gives the enlarged
            picture. It is not cut to [0, 1], where its gradient would die.
            `"johnson2016"` is the paper's table to the letter, for 4 and 8:
            batch normalization, transposed convolutions, scaled tanh.
        name: Of the model.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        scale: int = 4,
        width: int | None = None,
        blocks: int | None = None,
        variant: str = "modern",
        name: str = "upscaler",
    ):
        if variant not in _VARIANTS:
            raise ValueError(
                f"`variant` should be of {', '.join(_VARIANTS)}. "
                f"Received: variant={variant!r}."
            )
        draw, *sizes = _VARIANTS[variant]
        width, blocks = (
            usual if given is None else given
            for given, usual in zip((width, blocks), sizes, strict=True)
        )
        if scale not in (2, 4, 8):
            raise ValueError(
                f"`scale` should be 2, 4 or 8. Received: scale={scale}."
            )
        if min(width, blocks) < 1:
            raise ValueError(
                "`width` and `blocks` should be at least 1. "
                f"Received: width={width}, blocks={blocks}."
            )
        images = keras.Input([None, None, 3], name="images")
        super().__init__(images, draw(images, scale, width, blocks), name=name)
        self.scale, self.variant = scale, variant
        self.width, self.blocks = width, blocks

    @property
    def halo(self) -> int:
        """How far a pixel of the answer looks, in pixels of the picture."""
        if self.variant == "modern":
            return 2 * self.blocks + 3  # Convolutions of 3 x 3.
        # The last layer of 9 x 9, and the transposed ones, at larger sizes.
        return 2 * self.blocks + 6 + math.ceil(4 / self.scale)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "width": self.width,
            "blocks": self.blocks,
            "variant": self.variant,
            "name": self.name,
        }


@keras.saving.register_keras_serializable("percgen")
class PixelShuffle(layers.Layer):
    """Lays `scale`^2 channels out as a square of pixels.

    From `[B, H, W, C scale^2]` to `[B, scale H, scale W, C]`.

    Args:
        scale: Side of the square.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, scale: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        return ops.depth_to_space(inputs, self.scale)

    def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
        batch, height, width, channels = shape
        return (
            batch,
            None if height is None else height * self.scale,
            None if width is None else width * self.scale,
            channels // self.scale**2,
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def _draw_modern(images: Any, scale: int, width: int, blocks: int) -> Any:
    def conv(x: Any, filters: int, start: str = "he_normal") -> Any:
        return layers.Conv2D(
            filters, 3, padding="same", kernel_initializer=start
        )(x)

    x = first = conv(layers.Rescaling(2.0, -1.0)(images), width)
    for _ in range(blocks):
        x = layers.Add()(
            [x, conv(layers.ReLU()(conv(x, width)), width, "zeros")]
        )
    x = layers.ReLU()(conv(layers.Add()([x, first]), 2 * width))
    x = conv(x, 3 * scale**2, "zeros")
    enlarged = picture_layers.BilinearEnlarge(scale)(images)
    x = layers.Add()([PixelShuffle(scale)(x), enlarged])
    return layers.Activation("linear", dtype="float32")(x)


def _draw_johnson2016(images: Any, scale: int, width: int, blocks: int) -> Any:
    def conv(x: Any, size: int, filters: int = width) -> Any:
        return layers.Conv2D(filters, size, padding="same")(x)

    def norm(x: Any) -> Any:
        return layers.BatchNormalization()(x)

    x = layers.ReLU()(norm(conv(images, 9)))
    for _ in range(blocks):
        inner = layers.ReLU()(norm(conv(x, 3)))
        x = layers.Add()([x, norm(conv(inner, 3))])
    for _ in range(int(math.log2(scale))):
        x = layers.Conv2DTranspose(width, 3, strides=2, padding="same")(x)
        x = layers.ReLU()(norm(x))
    x = layers.Activation("tanh", dtype="float32")(conv(x, 9, 3))
    return layers.Rescaling(0.5, 0.5, dtype="float32")(x)


# How each is drawn, its filters and its blocks.
_VARIANTS = {
    "modern": (_draw_modern, 32, 6),
    "johnson2016": (_draw_johnson2016, 64, 4),
}
