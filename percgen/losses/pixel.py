"""Losses on the pixels themselves."""

from typing import Any

import keras

from percgen import ops


class TotalVariationLoss(keras.losses.Loss):
    """Computes how rough the prediction is; the target is not looked at.

    Lower is smoother; 0 is a picture of one colour. The value is in [0, 2] for
    pictures in [0, 1]. Smallest picture: 2 x 2.

    Args:
        exponent: 1 or 2, see `percgen.ops.total_variation`.
        name: Of the term.
        **kwargs: `reduction` and `dtype` of `keras.losses.Loss`.

    Raises:
        ValueError: If `exponent` is neither 1 nor 2.

    Reference:
        Johnson et al. 2016, section 3.2 ("Total Variation Regularization").
    """

    def __init__(
        self, exponent: int = 2, name: str = "total_variation", **kwargs: Any
    ):
        if exponent not in (1, 2):
            raise ValueError(
                f"`exponent` should be 1 or 2. Received: exponent={exponent}."
            )
        super().__init__(name=name, **kwargs)
        self.exponent = exponent

    def call(self, y_true: ops.Tensor, y_pred: ops.Tensor) -> ops.Tensor:
        """Returns `[B]` for `y_pred` of shape `[B, H, W, C]`."""
        return ops.total_variation(y_pred, self.exponent)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent}
