"""Whole pictures as they are stored: their pixels, and how to store others.

A painting of a picture is to be stored as the picture is: with its alpha, gray
where it is gray, in 16 bits and in the colours of its ICC profile.
"""

import dataclasses
import io
import os
import pathlib

import numpy as np
from PIL import Image
from PIL import ImageOps

from percgen import color_profiles
from percgen import picture_files
from percgen import picture_forms
from percgen import png_rows
from percgen import strips

Source = str | os.PathLike | bytes | Image.Image | np.ndarray
_JPEG_MODES = ("L", "RGB")
_CHANNELS = {"L": 1, "LA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}


@dataclasses.dataclass(frozen=True)
class Stored:
    """A picture as it is stored, but upright.

    Args:
        pixels: uint8 or uint16 `[H, W, C]`.
        form: What the channels are.
    """

    pixels: np.ndarray
    form: picture_forms.Form


def read(source: Source) -> Stored:
    """Reads a picture.

    Args:
        source: A path, the bytes of a file, or a picture: Pillow's, or uint8
            or uint16 `[H, W]` or `[H, W, C]`, sRGB of 1 to 4 channels.

    Raises:
        picture_files.ImageError: If it is missing, not a picture, broken or
            too large.
    """
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if isinstance(source, Image.Image):
        return _of_image(source)
    with picture_files.opened(source) as image:
        if not picture_files.is_deep(image):
            return _of_image(ImageOps.exif_transpose(image))
    rows = strips.Rows(source)
    return Stored(rows.read(rows.height), rows.form)


@dataclasses.dataclass(frozen=True)
class PlainFile:
    """A file that a served model takes as it is.

    Args:
        content: Of the file.
        form: How its picture is stored.
    """

    content: bytes
    form: picture_forms.Form


def plain(source: Source) -> PlainFile | None:
    """Returns a file, if a served model takes it as it is.

    That is an upright PNG or JPEG of sRGB or gray, 8 bits, without alpha.

    Raises:
        picture_files.ImageError: As `read`.
    """
    if isinstance(source, (np.ndarray, Image.Image)):
        return None
    with picture_files.opened(source) as image:
        known = image.format == "PNG" or (
            image.format == "JPEG" and image.mode in _JPEG_MODES
        )
        # In this order: to find EXIF, Pillow may have to decode.
        if not known or picture_files.is_deep(image):
            return None
        form = _form(image)
        if not picture_files.is_upright(image):
            return None
    if form.alpha or form.profile:
        return None
    if not isinstance(source, bytes):
        source = pathlib.Path(source).read_bytes()
    return PlainFile(source, form)


def encode(
    painted: np.ndarray, form: picture_forms.Form, kind: str, quality: int = 95
) -> bytes:
    """Returns a file of what a network has made.

    Args:
        painted: uint8 or uint16, as `Form.to_network` gives it.
        form: How the file is to be stored.
        kind: `"PNG"`, or `"JPEG"`, which has 8 bits and no alpha: what is
            transparent lies over white.
        quality: Of JPEG, 1 to 100.
    """
    if kind == "JPEG":
        if form.alpha:
            painted = picture_forms.over_white(painted)
            form = dataclasses.replace(form, alpha=False)
        painted = picture_forms.to_depth(painted, np.uint8)
    pixels = form.from_network(painted)
    if pixels.dtype == np.uint16:
        return _deep_png(pixels, form.stored_profile)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    height, width = pixels.shape[:2]
    image = Image.frombytes(mode, (width, height), pixels.tobytes())
    buffer = io.BytesIO()
    options = {"quality": quality} if kind == "JPEG" else {"compress_level": 1}
    image.save(buffer, kind, icc_profile=form.stored_profile, **options)
    return buffer.getvalue()


def _deep_png(pixels: np.ndarray, profile: bytes | None) -> bytes:
    buffer = io.BytesIO()
    file = png_rows.PngRows(buffer, pixels.shape, np.uint16, profile)
    file.write(pixels)
    file.close()
    return buffer.getvalue()


def _of_array(pixels: np.ndarray) -> Stored:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if (
        pixels.ndim != 3
        or not 1 <= pixels.shape[2] <= 4
        or pixels.dtype not in (np.uint8, np.uint16)
    ):
        raise picture_files.ImageError(
            "A picture should be uint8 or uint16, [H, W, C] with C of 1 to 4. "
            f"Received: {pixels.dtype}, shape={pixels.shape}."
        )
    channels = pixels.shape[2]
    form = picture_forms.Form(gray=channels < 3, alpha=channels % 2 == 0)
    return Stored(pixels, form)


def _of_image(image: Image.Image) -> Stored:
    if image.mode == "F":
        raise picture_files.ImageError(
            "floating-point pictures have no agreed range"
        )
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return _of_array(deep)
    pixels = np.asarray(image.convert(_mode(image)))
    pixels = pixels.reshape(image.height, image.width, -1)
    return Stored(pixels, _form(image))


def _form(image: Image.Image) -> picture_forms.Form:
    mode = _mode(image)
    return picture_forms.Form(
        gray=mode.startswith("L"),
        alpha=mode.endswith("A"),
        inks=mode == "CMYK",
        profile=_profile(image),
    )


def _mode(image: Image.Image) -> str:
    """Returns the mode that holds all that a picture has."""
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "CMYK":
        return "CMYK"
    if image.has_transparency_data:
        return "LA" if gray else "RGBA"
    return "L" if gray else "RGB"


def _profile(image: Image.Image) -> color_profiles.Profile | None:
    mode = _mode(image)
    return color_profiles.of(image.info.get("icc_profile"), _CHANNELS[mode])
