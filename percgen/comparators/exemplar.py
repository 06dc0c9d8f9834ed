"""Exemplar-CNN: what a picture looks like to who has seen no label.

Reference:
    Dosovitskiy, Springenberg, Riedmiller and Brox, "Discriminative unsupervised
    feature learning with convolutional neural networks", NIPS 2014, section 3.
"""

from collections.abc import Sequence
from typing import Any

import keras

from percgen.comparators import comparator
from percgen.comparators import preprocessing

PATCH = 32
_FILTERS = (64, 128, 256)
_CODE = 512


class ExemplarCNN(comparator.Comparator):
    """A frozen Exemplar-CNN, 64c5-128c5-256c5-512f.

    It was taught to tell patches of photographs apart, whatever had been done
    to them: `python -m train.comparator --kind=exemplar`. Layers are `conv1`,
    `relu1`, `pool1`, ..., `conv3`, `relu3`, `fc4` and `relu4`; `fc4` looks at
    32 x 32 pixels and is computed at every place of a larger picture,
    `[B, H / 4 - 7, W / 4 - 7, 512]`.

    That convolutions keep their input's size is our choice: the paper's text
    that we know does not say.

    Args:
        layers: Names of the layers to return.
        weights: The `.npz` file that a training left, or `"random"`.
        seed: Of `"random"` weights.
        dtype: Precision policy of every layer.
        trainable: Leaves the network to be trained.
        name: Of the model; by default its class's.

    Raises:
        ValueError: If a layer is unknown.
        WeightsError: If the weights cannot be had or do not reach a layer.
    """

    content_layers = ("relu2",)
    style_layers = ("relu1", "relu2", "relu3")
    origin = "trained by you: python -m train.comparator --kind=exemplar"

    def __init__(
        self,
        layers: Sequence[str] = ("relu3",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        trainable: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            layers,
            weights,
            preprocessing.torch,
            _steps(seed if weights == "random" else None, dtype),
            trainable=trainable,
            name=name,
        )


def _steps(seed: int | None, dtype: Any) -> dict[str, comparator.Step]:
    steps: dict[str, comparator.Step] = {}
    for number, filters in enumerate((*_FILTERS, _CODE), 1):
        last = filters == _CODE
        name = f"fc{number}" if last else f"conv{number}"
        steps[name] = keras.layers.Conv2D(
            filters,
            PATCH // 4 if last else 5,
            padding="valid" if last else "same",
            kernel_initializer=comparator.orthogonal(seed, number),
            name=name,
            dtype=dtype,
        )
        name = f"relu{number}"
        steps[name] = keras.layers.ReLU(name=name, dtype=dtype)
        if number < len(_FILTERS):
            name = f"pool{number}"
            steps[name] = keras.layers.MaxPooling2D(2, name=name, dtype=dtype)
    return steps
