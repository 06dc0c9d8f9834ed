"""How alike pictures are."""

from collections.abc import Sequence
from typing import Any

import keras

from percgen import losses
from percgen.losses import contract
from percgen.metrics.picture import PictureMetric
from percgen.ops import Tensor

_ANY = "RGB, or its luma with luma=True"


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

    def _least(self) -> int:
        return 1  # Its function says how many scales a small picture holds.

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "exponents": self.exponents,
            "border": self.border,
            "scales": self.scales,
        }
