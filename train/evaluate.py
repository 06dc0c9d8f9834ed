r"""Compares pictures with their references by a published protocol.

Example:
    python -m train.evaluate --reference=Set5 --images=results --shave=4
    python -m train.evaluate --reference=Set5 --bicubic=4  # The line to beat.

Pictures are paired by name, without the ending. Leaves scores.csv and
worst.png in --output: the worst pictures where they are worst, each as
reference, picture and difference. To see where a comparator sees a difference:

    python -m train.evaluate --reference=Set5 --images=results --heatmap \
        --comparator=vgg19 --comparator_weights=vgg19.npz --layer=relu2_2
"""

import csv
import functools
import io
import pathlib
import sys
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tqdm
from absl import flags
from PIL import Image
from scipy import ndimage

from percgen import command
from percgen import evaluation
from percgen import images
from percgen import losses
from train import heatmaps

_REFERENCE = flags.DEFINE_string(
    "reference", None, "Folder of the true pictures.", required=True
)
_IMAGES = flags.DEFINE_string("images", None, "Folder of pictures to judge.")
_BICUBIC = flags.DEFINE_integer(
    "bicubic",
    None,
    "Instead: judge references shrunk by this factor and enlarged again, by "
    "MATLAB's bicubic.",
    lower_bound=2,
)
_BORDER = flags.DEFINE_enum(
    "border", "replicate", ["replicate", "symmetric"], "Of --bicubic."
)
_ROUND_BETWEEN_PASSES = flags.DEFINE_bool(
    "round_between_passes",
    True,
    "Whether --bicubic rounds between its passes. With --border=replicate, as "
    "in SelfExSR's tables; BasicSR's take --border=symmetric and no rounding.",
)
_PROTOCOL = flags.DEFINE_enum(
    "protocol", "y", ["y", "rgb"], "Luma (gray pictures: gray), or all of RGB."
)
_SHAVE = flags.DEFINE_integer(
    "shave",
    None,
    "Border left out, in pixels; by custom the factor of super-resolution. By "
    "default --bicubic, or else 4.",
    lower_bound=0,
)
_ROUND_LUMA = flags.DEFINE_bool(
    "round_luma", True, "Whether luma is rounded to 8 bits, as in MATLAB."
)
_CROP = flags.DEFINE_bool(
    "crop",
    False,
    "Cut a reference to the top left part that has its picture's size, where "
    "it is larger: results of super-resolution are multiples of the factor.",
)
_OUTPUT = flags.DEFINE_string("output", "evaluation", "Folder to write to.")

flags.adopt_module_key_flags(heatmaps)

_WORST, _WINDOW = 6, 192
_GAIN = 2.0


class Score(NamedTuple):
    """What was measured of one picture."""

    name: str
    psnr: float
    ssim: float
    ms_ssim: float | None  # None: too small for five scales.
    distances: tuple[float, ...] = ()  # Of --heatmap, if it was given.


Pair = tuple[str, np.ndarray, np.ndarray]


def main() -> None:
    if (_IMAGES.value is None) == (_BICUBIC.value is None):
        raise ValueError("Give either --images or --bicubic.")
    shave = _BICUBIC.value or 4 if _SHAVE.value is None else _SHAVE.value
    protocol = evaluation.Protocol(_PROTOCOL.value, shave, _ROUND_LUMA.value)
    references = _pictures(_REFERENCE.value)
    pair = _enlarged if _BICUBIC.value else _paired
    pairs = functools.partial(pair, references)
    maps = heatmaps.of_flags()
    scores, worst = [], []
    for name, true, pred in _shown(pairs(), len(references)):
        distances = tuple(one.measure(name, true, pred) for one in maps)
        score = _score(name, true, pred, protocol)
        scores.append(score._replace(distances=distances))
        worst.append((score.psnr, name, _closeup(true, pred)))
        worst = sorted(worst, key=lambda one: one[:2])[:_WORST]
    columns = [one.column for one in maps]
    _report(scores, columns, protocol)
    _write(scores, columns, protocol, [row for _, _, row in worst])
    for one in maps:
        folder = pathlib.Path(_OUTPUT.value, "heatmaps")
        one.write(_shown(pairs(), len(references)), folder)


def _shown(pairs: Iterator[Pair], number: int) -> Iterable[Pair]:
    """Returns the pairs, and shows how far one is."""
    return tqdm.tqdm(
        pairs,
        total=number,
        unit=" pictures",
        file=sys.stdout,
        disable=None,  # Where nobody looks on.
    )


def _pictures(folder: str) -> dict[str, pathlib.Path]:
    """Returns the pictures of a folder by their names."""
    if not pathlib.Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder.")
    known = Image.registered_extensions()
    paths = [
        path
        for path in sorted(pathlib.Path(folder).iterdir())
        if path.suffix.lower() in known
    ]
    found = {path.stem: path for path in paths}
    if not found:
        raise ValueError(f"{folder}: no pictures in it.")
    if len(found) < len(paths):
        raise ValueError(f"{folder}: two pictures have the same name.")
    return found


