"""How far apart pictures are."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from percgen import losses
from percgen.losses import contract
from percgen.metrics.picture import PictureMetric
from percgen.ops import Tensor


@keras.saving.register_keras_serializable("percgen")
@contract.promises("lower", (0.0, contract.INFINITY), "each channel alike")
class NormalizedEuclidean(PictureMetric):
    """The mean distance of pictures, over that of two different targets.

    Paper B's error: 1 is as bad as any other picture of the test set.

    Args:
        pair_distance: Mean distance of two different targets, from
            `mean_pair_distance`. By default it is estimated from the pairs
            within each batch: give shuffled batches of two or more.
        check: As of `PictureMetric`.
        name: Of the metric.
        **kwargs: `dtype`.

    Raises:
        ValueError: If `pair_distance` is not positive.

    Reference:
        Dosovitskiy and Brox 2016, arXiv version, the autoencoder (seen).
    """

    def __init__(
        self,
        pair_distance: float | None = None,
        check: bool = True,
        name: str = "normalized_euclidean",
        **kwargs: Any,
    ):
        if pair_distance is not None and pair_distance <= 0.0:
            raise ValueError(
                "`pair_distance` should be positive. "
                f"Received: pair_distance={pair_distance}."
            )
        super().__init__(name, False, check, **kwargs)
        self.pair_distance = pair_distance
        self.pairs = keras.metrics.Mean("pairs", dtype=self.dtype)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if self.pair_distance is None:
            self._meet(y_true)
        return _norm(y_pred - y_true)

    def result(self) -> Tensor:
        """Returns the mean distance over that of pairs; NaN without pairs."""
        among = self.pair_distance
        if among is None:
            among = ops.where(
                self.pairs.count > 0, self.pairs.result(), float("nan")
            )
        return super().result() / among

    def reset_state(self) -> None:
        super().reset_state()
        self.pairs.reset_state()

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["luma"]
        return {**config, "pair_distance": self.pair_distance}

    def _meet(self, targets: Tensor) -> None:
        """Takes in the distances of each target of a batch to the others."""
        count = ops.shape(targets)[0]
        flat = ops.reshape(targets, [count, -1])
        squares = ops.sum(ops.square(flat), axis=1)
        products = ops.matmul(flat, ops.transpose(flat))
        squared = squares[:, None] + squares[None] - 2.0 * products
        others = 1.0 - ops.eye(count)
        distances = ops.sqrt(ops.maximum(squared, 0.0))
        self.pairs.update_state(distances, sample_weight=others)


@contract.promises(
    "lower", (0.0, contract.INFINITY), "RGB, as the comparator takes it"
)
class FeatureDistance(PictureMetric):
    """The mean of `percgen.losses.FeatureLoss`.

    Args:
        comparator: From pictures to features by layer name.
        weights: Weight of each layer, by name.
        check: As of `PictureMetric`.
        name: Of the metric.
        **kwargs: `dtype`.

    Raises:
        ValueError: If `weights` is empty.
    """

    def __init__(
        self,
        comparator: Callable,
        weights: Mapping[str, float],
        check: bool = True,
        name: str = "feature_distance",
        **kwargs: Any,
    ):
        super().__init__(name, False, check, **kwargs)
        self.loss = losses.FeatureLoss(comparator, weights)
        self.smallest_image = self.loss.smallest_image

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.distance(y_true, y_pred)


@contract.promises(
    "lower", (0.0, contract.INFINITY), "RGB, as the trunk takes it"
)
class LPIPS(PictureMetric):
    """The mean of `percgen.losses.LPIPSLoss`, whose trunk it says.

    Args:
        loss: That loss, with its trunk and heads.
        check: As of `PictureMetric`.
        name: Of the metric.
        **kwargs: `dtype`.

    Example:
        metric = metrics.LPIPS(losses.LPIPSLoss(vgg, "heads.npz"))
    """

    def __init__(
        self,
        loss: losses.LPIPSLoss,
        check: bool = True,
        name: str = "lpips",
        **kwargs: Any,
    ):
        super().__init__(name, False, check, **kwargs)
        self.loss = loss
        self.smallest_image = loss.smallest_image

    @property
    def remark(self) -> str:
        """One line on how far its values can be compared."""
        return self.loss.remark

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.loss.distance(y_true, y_pred)


def mean_pair_distance(pictures: np.ndarray) -> float:
    """Returns the mean Euclidean distance of two different pictures.

    Args:
        pictures: `[B, H, W, C]` in [0, 1], at least two: a whole test set.

    Raises:
        ValueError: If there are fewer than two.
    """
    count = len(pictures)
    if count < 2:
        raise ValueError(
            f"`pictures` should be at least two. Received: {count}."
        )
    flat = np.asarray(pictures, np.float64).reshape(count, -1)
    total = sum(
        np.linalg.norm(flat[:n] - flat[n], axis=1).sum()
        for n in range(1, count)
    )
    return float(total / (count * (count - 1) / 2))


def _norm(pictures: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(pictures), axis=[1, 2, 3]))
