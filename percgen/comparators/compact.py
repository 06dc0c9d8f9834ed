"""Compact: percgen's own comparator, small enough to lie in the package.

It was taught to see what VGG-19 sees: `python -m train.comparator
--kind=compact`. `percgen/pretrained/compact.md` tells how, on what, and how
well it does.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import keras

from percgen.comparators import comparator

# What each layer stands in for: VGG-19's features over as many of its own
# positions as one of ours covers. `relu1_2` is half as fine as VGG-19's.
TEACHES = {"relu1_2": (64, 2), "relu2_2": (128, 1), "relu3_1": (256, 1)}

_PRETRAINED = pathlib.Path(__file__).parents[1] / "pretrained" / "compact.npz"
_TRUNK = {"relu1_2": (32,), "relu2_2": (32, 64), "relu3_1": (64, 96)}
_FIRST = 6  # Side of the first layer's kernels.


class Compact(comparator.Comparator):
    """A frozen stand-in for VGG-19, at a seventh of its cost.

    Its layers `relu1_2`, `relu2_2` and `relu3_1` are linear images of narrow
    convolutions, turned so that distances between them are distances between
    the features of VGG-19 that they predict. They may be negative: of the ReLU
    in their names they are only the shadow.

    Differs from VGG-19 in that the first layer has stride 2, which is where
    most of the time is saved: `relu1_2` sums up 2 x 2 of VGG-19's positions.

    Args:
        layers: Names of the layers to return.
        weights: `"pretrained"` (in the package), the default, `"random"`, or
            the `.npz` file that a training left.
        seed: Of `"random"` weights.
        dtype: Precision policy of every layer.
        trainable: Leaves the network to be trained.
        name: Of the model; by default its class's.

    Raises:
        ValueError: If a layer is unknown.
        WeightsError: If the weights cannot be had or do not reach a layer.
    """

    content_layers = ("relu2_2",)
    style_layers = ("relu1_2", "relu2_2", "relu3_1")
    origin = "percgen, in the package; percgen/pretrained/compact.md"

    def __init__(
        self,
        layers: Sequence[str] = ("relu2_2",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        trainable: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            layers,
            str(_PRETRAINED) if weights in (None, "pretrained") else weights,
            _center,
            _steps(seed if weights == "random" else None, dtype),
            trainable=trainable,
            name=name,
        )


def _center(images: Any) -> Any:
    return images * 2.0 - 1.0


def _steps(seed: int | None, dtype: Any) -> dict[str, comparator.Step]:
    steps: dict[str, comparator.Step] = {}
    for block, (stand_in, trunk) in enumerate(_TRUNK.items(), 1):
        if block == 3:
            steps["pool2"] = keras.layers.MaxPooling2D(
                2, name="pool2", dtype=dtype
            )
        for index, filters in enumerate(trunk, 1):
            first = (block, index) == (1, 1)
            name = f"trunk{block}_{index}"
            steps[name] = keras.layers.Conv2D(
                filters,
                _FIRST if first else 3,
                strides=2 if first else 1,
                padding="same",
                activation="relu",
                kernel_initializer=comparator.orthogonal(
                    seed, 10 * block + index
                ),
                name=name,
                dtype=dtype,
            )
        steps[stand_in] = comparator.Aside(
            keras.layers.Conv2D(
                filters,
                1,
                kernel_initializer=comparator.orthogonal(seed, 10 * block),
                name=stand_in,
                dtype=dtype,
            )
        )
    return steps
