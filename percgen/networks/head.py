"""What is put on top of a comparator while it learns."""

from typing import Any

import keras
from keras import layers


class Headed(keras.Model):
    """A network with a head: the mean over positions, dropout, a dense layer.

    From pictures `[B, H, W, 3]` to `[B, outputs]`, linear. The head is thrown
    away after the training.

    Args:
        trunk: From pictures to features by name.
        layer: The features that the head looks at.
        outputs: Of the dense layer.
        dropout: Share of the features left out at random.
        name: Of the model.
    """

    def __init__(
        self,
        trunk: keras.Model,
        layer: str,
        outputs: int,
        dropout: float = 0.0,
        name: str = "headed",
    ):
        super().__init__(name=name)
        self.trunk, self.layer = trunk, layer
        self.pool = layers.GlobalAveragePooling2D(name="mean")
        self.dropout = layers.Dropout(dropout)
        if dropout:  # A checkpoint holds what is an attribute, or loses it.
            self.seed = self.dropout.seed_generator.state
        self.dense = layers.Dense(outputs, name="head")
        self.dense.build([None, trunk.output[layer].shape[-1]])
        self.built = True

    def call(self, images: Any, training: Any = None) -> Any:
        x = self.pool(self.trunk(images, training=training)[self.layer])
        return self.dense(self.dropout(x, training=training))
