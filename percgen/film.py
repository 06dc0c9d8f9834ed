"""Frames of a film, in files."""

import functools

import numpy as np
from PIL import Image

from percgen import data

_ORIENTATION = 0x0112  # The EXIF tag.
_SHORT_SIDE = 360
_REMEMBERED = 256  # Frames.


class Film:
    """Frames, in the order of their files' names.

    Args:
        files: The frames. One that cannot be read gives its place to the next.

    Attributes:
        size: Width and height of the frames; large ones are shrunk to a shorter
            side of 360.

    Raises:
        ValueError: If they are fewer than two, or not of one size.
    """

    def __init__(self, files: data.Files):
        sizes = [size for size in map(_size, files.paths) if size]
        if len(sizes) < 2:
            raise ValueError(
                "A film should have two frames at least. "
                f"Received: {len(sizes)}."
            )
        different = sorted(set(sizes))
        if len(different) > 1:
            raise ValueError(
                "The frames of a film should be of one size. Received: "
                f"{' and '.join(f'{w} x {h}' for w, h in different[:3])}."
            )
        width, height = sizes[0]
        scale = min(1.0, _SHORT_SIDE / min(width, height))
        self.size = round(width * scale), round(height * scale)
        self._files = files
        self._frame = functools.lru_cache(_REMEMBERED)(self._open)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, number: int) -> np.ndarray:
        """Returns a frame, uint8 `[H, W, 3]`."""
        return self._frame(number)

    def _open(self, number: int) -> np.ndarray:
        for turn in range(len(self)):
            frame = self._files.open((number + turn) % len(self))
            if frame is not None:
                frame = frame.resize(self.size, Image.Resampling.BICUBIC)
                return np.asarray(frame)
        raise ValueError("No frame can be read any more.")


def _size(path: str) -> tuple[int, int] | None:
    """Returns width and height by a file's header alone, if it has one."""
    try:
        with Image.open(path) as image:
            on_its_side = image.getexif().get(_ORIENTATION, 1) > 4
            return image.size[::-1] if on_its_side else image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
