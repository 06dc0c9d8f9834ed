"""VGG-16 and VGG-19, layers by their names in the literature.

Reference:
    Simonyan and Zisserman, "Very deep convolutional networks for large-scale
    image recognition", ICLR 2015, table 1, columns D and E.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from percgen.comparators import weights as weights_lib

# Convolutions of each block; their filters.
_VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_VGG19 = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))
# Of ImageNet. The Oxford group's: blue, green, red in the 0-255 scale.
_MEAN = (103.939, 116.779, 123.68)
# PyTorch's: red, green, blue in [0, 1].
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG16(keras.Model):
    """A frozen VGG-16: what a picture looks like to a classifier.

    Takes RGB in [0, 1], `[B, H, W, 3]`, and does VGG's own preprocessing. Gives
    a dict with the features of every layer asked for. Layers are named
    `conv2_2` (before the ReLU), `relu2_2` and `pool2`, and are built only as
    deep as asked. Computes in float32 under any precision policy unless `dtype`
    says otherwise: a comparator measures.

    Args:
        layers: Names of the layers to return.
        weights: `"imagenet"` (Keras's own file, downloaded to Keras's cache and
            checked by its hash), `"random"` (orthogonal), or the path of an
            `.h5` file of keras-applications or of an `.npz` file with
            `block1_conv1/kernel`-like arrays. A file that stops early serves if
            it reaches the deepest layer asked for.
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

    def __init__(
        self,
        layers: Sequence[str] = ("relu2_2",),
        weights: str = "imagenet",
        seed: int = 0,
        dtype: Any = "float32",
        preprocessing: str = "caffe",
        name: str | None = None,
    ):
        images = keras.Input([None, None, 3], name="images", dtype="float32")
        x = _preprocess(images, preprocessing)
        outputs = _draw(x, self.blocks, layers, seed, dtype)
        name = name or type(self).__name__.lower()
        super().__init__(images, outputs, name=name)
        pools = sum(layer.name.startswith("pool") for layer in self.layers)
        self.smallest_image = 2**pools
        convolutions = [
            layer.name for layer in self.layers if layer.name.startswith("conv")
        ]
        self.provenance = weights_lib.load(
            self,
            weights,
            self.application,
            {name: f"block{name[4]}_conv{name[6]}" for name in convolutions},
        )
        self.trainable = False


class VGG19(VGG16):
    """A frozen VGG-19. Arguments and errors are those of `VGG16`."""

    blocks = _VGG19
    application = staticmethod(keras.applications.VGG19)


def _preprocess(images: Any, preprocessing: str) -> Any:
    if preprocessing == "caffe":
        return ops.flip(images * 255.0, axis=-1) - ops.array(_MEAN, "float32")
    if preprocessing == "torch":
        mean = ops.array(_TORCH_MEAN, "float32")
        return (images - mean) / ops.array(_TORCH_DEVIATION, "float32")
    raise ValueError(
        '`preprocessing` should be "caffe" or "torch". '
        f"Received: preprocessing={preprocessing!r}."
    )


def _draw(
    x: Any,
    blocks: Sequence[tuple[int, int]],
    wanted: Sequence[str],
    seed: int,
    dtype: Any,
) -> dict[str, Any]:
    """Draws the layers up to the deepest one wanted; returns those wanted."""
    known = _names(blocks)
    unknown = sorted(set(wanted) - set(known))
    if unknown or not wanted:
        raise ValueError(
            f"`layers` should be of {', '.join(known)}. "
            f"Received: layers={list(wanted)}."
        )
    deepest = max(known.index(name) for name in wanted)
    outputs = {}
    for name in known[: deepest + 1]:
        x = _layer(name, blocks, seed, dtype)(x)
        if name in wanted:
            outputs[name] = x
    return outputs


def _names(blocks: Sequence[tuple[int, int]]) -> list[str]:
    """Names of all layers, in order."""
    names = []
    for block, (convolutions, _) in enumerate(blocks, 1):
        for index in range(1, convolutions + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


def _layer(
    name: str, blocks: Sequence[tuple[int, int]], seed: int, dtype: Any
) -> keras.layers.Layer:
    if name.startswith("pool"):
        return keras.layers.MaxPooling2D(2, 2, name=name, dtype=dtype)
    if name.startswith("relu"):
        return keras.layers.ReLU(name=name, dtype=dtype)
    block, index = int(name[4]), int(name[6])
    # Orthogonal with the ReLU's gain, so that untrained features neither die
    # nor grow with depth; each layer has a seed of its own.
    kernel = keras.initializers.Orthogonal(
        2**0.5, seed * 100 + block * 10 + index
    )
    return keras.layers.Conv2D(
        blocks[block - 1][1],
        3,
        padding="same",
        kernel_initializer=kernel,
        name=name,
        dtype=dtype,
    )
