"""Structural similarity at several scales.

Reference:
    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image
    quality assessment", Asilomar 2003.
    Snell et al., "Learning to generate images with perceptual similarity
    metrics", ICIP 2017 (paper A).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from percgen import ops as image_ops
from percgen.losses import contract
from percgen.losses.ssim import BORDER
from percgen.losses.ssim import CHANNELS
from percgen.losses.ssim import SIZE
from percgen.losses.ssim import mean_similarity
from percgen.losses.ssim import over_channels
from percgen.losses.ssim import refuse_border
from percgen.ops import Tensor

# Of every scale, finest first; Wang et al. 2003 found them by experiment.
WANG = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Least height and width of the coarsest scale.
_COARSEST = {"valid": SIZE, "same": 2}
_FLOOR = 1e-4


@contract.promises(
    direction="higher",
    value_range=(0.0, 1.0),
    color_space=CHANNELS,
    border=BORDER,
    smallest_image=161,
)
def ms_ssim(
    y_true: Tensor,
    y_pred: Tensor,
    exponents: str | Sequence[float] = "wang",
    border: str = "valid",
    scales: int | None = 5,
    check: bool = True,
) -> Tensor:
    """Returns the multi-scale structural similarity: 1 for equal pictures.

    Contrast and structure are compared at every scale, luminance only at the
    coarsest; each scale's mean over positions is raised to its exponent, and
    the product is averaged over channels. A scale whose mean is negative
    counts as zero, and with it the whole product: the value is that of
    `tf.image.ssim_multiscale`. Its gradient is that of `MSSSIMLoss`, which says
    why, so `1 - ms_ssim(...)` may be trained with too.

    Whether the product is taken of means (here, as in `tf.image`) or at each
    pixel is not known of paper A.

    Args:
        y_true: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        y_pred: Likewise, of the same shape.
        exponents: `"wang"`, `"ones"` (paper A), or one number for each scale.
        border: As of `ssim`. With five scales `"valid"` needs 161 pixels,
            `"same"` 17.
        scales: How many; None for as many, up to five, as leave the coarsest
            11 pixels (border valid) or 2 (same). With fewer than five, Wang's
            first exponents are scaled to keep the sum of all five; ones stay
            ones.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B]` in [0, 1], float32.

    Raises:
        ValueError: If the pictures or the arguments do not fit.
    """
    means, exponents, verdict = _pyramid(
        y_true, y_pred, exponents, border, scales, check
    )
    continued = _continued(means, exponents)
    clipped = 1.0
    for mean, exponent in zip(means, exponents, strict=True):
        clipped *= ops.maximum(mean, 0.0) ** exponent
    # The value of the one, the gradient of the other.
    similarity = continued + ops.stop_gradient(clipped - continued)
    return over_channels(similarity, y_true) + verdict


@keras.saving.register_keras_serializable("percgen")
@contract.promises(
    direction="lower",
    value_range=(0.0, 2.001),
    color_space=CHANNELS,
    border=BORDER,
    smallest_image=161,
)
class MSSSIMLoss(contract.PictureLoss):
    """Computes 1 - MS-SSIM, with a gradient that never dies.

    Below zero: where pictures disagree in structure, as unrelated or inverted
    ones do, a scale's mean turns negative. A negative number has no fractional
    power, so others clip it to zero, whose power has an infinite slope or, cut
    off, none: one such picture makes every weight of its batch NaN, or leaves
    it stuck at loss 1. Here a mean is clipped at 1e-4, and what it lacks is
    taken off by a straight line, with the slope that the power has at one, its
    exponent: the loss goes on growing, to at most 1 + 1.0001 times the sum of
    the exponents, its gradient is finite and not zero, and points towards the
    target. Where every scale's mean is at least 1e-4 the loss is 1 - `ms_ssim`.

    Args:
        exponents: As of `ms_ssim`.
        border: Likewise.
        scales: Likewise.
        check: Whether pictures outside [0, 1] are refused.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If an argument is unknown.
    """

    def __init__(
        self,
        exponents: str | Sequence[float] = "wang",
        border: str = "valid",
        scales: int | None = 5,
        check: bool = True,
        name: str = "ms_ssim",
        **kwargs: Any,
    ):
        refuse_border(border)
        powers = _exponents(exponents, len(WANG) if scales is None else scales)
        super().__init__(name=name, check=check, **kwargs)
        self.exponents = exponents
        self.border = border
        self.scales = scales
        self.smallest_image = _smallest(1 if scales is None else scales, border)
        self.value_range = (0.0, 1.0 + (1.0 + _FLOOR) * sum(powers))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]`."""
        means, exponents, verdict = _pyramid(
            y_true,
            y_pred,
            self.exponents,
            self.border,
            self.scales,
            self.check,
        )
        similarity = _continued(means, exponents)
        return 1.0 - over_channels(similarity, y_true) + verdict

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "exponents": self.exponents,
            "border": self.border,
            "scales": self.scales,
        }


def _pyramid(
    y_true: Tensor,
    y_pred: Tensor,
    exponents: str | Sequence[float],
    border: str,
    scales: int | None,
    check: bool,
) -> tuple[list[Tensor], list[float], Tensor]:
    """Returns each scale's mean `[B C]`, its exponent, and the verdict."""
    refuse_border(border)
    y_true, y_pred, verdict = contract.float_pair(y_true, y_pred, 1, check)
    scales = _scales(tuple(y_true.shape[1:3]), border, scales, exponents)
    powers = _exponents(exponents, scales)
    x, y, means = y_true, y_pred, []
    for scale in range(scales):
        if scale:
            x, y = image_ops.halve(x), image_ops.halve(y)
        means.append(
            mean_similarity(x, y, border, luminance=scale == scales - 1)
        )
    return means, powers, verdict


