"""What all metrics of pictures share."""

from typing import Any

import keras

from percgen import ops
from percgen.losses import contract
from percgen.ops import Tensor


class PictureMetric(contract.Contract, keras.metrics.Mean):
    """What metrics of pictures share: the mean of a function of pairs.

    Args:
        name: Of the metric.
        luma: Whether to compare Y of BT.601 (16 to 235, unrounded) rather than
            the channels of RGB.
        check: Whether pictures outside [0, 1] are refused.
        **kwargs: `dtype` of `keras.metrics.Metric`.
    """

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
            y_true, y_pred, self._least(), self.check
        )
        if self.luma:
            y_true, y_pred = ops.luma(y_true), ops.luma(y_pred)
        values = self.values(y_true, y_pred) + verdict
        return super().update_state(values, sample_weight)

    def _least(self) -> int:
        """Returns the height and width below which pictures are refused."""
        return self.smallest_image

    def get_config(self) -> dict[str, Any]:
        config = {"luma": self.luma, "check": self.check}
        return {**super().get_config(), **config}
