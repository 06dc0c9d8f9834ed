r"""Packs pictures into a few large files, which are quick to read.

Example:
    python -m train.pack --images='photos/**/*.jpg' --output=packed/photos
    python -m train.stylize --images='packed/photos-*.tfrecord' ...
    python -m train.pack --tfds=div2k --output=packed/div2k
    python -m train.upscale --images='packed/div2k-*.tfrecord' ...

Of many thousands of files, or of those on another machine, reading is what
training waits for. Packs hold the files as they are, in an order of their own;
those of TensorFlow Datasets as the data set has them. What cannot be read is
named, counted and left out.
"""

import pathlib
import sys
from collections.abc import Iterable

import tqdm
from absl import flags
from absl import logging

from percgen import command
from percgen import data
from percgen import packs

_IMAGES = flags.DEFINE_string("images", None, "Glob; commas separate several.")
_TFDS = flags.DEFINE_string(
    "tfds",
    None,
    "Instead: TensorFlow Datasets name (or prepared folder).",
)
_TFDS_SPLIT = flags.DEFINE_string("tfds_split", "train", "Of the data set.")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "FOLDER/NAME: makes FOLDER/NAME-00000-of-00016.tfrecord, and so on.",
    required=True,
)
_SHARDS = flags.DEFINE_integer("shards", 16, "How many files.", 1, 99_999)
_SEED = flags.DEFINE_integer("seed", 0, "Of the order.", lower_bound=0)


def main() -> None:
    output = pathlib.Path(_OUTPUT.value)
    count, pictures = _pictures()
    if count < _SHARDS.value:
        raise ValueError(
            f"--shards={_SHARDS.value}: there are {count} pictures."
        )
    bad = 0
    for error in tqdm.tqdm(
        packs.write(pictures, count, output.parent, output.name, _SHARDS.value),
        total=count,
        unit="picture",
        file=sys.stdout,
    ):
        if error:
            bad += 1
            logging.warning("Left out %s", error)
    made = list(output.parent.glob(f"{output.name}-*-of-{_SHARDS.value:05}.*"))
    size = sum(path.stat().st_size for path in made)
    print(
        f"Packed {count - bad:,} pictures, {size / 1e6:,.1f} MB, into "
        f"{len(made)} files {output}-*.tfrecord; {bad} could not be read."
    )


def _pictures() -> tuple[int, Iterable[tuple[str, str | bytes]]]:
    """Returns how many pictures the flags name, and each for `packs.write`."""
    if bool(_IMAGES.value) == bool(_TFDS.value):
        raise ValueError("Give either --images or --tfds.")
    if _IMAGES.value:
        paths = data.Files(_IMAGES.value).paths
        return len(paths), packs.shuffled(paths, _SEED.value)
    records = data.Records(_TFDS.value, _TFDS_SPLIT.value)
    named = (
        (f"{_TFDS.value} {number}", content)
        for number, content in enumerate(records.encoded())
    )
    return len(records), named


if __name__ == "__main__":
    command.run(main)
