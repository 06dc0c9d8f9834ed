"""ICC profiles: from the colours of a file to sRGB, and back.

Relative colorimetric, with black point compensation. Colours outside sRGB are
cut to it, and do not come back.
"""

import functools
import io

import numpy as np
from PIL import Image
from PIL import ImageCms

from percgen import vips

_CHANNELS = {"GRAY": 1, "RGB": 3, "CMYK": 4}
_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
_SAME = 1  # Level of 255: what rounding alone may do.


class Profile:
    """One profile.

    Args:
        content: Of the profile's file.

    Attributes:
        content: Likewise.
        space: `"GRAY"`, `"RGB"` or `"CMYK"`.
        has_way_back: Whether sRGB may become its colours: not CMYK, for files
            of which there would be no PNG, nor that of a scanner.

    Raises:
        ValueError: If it is broken, or of another space.
    """

    def __init__(self, content: bytes):
        try:
            self._profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        except OSError as error:
            raise ValueError(f"Broken ICC profile: {error}.") from error
        self.content = content
        self.space = self._profile.profile.xcolor_space.strip()
        if self.space not in _CHANNELS:
            raise ValueError(f"ICC profile of an unknown space {self.space}.")

    def to_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Returns sRGB `[H, W, 3]` of colours `[H, W, C]`.

        Args:
            pixels: uint8, or uint16 but for CMYK. C is that of the profile's
                space; gray may come to an RGB profile, too.
        """
        if pixels.shape[2] == 1 and self.space == "RGB":
            pixels = np.repeat(pixels, 3, axis=2)
        if pixels.dtype == np.uint16:
            return vips.to_srgb(pixels, self.content)
        return _apply(self._forth, pixels)

    def from_srgb(self, pixels: np.ndarray) -> np.ndarray:
        """Returns colours of the profile's space for sRGB `[H, W, 3]`."""
        if pixels.dtype == np.uint16:
            return vips.from_srgb(pixels, self.content)
        return _apply(self._back, pixels)

    @functools.cached_property
    def has_way_back(self) -> bool:
        try:
            return self.space != "CMYK" and self._back is not None
        except ImageCms.PyCMSError:
            return False

    @functools.cached_property
    def _forth(self) -> ImageCms.ImageCmsTransform:
        return self._transform(self._profile, _srgb(), self.space, "RGB")

    @functools.cached_property
    def _back(self) -> ImageCms.ImageCmsTransform:
        return self._transform(_srgb(), self._profile, "RGB", self.space)

    def _transform(
        self,
        source: ImageCms.ImageCmsProfile,
        target: ImageCms.ImageCmsProfile,
        old: str,
        new: str,
    ) -> ImageCms.ImageCmsTransform:
        return ImageCms.buildTransform(
            source,
            target,
            _MODES[old],
            _MODES[new],
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )

    def is_srgb(self) -> bool:
        """Tells whether its colours are those of sRGB."""
        if self.space != "RGB":
            return False
        steps = np.linspace(0, 255, 9).astype(np.uint8)
        grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
        difference = np.subtract(self.to_srgb(grid), grid, dtype=int)
        return bool(np.abs(difference).max() <= _SAME)


@functools.lru_cache(maxsize=16)
def of(content: bytes | None, channels: int) -> Profile | None:
    """Returns the profile of a file, if it says anything.

    Args:
        content: Of the profile; None if there is none.
        channels: Colours of the picture, without alpha.

    Returns:
        None if it is sRGB, broken, or not for as many colours: viewers show
        such pictures as sRGB.
    """
    if not content:
        return None
    try:
        profile = Profile(content)
        fits = _CHANNELS[profile.space] == channels
        if not fits and (channels, profile.space) != (1, "RGB"):
            return None
        return None if profile.is_srgb() else profile
    except (ValueError, ImageCms.PyCMSError):
        return None


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _apply(
    transform: ImageCms.ImageCmsTransform, pixels: np.ndarray
) -> np.ndarray:
    height, width, channels = pixels.shape
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    image = Image.frombytes(mode, (width, height), pixels.tobytes())
    array = np.asarray(ImageCms.applyTransform(image, transform))
    return array[..., None] if array.ndim == 2 else array
