"""Networks that press a picture into a code and unfold it again.

Reference:
    Snell et al., "Learning to generate images with perceptual similarity
    metrics", ICIP 2017 (paper A), section 3.
"""

import functools
import math
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

# Ours: Keras's .99 would lag behind a course of a few hundred steps.
_MOMENTUM = 0.9
_HALF = {"kernel_size": 5, "strides": 2, "padding": "same"}


class _Autoencoder(keras.Model):
    """What autoencoders share; their own are an encoder and a decoder."""

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        stochastic: bool,
        name: str,
    ):
        super().__init__(name=name)
        _, self.size, _, self.channels = encoder.input.shape
        self.code, self.stochastic = decoder.input.shape[1], stochastic
        self.encoder, self.decoder = encoder, decoder
        self.bottleneck = _bottleneck(
            encoder.output.shape[1:], self.code, stochastic
        )
        self.built = True  # As its parts are, from their constructors on.

    def encode(self, images: Any, training: Any = False) -> Any:
        """Returns codes `[B, code]`: their means, if they are stochastic.

        Args:
            images: `[B, size, size, channels]` in [0, 1].
            training: Whether to normalize over the batch, where it is done.

        Raises:
            ValueError: If pictures have another size.
        """
        expected = (self.size, self.size, self.channels)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"Pictures should be [B, {', '.join(map(str, expected))}]. "
                f"Received: shape={tuple(images.shape)}."
            )
        code = self.bottleneck(self.encoder(images, training=training))
        return code[0] if self.stochastic else code

    def call(self, images: Any, training: Any = None) -> Any:
        return self.decoder(self.encode(images, training), training=training)

    def get_config(self) -> dict[str, Any]:
        names = ("size", "channels", "code", "stochastic", "name")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("percgen")
class FCAutoencoder(_Autoencoder):
    """Codes and restores small pictures by fully connected layers alone.

    From pictures `[B, size, size, channels]` in [0, 1] to the same. Its parts
    are networks too: `encoder` (pictures to features), `bottleneck` (features
    to codes `[B, code]`) and `decoder` (codes to pictures). Called, it restores
    from the code, or from the code's mean: nothing is drawn at random.

    Paper A's has pictures of 32 x 32 (seen); the widths of its layers and of
    its code were not found: those here are our choice.

    Args:
        size: Height and width of pictures.
        channels: Of pictures.
        hidden: Units of the encoder's layers; the decoder mirrors them.
        code: Numbers in a code.
        stochastic: Whether `bottleneck` gives `[mean, log_variance]` of a
            Gaussian over codes, as paper A's EL-VAE has it (seen second-hand).
        name: Of the model.

    Raises:
        ValueError: If a number is not positive, or `hidden` is empty; when
            called, if pictures have another size.
    """

    def __init__(
        self,
        size: int = 32,
        channels: int = 3,
        hidden: Sequence[int] = (1024, 512),
        code: int = 128,
        stochastic: bool = False,
        name: str = "fc_autoencoder",
    ):
        picture, hidden = (size, size, channels), tuple(hidden)
        _refuse(size=size, channels=channels, hidden=hidden, code=code)
        dense = functools.partial(
            layers.Dense, activation="relu", kernel_initializer="he_normal"
        )
        into = [layers.Flatten(), *map(dense, hidden)]
        out = [*map(dense, hidden[::-1]), layers.Dense(math.prod(picture))]
        super().__init__(
            _chain("encoder", picture, into),
            _chain(
                "decoder", [code], [*out, layers.Reshape(picture), _bound()]
            ),
            stochastic,
            name,
        )
        self.hidden = hidden

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": list(self.hidden)}


@keras.saving.register_keras_serializable("percgen")
class ConvAutoencoder(_Autoencoder):
    """Codes and restores pictures by convolutions of stride 2.

    Parts, call and the arguments not named here are `FCAutoencoder`'s.

    Of paper A, seen second-hand: pictures of 96 x 96, 5 x 5 convolutions of
    stride 2 with 128, 256 and 512 filters and ReLU, a decoder that mirrors
    them. Recalled: 512 numbers in a code, batch normalization. Ours: padding by
    zeros, no bias where a norm follows, the norm's momentum, a linear code, and
    a last layer with a sigmoid and no norm.

    Args:
        size: Height and width of pictures, a multiple of 2^(number of widths).
        widths: Filters of the encoder's layers; the decoder mirrors them.

    Raises:
        ValueError: If a number is not positive, `widths` is empty, or `size` is
            no such multiple; when called, if pictures have another size.
    """

    def __init__(
        self,
        size: int = 96,
        channels: int = 3,
        widths: Sequence[int] = (128, 256, 512),
        code: int = 512,
        stochastic: bool = False,
        name: str = "conv_autoencoder",
    ):
        widths = tuple(widths)
        _refuse(size=size, channels=channels, widths=widths, code=code)
        side, rest = divmod(size, 2 ** len(widths))
        if rest:
            raise ValueError(
                f"`size` should be a multiple of {2 ** len(widths)}, for "
                f"{len(widths)} widths. Received: size={size}."
            )
        super().__init__(
            _chain("encoder", [size, size, channels], _shrink(widths)),
            _chain("decoder", [code], _grow(side, widths[::-1], channels)),
            stochastic,
            name,
        )
        self.widths = widths

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "widths": list(self.widths)}


def _refuse(**counts: int | tuple[int, ...]) -> None:
    for name, count in counts.items():
        numbers = count if isinstance(count, tuple) else (count,)
        if not numbers or min(numbers) < 1:
            each = "one or more numbers, each " if numbers is count else ""
            raise ValueError(
                f"`{name}` should be {each}at least 1. "
                f"Received: {name}={count}."
            )


def _chain(name: str, shape: Any, parts: Iterable[Any]) -> keras.Model:
    x = inputs = keras.Input(shape)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, x, name=name)


def _bottleneck(shape: Any, code: int, stochastic: bool) -> keras.Model:
    features = keras.Input(shape)
    x = layers.Flatten()(features)
    names = ("mean", "log_variance") if stochastic else ("code",)
    codes = [layers.Dense(code, name=name)(x) for name in names]
    return keras.Model(
        features, codes if stochastic else codes[0], name="bottleneck"
    )


def _shrink(widths: tuple[int, ...]) -> list[Any]:
    conv = functools.partial(layers.Conv2D, use_bias=False, **_HALF)
    return _normalized(map(conv, widths))


def _grow(side: int, widths: tuple[int, ...], channels: int) -> list[Any]:
    first = layers.Dense(side**2 * widths[0], use_bias=False)
    square = layers.Reshape([side, side, widths[0]])
    up = functools.partial(layers.Conv2DTranspose, **_HALF)
    ups = [up(width, use_bias=False) for width in widths[1:]]
    return [first, *_normalized([square, *ups]), up(channels), _bound()]


def _normalized(parts: Iterable[Any]) -> list[Any]:
    norm = functools.partial(layers.BatchNormalization, momentum=_MOMENTUM)
    triples = [(part, norm(), layers.ReLU()) for part in parts]
    return [layer for triple in triples for layer in triple]


def _bound() -> Any:
    return layers.Activation("sigmoid", dtype="float32")
