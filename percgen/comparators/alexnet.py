"""AlexNet as Caffe has it, layers by its names.

Reference:
    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
    convolutional neural networks", NIPS 2012, section 3. Sizes and order of
    layers are those of BVLC's CaffeNet and AlexNet.
"""

import pathlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from percgen.comparators import caffe_layers
from percgen.comparators import comparator
from percgen.comparators import preprocessing
from percgen.comparators import weight_files

# By channel, blue, green, red: the mean of Caffe's `ilsvrc_2012_mean`, the
# picture that was subtracted in training.
_CAFFE_MEAN = (104.00698793, 116.66876762, 122.67891434)
_VARIANTS = ("caffenet", "alexnet", "int8")
# Filters, side of the kernel, groups; the last three are fully connected.
_CONVOLUTIONS = {
    "conv1": (96, 11, 1),
    "conv2": (256, 5, 2),
    "conv3": (384, 3, 1),
    "conv4": (384, 3, 2),
    "conv5": (256, 3, 2),
    "fc6": (4096, 6, 1),
    "fc7": (4096, 1, 1),
    "fc8": (1000, 1, 1),
}


class AlexNet(comparator.Comparator):
    """A frozen AlexNet: the comparator of DeePSiM and of inverted features.

    Layers are `conv1`, `relu1`, `pool1`, `norm1`, `conv2`, `relu2`, `pool2`,
    `norm2`, `conv3`, `relu3`, `conv4`, `relu4`, `conv5`, `relu5`, `pool5`,
    `fc6`, `relu6`, `fc7`, `relu7` and `fc8`, the classes before the softmax;
    `norm1` and `norm2` stand before their pooling in some variants.

    The fully connected layers are computed at every place of the picture:
    `fc6` is `[B, 1, 1, 4096]` for pictures of 227 x 227, and a map, a position
    for each 32 pixels, for larger ones.

    Args:
        layers: Names of the layers to return.
        weights: `"random"`, or a file: `.caffemodel`, or `.npz` or `.h5` with
            arrays named as the layers.
        variant: Which network the weights belong to. `"caffenet"`: pooling
            before normalization, BGR in [0, 255] less the mean. `"alexnet"`:
            BVLC's, normalization before pooling. `"int8"`: as `"alexnet"`, but
            on 32 times RGB in [0, 1] less the mean over the deviation, of
            quantised files. By default what the file tells of itself, or
            `"caffenet"`.
        seed: Of `"random"` weights.
        dtype: Precision policy of every layer.
        trainable: Leaves the network to be trained.
        name: Of the model; by default its class's.

    Attributes:
        variant: Which network it is.

    Raises:
        ValueError: If a layer or a variant is unknown, or the file tells of
            another variant.
        WeightsError: If the weights cannot be had or do not reach a layer.

    Example:
        alexnet = percgen.comparators.AlexNet(
            ["relu5"], weights="bvlc_reference_caffenet.caffemodel"
        )
        features = alexnet(images)["relu5"]
    """

    convolutions = tuple(_CONVOLUTIONS)
    content_layers = ("relu4",)
    style_layers = ("relu1", "relu2", "relu3", "relu4", "relu5")
    origin = "Berkeley's BVLC, for unrestricted use; Krizhevsky et al. 2012"

    def __init__(
        self,
        layers: Sequence[str] = ("relu5",),
        weights: str | None = None,
        variant: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        trainable: bool = False,
        name: str | None = None,
    ):
        variant = _choose(variant, weights)
        drawn = seed if weights == "random" else None
        super().__init__(
            layers,
            weights,
            _prepare_int8 if variant == "int8" else _prepare,
            dict(_steps(self.convolutions, variant, drawn, dtype)),
            trainable=trainable,
            name=name,
        )
        self.variant = variant
        self.provenance += f", as {variant}"


def _choose(variant: str | None, weights: str | None) -> str:
    """Returns the variant asked for, if the weights agree, or else theirs."""
    if variant not in (None, *_VARIANTS):
        raise ValueError(
            f"`variant` should be None or of {', '.join(_VARIANTS)}. "
            f"Received: variant={variant!r}."
        )
    if weights in (None, "random", "zeros", "imagenet"):
        return variant or "caffenet"
    theirs = _tell(pathlib.Path(weights).expanduser())
    possible = (theirs,) if theirs else ("caffenet", "alexnet")
    if variant not in (None, *possible):
        raise ValueError(
            f"`variant` should be {' or '.join(possible)} for weights "
            f"{weights}. Received: variant={variant!r}."
        )
    return variant or possible[0]


def _tell(path: pathlib.Path) -> str | None:
    """Returns the variant that a file tells of itself, if it does."""
    if path.suffix == ".npz":
        quantised = "conv1_kernel_q" in weight_files.array_names(path)
        return "int8" if quantised else None
    if path.suffix == ".caffemodel":
        order = weight_files.layer_types(path)
        if {"LRN", "Pooling"} <= set(order):
            first = order.index("LRN") < order.index("Pooling")
            return "alexnet" if first else "caffenet"
    return None


def _prepare(images: Any) -> Any:
    """Returns BGR in [0, 255] less the mean, as Caffe."""
    mean = ops.array(_CAFFE_MEAN, "float32")
    return ops.flip(images * 255.0, axis=-1) - mean


def _prepare_int8(images: Any) -> Any:
    """Returns what the quantised network was fed: 5 bits after the point."""
    return 32.0 * preprocessing.torch(images)


def _steps(
    convolutions: Sequence[str], variant: str, seed: int | None, dtype: Any
) -> Iterator[tuple[str, comparator.Step]]:
    """Yields the name and the step of each layer, in order."""
    for number, name in enumerate(convolutions, 1):
        yield name, _convolution(name, seed, number, dtype)
        if name != "fc8":
            relu = f"relu{number}"
            yield relu, keras.layers.ReLU(name=relu, dtype=dtype)
        if number in (1, 2, 5):
            pool, norm = f"pool{number}", f"norm{number}"
            after = [(pool, caffe_layers.max_pool(pool, dtype))]
            if number < 5:
                layer = caffe_layers.LocalResponseNormalization(
                    name=norm, dtype=dtype
                )
                after.insert(variant == "caffenet", (norm, layer))
            yield from after


def _convolution(
    name: str, seed: int | None, number: int, dtype: Any
) -> keras.layers.Layer:
    filters, side, groups = _CONVOLUTIONS[name]
    kind = caffe_layers.GroupedConv2D if groups > 1 else keras.layers.Conv2D
    framed = name in ("conv2", "conv3", "conv4", "conv5")
    return kind(
        filters,
        side,
        strides=4 if name == "conv1" else 1,
        padding="same" if framed else "valid",
        groups=groups,
        kernel_initializer=comparator.orthogonal(seed, number),
        name=name,
        dtype=dtype,
    )
