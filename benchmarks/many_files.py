r"""What very many photographs cost before the first step, and while training.

Example:
    python -m benchmarks.many_files \
        --output=benchmarks/results/many_files.md

Makes small pictures in a folder that goes in the end, and reads batches of
them: from files, and from packs of them (`train.pack`). Memory is read as Linux
tells it.
"""

import functools
import io
import pathlib
import tempfile
import time
from collections.abc import Callable

from percgen import command

command.import_tensorflow()

import numpy as np  # noqa: E402
import tqdm  # noqa: E402
from absl import flags  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks import load_server  # noqa: E402
from benchmarks import report  # noqa: E402
from percgen import data  # noqa: E402
from percgen import packs  # noqa: E402

_COUNT = flags.DEFINE_integer("count", 200_000, "Pictures.", lower_bound=1000)
_SIDE, _KINDS, _OF_A_FOLDER = 32, 50, 1000
_SHARDS, _BATCH, _STEPS = 16, 16, 200
_TEXT = """{count:,} PNG files of {side} x {side}, in folders of {folder:,}.
*Found*: seconds until they are listed, and the megabytes that the process has
more then. *First*: seconds to the first batch of {batch}. *Later*: megabytes
more after {steps} batches than after the first."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="many_files-") as name:
        folder = pathlib.Path(name)
        _make(folder / "files", _COUNT.value)
        rows = [_row("files", folder / "files", "**/*.png", data.Files)]
        _pack(folder)
        rows.append(_row("packs", folder, "*.tfrecord", data.Packed))
    report.write(
        "Very many photographs",
        f"python -m benchmarks.many_files --count={_COUNT.value}",
        _TEXT.format(
            count=_COUNT.value,
            side=_SIDE,
            folder=_OF_A_FOLDER,
            batch=_BATCH,
            steps=_STEPS,
        ),
        report.table(["", "found, s", "MB", "first, s", "later, MB"], rows),
    )


def _make(folder: pathlib.Path, count: int) -> None:
    random = np.random.default_rng(0)
    kinds = []
    for _ in range(_KINDS):
        stream = io.BytesIO()
        pixels = random.integers(256, size=(_SIDE, _SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        kinds.append(stream.getvalue())
    for number in tqdm.trange(count, desc="making", leave=False):
        inner = folder / f"{number // _OF_A_FOLDER:05}"
        if number % _OF_A_FOLDER == 0:
            inner.mkdir(parents=True)
        content = kinds[number % _KINDS]
        (inner / f"photograph_{number:07}.png").write_bytes(content)


def _pack(folder: pathlib.Path) -> None:
    paths = data.Files(f"{folder}/files/**/*.png").paths
    pictures = packs.shuffled(paths, 0)
    written = packs.write(pictures, len(paths), folder, "pack", _SHARDS)
    bad = list(filter(None, tqdm.tqdm(written, "packing", len(paths), False)))
    if bad:
        raise ValueError(f"{len(bad)} pictures could not be packed: {bad[0]}")


def _row(
    name: str, folder: pathlib.Path, pattern: str, find: Callable
) -> list[str]:
    memory = functools.partial(load_server.megabytes, "self")
    before, start = memory(), time.monotonic()
    found = find(f"{folder}/{pattern}")
    seconds, listed = time.monotonic() - start, memory() - before
    start = time.monotonic()
    batches = iter(found.batches(_SIDE, _BATCH, 0, 0, _STEPS))
    next(batches)
    first, since = time.monotonic() - start, memory()
    for _ in batches:
        pass
    later = memory() - since
    return [name, *(f"{x:.1f}" for x in (seconds, listed, first, later))]


if __name__ == "__main__":
    command.run(main)
