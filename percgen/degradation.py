"""How small pictures come of large ones, for super-resolution to undo.

References:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016 (paper C), section 4.2: `blurred`.
    The tables of super-resolution, which shrink by MATLAB: `bicubic`.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from percgen import resizing

Degradation = Callable[[np.ndarray, int], np.ndarray]

_BLUR = 1.0  # Standard deviation, in pixels (seen).


def bicubic(picture: np.ndarray, scale: int) -> np.ndarray:
    """Returns a picture shrunk as the tables have it: antialiased.

    Args:
        picture: `[H, W, C]`, uint8, H and W multiples of the scale.
        scale: How much smaller the result is.
    """
    return _shrink(picture, scale, antialias=True)


def aliased(picture: np.ndarray, scale: int) -> np.ndarray:
    """Returns a picture shrunk without antialiasing, as many programs do."""
    return _shrink(picture, scale, antialias=False)


def blurred(picture: np.ndarray, scale: int) -> np.ndarray:
    """Returns a picture blurred by a Gaussian, then shrunk (paper C, seen).

    That the shrinking does not blur a second time is our reading: Torch's, with
    which the paper was made, does not (recalled).
    """
    blurry = ndimage.gaussian_filter(
        picture.astype(np.float64), _BLUR, mode="reflect", axes=(0, 1)
    )
    return _shrink(np.round(blurry).astype(np.uint8), scale, antialias=False)


DEGRADATIONS: dict[str, Degradation] = {
    "bicubic": bicubic,
    "aliased": aliased,
    "blurred": blurred,
}


def _shrink(picture: np.ndarray, scale: int, antialias: bool) -> np.ndarray:
    height, width = (side // scale for side in picture.shape[:2])
    return resizing.resize(picture, height, width, antialias=antialias)
