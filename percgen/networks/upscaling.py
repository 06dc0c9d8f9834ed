"""Networks that make pictures larger.

References:
    Lim et al., "Enhanced deep residual networks for single image
    super-resolution", CVPRW 2017, section 3 (no batch normalization).
    Shi et al., "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network", CVPR 2016 (the shuffle).
"""

from typing import Any

import keras
from keras import layers

from percgen import ops


@keras.saving.register_keras_serializable("percgen")
class Upscaler(keras.Model):
    """Enlarges a picture: works at its own size, and shuffles at the end.

    Takes RGB in [0, 1], `[B, H, W, 3]`, and gives `[B, scale H, scale W, 3]`.
    The answer is the picture enlarged bilinearly, plus what was learnt; the
    last layer starts at zero, so an untrained network gives the enlarged
    picture. It is not cut to [0, 1], where its gradient would die.

    Args:
        scale: 2, 4 or 8.
        width: Filters.
        blocks: Residual blocks of two convolutions.
        name: Of the model.

    Raises:
        ValueError: If `scale` is another.
    """

    def __init__(
        self,
        scale: int = 4,
        width: int = 32,
        blocks: int = 6,
        name: str = "upscaler",
    ):
        if scale not in (2, 4, 8):
            raise ValueError(
                f"`scale` should be 2, 4 or 8. Received: scale={scale}."
            )
        images = keras.Input([None, None, 3], name="images")
        super().__init__(images, _draw(images, scale, width, blocks), name=name)
        self.scale, self.width, self.blocks = scale, width, blocks

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "width": self.width,
            "blocks": self.blocks,
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


def _draw(images: Any, scale: int, width: int, blocks: int) -> Any:
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
    enlarged = layers.UpSampling2D(scale, interpolation="bilinear")(images)
    x = layers.Add()([PixelShuffle(scale)(x), enlarged])
    return layers.Activation("linear", dtype="float32")(x)
