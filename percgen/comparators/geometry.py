"""What a convolutional network sees: strides, receptive fields, its cost."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np


class Sight(NamedTuple):
    """How a feature looks at the picture.

    Attributes:
        stride: Pixels of the picture from one position to the next.
        field: Side of the square of pixels that one position can see.
        channels: Features at each position.
    """

    stride: int
    field: int
    channels: int


class _Window(NamedTuple):
    """What an operation does to height and width alike."""

    size: int = 1
    stride: int = 1
    framed: bool = True  # Whether windows may reach over the border.
    frame: int = 0  # Rows of zeros it adds, above and below together.


def sights(model: keras.Model) -> dict[str, Sight]:
    """Returns what every layer and operation of a functional model sees."""
    seen: dict[int, tuple[int, int]] = {}
    found = {}
    for operation in model.operations:
        window = _window(operation)
        before = [seen[id(x)] for x in _tensors(operation.input)]
        stride, field = (
            map(max, zip(*before, strict=True)) if before else (1, 1)
        )
        field += (window.size - 1) * stride
        stride *= window.stride
        seen[id(operation.output)] = (stride, field)
        channels = operation.output.shape[-1]
        found[operation.name] = Sight(stride, field, channels)
    return found


def smallest_image(model: keras.Model) -> int:
    """Returns the least height and width that leave each output a position."""
    needed: dict[int, int] = {}
    for operation in reversed(model.operations):
        window = _window(operation)
        size = needed.get(id(operation.output), 1)
        size = (size - 1) * window.stride + (
            1 if window.framed else window.size
        )
        size = max(1, size - window.frame)
        for x in _tensors(operation.input):
            needed[id(x)] = max(size, needed.get(id(x), 1))
    return max(needed[id(x)] for x in model.inputs)


def flops_per_pixel(model: keras.Model) -> float:
    """Returns multiplications and additions of all convolutions, each as one.

    They are counted per pixel of a large picture: borders are left out.
    """
    seen = sights(model)
    return sum(
        2.0 * float(np.prod(layer.kernel.shape)) / seen[layer.name].stride ** 2
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    )


def _tensors(inputs: Any) -> list[Any]:
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def _window(operation: Any) -> _Window:
    if isinstance(operation, keras.layers.ZeroPadding2D):
        return _Window(frame=sum(operation.padding[0]))
    if isinstance(operation, keras.layers.Conv2D):
        size = operation.kernel_size[0]
    elif isinstance(
        operation, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D
    ):
        size = operation.pool_size[0]
    else:
        return _Window()
    framed = operation.padding == "same"
    return _Window(size, operation.strides[0], framed)
