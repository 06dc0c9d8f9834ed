"""Reading and writing pictures as people have them.

Knows neither TensorFlow nor Keras, so that a light client can use it. What it
takes to give a picture back as it was stored is in `stored_pictures`.
"""

import io
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL import ImageOps

from percgen import picture_files
from percgen import picture_forms
from percgen import stored_pictures
from percgen.picture_files import ImageError as ImageError
from percgen.picture_files import write_bytes as write_bytes
from percgen.resizing import resize as resize

_BRIGHTEST = 99.5  # Percent.


def open_rgb(source: str | os.PathLike | bytes) -> Image.Image:
    """Returns a picture upright, in sRGB, over white where it is transparent.

    16 bits are rounded to 8, and colours of an ICC profile are converted.

    Args:
        source: A path, or the bytes of a file.

    Raises:
        ImageError: If it is missing, not a picture, broken or too large.
    """
    stored = stored_pictures.read(source)
    pixels = stored.form.to_network(stored.pixels)
    if stored.form.alpha:
        pixels = picture_forms.over_white(pixels)
    return Image.fromarray(picture_forms.to_depth(pixels, np.uint8))


def read(source: str | os.PathLike | bytes) -> np.ndarray:
    """Returns `open_rgb` as uint8 `[H, W, 3]`."""
    return np.asarray(open_rgb(source))


def read_as_is(path: str | os.PathLike) -> np.ndarray:
    """Returns `read`, but a gray picture as `[H, W, 1]`.

    Raises:
        ImageError: As `open_rgb`.
    """
    with picture_files.opened(path) as image:
        gray = image.mode in ("1", "L") or image.mode.startswith("I")
    pixels = read(path)
    return pixels[..., :1] if gray else pixels


def header_size(source: str | os.PathLike | bytes) -> tuple[int, int]:
    """Returns width and height by a file's header alone; 0 if it has none.

    Of a picture on its side they change places.
    """
    try:
        with picture_files.opened(source) as image:
            return image.size
    except ImageError:
        return 0, 0


def to_png(image: Image.Image) -> bytes:
    """Returns a picture as the bytes of a quickly compressed PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Returns pictures in [0, 1] as uint8, rounded and clipped."""
    return np.round(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)


def shrink(image: Image.Image, short_side: int) -> Image.Image:
    """Returns a picture whose shorter side has the given length."""
    scale = short_side / min(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def center_square(image: Image.Image, size: int) -> Image.Image:
    """Returns the largest centred square, resized to `size`."""
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], gap: int = 8
) -> np.ndarray:
    """Lays uint8 pictures `[H, W, 3]` out in rows on white."""
    height = sum(max(p.shape[0] for p in row) + gap for row in rows) + gap
    width = max(sum(p.shape[1] + gap for p in row) + gap for row in rows)
    sheet = np.full([height, width, 3], 255, np.uint8)
    top = gap
    for row in rows:
        left = gap
        for picture in row:
            bottom, right = top + picture.shape[0], left + picture.shape[1]
            sheet[top:bottom, left:right] = picture
            left = right + gap
        top += max(p.shape[0] for p in row) + gap
    return sheet


def heat(squares: np.ndarray, most: float) -> np.ndarray:
    """Draws squared differences as light: equal steps of their root look equal.

    By Matplotlib's "inferno": black, purple, orange, pale yellow. The squares
    themselves would leave all but the worst places dark.

    Args:
        squares: `[..., H, W]`, 0 or more.
        most: The square that is brightest; larger ones look like it. Where it
            is 0, all is black.

    Returns:
        uint8 `[..., H, W, 3]`.
    """
    import matplotlib as mpl  # Here, so that only who draws needs it.

    shares = np.asarray(squares, np.float32) / (most or np.inf)
    return mpl.colormaps["inferno"](np.sqrt(shares), bytes=True)[..., :3]


def brightest(squares: np.ndarray) -> float:
    """Returns a good `most` for `heat`: but for 0.5%, none is larger."""
    return float(np.percentile(squares, _BRIGHTEST))


def write(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes uint8 `[H, W, 3]`, all or nothing; the ending tells the format."""
    suffix = pathlib.Path(path).suffix
    formats = Image.registered_extensions()
    if suffix.lower() not in formats:
        raise ImageError(f"{path}: unknown kind of picture {suffix!r}.")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, formats[suffix.lower()], quality=95)
    write_bytes(path, buffer.getvalue())
