"""Photographs to batches: files, packed or not, arrays, TensorFlow Datasets.

A batch is a pure function of the seed and of the number of its step, so a run
that was killed goes on with the very pictures it would have seen.
"""

import itertools
import os
from collections.abc import Iterable
from typing import Protocol
from typing import runtime_checkable

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from percgen import archives
from percgen import crops
from percgen import images
from percgen import picture_files
from percgen.packs import Packed as Packed
from percgen.records import Records as Records

_NAMES = ("x_train", "images")  # Of the array in a file, the first that is.


class Photographs(Protocol):
    """A source of photographs."""

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns the batches of steps `start` to `stop`.

        Each is float32 RGB in [0, 1], `[batch_size, size, size, 3]`: random
        square crops at a random scale, half of them mirrored, with the rounding
        to 8 bits made random too.
        """

    def panel(self, count: int, size: int) -> np.ndarray:
        """Returns the same few pictures always, `[count, size, size, 3]`."""

    def shorter_sides(self) -> Iterable[int]:
        """Yields what is known of their sizes before they are decoded."""


@runtime_checkable
class Numbered(Photographs, Protocol):
    """A source whose photographs are had by number, in any order."""

    def __len__(self) -> int:
        """Returns how many there are, unreadable ones included."""

    def open(self, number: int) -> Image.Image | None:
        """Returns a picture, RGB; None, with a warning, if it is unreadable."""

    def name(self, number: int) -> str:
        """Returns what a picture is called."""

    def size(self, number: int) -> tuple[int, int]:
        """Returns width and height, undecoded; 0 of what has no header."""


class Files:
    """Photographs in files; unreadable ones are skipped with a warning.

    Args:
        pattern: A glob, `**` included, or several separated by commas.

    Raises:
        ValueError: If nothing matches, or none of it is a readable picture.
    """

    def __init__(self, pattern: str):
        self.paths = picture_files.matching(pattern)
        self._unreadable: set[int] = set()
        if not any(map(self.open, range(len(self)))):
            raise ValueError(
                f"None of the {len(self.paths)} files that match {pattern!r} "
                "is a readable picture."
            )

    def __len__(self) -> int:
        return len(self.paths)

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        return crops.drawn(
            len(self), self.open, size, batch_size, seed, start, stop
        )

    def name(self, number: int) -> str:
        return self.paths[number]

    def size(self, number: int) -> tuple[int, int]:
        return images.header_size(self.paths[number])

    def open(self, number: int) -> Image.Image | None:
        if number in self._unreadable:
            return None
        try:
            return images.open_rgb(self.paths[number])
        except images.ImageError as error:
            self._unreadable.add(number)
            logging.warning(
                "Skipped %s (%d so far)", error, len(self._unreadable)
            )
            return None

    def panel(self, count: int, size: int) -> np.ndarray:
        numbers = range(len(self))
        stride = max(1, len(self) // count)
        opened = map(self.open, itertools.chain(numbers[::stride], numbers))
        readable = (image for image in opened if image is not None)
        return crops.panel(itertools.islice(readable, count), size)

    def shorter_sides(self) -> Iterable[int]:
        return (min(self.size(number)) for number in range(len(self)))


class Arrays:
    """Photographs in an array of an `.npz` file, which memory holds.

    Args:
        path: Of the file. The array is `x_train` or, where there is none,
            `images`: uint8 `[N, H, W, 3]`, or gray, `[N, H, W]` or
            `[N, H, W, 1]`. Nothing is ever unpickled.

    Raises:
        ValueError: If the file cannot be read, or holds no such pictures.
    """

    def __init__(self, path: str):
        self.pictures = _read_pictures(os.path.expanduser(path))

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        return crops.drawn(
            len(self), self.open, size, batch_size, seed, start, stop
        )

    def name(self, number: int) -> str:
        return f"picture {number}"

    def size(self, number: int) -> tuple[int, int]:
        height, width = self.pictures.shape[1:3]
        return width, height

    def open(self, number: int) -> Image.Image:
        return Image.fromarray(self.pictures[number]).convert("RGB")

    def panel(self, count: int, size: int) -> np.ndarray:
        total = len(self)
        stride = max(1, total // count)
        numbers = (place * stride % total for place in range(count))
        return crops.panel(map(self.open, numbers), size)

    def shorter_sides(self) -> Iterable[int]:
        return [min(self.size(0))]


def photographs(
    pattern: str | None, tfds_name: str | None, split: str = "train"
) -> Photographs:
    """Returns the photographs of files, or of a TensorFlow Datasets name.

    Args:
        pattern: A glob, or several; or the path of an `.npz` file; or a glob
            of `.tfrecord` files, as `Packed` takes it.
        tfds_name: As `Records` takes it.
        split: Likewise.

    Raises:
        ValueError: If not exactly one is given, or it holds no pictures.
    """
    if bool(pattern) == bool(tfds_name):
        raise ValueError("Give either --images or --tfds.")
    if not pattern:
        return Records(str(tfds_name), split)
    if pattern.endswith(".tfrecord"):
        return Packed(pattern)
    return Arrays(pattern) if pattern.endswith(".npz") else Files(pattern)


def refuse_smaller(photographs: Photographs, size: int) -> None:
    """Raises `ValueError` if no photograph has a square of that size.

    Those of which nothing is known before they are decoded are let pass.
    """
    most = 0
    for side in photographs.shorter_sides():
        most = max(most, side)
        if most >= size:  # As of many pictures the first will mostly be.
            return
    if most:
        raise ValueError(
            f"No photograph has {size} x {size} pixels; the largest has a "
            f"shorter side of {most}. Give a smaller --image_size."
        )


def _read_pictures(path: str) -> np.ndarray:
    held = archives.names(path)
    name = next((name for name in _NAMES if name in held), None)
    if name is None:
        raise ValueError(
            f"{path} should hold pictures as {' or '.join(_NAMES)}. "
            f"It holds: {', '.join(held) or 'nothing'}."
        )
    (pictures,) = archives.read(path, [name])
    channels = pictures.shape[3:]
    shaped = pictures.ndim >= 3 and channels in ((), (1,), (3,))
    if pictures.dtype != np.uint8 or not shaped or not pictures.size:
        raise ValueError(
            f"{path} should hold {name} as uint8 [N, H, W, 3], or for gray "
            "[N, H, W] or [N, H, W, 1]. "
            f"Received: {pictures.dtype} {list(pictures.shape)}."
        )
    return pictures[..., 0] if channels == (1,) else pictures
