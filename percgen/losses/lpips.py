"""Learned perceptual image patch similarity.

Reference:
    Zhang, Isola, Efros, Shechtman and Wang, "The unreasonable effectiveness of
    deep features as a perceptual metric", CVPR 2018, section 3.
"""

import os
import zipfile
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from absl import logging
from keras import ops

from percgen.losses import contract
from percgen.losses import feature
from percgen.ops import Tensor

# Layers of each published trunk, in the order of its heads. There is no "alex":
# torchvision's AlexNet has 64-192-384-256-256 channels, in one group each, and
# the one here 96-256-384-384-256, so its heads do not fit.
LAYERS = {
    "vgg": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
    "squeeze": (
        *("relu1", "fire3", "fire5"),
        *("fire6", "fire7", "fire8", "fire9"),
    ),
}
_EPSILON = 1e-10


@contract.promises(
    "lower", (0.0, contract.INFINITY), "RGB, as the trunk takes it"
)
class LPIPSLoss(feature.FeatureLoss):
    """Computes LPIPS: a distance of features, weighted as people judged.

    Features are scaled to length one at each position; the squared differences
    are weighted by a head, one number for each channel, summed over channels,
    averaged over positions and summed over layers.

    Published values belong to the heads' own trunk: the torchvision networks
    (for `"vgg"` VGG-16, for `"squeeze"` SqueezeNet 1.1, with
    `preprocessing="torch"`) and their ImageNet weights. Any comparator serves
    as trunk, but the values are then comparable among themselves alone, and the
    loss says so.

    Args:
        comparator: The trunk: from pictures `[B, H, W, 3]` to features by name.
        heads: An `.npz` file that holds `vgg_lin0`, `vgg_lin1`, ..., each of as
            many weights as its layer has channels; or those arrays.
        layers: The trunk's layers, in the order of the heads.
        net: Which heads of the file: its prefix.
        published: Whether the caller vouches for the trunk to be the published
            one; silences the warning.
        check: Whether pictures outside [0, 1] are refused.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If the heads cannot be read or do not fit the trunk.

    Example:
        vgg = comparators.VGG16(losses.lpips.LAYERS["vgg"], "vgg16.npz",
                                preprocessing="torch")
        loss = losses.LPIPSLoss(vgg, "lpips_v0.1_linear.npz")
    """

    def __init__(
        self,
        comparator: feature.Comparator,
        heads: str | os.PathLike | Sequence[np.ndarray],
        layers: Sequence[str] = LAYERS["vgg"],
        net: str = "vgg",
        published: bool = False,
        check: bool = True,
        name: str = "lpips",
        **kwargs: Any,
    ):
        super().__init__(
            comparator, dict.fromkeys(layers, 1.0), name, check, **kwargs
        )
        if isinstance(heads, str | os.PathLike):
            heads = _read(heads, net)
        self.heads = dict(
            zip(layers, _fitted(heads, layers, comparator), strict=True)
        )
        self.published = published
        if not published:
            logging.warning("%s", self.remark)

    @property
    def remark(self) -> str:
        """One line on how far its values can be compared."""
        if self.published:
            return "LPIPS of the published trunk, as the caller says."
        trunk = getattr(self.comparator, "provenance", "a trunk of the caller")
        return (
            f"LPIPS over {trunk}: not known to be the published trunk, so its "
            "values compare among themselves, not with published ones."
        )

    def describe(self, features: feature.Features) -> dict[str, Tensor]:
        """Returns features scaled to length one at each position.

        The small number under the root keeps the gradient finite where all
        channels are zero, as after a ReLU they may be.
        """
        return {
            layer: values
            * ops.rsqrt(
                ops.sum(ops.square(values), axis=-1, keepdims=True) + _EPSILON
            )
            for layer, values in super().describe(features).items()
        }

    def differences(
        self, true: feature.Features, pred: feature.Features
    ) -> feature.Features:
        """Returns the heads' judgement of each position, `[B, h, w]`."""
        return {
            layer: ops.matmul(
                ops.square(pred[layer] - true[layer]),
                ops.convert_to_tensor(head[:, None]),
            )[..., 0]
            for layer, head in self.heads.items()
        }


def _read(path: str | os.PathLike, net: str) -> list[np.ndarray]:
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            names = [n for n in file.files if n.startswith(f"{net}_lin")]
            names.sort(key=lambda name: int(name.rpartition("lin")[2]))
            heads = [file[name] for name in names]
            held = ", ".join(file.files)
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"Cannot read heads {path}: {error}") from error
    if not heads:
        raise ValueError(
            f"Heads {path} should hold {net}_lin0, {net}_lin1, ... "
            f"They hold: {held or 'nothing'}."
        )
    return heads


def _fitted(
    heads: Sequence[np.ndarray],
    layers: Sequence[str],
    comparator: feature.Comparator,
) -> list[np.ndarray]:
    """Returns the heads flat, once they are found to fit the trunk."""
    heads = [np.asarray(head, np.float32).reshape(-1) for head in heads]
    features = comparator(keras.KerasTensor([None, None, None, 3]))
    missing = [layer for layer in layers if layer not in features]
    if missing:
        raise ValueError(
            f"The trunk should give the layers {list(layers)}. "
            f"It lacks: {missing}."
        )
    expected = [features[layer].shape[-1] for layer in layers]
    received = [len(head) for head in heads]
    if expected != received:
        raise ValueError(
            f"`heads` should fit the trunk's layers {list(layers)}, of "
            f"{expected} channels. Received: heads of {received} weights."
        )
    return heads
