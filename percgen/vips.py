"""What libvips does where Pillow cannot: 16-bit colour, files row by row.

pyvips is imported when it is needed: a client that sends pictures of 8 bits
in one piece works without.
"""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from percgen import picture_files

_INTENT = {"intent": "relative", "black_point_compensation": True}


def load() -> Any:
    """Returns pyvips.

    Raises:
        picture_files.ImageError: If it is not installed.
    """
    try:
        import pyvips
    except ImportError as error:
        raise picture_files.ImageError(
            "16-bit colour and pictures in tiles need libvips: "
            'pip install "pyvips[binary]"'
        ) from error
    # It warns of files that it reads all the same.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
    return pyvips


def opened(source: str | os.PathLike | bytes, upright: bool) -> Any:
    """Returns a `pyvips.Image` of a file, of which only the header is read.

    Args:
        source: A path, or the bytes of a file.
        upright: Whether it is stored upright, to be read from top to bottom;
            else libvips keeps it in a file of its own while it is turned.

    Raises:
        pyvips.Error: If it is not a picture.
    """
    pyvips = load()
    options = {
        "access": "sequential" if upright else "random",
        "fail_on": "error",
    }
    if isinstance(source, bytes):
        image = pyvips.Image.new_from_buffer(source, "", **options)
    else:
        image = pyvips.Image.new_from_file(str(pathlib.Path(source)), **options)
    return image if upright else image.autorot()


@contextlib.contextmanager
def errors(label: str) -> Iterator[None]:
    """Turns what libvips raises into an error that people understand.

    Raises:
        picture_files.ImageError: With what it says, in one line.
    """
    try:
        yield
    except load().Error as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise picture_files.ImageError(
            f"{label}: broken picture ({reason})."
        ) from error


def png_to_jpeg(
    png: str | os.PathLike, jpeg: str | os.PathLike, quality: int
) -> None:
    """Writes a PNG file as JPEG, row by row, with its ICC profile.

    Raises:
        picture_files.ImageError: If JPEG cannot hold it.
    """
    with errors("JPEG"):
        opened(png, upright=True).jpegsave(str(jpeg), Q=quality)


def to_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Returns uint16 sRGB `[H, W, 3]` of gray or RGB of a profile."""
    image = _image(pixels, "grey16" if pixels.shape[2] == 1 else "rgb16")
    image.set_type(load().GValue.blob_type, _PROFILE, profile)
    with errors("ICC profile"):
        lab = image.icc_import(embedded=True, **_INTENT)
        srgb = lab.icc_export(output_profile="srgb", depth=16, **_INTENT)
        return _array(srgb)


def from_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Returns uint16 gray or RGB of a profile of sRGB `[H, W, 3]`."""
    image = _image(pixels, "rgb16")
    with errors("ICC profile"):
        lab = image.icc_import(input_profile="srgb", **_INTENT).copy()
        lab.set_type(load().GValue.blob_type, _PROFILE, profile)
        return _array(lab.icc_export(depth=16, **_INTENT))


_PROFILE = "icc-profile-data"


def _image(pixels: np.ndarray, interpretation: str) -> Any:
    image = load().Image.new_from_array(np.ascontiguousarray(pixels))
    return image.copy(interpretation=interpretation)


def _array(image: Any) -> np.ndarray:
    array = image.numpy()
    return array[..., None] if array.ndim == 2 else array
