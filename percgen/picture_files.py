"""Files of pictures: opened with errors that people understand, and written."""

import contextlib
import glob
import io
import os
import pathlib
import uuid
from collections.abc import Iterator

from PIL import Image
from PIL import UnidentifiedImageError

_ORIENTATION = 0x0112  # The EXIF tag.


class ImageError(ValueError):
    """Raised when a picture cannot be read; says which and why."""


def matching(pattern: str) -> list[str]:
    """Returns the files that match, in the order of their paths.

    Args:
        pattern: A glob, `**` included, or several separated by commas.

    Raises:
        ValueError: If nothing matches.
    """
    paths = sorted(
        path
        for part in pattern.split(",")
        for path in glob.glob(os.path.expanduser(part), recursive=True)
        if os.path.isfile(path)
    )
    if not paths:
        raise ValueError(f"No file matches {pattern!r}.")
    return paths


@contextlib.contextmanager
def opened(source: str | os.PathLike | bytes) -> Iterator[Image.Image]:
    """Opens a picture, of which Pillow has read only the header.

    Raises:
        ImageError: If it is missing, not a picture, broken or too large; what
            is done with the picture inside counts, too.
    """
    label = name(source)
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(file) as image:
            yield image
    except ImageError as error:
        raise ImageError(f"{label}: {error}") from error
    except FileNotFoundError as error:
        raise ImageError(f"{label}: no such file.") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{label}: not a picture of a known kind.") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise ImageError(f"{label}: too large: over {most} pixels.") from error
    # Pillow reports broken pictures by any of these.
    except (OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"{label}: broken picture ({error}).") from error


def name(source: object) -> str:
    """Returns what to call a picture in a message."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return "picture"


def is_upright(image: Image.Image) -> bool:
    """Tells whether a picture is stored as it is to be seen, by its EXIF."""
    return image.getexif().get(_ORIENTATION, 1) == 1


def is_deep(image: Image.Image) -> bool:
    """Tells whether a picture has 16 bits a colour, by its header."""
    # The layout of stored pixels, which Pillow names before it decodes them.
    layouts = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return image.mode.startswith("I") or any(";16" in x for x in layouts)


@contextlib.contextmanager
def draft(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Gives a file to write, which takes its place whole at the end.

    If what is done inside fails, nothing of it stays.
    """
    target = pathlib.Path(path)
    # Of the same ending, by which programs tell what to write.
    hidden = target.with_name(f".{uuid.uuid4().hex}.{target.name}")
    try:
        yield hidden
        os.replace(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file, all or nothing."""
    with draft(path) as hidden:
        hidden.write_bytes(content)
