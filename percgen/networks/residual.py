"""Residual image-to-image networks.

References:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, supplement, table 1 (seen).
    Dumoulin, Shlens and Kudlur, "A learned representation for artistic style",
    ICLR 2017, section 2.2: many styles in one network.
"""

from typing import Any

import keras
from keras import layers

from percgen.networks import picture_layers

SMALLEST = 16
_BLOCKS = 5
_FRAME = 40


@keras.saving.register_keras_serializable("percgen")
class StyleGenerator(keras.Model):
    """Paints a picture: shrinks it four times, reworks it, grows it back.

    Takes RGB in [0, 1], `[B, H, W, 3]` with H and W at least 16, and gives RGB
    in [0, 1] of exactly the same size, odd sizes too. With several styles it
    takes a pair: pictures, and `[B, styles]`, how much of each style.

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
        styles: How many it learns. All share the convolutions; each has scales
            and shifts of its own after the normalizations, which mixtures of
            styles average. Only for `"modern"`.
        name: Of the model.

    Raises:
        ValueError: If an argument is unknown, or, when called, if a picture is
            smaller than 16 x 16.
    """

    def __init__(
        self,
        variant: str = "modern",
        width: int | None = None,
        styles: int = 1,
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
        if styles < 1 or (styles > 1 and variant != "modern"):
            raise ValueError(
                '`styles` should be at least 1, and 1 for "johnson2016". '
                f"Received: styles={styles}, variant={variant!r}."
            )
        inputs = images = keras.Input([None, None, 3], name="images")
        if variant == "johnson2016":
            painting = _draw_johnson2016(images, width)
        elif styles == 1:
            painting = _draw_modern(images, width)
        else:
            weights = keras.Input([styles], name="style_weights")
            inputs = [images, weights]
            painting = _draw_modern(images, width, weights)
        super().__init__(inputs, painting, name=name)
        self.variant, self.width, self.styles = variant, width, styles

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        images = inputs[0] if self.styles > 1 else inputs
        for size in images.shape[1:3]:
            if size is not None and size < SMALLEST:
                raise ValueError(
                    f"Pictures should be at least {SMALLEST} x {SMALLEST}. "
                    f"Received: shape={tuple(images.shape)}."
                )
        return super().call(inputs, training=training, mask=mask)

    def get_config(self) -> dict[str, Any]:
        names = ("variant", "width", "styles", "name")
        return {name: getattr(self, name) for name in names}


def _draw_modern(images: Any, width: int, weights: Any = None) -> Any:
    def conv(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        # No bias: the norm takes it away again, so that its gradient would be
        # rounding noise, which Adam turns into full steps.
        x = picture_layers.ReflectionPadding2D(size // 2)(x)
        x = layers.Conv2D(filters, size, strides, use_bias=False)(x)
        return norm(x)

    def norm(x: Any) -> Any:
        # Differs from Johnson et al., who normalize over the batch: a picture
        # must not depend on its neighbours, in training nor in serving.
        own = weights is None
        x = layers.GroupNormalization(
            groups=-1, epsilon=1e-5, center=own, scale=own
        )(x)
        if own:
            return x
        return picture_layers.StyleAffine(weights.shape[-1])([x, weights])

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
    x = picture_layers.BlockConv2D(3, 9)(
        picture_layers.ReflectionPadding2D(4)(x)
    )
    x = picture_layers.CropLike()([x, images])
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

    x = picture_layers.MirrorFrame2D(_FRAME)(images)
    x = finish(conv(x, width, 9))
    x = finish(conv(x, 2 * width, 3, strides=2))
    x = finish(conv(x, 4 * width, 3, strides=2))
    for _ in range(_BLOCKS):
        x = residual(x)
    x = finish(up(x, 2 * width))
    x = finish(up(x, width))
    x = picture_layers.CropLike()([conv(x, 3, 9), images])
    # The paper's text scales tanh to [0, 255]. The released code takes and
    # gives 150 tanh about the mean of ImageNet instead (seen).
    x = layers.Activation("tanh", dtype="float32")(x)
    return layers.Rescaling(0.5, 0.5, dtype="float32")(x)