def _continued(means: list[Tensor], exponents: list[float]) -> Tensor:
    """Returns the product of powers, continued below zero by straight lines."""
    product, missing = 1.0, 0.0
    for mean, exponent in zip(means, exponents, strict=True):
        product *= ops.maximum(mean, _FLOOR) ** exponent
        missing += exponent * ops.minimum(mean - _FLOOR, 0.0)
    return product + missing


def _scales(
    size: tuple,
    border: str,
    scales: int | None,
    exponents: str | Sequence[float],
) -> int:
    """Returns how many scales to take of pictures of a size."""
    known = [side for side in size if side is not None]
    most = len(WANG) if isinstance(exponents, str) else len(exponents)
    if scales is None and len(known) < 2:
        raise ValueError(
            "`scales=None` needs pictures of a size known when the step is "
            f"compiled. Received: height and width {size}."
        )
    least = min(known, default=_smallest(most, border))
    fitting = [n for n in range(1, most + 1) if least >= _smallest(n, border)]
    if scales in fitting or (scales is None and fitting):
        return scales or fitting[-1]
    if scales is None or 1 <= scales <= most:
        smallest = _smallest(scales or 1, border)
        raise ValueError(
            f"{scales or 1} scales with border={border!r} need pictures of at "
            f"least {smallest} x {smallest} pixels. Received: height and width "
            f"{size}, which hold {len(fitting)}. Pass scales=None for as many "
            'as fit, or border="same", which takes smaller pictures.'
        )
    raise ValueError(
        f"`scales` should be None or 1 to {most}. Received: scales={scales}."
    )


def _smallest(scales: int, border: str) -> int:
    """Returns the least side whose coarsest scale is large enough."""
    return (_COARSEST[border] - 1) * 2 ** (scales - 1) + 1


def _exponents(exponents: str | Sequence[float], scales: int) -> list[float]:
    """Returns the exponent of each scale."""
    if isinstance(exponents, str):
        if exponents not in ("wang", "ones"):
            raise ValueError(
                '`exponents` should be "wang", "ones" or a number for each '
                f"scale. Received: exponents={exponents!r}."
            )
        if not 1 <= scales <= len(WANG):
            raise ValueError(
                f"`scales` should be None or 1 to {len(WANG)}. "
                f"Received: scales={scales}."
            )
        if exponents == "ones":
            # Paper A (seen second-hand): every scale counts once.
            return [1.0] * scales
        kept = sum(WANG) / sum(WANG[:scales])
        return [exponent * kept for exponent in WANG[:scales]]
    if len(exponents) != scales or min(exponents) <= 0.0:
        raise ValueError(
            "`exponents` should be positive, one for each scale. Received: "
            f"exponents={list(exponents)} for {scales} scales."
        )
    return [float(exponent) for exponent in exponents]
