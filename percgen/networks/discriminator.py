"""Networks that tell real pictures from generated ones.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 3.3 and table 1.
"""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers
from keras import ops

from percgen.networks import picture_layers

# Filters in those of the first, side and stride of the convolutions; the first
# one's stride is an argument.
_CONVS = ((1, 7, 0), (2, 5, 1), (4, 3, 2), (8, 3, 1), (8, 3, 2))
_FEATURE_UNITS = (1024, 512)
# Of the standard deviation sqrt(2 / inputs), by the released code (seen).
_WEAK, _FULL = 0.1, 1.0
_MEANS = (123.0, 117.0, 104.0)  # Of red, green, blue, 0 to 255 (seen).


@keras.saving.register_keras_serializable("percgen")
class Discriminator(keras.Model):
    """Tells real pictures from generated ones, as paper B's does.

    Five convolutions without padding, 32 filters of 7 x 7, 64 of 5 x 5, then
    128, 256 and 256 of 3 x 3, ReLU after each; the mean over positions, dropout
    of half, a dense layer, dropout of half. Kernels, strides, ReLU and the
    initial weights: seen in released code. 512 units: seen second-hand.

    From pictures `[B, H, W, 3]` in [0, 1] to logits `[B, 1]`, positive for
    real. With `features` from a pair, the pictures and the features `[B, ...]`
    that they were generated from: two dense layers of 1024 and 512 (that they
    are two, seen; their sizes, seen second-hand) are laid beside the mean.

    What dropout leaves out is not drawn here but given, as `masks`: so it can
    be a function of the step and the place in the global batch, alike on any
    number of replicas and after any interruption. `DeePSiM` draws it.

    Differs from paper B: one logit, in place of two of which only the
    difference counts.

    Args:
        stride: Of the first convolution: 2 for 64 x 64 (recalled), 4 for 227 x
            227 (seen).
        width: Filters of the first convolution; all others are in proportion.
        features: Numbers of the features of a picture, if they are looked at.
        units: Of the dense layer. The released code has 256.
        dropout: Share that masks should leave out, 0 to below 1.
        weight_decay: Half of it, times the squared kernels, is added to
            `losses`. The released code's is .0004 beside a loss that counts
            100-fold (both seen), so .000004 beside ours: at .0004 Adam shrinks
            what tells little, until no feature is left that tells anything.
        spectral: Whether every kernel is divided by its largest singular value
            (`keras.layers.SpectralNormalization`), which paper B's are not.
        detail: Whether it sees nothing but what a small blur takes away, four
            times as strong (cf. Fritsche et al., "Frequency separation for
            real-world super-resolution", 2019). Of pictures enlarged four times
            and their originals it tells 97 in 100 after 120 steps of 8, in
            place of 64.
        name: Of the model.

    Attributes:
        trunk: The convolutions alone, from pictures to a dict of `relu1` to
            `relu5`: a comparator, for Larsen et al.'s loss.
        mask_widths: Widths of the two masks.
        smallest_image: Least height and width of a picture.

    Call arguments:
        inputs: Pictures, or pictures and features.
        masks: Two tensors, `[B, mask_widths[i]]`, to multiply with; or None,
            which leaves out nothing.
        training: Whether the estimates of spectral normalization go on.

    Raises:
        ValueError: If an argument is out of its range; when called, if pictures
            are too small.
    """

    def __init__(
        self,
        stride: int = 2,
        width: int = 32,
        features: int | None = None,
        units: int = 512,
        dropout: float = 0.5,
        weight_decay: float = 4e-6,
        spectral: bool = False,
        detail: bool = False,
        name: str = "discriminator",
    ):
        least = min(stride, width, units, features or 1)
        if least < 1 or not 0.0 <= dropout < 1.0:
            raise ValueError(
                "`stride`, `width`, `units` and `features` should be at least "
                "1 and `dropout` at least 0 and below 1. Received: "
                f"stride={stride}, width={width}, units={units}, "
                f"features={features}, dropout={dropout}."
            )
        super().__init__(name=name)
        self.stride, self.width, self.units = stride, width, units
        self.features, self.dropout = features, dropout
        self.weight_decay, self.spectral = weight_decay, spectral
        self.detail = detail
        make = _maker(weight_decay, spectral)
        self.trunk = _trunk(stride, width, detail, make)
        self.smallest_image = _smallest(stride)
        self.branch = _branch(features, make) if features else None
        seen = _CONVS[-1][0] * width + (_FEATURE_UNITS[-1] if features else 0)
        self.mask_widths = (seen, units)
        self.hidden = make(layers.Dense, _WEAK, units, activation="relu")
        self.verdict = make(layers.Dense, _WEAK, 1, dtype="float32")
        self.hidden.build([None, self.mask_widths[0]])
        self.verdict.build([None, units])
        self.built = True

    def call(
        self,
        inputs: Any,
        masks: Sequence[Any] | None = None,
        training: Any = None,
    ) -> Any:
        pictures, features = inputs if self.branch else (inputs, None)
        self._refuse_small(pictures)
        x = self.trunk(pictures, training=training)["relu5"]
        x = ops.mean(x, axis=[1, 2])
        if self.branch:
            flat = ops.reshape(features, [-1, self.features])
            x = ops.concatenate([x, self.branch(flat, training=training)], 1)
        first, second = masks or (1.0, 1.0)
        x = self.hidden(x * ops.cast(first, x.dtype), training=training)
        x = x * ops.cast(second, x.dtype)
        return self.verdict(x, training=training)

    def get_config(self) -> dict[str, Any]:
        names = (
            "stride",
            "width",
            "features",
            "units",
            "dropout",
            "weight_decay",
            "spectral",
            "detail",
            "name",
        )
        return {name: getattr(self, name) for name in names}

    def _refuse_small(self, pictures: Any) -> None:
        sides = [side for side in pictures.shape[1:3] if side is not None]
        if sides and min(sides) < self.smallest_image:
            raise ValueError(
                f"{self.name} needs pictures of at least {self.smallest_image} "
                f"x {self.smallest_image}. "
                f"Received: shape={tuple(pictures.shape)}."
            )


