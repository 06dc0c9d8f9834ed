"""Exact evaluation of pictures: the protocol that published tables follow.

Works on 8-bit pictures in float64, apart from any training. A number means
nothing without its protocol: `Protocol` says it in words.

Reference:
    The tables of SelfExSR (Huang et al., CVPR 2015) and of BasicSR, which
    `tests/test_evaluation.py` holds this to.
"""

import dataclasses

import numpy as np
from skimage import metrics as skimage_metrics

from percgen import ops

_COLORS = ("y", "rgb")
_WINDOW = 11


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How two pictures are compared.

    Args:
        color: `"y"`: the luma of BT.601 (16 to 235), gray pictures by their
            gray values; or `"rgb"`: all channels alike.
        shave: Width of the border left out, in pixels; by custom the factor of
            super-resolution.
        round_luma: Whether Y is rounded to 8 bits, as MATLAB's `rgb2ycbcr`
            does with 8-bit pictures.

    Raises:
        ValueError: If an argument is not as it should be.
    """

    color: str = "y"
    shave: int = 4
    round_luma: bool = True

    def __post_init__(self) -> None:
        if self.color not in _COLORS:
            raise ValueError(
                f"`color` should be of {', '.join(_COLORS)}. "
                f"Received: color={self.color!r}."
            )
        if self.shave < 0:
            raise ValueError(
                f"`shave` should not be negative. Received: shave={self.shave}."
            )

    def __str__(self) -> str:
        rounded = "rounded" if self.round_luma else "unrounded"
        color = f"Y (BT.601, {rounded})" if self.color == "y" else "RGB"
        return f"{color}, border of {self.shave} px shaved, 8-bit, SSIM 11x11"

    @property
    def smallest_image(self) -> int:
        """Least height and width that leaves one window."""
        return _WINDOW + 2 * self.shave

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Returns what is compared of a picture.

        Args:
            image: uint8 `[H, W, 3]`, or `[H, W, 1]` for gray.

        Returns:
            float64 `[H', W', C]` in [0, 255].

        Raises:
            ValueError: If the picture is of another kind, or too small.
        """
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                "Pictures should be uint8 [H, W, C]. Received: "
                f"{image.dtype} {list(image.shape)}."
            )
        if min(image.shape[:2]) < self.smallest_image:
            raise ValueError(
                f"Pictures should be at least {self.smallest_image} x "
                f"{self.smallest_image} with shave={self.shave}. "
                f"Received: {list(image.shape)}."
            )
        values = image.astype(np.float64)
        if self.color == "y" and image.shape[2] == 3:
            values = luma(image, self.round_luma)
        edge = slice(self.shave, -self.shave if self.shave else None)
        return values[edge, edge]


def luma(image: np.ndarray, rounded: bool = True) -> np.ndarray:
    """Returns Y of BT.601, 16 to 235: how bright a picture is to the eye.

    Args:
        image: uint8 `[H, W, 3]`, RGB.
        rounded: Whether to round it to whole numbers.

    Returns:
        float64 `[H, W, 1]`.
    """
    y = image.astype(np.float64) @ np.array(ops.LUMA)[:, None] / 255
    y += ops.LUMA_OFFSET
    return np.floor(y + 0.5) if rounded else y


def psnr(true: np.ndarray, pred: np.ndarray, protocol: Protocol) -> float:
    """Returns the peak signal-to-noise ratio in decibels.

    Args:
        true: uint8 `[H, W, 3]`, or `[H, W, 1]` for gray.
        pred: Likewise, of the same shape.
        protocol: How they are compared.

    Returns:
        The ratio; infinity for pictures that the protocol finds equal.

    Raises:
        ValueError: If the pictures do not fit.
    """
    true, pred = _pair(true, pred, protocol)
    error = np.mean((true - pred) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def ssim(true: np.ndarray, pred: np.ndarray, protocol: Protocol) -> float:
    """Returns the structural similarity, by scikit-image in float64.

    Arguments and errors are those of `psnr`; the value is in [-1, 1]: window
    11 x 11, sigma 1.5, valid positions only, the mean over channels.
    """
    true, pred = _pair(true, pred, protocol)
    return float(
        skimage_metrics.structural_similarity(
            true,
            pred,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            channel_axis=2,
        )
    )


def crop_to_multiple(image: np.ndarray, factor: int) -> np.ndarray:
    """Returns the top left part whose sides divide by `factor`."""
    height, width = image.shape[:2]
    return image[: height - height % factor, : width - width % factor]


def _pair(
    true: np.ndarray, pred: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    if true.shape != pred.shape:
        raise ValueError(
            "The two pictures should have the same shape. "
            f"Received: {list(true.shape)} and {list(pred.shape)}."
        )
    return protocol.prepare(true), protocol.prepare(pred)
