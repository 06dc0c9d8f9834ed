"""A variational autoencoder around an encoder of features.

Reference:
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016 (paper B), section 4.2.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from percgen.networks import upconv
from percgen.networks import upconv_blocks as blocks

# Of a picture's codes at first. With that of their means, codes of all pictures
# together are then spread as the prior; they are slow to come there by `kl`.
_VARIANCE = 0.25


@keras.saving.register_keras_serializable("percgen")
class UpconvVAE(keras.Model):
    """Describes a picture by a Gaussian, and unfolds codes into pictures.

    From an encoder's features, two vectors: mean and log-variance (paper B has
    mean and deviation: seen), by a dense layer each, our choice. A code becomes
    a picture by an inversion generator (seen).

    From pictures `[B, size, size, 3]` in [0, 1] to the same, of the mean, which
    may leave [0, 1]. Its parts are networks too: `encoder`, `bottleneck` (to
    `[mean, log_variance]`, `[B, code]` each) and `decoder`.

    Args:
        encoder: From pictures to one tensor of features, such as a layer of
            AlexNet, whose own training `trainable` says.
        code: Numbers of a code.
        size: Height and width of pictures.
        width: As of `UpconvGenerator`.
        scale: As of `UpconvGenerator`, of the encoder's features.
        mean: Likewise.
        dense: As of `UpconvGenerator`, for the decoder.
        name: Of the model.

    Raises:
        ValueError: If an argument is out of its range; when called, if pictures
            have another size.
    """

    def __init__(
        self,
        encoder: keras.Model,
        code: int = 4096,
        size: int = 227,
        width: int = 32,
        scale: float | Sequence[float] = 1.0,
        mean: float | Sequence[float] = 0.0,
        dense: int = 3,
        name: str = "upconv_vae",
    ):
        super().__init__(name=name)
        generator = upconv.UpconvGenerator([code], size, width, dense=dense)
        self.encoder, self.code, self.size = encoder, code, size
        self.width, self.scale, self.mean = width, scale, mean
        self.dense = dense
        shape = encoder.compute_output_shape([None, size, size, 3])[1:]
        self.bottleneck = _bottleneck(shape, code, scale, mean)
        self.decoder = generator.unfold
        self.built = True  # As its parts are, from their constructors on.

    def call(self, images: Any, training: Any = None) -> Any:
        if tuple(images.shape[1:3]) != (self.size, self.size):
            raise ValueError(
                f"{self.name} takes pictures of {self.size} x {self.size}. "
                f"Received: shape={tuple(images.shape)}."
            )
        features = self.encoder(images, training=training)
        mean, _ = self.bottleneck(features, training=training)
        return self.decoder(mean, training=training)

    def get_config(self) -> dict[str, Any]:
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "code": self.code,
            "size": self.size,
            "width": self.width,
            "scale": self.scale,
            "mean": self.mean,
            "dense": self.dense,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "UpconvVAE":
        encoder = keras.saving.deserialize_keras_object(
            config["encoder"], custom_objects
        )
        return cls(**{**config, "encoder": encoder})


def _bottleneck(
    shape: tuple[int, ...],
    code: int,
    scale: float | Sequence[float],
    mean: float | Sequence[float],
) -> keras.Model:
    features = keras.Input(shape)
    flat = layers.Flatten()(blocks.standardize(features, mean, scale))
    mean_of_code = layers.Dense(
        code,
        kernel_initializer=keras.initializers.VarianceScaling(1.0 - _VARIANCE),
        name="mean",
    )
    log_variance = layers.Dense(
        code,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(math.log(_VARIANCE)),
        name="log_variance",
    )
    return keras.Model(features, [mean_of_code(flat), log_variance(flat)])