def _maker(weight_decay: float, spectral: bool) -> Callable[..., Any]:
    """Returns a function that makes layers with what all of them share."""

    def make(
        kind: Callable[..., Any], gain: float, *args: Any, **kwargs: Any
    ) -> Any:
        layer = kind(
            *args,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0 * gain**2, "fan_in", "untruncated_normal"
            ),
            kernel_regularizer=keras.regularizers.L2(weight_decay / 2.0),
            **kwargs,
        )
        return layers.SpectralNormalization(layer) if spectral else layer

    return make


def _trunk(
    stride: int, width: int, detail: bool, make: Callable[..., Any]
) -> keras.Model:
    x = pictures = keras.Input([None, None, 3])
    if detail:
        x = picture_layers.Detail(dtype="float32")(x)
        x = layers.Rescaling(4.0 * 255.0)(x)
    else:  # The range of the released code, whose initial weights these are.
        x = layers.Rescaling(255.0, [-mean for mean in _MEANS])(x)
    outputs = {}
    for number, (filters, side, step) in enumerate(_CONVS, 1):
        gain = _WEAK if number == 1 else _FULL
        conv = functools.partial(layers.Conv2D, activation="relu")
        x = make(conv, gain, filters * width, side, strides=step or stride)(x)
        outputs[f"relu{number}"] = x
    return keras.Model(pictures, outputs, name="trunk")


def _branch(features: int, make: Callable[..., Any]) -> keras.Model:
    x = inputs = keras.Input([features])
    for units in _FEATURE_UNITS:
        x = make(layers.Dense, _WEAK, units, activation="relu")(x)
    return keras.Model(inputs, x, name="branch")


def _smallest(stride: int) -> int:
    """Returns the least side that leaves the last convolution one place."""
    least = 1
    for _, side, step in reversed(_CONVS):
        least = (least - 1) * (step or stride) + side
    return least
