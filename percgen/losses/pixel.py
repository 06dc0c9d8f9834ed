"""Losses on the pixels themselves."""

from typing import Any

import keras
from keras import ops

from percgen import ops as image_ops
from percgen.losses import contract
from percgen.ops import Tensor

_EACH_CHANNEL = "each channel alike"
_EPSILON = 1e-3
_SPACE = [1, 2, 3]


@contract.promises("lower", (0.0, 1.0), _EACH_CHANNEL)
def l1(y_true: Tensor, y_pred: Tensor, check: bool = True) -> Tensor:
    """Returns the mean absolute difference.

    Args:
        y_true: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        y_pred: Likewise, of the same shape.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B]` in [0, 1], float32.

    Raises:
        ValueError: If the pictures do not fit.
    """
    y_true, y_pred, verdict = contract.float_pair(y_true, y_pred, 1, check)
    return ops.mean(ops.abs(y_pred - y_true), axis=_SPACE) + verdict


@contract.promises("lower", (0.0, 1.0), _EACH_CHANNEL)
def l2(y_true: Tensor, y_pred: Tensor, check: bool = True) -> Tensor:
    """Returns the mean squared difference. Arguments are those of `l1`."""
    y_true, y_pred, verdict = contract.float_pair(y_true, y_pred, 1, check)
    return ops.mean(ops.square(y_pred - y_true), axis=_SPACE) + verdict


@contract.promises("lower", (_EPSILON, 1.001), _EACH_CHANNEL)
def charbonnier(
    y_true: Tensor,
    y_pred: Tensor,
    epsilon: float = _EPSILON,
    check: bool = True,
) -> Tensor:
    """Returns the mean of sqrt(difference^2 + epsilon^2): a smooth `l1`.

    Equal pictures have `epsilon`, not 0.

    Args:
        y_true: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        y_pred: Likewise, of the same shape.
        epsilon: Below it the loss is square, above it straight.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B]`, float32.

    Raises:
        ValueError: If the pictures do not fit, or `epsilon` is not positive.

    Reference:
        Charbonnier et al., "Two deterministic half-quadratic regularization
        algorithms for computed imaging", ICIP 1994.
    """
    _refuse_epsilon(epsilon)
    y_true, y_pred, verdict = contract.float_pair(y_true, y_pred, 1, check)
    squares = ops.square(y_pred - y_true) + epsilon**2
    return ops.mean(ops.sqrt(squares), axis=_SPACE) + verdict


@contract.promises("higher", (0.0, contract.INFINITY), _EACH_CHANNEL)
def psnr(y_true: Tensor, y_pred: Tensor, check: bool = True) -> Tensor:
    """Returns the peak signal-to-noise ratio of each picture, in decibels.

    Equal pictures have infinity. Arguments are those of `l1`.
    """
    error = l2(y_true, y_pred, check)
    return ops.log(1.0 / error) * (10.0 / ops.log(10.0))


@contract.promises("lower", (0.0, 2.0), _EACH_CHANNEL, smallest_image=2)
def total_variation(
    y_pred: Tensor, exponent: int = 2, check: bool = True
) -> Tensor:
    """Returns how rough pictures are; see `percgen.ops.total_variation`.

    Args:
        y_pred: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        exponent: 1 for the anisotropic form, 2 for the squared one of Johnson
            et al. 2016, section 3.2 and released code.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B]` in [0, 2], float32.

    Raises:
        ValueError: If the pictures do not fit, or `exponent` is unknown.
    """
    y_pred, verdict = contract.float_pictures("y_pred", y_pred, 2, check)
    return image_ops.total_variation(y_pred, exponent) + verdict


@keras.saving.register_keras_serializable("percgen")
@contract.promises("lower", (0.0, 1.0), _EACH_CHANNEL)
class L1Loss(contract.PictureLoss):
    """Computes `l1`.

    Args:
        check: Whether pictures outside [0, 1] are refused; False for a
            network whose outputs have no bounds.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.
    """

    def __init__(self, check: bool = True, name: str = "l1", **kwargs: Any):
        super().__init__(name=name, check=check, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]`."""
        return l1(y_true, y_pred, self.check)


@keras.saving.register_keras_serializable("percgen")
@contract.promises("lower", (0.0, 1.0), _EACH_CHANNEL)
class L2Loss(contract.PictureLoss):
    """Computes `l2`. Arguments are those of `L1Loss`."""

    def __init__(self, check: bool = True, name: str = "l2", **kwargs: Any):
        super().__init__(name=name, check=check, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]`."""
        return l2(y_true, y_pred, self.check)


@keras.saving.register_keras_serializable("percgen")
@contract.promises("lower", (_EPSILON, 1.001), _EACH_CHANNEL)
class CharbonnierLoss(contract.PictureLoss):
    """Computes `charbonnier`.

    Args:
        epsilon: As of `charbonnier`.
        check: Whether pictures outside [0, 1] are refused.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If `epsilon` is not positive.
    """

    def __init__(
        self,
        epsilon: float = _EPSILON,
        check: bool = True,
        name: str = "charbonnier",
        **kwargs: Any,
    ):
        _refuse_epsilon(epsilon)
        super().__init__(name=name, check=check, **kwargs)
        self.epsilon = epsilon
        self.value_range = (epsilon, (1.0 + epsilon**2) ** 0.5)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]`."""
        return charbonnier(y_true, y_pred, self.epsilon, self.check)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable("percgen")
@contract.promises("lower", (0.0, 2.0), _EACH_CHANNEL, smallest_image=2)
class TotalVariationLoss(contract.PictureLoss):
    """Computes how rough the prediction is; the target is not looked at.

    Args:
        exponent: 1 or 2, see `total_variation`.
        check: Whether predictions outside [0, 1] are refused.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If `exponent` is neither 1 nor 2.
    """

    def __init__(
        self,
        exponent: int = 2,
        check: bool = True,
        name: str = "total_variation",
        **kwargs: Any,
    ):
        if exponent not in (1, 2):
            raise ValueError(
                f"`exponent` should be 1 or 2. Received: exponent={exponent}."
            )
        super().__init__(name=name, check=check, **kwargs)
        self.exponent = exponent

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]` for `y_pred` of shape `[B, H, W, C]`."""
        return total_variation(y_pred, self.exponent, self.check)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "exponent": self.exponent}


def _refuse_epsilon(epsilon: float) -> None:
    if epsilon <= 0.0:
        raise ValueError(
            f"`epsilon` should be positive. Received: epsilon={epsilon}."
        )
