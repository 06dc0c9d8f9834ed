"""ResNet-50 as a judge: does a classifier still see what a picture shows?

Reference:
    He, Zhang, Ren and Sun, "Deep residual learning for image recognition",
    CVPR 2016, table 1.
"""

import pathlib

import keras
import numpy as np
from keras import ops

from percgen.comparators import preprocessing
from percgen.comparators import weight_files
from percgen.comparators import weights as weights_lib

# Bottlenecks of each stage.
_BLOCKS = (3, 4, 6, 3)


class ResNet50Scorer(keras.Model):
    """A frozen ResNet-50: from pictures to probabilities of ImageNet's classes.

    Takes RGB in [0, 1], `[B, H, W, 3]` of any size, squeezed to a square, and
    gives `[B, 1000]`. Computes in float32 under any precision policy.

    Args:
        weights: `"imagenet"` (Keras's own file, downloaded to Keras's cache and
            checked by its hash), an `.h5` of keras-applications, or an `.npz`
            with layers like `conv1`, `layer1_0_conv1`, `layer1_0_downsample_0`
            and `fc`, whose batch normalizations are folded into them, and which
            were trained on torchvision's preprocessing.
        size: Height and width to which pictures are resized, bilinearly and
            antialiased.
        name: Of the model.

    Attributes:
        network: `keras.applications.ResNet50`, within.
        provenance: One line on the weights, for the record of a run.

    Raises:
        ValueError: If `size` is too small for the network.
        WeightsError: If the weights cannot be had or do not fit.

    Example:
        scorer = percgen.comparators.ResNet50Scorer("resnet50.npz")
        classes = scorer(images).numpy().argmax(-1)
    """

    origin = "Keras's, of He et al. 2016, MIT; or a file"

    def __init__(
        self,
        weights: str = "imagenet",
        size: int = 224,
        name: str = "resnet50_scorer",
    ):
        if size < 32:
            raise ValueError(f"`size` should be at least 32. Received: {size}.")
        folded = pathlib.Path(weights or "").suffix == ".npz"
        prepare = preprocessing.torch if folded else preprocessing.caffe
        network = _network(size)
        images = keras.Input([None, None, 3], name="images", dtype="float32")
        square = ops.image.resize(
            images, (size, size), interpolation="bilinear", antialias=True
        )
        super().__init__(images, network(prepare(square)), name=name)
        self.network = network
        load = _load_folded if folded else _load_keras
        self.provenance = load(network, weights)
        self.trainable = False


def _network(size: int) -> keras.Model:
    """Returns the network without weights, in float32."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return keras.applications.ResNet50(
            weights=None, input_shape=(size, size, 3), name="resnet50"
        )
    finally:
        keras.config.set_dtype_policy(policy)


def _load_keras(network: keras.Model, weights: str) -> str:
    if weights == "imagenet":
        try:
            source = keras.applications.ResNet50(weights="imagenet")
        except Exception as error:  # Keras raises these for a failed URL.
            raise weight_files.WeightsError(
                'weights="imagenet" could not be downloaded; give the path of '
                f"a file instead. {' '.join(str(error).split())}"
            ) from error
        network.set_weights(source.get_weights())
        return f"{network.name}: imagenet, of keras.applications"
    path = pathlib.Path(weights or "").expanduser()
    if path.suffix != ".h5":
        raise weight_files.WeightsError(
            '`weights` should be "imagenet", or the path of an .h5 or .npz '
            f"file. Received: weights={weights!r}."
        )
    with weight_files.reading(path):
        network.load_weights(path)
    return weights_lib.record(network, path)


def _load_folded(network: keras.Model, weights: str) -> str:
    """Loads kernels and biases, and makes batch normalizations do nothing."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            zeros = np.zeros(layer.gamma.shape)
            layer.set_weights(
                [zeros + 1.0, zeros, zeros, zeros + 1.0 - layer.epsilon]
            )
    names = {"conv1_conv": "conv1", "predictions": "fc"}
    for stage, blocks in enumerate(_BLOCKS, 1):
        for block in range(blocks):
            theirs = f"layer{stage}_{block}"
            ours = f"conv{stage + 1}_block{block + 1}"
            names[f"{ours}_0_conv"] = f"{theirs}_downsample_0"
            for number in (1, 2, 3):
                names[f"{ours}_{number}_conv"] = f"{theirs}_conv{number}"
    return weights_lib.load(network, weights, None, names, warn=False)
