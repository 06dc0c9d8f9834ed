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
    means = mean_similarity(y_true, y_pred, border, luminance=True)
    return over_channels(means, y_true) + verdict


@contract.promises(
    direction="higher",
    value_range=(-1.0, 1.0),
    color_space=f"{CHANNELS}, at each position",
    border="same (or valid)",
)
def ssim_map(
    y_true: Tensor, y_pred: Tensor, border: str = "same", check: bool = True
) -> Tensor:
    """Returns where pictures are similar in structure, and where not.

    The mean over positions is `ssim` of the same border.

    Args:
        y_true: `[B, H, W, C]`, C 1 or 3, in [0, 1].
        y_pred: Likewise, of the same shape.
        border: As of `ssim`.
        check: Whether pictures outside [0, 1] are refused.

    Returns:
        `[B, H, W]`, or with border valid `[B, H - 10, W - 10]`, in [-1, 1],
        float32: means over channels.

    Raises:
        ValueError: If the pictures do not fit.
    """
    refuse_border(border)
    smallest = SIZE if border == "valid" else 1
    y_true, y_pred, verdict = contract.float_pair(
        y_true, y_pred, smallest, check
    )

    def blur(maps: Tensor) -> Tensor:
        return image_ops.blur(maps, SIZE, _SIGMA, border)

    # In sums and differences, as `mean_similarity` says.
    s, d = y_true + y_pred, y_true - y_pred
    p, q = ops.square(blur(s)), ops.square(blur(d))
    v_s, v_d = blur(s * s) - p, blur(d * d) - q
    structure = 1.0 - 2.0 * v_d / (v_s + v_d + 2 * _C2)
    light = 1.0 - 2.0 * q / (p + q + 2 * _C1)
    return ops.mean(structure * light, axis=-1) + verdict


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
        x: `[B, H, W, C]`.
        y: Likewise.
        border: As of `ssim`.
        luminance: Whether the luminance term is multiplied in.

    Returns:
        `[B C]`.
    """
    window = (SIZE, _SIGMA, border)

    def blur(maps: Tensor) -> Tensor:
        return image_ops.blur(maps, *window)

    def spread(maps: Tensor) -> Tensor:
        return _unlay(image_ops.spread(maps, *window), ops.shape(x)[3])

    @ops.custom_gradient
    def mean(x: Tensor, y: Tensor) -> tuple[Tensor, Any]:
        laid_x, laid_y = _lay(x), _lay(y)
        s, d = laid_x + laid_y, laid_x - laid_y
        mean_s, mean_d = blur(s), blur(d)
        p, q = mean_s * mean_s, mean_d * mean_d
        v_d = blur(d * d) - q
        inverse = 1.0 / (blur(s * s) - p + v_d + 2 * _C2)
        similarity = 1.0 - 2.0 * v_d * inverse
        # Its gradient is 2 by_s by v_s, and 2 (by_s - less) by v_d. Variances
        # are means of squares, which reach s and d themselves, less squares of
        # means, which reach them through m_s and m_d: of_s and of_d.
        by_s, less = v_d * inverse * inverse, inverse
        if luminance:
            inverse = 1.0 / (p + q + 2 * _C1)
            light = 1.0 - 2.0 * q * inverse
            of_light = similarity * inverse
            by_s, less = by_s * light, less * light
            similarity = similarity * light
        of_s, of_d = -by_s * mean_s, (less - by_s) * mean_d
        of_x, of_y = of_s + of_d, of_s - of_d
        if luminance:
            of_s, of_d = mean_s * q * inverse, mean_d * (q * inverse - 1.0)
            of_x = of_x + (of_s + of_d) * of_light
            of_y = of_y + (of_s - of_d) * of_light
        count = ops.shape(similarity)[1] * ops.shape(similarity)[2]

        def gradient(*arguments: Tensor, upstream: Tensor = None) -> Any:
            if upstream is None:  # Only on PyTorch Keras passes it by name.
                (upstream,) = arguments
            factor = upstream * (4.0 / ops.cast(count, "float32"))
            across = spread(less * factor)
            along = spread(by_s * (2.0 * factor)) - across
            by_x = along * x + across * y + spread(of_x * factor)
            by_y = along * y + across * x + spread(of_y * factor)
            return by_x, by_y

        # Rows first: the sum over a whole picture at once is less exact.
        return ops.mean(ops.mean(similarity, axis=1), axis=[0, 1]), gradient

    return mean(x, y)


def _lay(images: Tensor) -> Tensor:
    """Returns `[B, H, W, C]` as `[1, H, W, B C]`.

    A convolution of each channel by itself is vectorized over the last axis:
    the longer, the better.
    """
    _, height, width, _ = ops.shape(images)
    images = ops.transpose(images, [1, 2, 0, 3])
    return ops.reshape(images, [1, height, width, -1])


def _unlay(maps: Tensor, channels: int) -> Tensor:
    """Returns what `_lay` was given."""
    _, height, width, _ = ops.shape(maps)
    maps = ops.reshape(maps, [height, width, -1, channels])
    return ops.transpose(maps, [2, 0, 1, 3])


def refuse_border(border: str) -> None:
    """Raises `ValueError` unless `border` is one we know."""
    if border not in ("valid", "same"):
        raise ValueError(
            '`border` should be "valid" or "same". '
            f"Received: border={border!r}."
        )
