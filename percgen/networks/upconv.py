"""Networks that unfold features into pictures by up-convolutions.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", arXiv 2016 (paper B), sections 3.2 and 4.1.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from percgen.networks import upconv_blocks as blocks

_STEPS = 3  # Of stride 2, from 64 x 64 to 8 x 8.
MULTIPLE = 2**_STEPS  # Of which sides of pictures are multiples.
# Of the released nets, in widths: units; filters of the convolutions before;
# filters of each up-convolution but the last one, and of the 3 x 3 after it.
_UNITS, _BEFORE = 128, 16
_ROWS = ((8, 16), (8, 8), (4, 4), (2, 0), (1, 0))
_MOST = len(_ROWS) + 1  # Up-convolutions.
_FIRST = 4  # Side of the map that the dense layers make.
_POOL5 = (6, 227)  # Sides of its map and of the released net's pictures.


@keras.saving.register_keras_serializable("percgen")
class UpconvAutoencoder(keras.Model):
    """Presses a picture into a small map, and grows it back by up-convolutions.

    Of paper B (arXiv version): pictures of 64 x 64 become a map of 8 x 8 with 8
    channels (seen second-hand); all layers are convolutions and
    up-convolutions (seen). Of its released nets: 4 x 4 transposed convolutions
    of stride 2, the last one to the colors, and 3 x 3 convolutions between, all
    without bias, leaky ReLU of slope .3, a linear output, no batch norm, and
    their initial weights (all seen).

    Its table of layers was not found. Our choice: at each of the encoder's
    three steps a 3 x 3 convolution of stride 2 and one of stride 1, with
    `width`, 2 and 4 times `width` filters, then 3 x 3 to the code, linear; the
    decoder goes the same way back. Inputs are counted in quarters of the range
    about mid gray; outputs in sixteenths, to which initial weights make them.

    From pictures `[B, H, W, 3]` in [0, 1], H and W multiples of 8, to the same,
    which may leave [0, 1]. Its parts are networks too: `encoder` (pictures to
    codes `[B, H / 8, W / 8, code]`) and `decoder`.

    Args:
        width: Filters of the first layer.
        code: Channels of the code.
        name: Of the model.

    Raises:
        ValueError: If a number is not positive; when called, if sides are no
            multiples of 8.
    """

    def __init__(
        self, width: int = 64, code: int = 8, name: str = "upconv_autoencoder"
    ):
        if min(width, code) < 1:
            raise ValueError(
                "`width` and `code` should be at least 1. "
                f"Received: width={width}, code={code}."
            )
        super().__init__(name=name)
        self.width, self.code = width, code
        widths = [width * 2**step for step in range(_STEPS)]
        self.encoder = _encoder(widths, code)
        self.decoder = _decoder(widths[::-1], code)
        self.built = True  # As its parts are, from their constructors on.

    def encode(self, images: Any) -> Any:
        """Returns codes, flat: `[B, H / 8 * W / 8 * code]`."""
        code = self.encoder(images)
        return keras.ops.reshape(code, [code.shape[0], -1])

    def call(self, images: Any, training: Any = None) -> Any:
        if any(side and side % MULTIPLE for side in images.shape[1:3]):
            raise ValueError(
                f"Sides of pictures should be multiples of {MULTIPLE}. "
                f"Received: shape={tuple(images.shape)}."
            )
        return self.decoder(self.encoder(images))

    def get_config(self) -> dict[str, Any]:
        return {"width": self.width, "code": self.code, "name": self.name}


@keras.saving.register_keras_serializable("percgen")
class UpconvGenerator(keras.Model):
    """Unfolds a picture's features into a picture, as paper B's inverters do.

    With the defaults the released nets to the letter (rows, biases, activations
    and initial weights: seen). From vectors, such as AlexNet's fc6, three dense
    layers of 4096 make a map of 4 x 4 with 256 channels; from maps three
    convolutions, the last one without padding, make one of 4 x 4 with 512. Six
    up-convolutions make 256 x 256 of that, of which the middle is left; a 3 x 3
    convolution follows each of the first three.

    The released nets for conv3 and conv4 were not read. Our choice for them and
    all others: of six up-convolutions the last ones, as many as the map can
    start from; it is padded with zeros to where it then has to be. That keeps
    places, which squeezing it to 4 x 4, as pool5's does, has to learn.

    From features `[B, *features]` to pictures `[B, size, size, 3]` in [0, 1],
    which they may leave. Differs from paper B: RGB in sixteenths about mid
    gray, in place of BGR in 255ths about a mean.

    Args:
        features: Shape of a picture's features: `[N]` or `[H, W, C]`, H = W.
        size: Height and width of pictures: 2 to 127 times those of the
            features (vectors: more than 4, at most 256).
        width: Filters of the fifth up-convolution; all others are in
            proportion.
        scale: What features are divided by: a number, or one for each channel,
            as their standard deviation.
        mean: What is taken from them before: likewise, as their mean. Not in
            paper B; without it all pictures look alike for long.
        dense: Dense layers, of vectors. Fewer learn sooner.
        name: Of the model.

    Raises:
        ValueError: If an argument is out of its range; when called, if features
            have another shape.
    """

    def __init__(
        self,
        features: Sequence[int],
        size: int = 227,
        width: int = 32,
        scale: float | Sequence[float] = 1.0,
        mean: float | Sequence[float] = 0.0,
        dense: int = 3,
        name: str = "upconv_generator",
    ):
        features = tuple(features)
        ups = _ups(features, size) if min([*features, size]) > 0 else 0
        if min(ups, width, dense) < 1 or np.min(scale) <= 0.0:
            raise ValueError(
                "`features` should be [N] or [H, H, C], `size` 2 to "
                f"{2 * 2**_MOST - 1} times H (of [N]: more than {_FIRST}, at "
                f"most {_FIRST * 2**_MOST}), `width` and `dense` at least 1 "
                f"and `scale` positive. Received: features={features}, "
                f"size={size}, width={width}, dense={dense}, "
                f"scale={np.min(scale)}."
            )
        super().__init__(name=name)
        self.features, self.size = features, size
        self.width, self.scale, self.mean = width, scale, mean
        self.dense = dense
        x = inputs = keras.Input(features)
        x = blocks.standardize(x, mean, scale)
        self.unfold = keras.Model(inputs, _unfold(x, size, width, ups, dense))
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:
        if tuple(inputs.shape[1:]) != self.features:
            raise ValueError(
                f"{self.name} takes features of shape {self.features}. "
                f"Received: shape={tuple(inputs.shape)}."
            )
        return self.unfold(inputs)

    def get_config(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "size": self.size,
            "width": self.width,
            "scale": self.scale,
            "mean": self.mean,
            "dense": self.dense,
            "name": self.name,
        }


def _ups(features: Sequence[int], size: int) -> int:
    """Returns the number of up-convolutions, 0 if there is none that fits."""
    if len(features) == 1:
        ups = math.ceil(math.log2(size / _FIRST))
    elif len(features) != 3 or features[0] != features[1]:
        return 0
    elif (features[0], size) == _POOL5:
        ups = _MOST
    else:
        ups = math.floor(math.log2(size / features[0]))
    return ups if 0 < ups <= _MOST else 0


def _unfold(x: Any, size: int, width: int, ups: int, dense: int) -> Any:
    if x.ndim == 2:
        side = _FIRST
        x = _from_vector(x, width, dense)
    else:
        side = math.ceil(size / 2**ups)
        x = _from_map(x, side, width)
    for number in range(ups - 1, 0, -1):
        filters, after = (width * factor for factor in _ROWS[-number])
        x = blocks.activate(blocks.up(x, filters, name=f"deconv{number}"))
        if after:
            x = blocks.conv(x, after, name=f"conv{number}_1")
    x = blocks.up(x, 3, name="deconv0")
    # In float32 under any policy, as every picture is.
    x = layers.Rescaling(1 / 16, 0.5, dtype="float32")(x)
    spare = side * 2**ups - size
    crop = (spare // 2, spare - spare // 2)
    return layers.Cropping2D((crop, crop), dtype="float32")(x)


def _from_vector(x: Any, width: int, dense: int) -> Any:
    for number in range(dense + 4, 4, -1):
        x = blocks.dense(x, _UNITS * width, name=f"defc{number}")
    # Channels first, as in Caffe, whose weights then fit.
    x = layers.Reshape([-1, _FIRST, _FIRST])(x)
    return layers.Permute([2, 3, 1])(x)


def _from_map(x: Any, side: int, width: int) -> Any:
    options: dict[str, Any] = {"filters": _BEFORE * width, "use_bias": True}
    x = blocks.conv(x, name="Rconv6", **options)
    x = blocks.conv(x, name="Rconv7", **options)
    spare = side - x.shape[1]
    options = {**options, "name": "Rconv8"}
    if spare < 0:
        return blocks.conv(x, kernel=1 - spare, padding="valid", **options)
    around = (spare // 2, spare - spare // 2)
    return blocks.conv(layers.ZeroPadding2D((around, around))(x), **options)


def _encoder(widths: list[int], code: int) -> keras.Model:
    x = images = keras.Input([None, None, 3])
    x = layers.Rescaling(4.0, -2.0)(x)
    for width in widths:
        x = blocks.conv(x, width, strides=2)
        x = blocks.conv(x, width)
    x = layers.Conv2D(code, 3, padding="same", name="code")(x)
    return keras.Model(images, x, name="encoder")


def _decoder(widths: list[int], code: int) -> keras.Model:
    x = codes = keras.Input([None, None, code])
    x = blocks.conv(x, widths[0])
    for width in widths[1:]:
        x = blocks.conv(blocks.activate(blocks.up(x, width)), width)
    # In float32 under any policy, as every picture is.
    x = layers.Rescaling(1 / 16, 0.5, dtype="float32")(blocks.up(x, 3))
    return keras.Model(codes, x, name="decoder")
