"""Keras metrics, each the mean over pictures of a loss's function.

None averages an error over a batch before its logarithm is taken, and none
depends on how pictures were batched (but `NormalizedEuclidean`, which says so).
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from percgen import losses
from percgen import ops as image_ops
from percgen.losses import contract
from percgen.ops import Tensor

_ANY = "RGB, or its luma with luma=True"


class PictureMetric(keras.metrics.Mean):
    """What metrics of pictures share: the mean of a function of pairs.

    Args:
        name: Of the metric.
        luma: Whether to compare Y of BT.601 (16 to 235, unrounded) rather than
            the channels of RGB.
        check: Whether pictures outside [0, 1] are refused.
        **kwargs: `dtype` of `keras.metrics.Metric`.
    """

    direction: str
    value_range: tuple[float, float]
    color_space: str
    border: str
    smallest_image: int

    def __init__(
        self, name: str, luma: bool = False, check: bool = True, **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.luma = luma
        self.check = check

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the metric of each picture, `[B]`."""
        raise NotImplementedError

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None
    ) -> Any:
        """Takes in pictures `[B, H, W, C]`, in [0, 1]."""
        # Looked at before they are changed in any way.
        y_true, y_pred, verdict = contract.float_pair(
            y_true, y_pred, self.smallest_image, self.check
        )
        if self.luma:
            y_true, y_pred = image_ops.luma(y_true), image_ops.luma(y_pred)
        values = self.values(y_true, y_pred) + verdict
        return super().update_state(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = {"luma": self.luma, "check": self.check}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("percgen")
@contract.promises("higher", (0.0, contract.INFINITY), _ANY)
class PSNR(PictureMetric):
    """The mean peak signal-to-noise ratio, in decibels.

    One pair of equal pictures makes it infinite.

    Args:
        luma: As of `PictureMetric`.
        check: Likewise.
        name: Of the metric.
        **kwargs: `dtype`.
    """

    def __init__(
        self,
        luma: bool = False,
        check: bool = True,
        name: str = "psnr",
        **kwargs: Any,
    ):
        super().__init__(name, luma, check, **kwargs)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.psnr(y_true, y_pred, check=False)


@keras.saving.register_keras_serializable("percgen")
@contract.promises(
    "higher", (-1.0, 1.0), _ANY, "valid (or same)", smallest_image=11
)
class SSIM(PictureMetric):
    """The mean of `percgen.losses.ssim`.

    Args:
        border: As of that function.
        luma: As of `PictureMetric`.
        check: Likewise.
        name: Of the metric.
        **kwargs: `dtype`.

    Raises:
        ValueError: If `border` is unknown.
    """

    def __init__(
        self,
        border: str = "valid",
        luma: bool = False,
        check: bool = True,
        name: str = "ssim",
        **kwargs: Any,
    ):
        loss = losses.SSIMLoss(border)
        super().__init__(name, luma, check, **kwargs)
        self.border = border
        self.smallest_image = loss.smallest_image

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.ssim(y_true, y_pred, self.border, check=False)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "border": self.border}


@keras.saving.register_keras_serializable("percgen")
@contract.promises(
    "higher", (0.0, 1.0), _ANY, "valid (or same)", smallest_image=161
)
class MSSSIM(PictureMetric):
    """The mean of `percgen.losses.ms_ssim`.

    Args:
        exponents: As of that function.
        border: Likewise.
        scales: Likewise.
        luma: As of `PictureMetric`.
        check: Likewise.
        name: Of the metric.
        **kwargs: `dtype`.

    Raises:
        ValueError: If an argument is unknown.
    """

    def __init__(
        self,
        exponents: str | Sequence[float] = "wang",
        border: str = "valid",
        scales: int | None = 5,
        luma: bool = False,
        check: bool = True,
        name: str = "ms_ssim",
        **kwargs: Any,
    ):
        loss = losses.MSSSIMLoss(exponents, border, scales)
        super().__init__(name, luma, check, **kwargs)
        self.exponents = exponents
        self.border = border
        self.scales = scales
        self.smallest_image = loss.smallest_image

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return losses.ms_ssim(
            y_true,
            y_pred,
            self.exponents,
            self.border,
            self.scales,
            check=False,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "exponents": self.exponents,
            "border": self.border,
            "scales": self.scales,
        }


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
