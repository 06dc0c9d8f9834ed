"""VGG-16 and VGG-19, layers by their names in the literature.

Reference:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale
    image recognition", ICLR 2015, table 1, columns D and E.
"""

from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras

from percgen.comparators import comparator
from percgen.comparators.preprocessing import PREPROCESSING
from percgen.comparators.weights import WeightsError

# Convolutions of each block; their filters.
_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_VGG19 = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


class VGG16(comparator.Comparator):
    """A frozen VGG-16: what a picture looks like to a classifier.

    Layers are named `conv2_2` (before the ReLU), `relu2_2` and `pool2`.

    Args:
        layers: Names of the layers to return.
        weights: `"imagenet"`, the default, `"random"`, or a file: `.h5` of
            keras-applications, `.npz` with arrays like `block1_conv1_kernel`,
            or `.caffemodel`.
        seed: Of `"random"` weights.
        dtype: Precision policy of every layer.
        preprocessing: What the weights were trained on: `"caffe"` (BGR in
            [0, 255] less the mean: the Oxford group's weights, and Keras's) or
            `"torch"` (RGB in [0, 1] less the mean, over the standard
            deviation: torchvision's).
        name: Of the model; by default its class's.

    Raises:
        ValueError: If a layer or a preprocessing is unknown.
        WeightsError: If the weights cannot be had or do not reach a layer.

    Example:
        vgg = percgen.comparators.VGG16(["relu2_2"], weights="vgg16.h5")
        features = vgg(images)["relu2_2"]
    """

    blocks = _VGG16
    application = staticmethod(keras.applications.VGG16)
    content_layers = ("relu2_2",)
    style_layers: ClassVar[tuple[str, ...]] = (
        "relu1_2",
        "relu2_2",
        "relu3_3",
        "relu4_3",
    )
    origin = "Oxford's Visual Geometry Group, CC BY 4.0; by Keras or a file"

    def __init__(
        self,
        layers: Sequence[str] = ("relu2_2",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        preprocessing: str = "caffe",
        name: str | None = None,
    ):
        if preprocessing not in PREPROCESSING:
            raise ValueError(
                f"`preprocessing` should be of {', '.join(PREPROCESSING)}. "
                f"Received: preprocessing={preprocessing!r}."
            )
        weights = "imagenet" if weights is None else weights
        drawn = seed if weights == "random" else None
        steps = _steps(self.blocks, drawn, dtype)
        super().__init__(
            layers,
            weights,
            PREPROCESSING[preprocessing],
            steps,
            {
                name: f"block{name[4]}_conv{name[6]}"
                for name in steps
                if name.startswith("conv")
            },
            name=name,
        )


class VGG19(VGG16):
    """A frozen VGG-19: deeper, and the usual network of style transfer.

    Arguments and errors are those of `VGG16`.
    """

    blocks = _VGG19
    application = staticmethod(keras.applications.VGG19)


class RandomVGG(VGG19):
    """A VGG-19 that was never taught: random orthogonal weights, and no file.

    What its layers see is edges and colours. It is there to be compared with,
    and for whoever has no weights.

    Args:
        layers: Names of the layers to return.
        weights: None or `"random"`.
        seed: Of the weights.
        dtype: Precision policy of every layer.
        preprocessing: As of `VGG16`.
        name: Of the model; by default its class's.

    Raises:
        ValueError: If a layer or a preprocessing is unknown.
        WeightsError: If other weights are asked for.
    """

    style_layers = ("relu1_2", "relu2_2", "relu3_1")
    origin = "random orthogonal numbers, never trained; no file"

    def __init__(
        self,
        layers: Sequence[str] = ("relu2_2",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        preprocessing: str = "caffe",
        name: str | None = None,
    ):
        weights = "random" if weights is None else weights
        if weights not in ("random", "zeros"):
            raise WeightsError(
                'A RandomVGG takes no weights but "random"; VGG19 does. '
                f"Received: weights={weights!r}."
            )
        super().__init__(layers, weights, seed, dtype, preprocessing, name)


def _steps(
    blocks: Sequence[tuple[int, int]], seed: int | None, dtype: Any
) -> dict[str, comparator.Step]:
    steps: dict[str, comparator.Step] = {}
    for block, (convolutions, filters) in enumerate(blocks, 1):
        for index in range(1, convolutions + 1):
            name = f"conv{block}_{index}"
            steps[name] = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                kernel_initializer=comparator.orthogonal(
                    seed, block * 10 + index
                ),
                name=name,
                dtype=dtype,
            )
            name = f"relu{block}_{index}"
            steps[name] = keras.layers.ReLU(name=name, dtype=dtype)
        name = f"pool{block}"
        steps[name] = keras.layers.MaxPooling2D(2, 2, name=name, dtype=dtype)
    return steps
