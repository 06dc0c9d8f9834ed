"""Structural similarity at one scale.

Reference:
    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 2004.
"""

from typing import Any

import keras
from keras import ops

from percgen import ops as image_ops
from percgen.losses import contract
from percgen.ops import Tensor

SIZE, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # (K1 L)^2 and (K2 L)^2 with L = 1.
CHANNELS = "each channel by itself, then their mean"
BORDER = "valid (or same)"


@contract.promises(
    direction="higher",
    value_range=(-1.0, 1.0),
    color_space=CHANNELS,
    border=BORDER,
    smallest_image=11,
)
def ssim(
    y_true: Tensor, y_pred: Tensor, border: str = "valid", check: bool = True
) -> Tensor:
    """Returns the structural similarity of pictures: 1 for equal ones.

    Window 11 x 11, Gaussian of sigma 1.5, K1 .01, K2 .03, population (not
    sample) variances, mean over positions and then over channels.

    Args:
        y_true: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        y_pred: Likewise, of the same shape.
        border: `"valid"`: only windows that lie inside, as in `tf.image`;
            pictures of at least 11 x 11. `"same"`: a window around every
            pixel, cut at the border and its weights divided by their sum;
            pictures of any size.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B]` in [-1, 1], float32.

    Raises:
        ValueError: If the pictures do not fit.
    """
    refuse_border(border)
    smallest = SIZE if border == "valid" else 1
    y_true, y_pred, verdict = contract.float_pair(
        y_true, y_pred, smallest, check
    )
    means = mean_similarity(lay(y_true), lay(y_pred), border, luminance=True)
    return over_channels(means, y_true) + verdict


@keras.saving.register_keras_serializable("percgen")
@contract.promises(
    direction="lower",
    value_range=(0.0, 2.0),
    color_space=CHANNELS,
    border=BORDER,
    smallest_image=11,
)
class SSIMLoss(contract.PictureLoss):
    """Computes 1 - `ssim`: 0 for equal pictures, at most 2.

    Args:
        border: As of `ssim`.
        check: Whether pictures outside [0, 1] are refused.
        name: Of the term.
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If `border` is unknown.
    """

    def __init__(
        self,
        border: str = "valid",
        check: bool = True,
        name: str = "ssim",
        **kwargs: Any,
    ):
        refuse_border(border)
        super().__init__(name=name, check=check, **kwargs)
        self.border = border
        self.smallest_image = SIZE if border == "valid" else 1

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns `[B]`."""
        return 1.0 - ssim(y_true, y_pred, self.border, self.check)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "border": self.border}


def lay(images: Tensor) -> Tensor:
    """Returns `[B, H, W, C]` as `[1, H, W, B C]`.

    Every step below works on each channel of each picture by itself, and is
    vectorized over the last axis: the longer, the better.
    """
    _, height, width, _ = ops.shape(images)
    images = ops.transpose(images, [1, 2, 0, 3])
    return ops.reshape(images, [1, height, width, -1])


def over_channels(means: Tensor, images: Tensor) -> Tensor:
    """Returns `[B C]` as its mean over channels, `[B]`."""
    return ops.mean(ops.reshape(means, [-1, ops.shape(images)[3]]), axis=-1)


def mean_similarity(
    x: Tensor, y: Tensor, border: str, luminance: bool
) -> Tensor:
    """Returns the mean similarity of contrast and structure at one scale.

    With the sum s = x + y and the difference d = x - y, their local means m_s
    and m_d and variances v_s and v_d, and c = 2 C2,

        (2 cov_xy + C2) / (var_x + var_y + C2)
            = (v_s - v_d + c) / (v_s + v_d + c) = 1 - 2 v_d / (v_s + v_d + c),

    so two pictures and their squares are blurred where others blur five, and
    equal pictures give exactly 1. Luminance has the same form in m_s^2, m_d^2
    and 2 C1. The gradient is written out: it blurs three maps for one picture.

    Args:
        x: `[1, H, W, K]`.
        y: Likewise.
        border: As of `ssim`.
        luminance: Whether the luminance term is multiplied in.

    Returns:
        `[K]`.
    """

    def blur(maps: list[Tensor]) -> list[Tensor]:
        blurred = image_ops.blur(ops.concatenate(maps), SIZE, _SIGMA, border)
        return ops.split(blurred, len(maps))

    def spread(maps: list[Tensor]) -> list[Tensor]:
        maps = image_ops.spread(ops.concatenate(maps), SIZE, _SIGMA, border)
        return ops.split(maps, 3)

    @ops.custom_gradient
    def mean(x: Tensor, y: Tensor) -> tuple[Tensor, Any]:
        s, d = x + y, x - y
        mean_s, mean_d, square_s, square_d = blur([s, d, s * s, d * d])
        p, q = mean_s * mean_s, mean_d * mean_d
        v_d = square_d - q
        inverse = 1.0 / (square_s - p + v_d + 2 * _C2)
        share = v_d * inverse
        similarity = 1.0 - 2.0 * share
        if luminance:
            inverse_l = 1.0 / (p + q + 2 * _C1)
            share_l = q * inverse_l
            light = 1.0 - 2.0 * share_l
        whole = light * similarity if luminance else similarity
        count = ops.cast(ops.shape(share)[1] * ops.shape(share)[2], "float32")

        def gradient(*arguments: Tensor, upstream: Tensor = None) -> Any:
            if upstream is None:  # Only on PyTorch Keras passes it by name.
                (upstream,) = arguments
            # Of the similarity by v_s and by v_d, both over two.
            by_s = share * inverse
            by_d = by_s - inverse
            # Of the means, through the variances and through luminance.
            by_p, by_q = -by_s, -by_d
            if luminance:
                by_s, by_d = by_s * light, by_d * light
                by_l = share_l * inverse_l
                by_p = similarity * by_l - by_s
                by_q = similarity * (by_l - inverse_l) - by_d
            of_s, of_d = by_p * mean_s, by_q * mean_d
            factor = upstream * (4.0 / count)

            # Apart, so that a target's gradient is not computed for nothing.
            a, b, c = spread([by_s, by_d, of_s + of_d])
            by_x = (s * a + d * b + c) * factor
            a, b, c = spread([by_s, by_d, of_s - of_d])
            by_y = (s * a - d * b + c) * factor
            return by_x, by_y

        # Rows first: the sum over a whole picture at once is less exact.
        return ops.mean(ops.mean(whole, axis=1), axis=[0, 1]), gradient

    return mean(x, y)


def refuse_border(border: str) -> None:
    """Raises `ValueError` unless `border` is one we know."""
    if border not in ("valid", "same"):
        raise ValueError(
            '`border` should be "valid" or "same". '
            f"Received: border={border!r}."
        )
