"""SqueezeNet 1.1, layers by the names of its authors.

Reference:
    Iandola, Han, Moskewicz, Ashraf, Dally and Keutzer, "SqueezeNet:
    AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    2016, section 3 and table 1. Version 1.1, of their repository, has a smaller
    first layer and pools earlier.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras

from percgen.comparators import caffe_layers
from percgen.comparators import comparator
from percgen.comparators.preprocessing import PREPROCESSING

# Filters that squeeze, and of each of the two kinds that expand.
_FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}
_POOLS_AFTER = (3, 5)
_PARTS = ("squeeze1x1", "expand1x1", "expand3x3")


class SqueezeNet(comparator.Comparator):
    """A frozen SqueezeNet 1.1: a small network of large features.

    Layers are `conv1`, `relu1`, `pool1`, `fire2`, `fire3`, `pool3`, `fire4`,
    `fire5`, `pool5`, `fire6`, `fire7`, `fire8` and `fire9`; a fire's features
    are those of both its convolutions that expand, after their ReLU. The
    classifier is left out.

    Args:
        layers: Names of the layers to return.
        weights: `"random"`, or a file: `.caffemodel`, `.h5` or `.npz` with
            layers like `fire2/squeeze1x1`.
        seed: Of `"random"` weights.
        dtype: Precision policy of every layer.
        preprocessing: What the weights were trained on: `"caffe"` (BGR in
            [0, 255] less the mean: the authors' weights) or `"torch"` (RGB in
            [0, 1] less the mean, over the standard deviation: torchvision's).
        trainable: Leaves the network to be trained.
        name: Of the model; by default its class's.

    Raises:
        ValueError: If a layer or a preprocessing is unknown.
        WeightsError: If the weights cannot be had or do not reach a layer.
    """

    content_layers = ("fire5",)
    style_layers = ("relu1", "fire3", "fire5", "fire7", "fire9")
    origin = "Iandola et al. 2016; rcmalli/keras-squeezenet's copy, MIT"

    def __init__(
        self,
        layers: Sequence[str] = ("fire5",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        preprocessing: str = "caffe",
        trainable: bool = False,
        name: str | None = None,
    ):
        if preprocessing not in PREPROCESSING:
            raise ValueError(
                f"`preprocessing` should be of {', '.join(PREPROCESSING)}. "
                f"Received: preprocessing={preprocessing!r}."
            )
        super().__init__(
            layers,
            weights,
            PREPROCESSING[preprocessing],
            dict(_steps(seed if weights == "random" else None, dtype)),
            {
                f"fire{fire}_{part}": f"fire{fire}/{part}"
                for fire in _FIRES
                for part in _PARTS
            },
            trainable=trainable,
            name=name,
        )


def _steps(
    seed: int | None, dtype: Any
) -> Iterator[tuple[str, comparator.Step]]:
    """Yields the name and the step of each layer, in order."""
    yield (
        "conv1",
        keras.layers.Conv2D(
            64,
            3,
            strides=2,
            kernel_initializer=comparator.orthogonal(seed, 10),
            name="conv1",
            dtype=dtype,
        ),
    )
    yield "relu1", keras.layers.ReLU(name="relu1", dtype=dtype)
    yield "pool1", caffe_layers.max_pool("pool1", dtype)
    for number in _FIRES:
        yield f"fire{number}", _fire(number, seed, dtype)
        if number in _POOLS_AFTER:
            name = f"pool{number}"
            yield name, caffe_layers.max_pool(name, dtype)


def _fire(number: int, seed: int | None, dtype: Any) -> Callable[[Any], Any]:
    squeezed, expanded = _FIRES[number]
    squeeze, expand1x1, expand3x3 = (
        keras.layers.Conv2D(
            filters,
            side,
            padding="same",
            activation="relu",
            kernel_initializer=comparator.orthogonal(seed, 10 * number + part),
            name=f"fire{number}_{_PARTS[part]}",
            dtype=dtype,
        )
        for part, (filters, side) in enumerate(
            ((squeezed, 1), (expanded, 1), (expanded, 3))
        )
    )
    join = keras.layers.Concatenate(name=f"fire{number}", dtype=dtype)

    def fire(x: Any) -> Any:
        x = squeeze(x)
        return join([expand1x1(x), expand3x3(x)])

    return fire
