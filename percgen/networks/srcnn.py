"""The first network of super-resolution, and the enlarging it starts from.

References:
    Dong, Loy, He and Tang, "Image super-resolution using deep convolutional
    networks", TPAMI 2016.
    Keys, "Cubic convolution interpolation for digital image processing", IEEE
    TASSP 1981, equation 15.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from percgen import ops as house_ops
from percgen.networks import picture_layers

SMALLEST = 3  # Enlarged twice, it may be reflected by the first layer's 4.
_REACH = 2  # Of the cubic on either side, in pixels.
# Ours. 9-1-5 by Adam at 1e-3, three seeds: after 200 epochs on three pictures a
# fourth gained .2 to .4 dB at 1, .8 to .9 at .1. On 450 crops they were alike.
_SMALL = 0.1


@keras.saving.register_keras_serializable("percgen")
class SRCNN(keras.Model):
    """Enlarges a picture bicubically, and sharpens what that blurred.

    Takes RGB in [0, 1], `[B, H, W, 3]` with H and W at least 3, and gives
    float32 `[B, scale H, scale W, 3]`, not cut to [0, 1], where its gradient
    would die. Three layers, 9-`middle`-5, of 64 and 32 filters with ReLU, work
    on the enlarged picture: that is `body`, a network too.

    Args:
        scale: 2, 3 or 4.
        middle: Side of the second layer's kernels: 1, 3 or 5.
        color: `"luma"` sharpens Y of BT.601 alone, as the paper does: the luma
            of the answer is what `body` made of the luma of the enlarged
            picture, and its chroma is that of the enlarged picture. Then a
            gray picture `[B, H, W, 1]` may come too, which goes through `body`
            as it is. `"rgb"` sharpens all three channels together.
        name: Of the model.

    Raises:
        ValueError: If an argument is unknown; when called, if pictures have
            other channels, or are smaller than 3 x 3.
    """

    def __init__(
        self,
        scale: int = 4,
        middle: int = 5,
        color: str = "luma",
        name: str = "srcnn",
    ):
        _refuse("scale", scale, (2, 3, 4))
        _refuse("middle", middle, (1, 3, 5))
        _refuse("color", color, ("luma", "rgb"))
        # Not cast to what the layers of `body` compute in: the picture is to
        # be enlarged exactly.
        super().__init__(name=name, autocast=False)
        self.scale, self.middle, self.color = scale, middle, color
        self.enlarge = BicubicEnlarge(scale, dtype="float32")
        self.body = _draw_body(1 if color == "luma" else 3, middle)
        self.built = True

    @property
    def halo(self) -> int:
        """How far a pixel of the answer looks, in pixels of the picture."""
        reach = 4 + self.middle // 2 + 2  # Of 9-middle-5, once enlarged.
        return _REACH + math.ceil(reach / self.scale)

    def call(self, images: Any, training: Any = None) -> Any:
        self._refuse_shape(tuple(images.shape))
        enlarged = self.enlarge(images)
        if images.shape[-1] == self.body.input.shape[-1]:
            return self.body(enlarged, training=training)
        y = house_ops.luma(enlarged)
        # Y feels 219 / 255 of what is added to every channel; Cb, Cr nothing.
        return enlarged + (self.body(y, training=training) - y) * (255 / 219)

    def get_config(self) -> dict[str, Any]:
        names = ("scale", "middle", "color", "name")
        return {name: getattr(self, name) for name in names}

    def _refuse_shape(self, shape: tuple[int | None, ...]) -> None:
        channels = (1, 3) if self.color == "luma" else (3,)
        if len(shape) != 4 or shape[3] not in channels:
            raise ValueError(
                "Pictures should be [B, H, W, C], C being "
                f"{' or '.join(map(str, channels))} with color={self.color!r}. "
                f"Received: shape={shape}."
            )
        if any(side is not None and side < SMALLEST for side in shape[1:3]):
            raise ValueError(
                f"Pictures should be at least {SMALLEST} x {SMALLEST}. "
                f"Received: shape={shape}."
            )


@keras.saving.register_keras_serializable("percgen")
class BicubicEnlarge(picture_layers.Enlarge):
    """Enlarges as `percgen.resizing.resize` does, MATLAB's bicubic.

    From `[B, H, W, C]`, H and W at least 2, to `[B, scale H, scale W, C]`, of
    the same range but for slight overshoots at edges.

    Args:
        scale: How many times.
        **kwargs: Of `keras.layers.Layer`.
    """

    def taps(self) -> np.ndarray:
        centres = (np.arange(self.scale) + 0.5) / self.scale - 0.5
        x = np.abs(np.arange(-_REACH, _REACH + 1)[:, None] - centres)
        near = 1.5 * x**3 - 2.5 * x**2 + 1.0
        far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
        return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@keras.saving.register_keras_serializable("percgen")
class PassThrough(keras.initializers.Initializer):
    """Starts a convolution's first filters as its first inputs, passed through.

    The others start at random, small: at a tenth of He et al.'s 2015 deviation.

    Args:
        channels: How many pass through.
    """

    def __init__(self, channels: int):
        self.channels = channels

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        same = np.zeros(shape)
        index = np.arange(self.channels)
        same[shape[0] // 2, shape[1] // 2, index, index] = 1.0
        passes = np.arange(shape[-1]) < self.channels
        noise = keras.initializers.VarianceScaling(2 * _SMALL**2)(shape, dtype)
        return ops.where(passes, ops.cast(same, noise.dtype), noise)

    def get_config(self) -> dict[str, Any]:
        return {"channels": self.channels}


def _refuse(name: str, value: Any, known: tuple[Any, ...]) -> None:
    if value not in known:
        raise ValueError(
            f"`{name}` should be one of {known}. Received: {name}={value!r}."
        )


def _draw_body(channels: int, middle: int) -> keras.Model:
    # Differs from Dong et al., who start at random from a Gaussian of .001
    # (recalled): ours starts at the enlarged picture, which ReLU lets pass.
    start = PassThrough(channels)

    def conv(x: Any, filters: int, size: int) -> Any:
        # Differs from Dong et al., who train without padding, on smaller
        # targets: the answer has all its pixels here.
        x = picture_layers.ReflectionPadding2D(size // 2)(x)
        return layers.Conv2D(filters, size, kernel_initializer=start)(x)

    planes = keras.Input([None, None, channels])
    x = layers.ReLU()(conv(planes, 64, 9))
    x = layers.ReLU()(conv(x, 32, middle))
    x = layers.Activation("linear", dtype="float32")(conv(x, channels, 5))
    return keras.Model(planes, x, name="body")
