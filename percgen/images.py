"""Reading and writing pictures as people have them.

Knows Pillow and NumPy alone (`heat` knows Matplotlib), so that a light client
can use it.
"""

import contextlib
import io
import os
import pathlib
import uuid
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL import ImageOps
from PIL import UnidentifiedImageError

from percgen.resizing import resize as resize

_MAX_INT16 = 65535
_ORIENTATION = 0x0112  # The EXIF tag.
_BRIGHTEST = 99.5  # Percent.


class ImageError(ValueError):
    """Raised when a picture cannot be read; says which and why."""


def open_rgb(source: str | os.PathLike | bytes) -> Image.Image:
    """Returns a picture upright, in RGB, over white where it is transparent.

    Args:
        source: A path, or the bytes of a file.

    Raises:
        ImageError: If it is missing, not a picture, broken or too large.
    """
    with _opened(source) as image:
        return _rgb(ImageOps.exif_transpose(image))


def read(source: str | os.PathLike | bytes) -> np.ndarray:
    """Returns `open_rgb` as uint8 `[H, W, 3]`."""
    return np.asarray(open_rgb(source))


def read_as_is(path: str | os.PathLike) -> np.ndarray:
    """Returns `read`, but a gray picture as `[H, W, 1]`.

    Raises:
        ImageError: As `open_rgb`.
    """
    with _opened(path) as image:
        gray = image.mode in ("1", "L") or image.mode.startswith("I")
    pixels = read(path)
    return pixels[..., :1] if gray else pixels


def is_plain(path: str | os.PathLike) -> bool:
    """Tells whether a file is an upright 8-bit PNG or JPEG, by its header.

    Raises:
        ImageError: If it is missing, not a picture, broken or too large.
    """
    with _opened(path) as image:
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        known = image.format == "PNG" or (
            image.format == "JPEG" and image.mode in ("L", "RGB")
        )
        return upright and known and not image.mode.startswith("I")


def header_size(path: str | os.PathLike) -> tuple[int, int]:
    """Returns width and height by a file's header alone; 0 if it has none.

    Of a picture on its side they change places.
    """
    try:
        with _opened(path) as image:
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


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file, all or nothing."""
    target = pathlib.Path(path)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        draft.write_bytes(content)
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(source: str | os.PathLike | bytes) -> Iterator[Image.Image]:
    name = "picture" if isinstance(source, bytes) else os.fspath(source)
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file) as image:
            yield image
    except FileNotFoundError as error:
        raise ImageError(f"{name}: no such file.") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name}: not a picture of a known kind.") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageError(f"{name}: too large: over {most} pixels.") from error
    # Pillow reports broken pictures by any of these.
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{name}: broken picture ({error}).") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16-bit gray, which convert() would clip.
        gray = np.clip(np.asarray(image).astype(np.float64), 0, _MAX_INT16)
        return Image.fromarray(to_uint8(gray / _MAX_INT16)).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pictures have no agreed range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
