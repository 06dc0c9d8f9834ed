"""Measures how near paintings in tiles are to those of whole pictures.

Example:
    python -m benchmarks.tiled --output=benchmarks/results/tiled.md

Of two photographs that scikit-learn holds, enlarged, and of the package's
network of six paintings: what the client does for `--tile`, without a server.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

from percgen import command

command.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import sklearn  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks import report  # noqa: E402
from percgen import context  # noqa: E402
from percgen import images  # noqa: E402
from percgen import shipped  # noqa: E402
from serving import tiles  # noqa: E402

_WIDTH = flags.DEFINE_integer(
    "width", 1920, "To which photographs are enlarged.", lower_bound=64
)
_SIDES = flags.DEFINE_list("sides", ["512", "1024"], "Of tiles.")
_STYLES = flags.DEFINE_list("styles", ["0", "3"], "Numbers of styles.")

_HALO = 32
_NAMES = ("china.jpg", "flower.jpg")
_HEAD = (
    "tiles",
    "photograph, style",
    "PSNR to the whole, dB",
    "mean difference",
    "change across cuts",
    "elsewhere",
)
_TEXT = """PSNR and differences, in levels of 255, are those between what tiles
give together and what the whole picture gives. *Change*: of that difference,
from one column of pixels to the next, mean of its size: where a cut shows, it
is larger than elsewhere. *Alone*: each tile by itself. *With the whole*: each
tile beside the whole picture made as small, whose statistics normalize it."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How a picture is cut.

    Args:
        name: In the table.
        share: Of a tile that overlaps.
        has_context: Whether tiles come with the whole.
    """

    name: str
    share: float
    has_context: bool


_WAYS = (
    Way("alone, cut sharply", 0.0, False),
    Way("alone, overlapping", 0.25, False),
    Way("with the whole, overlapping", 0.25, True),
)


class Painter:
    """The network of the package, in one of its styles."""

    def __init__(self, network: keras.Model, style: int):
        self._network, self._follower = network, context.following(network)
        self._row = np.eye(1, network.styles, style, dtype=np.float32)

    def paint(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the painting of uint8 `[H, W, 3]`."""
        return self._run(self._network, pixels[None])

    def paint_part(self, whole: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Returns the painting of a part of a picture."""
        height, width = pixels.shape[:2]
        small = Image.fromarray(whole).resize(
            (width, height), Image.Resampling.BOX
        )
        return self._run(self._follower, np.stack([np.asarray(small), pixels]))

    def _run(self, network: keras.Model, pictures: np.ndarray) -> np.ndarray:
        rows = np.repeat(self._row, len(pictures), axis=0)
        inputs = [tf.constant(pictures / np.float32(255.0)), tf.constant(rows)]
        return images.to_uint8(np.asarray(network(inputs)[-1]))


def in_tiles(
    pixels: np.ndarray, ask: tiles.Ask, plan: tiles.Plan
) -> np.ndarray:
    """Returns the answer of all tiles."""
    rows = iter(pixels)

    def read(count: int) -> np.ndarray:
        return np.stack([next(rows) for _ in range(count)])

    height, width = pixels.shape[:2]
    answer = tiles.stream(height, width, read, ask, plan, 16, workers=1)
    return np.concatenate(list(answer))


def judge(whole: np.ndarray, tiled: np.ndarray, side: int) -> list[str]:
    """Returns the numbers of a row."""
    difference = np.subtract(tiled, whole, dtype=np.float32)
    psnr = 10 * np.log10(255.0**2 / np.mean(difference**2))
    change = np.abs(np.diff(difference, axis=1)).mean(axis=(0, 2))
    cuts = np.arange(side, whole.shape[1], side) - 1
    numbers = (np.abs(difference).mean(), change[cuts].mean())
    elsewhere = np.delete(change, cuts).mean()
    return [f"{psnr:.1f}", *(f"{x:.2f}" for x in (*numbers, elsewhere))]


def main() -> None:
    sides, styles = ([int(x) for x in flag.value] for flag in (_SIDES, _STYLES))
    network = shipped.load("paintings")
    rows = []
    for name in _NAMES:
        pixels = _photograph(name)
        for style in styles:
            painter = Painter(network, style)
            whole = painter.paint(pixels)
            for side in sides:
                for way in _WAYS:
                    tiled = in_tiles(
                        pixels, _ask(painter, way, pixels), _plan(way, side)
                    )
                    place = f"{name.partition('.')[0]}, {style}"
                    label = f"{side}, {way.name}"
                    rows.append([label, place, *judge(whole, tiled, side)])
    rows.sort(key=lambda row: row[0])
    title = f"Tiles of `paintings`, {_WIDTH.value} pixels wide"
    report.write(
        title,
        f"python -m benchmarks.tiled --width={_WIDTH.value}",
        report.table(_HEAD, rows),
        _TEXT,
    )


def _photograph(name: str) -> np.ndarray:
    folder = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
    image = images.open_rgb(folder / name)
    height = round(image.height * _WIDTH.value / image.width)
    size = (_WIDTH.value, height)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _ask(
    painter: Painter, way: Way, pixels: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    if way.has_context:
        return functools.partial(painter.paint_part, pixels)
    return painter.paint


def _plan(way: Way, side: int) -> tiles.Plan:
    grid = 2 * tiles.GRID
    return tiles.Plan(side, _HALO, int(side * way.share) // grid * grid)


if __name__ == "__main__":
    command.run(main)
