"""Bicubic resizing as MATLAB's `imresize` does it.

The published tables of super-resolution stand on it; other libraries' bicubic
differs by up to .7 dB (`benchmarks/evaluation.py` prints what each costs).
"""

import functools

import numpy as np

_BORDERS = ("symmetric", "replicate")
_REACH = 2.0  # Of the cubic on either side, in pixels.


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    border: str = "symmetric",
    round_between_passes: bool = False,
    antialias: bool = True,
) -> np.ndarray:
    """Returns a picture resized: bicubic (a = -0.5).

    Pixel centres are at halves. Rows are resized first, then columns.

    Args:
        image: `[H, W, C]`, uint8 in [0, 255], or floating in any range.
        height: Of the result, in pixels.
        width: Likewise.
        border: What lies beyond it: `"symmetric"`, the picture mirrored, as in
            today's MATLAB; or `"replicate"`, its last pixel.
        round_between_passes: Whether uint8 is rounded after the first pass
            too, as MATLAB's did when the tables of SelfExSR were made.
        antialias: Whether the cubic is stretched by the factor where a side
            shrinks, as MATLAB's is by default.

    Returns:
        `[height, width, C]`: uint8, rounded and clipped, for uint8; else
        floating, of the dtype received, and not clipped.

    Raises:
        ValueError: If an argument is not as it should be.
    """
    if image.ndim != 3 or 0 in image.shape:
        raise ValueError(
            f"`image` should be [H, W, C]. Received: shape={image.shape}."
        )
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise ValueError(
            "`image` should be uint8 or floating. "
            f"Received: dtype={image.dtype}."
        )
    if round_between_passes and image.dtype != np.uint8:
        raise ValueError(
            "`round_between_passes` is for uint8. "
            f"Received: dtype={image.dtype}."
        )
    if height < 1 or width < 1:
        raise ValueError(
            "`height` and `width` should be at least 1. "
            f"Received: height={height}, width={width}."
        )
    if border not in _BORDERS:
        raise ValueError(
            f"`border` should be of {', '.join(_BORDERS)}. "
            f"Received: border={border!r}."
        )
    rows = _pass(image.astype(np.float64), height, border, antialias)
    if round_between_passes:
        rows = _round(rows).astype(np.float64)
    both = _pass(rows.swapaxes(0, 1), width, border, antialias).swapaxes(0, 1)
    return _round(both) if image.dtype == np.uint8 else both.astype(image.dtype)


def _pass(
    image: np.ndarray, length: int, border: str, antialias: bool
) -> np.ndarray:
    """Resizes along the first axis."""
    index, weights = _taps(image.shape[0], length, border, antialias)
    result = np.zeros((length, *image.shape[1:]))
    for tap in range(index.shape[1]):
        result += weights[:, tap, None, None] * image[index[:, tap]]
    return result


@functools.lru_cache
def _taps(
    old: int, new: int, border: str, antialias: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which pixels each new one is made of, and their weights.

    Returns:
        Two arrays `[new, taps]`; the weights of a pixel sum to 1.
    """
    scale = new / old
    stretch = max(1.0, 1.0 / scale) if antialias else 1.0
    centres = (np.arange(new) + 0.5) / scale - 0.5
    first = np.floor(centres - _REACH * stretch).astype(int)
    index = first[:, None] + np.arange(int(np.ceil(2 * _REACH * stretch)) + 2)
    weights = _cubic((centres[:, None] - index) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    if border == "replicate":
        return np.clip(index, 0, old - 1), weights
    index = index % (2 * old)
    return np.where(index < old, index, 2 * old - 1 - index), weights


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys's cubic with a = -0.5: IEEE TASSP 1981, equation 15."""
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _round(image: np.ndarray) -> np.ndarray:
    # Halves go up, as MATLAB's do; NumPy's own go to the even number.
    return np.clip(np.floor(image + 0.5), 0, 255).astype(np.uint8)