def _paired(references: dict[str, pathlib.Path]) -> Iterator[Pair]:
    """Yields every reference with the picture of its name."""
    pictures = _pictures(_IMAGES.value)
    lacking = sorted(set(references) ^ set(pictures))
    if lacking:
        raise ValueError(
            f"{_REFERENCE.value} and {_IMAGES.value} should hold pictures of "
            f"the same names. Only one holds: {', '.join(lacking[:5])}."
        )
    for name, path in references.items():
        true = images.read_as_is(path)
        pred = images.read_as_is(pictures[name])
        if _CROP.value:
            true = true[: pred.shape[0], : pred.shape[1]]
        if true.shape[:2] != pred.shape[:2]:
            raise ValueError(
                f"{name}: the reference is {true.shape[1]} x {true.shape[0]}, "
                f"the picture {pred.shape[1]} x {pred.shape[0]}; --crop cuts "
                "a larger reference."
            )
        if true.shape[2] < pred.shape[2]:  # Gray that was written as RGB.
            pred = np.asarray(Image.fromarray(pred).convert("L"))[..., None]
        yield name, true, np.broadcast_to(pred, true.shape)


def _enlarged(references: dict[str, pathlib.Path]) -> Iterator[Pair]:
    """Yields every reference with its bicubic reconstruction."""
    options = {
        "border": _BORDER.value,
        "round_between_passes": _ROUND_BETWEEN_PASSES.value,
    }
    factor = _BICUBIC.value
    for name, path in references.items():
        true = evaluation.crop_to_multiple(images.read_as_is(path), factor)
        height, width = true.shape[:2]
        if min(height, width) < factor:
            raise ValueError(f"{name}: smaller than {factor} x {factor}.")
        small = images.resize(
            true, height // factor, width // factor, **options
        )
        yield name, true, images.resize(small, height, width, **options)


def _score(
    name: str,
    true: np.ndarray,
    pred: np.ndarray,
    protocol: evaluation.Protocol,
) -> Score:
    try:
        psnr = evaluation.psnr(true, pred, protocol)
        ssim = evaluation.ssim(true, pred, protocol)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    a, b = (
        protocol.prepare(image)[None].astype(np.float32) / np.float32(255)
        for image in (true, pred)
    )
    large = min(a.shape[1:3]) >= losses.MSSSIMLoss.smallest_image
    return Score(
        name, psnr, ssim, float(losses.ms_ssim(a, b)[0]) if large else None
    )


def _closeup(true: np.ndarray, pred: np.ndarray) -> list[np.ndarray]:
    """Returns the worst window of a picture, beside its difference."""
    difference = np.abs(true.astype(np.float64) - pred).mean(axis=2)
    around = ndimage.uniform_filter(difference, _WINDOW // 4)
    where = np.unravel_index(np.argmax(around), around.shape)
    window = tuple(
        slice(start, start + _WINDOW)
        for start in (
            int(np.clip(place - _WINDOW // 2, 0, max(0, side - _WINDOW)))
            for place, side in zip(where, around.shape, strict=True)
        )
    )
    shown = np.clip(difference[window] * _GAIN, 0, 255).astype(np.uint8)
    return [
        np.broadcast_to(picture, (*picture.shape[:2], 3))
        for picture in (true[window], pred[window], shown[..., None])
    ]


def _mean(scores: list[Score]) -> Score:
    _, psnr, ssim, ms_ssim, distances = zip(*scores, strict=True)
    complete = None not in ms_ssim
    return Score(
        "mean",
        float(np.mean(psnr)),
        float(np.mean(ssim)),
        float(np.mean(ms_ssim)) if complete else None,
        tuple(float(mean) for mean in np.mean(distances, axis=0)),
    )


def _report(
    scores: list[Score], columns: list[str], protocol: evaluation.Protocol
) -> None:
    width = max(len(score.name) for score in scores) + 2
    more = "".join(f"{column:>12}  " for column in columns)
    print(f"{'':{width}}   PSNR dB     SSIM  MS-SSIM  {more}protocol")
    for name, psnr, ssim, ms_ssim, distances in (*scores, _mean(scores)):
        several = "      -" if ms_ssim is None else f"{ms_ssim:.5f}"
        more = "".join(
            f"{distance:>{max(12, len(column))}.6g}  "
            for column, distance in zip(columns, distances, strict=True)
        )
        print(
            f"{name:{width}} {psnr:9.5f}  {ssim:.5f}  {several}  "
            f"{more}{protocol}"
        )
    equal = sum(np.isinf(score.psnr) for score in scores)
    if equal:
        print(f"{equal} pictures equal their references: PSNR is infinite.")


def _write(
    scores: list[Score],
    columns: list[str],
    protocol: evaluation.Protocol,
    worst: list[list[np.ndarray]],
) -> None:
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([*Score._fields[:-1], *columns, "protocol"])
    writer.writerows(
        [*score[:-1], *score.distances, protocol]
        for score in (*scores, _mean(scores))
    )
    images.write_bytes(output / "scores.csv", table.getvalue().encode())
    images.write(output / "worst.png", images.contact_sheet(worst))
    print(f"Wrote scores.csv and worst.png to {output}")


if __name__ == "__main__":
    command.run(main)
