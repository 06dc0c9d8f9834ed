"""Pictures read row by row, from top to bottom, by libvips.

Only the rows at hand are in memory, but for interlaced PNG and progressive
JPEG, whose files are in no such order.
"""

import itertools
import os
from typing import Any

import numpy as np

from percgen import color_profiles
from percgen import picture_files
from percgen import picture_forms
from percgen import vips

MOST_PIXELS = 1 << 30
_TURN = "orientation"
_FETCH = 64  # Rows at a time: libvips holds some times as many.
_KINDS = {"uchar": np.uint8, "ushort": np.uint16}
_SPACES = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb": 3, "rgb16": 3, "cmyk": 4}


class Rows:
    """Reads a picture from top to bottom, upright.

    Args:
        source: A path, or the bytes of a file.

    Attributes:
        height: In pixels.
        width: Likewise.
        form: How its colours are stored.

    Raises:
        picture_files.ImageError: If it is missing, not a picture, broken, of
            no known colours or over 2^30 pixels, by its header.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        self._name = picture_files.name(source)
        if not isinstance(source, bytes) and not os.path.exists(source):
            raise picture_files.ImageError(f"{self._name}: no such file.")
        with vips.errors(self._name):
            image = vips.opened(source, upright=True)
            self.height, self.width = image.height, image.width
            if image.height * image.width > MOST_PIXELS:
                raise picture_files.ImageError(
                    f"{self._name}: too large: over {MOST_PIXELS} pixels."
                )
            if image.get_typeof(_TURN) and image.get(_TURN) > 1:
                image = vips.opened(source, upright=False)
                self.height, self.width = image.height, image.width
            self.form = self._form(image)
            self._kind = _KINDS[image.format]
            self._bands = image.bands
            self._region = vips.load().Region.new(image)
        self._next = 0

    def read(self, count: int) -> np.ndarray:
        """Returns the next rows as they are stored, `[count, W, C]`.

        Raises:
            picture_files.ImageError: If the picture is broken.
        """
        parts = []
        while count > 0:
            rows = min(count, _FETCH)
            with vips.errors(self._name):
                buffer = self._region.fetch(0, self._next, self.width, rows)
            parts.append(np.frombuffer(buffer, self._kind))
            self._next, count = self._next + rows, count - rows
        return np.concatenate(parts).reshape(-1, self.width, self._bands)

    def _form(self, image: Any) -> picture_forms.Form:
        colors = _SPACES.get(image.interpretation)
        deep_inks = colors == 4 and image.format != "uchar"
        if colors is None or image.format not in _KINDS or deep_inks:
            raise picture_files.ImageError(
                f"{self._name}: {image.interpretation} of {image.format} is "
                "not known."
            )
        profile = None
        if "icc-profile-data" in image.get_fields():
            profile = bytes(image.get("icc-profile-data"))
        return picture_forms.Form(
            gray=colors == 1,
            alpha=image.bands > colors,
            inks=colors == 4,
            profile=color_profiles.of(profile, colors),
        )


def shrunken(source: str | os.PathLike | bytes, side: int) -> np.ndarray:
    """Returns a whole picture made small, by means over what each pixel covers.

    Args:
        source: A path, or the bytes of a file.
        side: Most height and width; its shape is not kept.

    Returns:
        uint8 `[H, W, C]`, as `Form.to_network` gives it.

    Raises:
        picture_files.ImageError: As `Rows`.
    """
    rows = Rows(source)
    # Each new row is of these old ones; at least of one.
    height, width = min(side, rows.height), min(side, rows.width)
    tops = np.arange(height + 1) * rows.height // height
    lefts = np.arange(width + 1) * rows.width // width
    small = []
    for top, bottom in itertools.pairwise(tops):
        part = rows.form.to_network(rows.read(bottom - top))
        part = picture_forms.to_depth(part, np.uint8)
        sums = np.add.reduceat(part.sum(0, np.uint32), lefts[:-1], axis=0)
        counts = np.diff(lefts)[:, None] * (bottom - top)
        small.append(np.rint(sums / counts))
    return np.stack(small).astype(np.uint8)
