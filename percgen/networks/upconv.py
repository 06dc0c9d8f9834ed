"""Networks that unfold features into pictures by up-convolutions.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", arXiv 2016 (paper B), sections 3.2 and 4.1.
"""

from typing import Any

import keras
from keras import layers

_SLOPE = 0.3
_STEPS = 3  # Of stride 2, from 64 x 64 to 8 x 8.
MULTIPLE = 2**_STEPS  # Of which sides of pictures are multiples.
# Of the standard deviation sqrt(2 / inputs), by the released code (seen).
_UP_GAIN, _BETWEEN_GAIN = 1.8, 0.9


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


def _encoder(widths: list[int], code: int) -> keras.Model:
    x = images = keras.Input([None, None, 3])
    x = layers.Rescaling(4.0, -2.0)(x)
    for width in widths:
        x = _conv(x, width, strides=2)
        x = _conv(x, width)
    x = layers.Conv2D(code, 3, padding="same", name="code")(x)
    return keras.Model(images, x, name="encoder")


def _decoder(widths: list[int], code: int) -> keras.Model:
    x = codes = keras.Input([None, None, code])
    x = _conv(x, widths[0])
    for width in widths[1:]:
        x = _conv(_activate(_up(x, width)), width)
    # In float32 under any policy, as every picture is.
    x = layers.Rescaling(1 / 16, 0.5, dtype="float32")(_up(x, 3))
    return keras.Model(codes, x, name="decoder")


def _conv(x: Any, filters: int, strides: int = 1) -> Any:
    x = layers.Conv2D(
        filters,
        3,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_scaled(_BETWEEN_GAIN),
    )(x)
    return _activate(x)


def _up(x: Any, filters: int) -> Any:
    return layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=False,
        # Caffe counts a transposed kernel's outputs as its inputs; so Keras.
        kernel_initializer=_scaled(_UP_GAIN),
    )(x)


def _activate(x: Any) -> Any:
    return layers.LeakyReLU(negative_slope=_SLOPE)(x)


def _scaled(gain: float) -> keras.Initializer:
    return keras.initializers.VarianceScaling(
        2.0 * gain**2, "fan_in", "untruncated_normal"
    )
