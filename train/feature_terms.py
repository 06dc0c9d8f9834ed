"""The terms that compare pictures in commands that train by DeePSiM."""

from typing import Any

import numpy as np
from absl import flags

from percgen import data
from percgen import losses
from percgen import networks
from train import compared_layers
from train import comparison
from train import runner

_OWN_FEATURES = flags.DEFINE_bool(
    "own_features",
    False,
    "Compare features of the discriminator's convolutions (relu1 to relu5, by "
    "default relu3) instead of --comparator's: Larsen et al. 2016.",
)
_NORMALIZE = flags.DEFINE_bool(
    "normalize",
    True,
    "Count features in distances of unlike photographs, so that one weight "
    "does for every comparator; or as they are.",
)
flags.adopt_module_key_flags(compared_layers)
flags.adopt_module_key_flags(comparison)

_MEASURED = 32  # Pictures that distances of features are counted in.


def refuse_small(network: Any, why: str = "") -> None:
    """Raises `ValueError` if a network needs a larger --image_size."""
    least, size = network.smallest_image, runner.IMAGE_SIZE.value
    if size < least:
        raise ValueError(
            f"{network.name} needs an --image_size of at least {least}{why}. "
            f"Received: {size}."
        )


def terms(
    judge: networks.Discriminator, photographs: data.Photographs
) -> dict[str, losses.PictureLoss]:
    """Returns what compares pictures.

    Args:
        judge: Whose features are compared with --own_features.
        photographs: That distances of features are counted in.

    Raises:
        ValueError: If the flags ask for layers that there are not, or pictures
            are too small for them.
    """
    measured = photographs.panel(_MEASURED, runner.IMAGE_SIZE.value)
    return {
        "feature": _feature(judge, measured),
        "image": losses.L2Loss(check=False),
    }


def _feature(
    discriminator: networks.Discriminator, measured: np.ndarray
) -> losses.FeatureLoss:
    """Returns the loss of features, by what the flags let compare."""
    own = _OWN_FEATURES.value
    layers = compared_layers.weights(["relu3"] if own else None)
    comparator = discriminator.trunk
    if not own:
        comparator = comparison.make(list(layers), runner.SEED.value)
        refuse_small(comparator, f" for {', '.join(layers)}")
    elif unknown := set(layers) - set(comparator.output):
        raise ValueError(
            f"--feature_layers of the discriminator should be of "
            f"{', '.join(comparator.output)}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    if _NORMALIZE.value:
        return losses.FeatureLoss.balanced(
            comparator, layers, measured, check=False
        )
    return losses.FeatureLoss(comparator, layers, check=False)
