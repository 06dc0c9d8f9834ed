"""How a picture is stored, and the pixels a network takes: there and back.

All of it is by pixel, so that it holds for rows of a picture as for the whole.
Every division is rounded to the nearest.
"""

import dataclasses

import numpy as np
from PIL import Image

from percgen import color_profiles

_LUMA = np.array([299, 587, 114], np.uint32)  # Thousandths: BT.601, as Pillow.


@dataclasses.dataclass(frozen=True)
class Form:
    """How the colours of a file are stored.

    Args:
        gray: Whether it has one colour.
        alpha: Whether opacity follows the colours.
        inks: Whether the colours are CMYK. They come back as sRGB.
        profile: Of the colours; None is sRGB.
    """

    gray: bool = False
    alpha: bool = False
    inks: bool = False
    profile: color_profiles.Profile | None = None

    def to_network(self, stored: np.ndarray) -> np.ndarray:
        """Returns what a network takes.

        Args:
            stored: uint8 or uint16 `[H, W, C]`: gray, RGB or CMYK, not
                premultiplied, then perhaps alpha.

        Returns:
            sRGB, `[H, W, 3]`; with alpha `[H, W, 4]`, premultiplied. Of the
            same type.
        """
        colors = stored[..., :-1] if self.alpha else stored
        if self.profile:
            colors = self.profile.to_srgb(colors)
        elif self.inks:
            colors = _without_inks(colors)
        if colors.shape[2] == 1:
            colors = np.repeat(colors, 3, axis=2)
        if not self.alpha:
            return colors
        alpha = stored[..., -1:]
        return np.concatenate([_premultiplied(colors, alpha), alpha], axis=2)

    def from_network(self, painted: np.ndarray) -> np.ndarray:
        """Returns what is to be stored, as the original is.

        Args:
            painted: As `to_network` gives it; premultiplied colours above
                alpha count as alpha.

        Returns:
            `[H, W, C]`, of the same type: gray or RGB, then perhaps alpha.
        """
        colors = painted[..., :3]
        if self.alpha:
            colors = _straight(colors, painted[..., 3:])
        if self.gray:
            colors = _gray(colors)
        if self.profile and self.profile.has_way_back:
            colors = self._of_profile(colors, self.profile)
        if not self.alpha:
            return colors
        return np.concatenate([colors, painted[..., 3:]], axis=2)

    def _of_profile(
        self, colors: np.ndarray, profile: color_profiles.Profile
    ) -> np.ndarray:
        if colors.shape[2] == 1:
            colors = np.repeat(colors, 3, axis=2)
        colors = profile.from_srgb(colors)
        return colors[..., :1] if self.gray else colors

    @property
    def stored_profile(self) -> bytes | None:
        """What ICC profile the stored answer needs; none for sRGB."""
        if self.profile is None or not self.profile.has_way_back:
            return None
        return self.profile.content


def to_depth(pixels: np.ndarray, kind: type) -> np.ndarray:
    """Returns pixels as uint8 or as uint16."""
    if pixels.dtype == kind:
        return pixels
    if kind == np.uint8:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return pixels.astype(np.uint16) * np.uint16(257)


def over_white(painted: np.ndarray) -> np.ndarray:
    """Returns `[H, W, 3]` of premultiplied colours and alpha, on white."""
    alpha = painted[..., 3:]
    light = np.minimum(painted[..., :3], alpha)
    return light + (np.iinfo(painted.dtype).max - alpha)


def enlarged(alpha: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns alpha `[H, W, 1]` at another size, bicubically."""
    if alpha.shape[:2] == (height, width):
        return alpha
    image = Image.fromarray(alpha[..., 0].astype(np.float32))
    larger = image.resize((width, height), Image.Resampling.BICUBIC)
    most = np.iinfo(alpha.dtype).max
    rounded = np.rint(np.clip(np.asarray(larger), 0, most))
    return rounded.astype(alpha.dtype)[..., None]


def _premultiplied(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    # 65535 squared, and half of 65535, still fit into 32 bits.
    most = np.uint32(np.iinfo(colors.dtype).max)
    product = colors.astype(np.uint32) * alpha
    return ((product + most // 2) // most).astype(colors.dtype)


def _straight(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    most = np.uint32(np.iinfo(colors.dtype).max)
    share = np.maximum(alpha, 1).astype(np.uint32)
    straight = (np.minimum(colors, alpha) * most + share // 2) // share
    return straight.astype(colors.dtype)


def _gray(colors: np.ndarray) -> np.ndarray:
    gray = (colors.astype(np.uint32) @ _LUMA + 500) // 1000
    return gray.astype(colors.dtype)[..., None]


def _without_inks(colors: np.ndarray) -> np.ndarray:
    height, width = colors.shape[:2]
    image = Image.frombytes("CMYK", (width, height), colors.tobytes())
    return np.asarray(image.convert("RGB"))
