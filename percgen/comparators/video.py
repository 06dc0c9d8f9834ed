"""VideoNet: what a picture looks like to who has watched things move.

Reference:
    Wang and Gupta, "Unsupervised learning of visual representations using
    videos", ICCV 2015, section 4.
"""

from collections.abc import Sequence
from typing import Any

from percgen.comparators import alexnet


class VideoNet(alexnet.AlexNet):
    """A frozen VideoNet: CaffeNet's layers, taught without labels.

    It was taught that a patch is most like itself later in the film:
    `python -m train.comparator --kind=video`. Layers are those of `AlexNet` up
    to `pool5`.

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

    convolutions = alexnet.AlexNet.convolutions[:5]
    origin = "trained by you: python -m train.comparator --kind=video"

    def __init__(
        self,
        layers: Sequence[str] = ("relu5",),
        weights: str | None = None,
        seed: int = 0,
        dtype: Any = "float32",
        trainable: bool = False,
        name: str | None = None,
    ):
        super().__init__(
            layers, weights, "caffenet", seed, dtype, trainable, name
        )
