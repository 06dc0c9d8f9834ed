"""Painting a part of a picture as a part of the whole.

A network that normalizes each picture by itself paints a part otherwise than
the whole: darker where the rest is bright. So it is shown the whole, too, made
as small as the part, and normalizes the part by what it finds there.

Reference:
    Chen et al., "Towards ultra-resolution neural style transfer via thumbnail
    instance normalization", AAAI 2022.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable("percgen")
class FirstNormalization(layers.Layer):
    """Normalizes all pictures of a batch by the first.

    Args:
        own: What normalizes each by itself; its scale and shift stay.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(self, own: layers.GroupNormalization, **kwargs: Any):
        super().__init__(**kwargs)
        self.own = own

    def call(self, inputs: Any) -> Any:
        mean, variance = tf.nn.moments(inputs[:1], [1, 2], keepdims=True)
        own = self.own
        return tf.nn.batch_normalization(
            inputs,
            mean,
            variance,
            own.beta if own.center else None,
            own.gamma if own.scale else None,
            own.epsilon,
        )


def following(generator: keras.Model) -> keras.Model | None:
    """Returns a network that paints a batch by what it finds in its first.

    It shares the weights.

    Args:
        generator: A functional model.

    Returns:
        None if the generator does not normalize each picture by itself.
    """
    own = [x for x in generator.layers if _by_picture(x)]
    if not own:
        return None

    def replace(layer: layers.Layer) -> layers.Layer:
        return FirstNormalization(layer) if layer in own else layer

    network = keras.models.clone_model(
        keras.Model(generator.input, generator.output), clone_function=replace
    )
    network.styles = generator.styles
    return network


def _by_picture(layer: layers.Layer) -> bool:
    return (
        isinstance(layer, layers.GroupNormalization)
        and layer.groups == layer.input.shape[layer.axis]
    )
