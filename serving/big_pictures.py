"""Pictures too large for one request: read, sent and written in tiles.

Whether tiles give what the whole picture would give depends on the network,
and the model tells it (`percgen.about`). Where a pixel of the answer looks only
so far, as in super-resolution, tiles are cut with as much around them, and the
answer is the same. Where it looks at the whole picture, as a painter that
normalizes each picture by itself, the answer can only be near: each tile comes
with the whole picture made as small, by which the model normalizes it
(`percgen.context`), and tiles overlap and fade into one another.
"""

import dataclasses
import functools
import itertools
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from percgen import picture_files
from percgen import picture_forms
from percgen import png_rows
from percgen import strips
from percgen import vips
from serving import client as painter
from serving import served_model
from serving import tiles

_EVERYWHERE = -1
_HALO = 32  # Of networks that look at the whole: what their padding spoils.
_SMALLEST = 16


def generate(
    client: painter.Client,
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    tile: int,
    halo: int | None = None,
    overlap: int | None = None,
    jpeg_quality: int = 95,
    keep_gray: bool = True,
    concurrency: int = 2,
    progress: Callable[[float], Any] = lambda share: None,
    **wishes: Any,
) -> tuple[int, int]:
    """Sends a picture in tiles, and writes what comes back, all or nothing.

    Args:
        client: Of the model.
        source: A file that libvips reads.
        target: The file to write, PNG or JPEG by its ending.
        tile: Side of a tile in pixels, without what lies around it.
        halo: Pixels around a tile that the network has to see; by default what
            the model tells, and 32 where it looks at the whole picture.
        overlap: Pixels in which tiles fade into one another; by default none,
            and a quarter of a tile where the network looks at the whole.
        jpeg_quality: 1 to 100.
        keep_gray: Whether a gray picture's answer is gray.
        concurrency: Tiles sent at a time.
        progress: Told again and again which share is done.
        **wishes: Of `served_model.Wishes`.

    Returns:
        Width and height of what was written.

    Raises:
        picture_files.ImageError: If the picture cannot be read.
        ValueError: If tiles do not fit the model.
        protocol.ServerError: With the reason, in one line.
    """
    rows = strips.Rows(source)
    plan = _plan(client.about(), tile, halo, overlap)
    form = dataclasses.replace(rows.form, gray=rows.form.gray and keep_gray)
    ask: tiles.Ask = functools.partial(
        client.paint, wishes=served_model.Wishes(**wishes)
    )
    if client.about().get("context"):
        ask = _with_context(ask, strips.shrunken(source, plan.largest))
    answer = tiles.stream(
        rows.height,
        rows.width,
        lambda count: rows.form.to_network(rows.read(count)),
        ask,
        plan,
        client.about().get("smallest", _SMALLEST),
        concurrency,
    )
    is_jpeg = pathlib.Path(target).suffix.lower() in (".jpg", ".jpeg")
    if is_jpeg:
        answer = map(_flat, answer)
        form = dataclasses.replace(form, alpha=False)
    stored = map(form.from_network, answer)
    with picture_files.draft(target) as draft:
        if not is_jpeg:
            return _write(draft, stored, rows, form.stored_profile, progress)
        png = draft.with_suffix(".png")
        try:
            size = _write(png, stored, rows, form.stored_profile, progress)
            vips.png_to_jpeg(png, draft, jpeg_quality)
            return size
        finally:
            png.unlink(missing_ok=True)


def _plan(
    about: dict[str, int], tile: int, halo: int | None, overlap: int | None
) -> tiles.Plan:
    """Returns how to cut.

    Raises:
        ValueError: If nobody tells how far the network looks, or the model
            does not take such tiles.
    """
    if halo is None:
        if "halo" not in about:
            raise ValueError(
                "The model does not tell how far it looks; export it again, or "
                "give --halo, in pixels."
            )
        halo = about["halo"]
        if halo == _EVERYWHERE:
            halo = _HALO
            if overlap is None:
                overlap = tile // 4 // (2 * tiles.GRID) * 2 * tiles.GRID
    plan = tiles.Plan(tile, -(-halo // tiles.GRID) * tiles.GRID, overlap or 0)
    most = about.get("max_pixels", plan.largest**2)
    if about.get("context"):
        most //= 2  # For it is as large.
    if plan.largest**2 > most:
        raise ValueError(
            f"--tile={tile} sends squares of {plan.largest} pixels, halo and "
            f"overlap included; the model takes parts of {most} pixels in all."
        )
    return plan


def _with_context(
    ask: Callable[..., np.ndarray], whole: np.ndarray
) -> tiles.Ask:
    """Returns what asks with the whole picture, made as small as each part."""

    @functools.cache
    def context(height: int, width: int) -> np.ndarray:
        image = Image.fromarray(whole[..., :3])
        return np.asarray(image.resize((width, height), Image.Resampling.BOX))

    return lambda part: ask(part, context=context(*part.shape[:2]))


def _flat(painted: np.ndarray) -> np.ndarray:
    """Returns what JPEG can hold: 8 bits, over white."""
    if painted.shape[2] == 4:
        painted = picture_forms.over_white(painted)
    return picture_forms.to_depth(painted, np.uint8)


def _write(
    path: pathlib.Path,
    stored: Iterator[np.ndarray],
    rows: strips.Rows,
    profile: bytes | None,
    progress: Callable[[float], Any],
) -> tuple[int, int]:
    """Writes PNG as the answer comes; returns its width and height."""
    first = next(stored)
    _, width, channels = first.shape
    height = width // rows.width * rows.height
    shape, done = (height, width, channels), 0
    with path.open("wb") as stream:
        file = png_rows.PngRows(stream, shape, first.dtype.type, profile)
        for some in itertools.chain([first], stored):
            file.write(some)
            done += len(some)
            progress(done / height)
        file.close()
    return width, height
