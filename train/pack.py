r"""Packs pictures into a few large files, which are quick to read.

Example:
    python -m train.pack --images='photos/**/*.jpg' --output=packed/photos
    python -m train.stylize --images='packed/photos-*.tfrecord' ...

Of many thousands of files, or of those on another machine, reading is what
training waits for. Packs hold the files as they are, in an order of their own.
What cannot be read is named, counted and left out.
"""

import pathlib
import sys

import tqdm
from absl import flags
from absl import logging

from percgen import command
from percgen import data
from percgen import packs

_IMAGES = flags.DEFINE_string(
    "images", None, "Glob; commas separate several.", required=True
)
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
    paths = data.Files(_IMAGES.value).paths
    if len(paths) < _SHARDS.value:
        raise ValueError(
            f"--shards={_SHARDS.value}: there are {len(paths)} pictures."
        )
    bad = 0
    for error in tqdm.tqdm(
        packs.write(
            paths, output.parent, output.name, _SHARDS.value, _SEED.value
        ),
        total=len(paths),
        unit="picture",
        file=sys.stdout,
    ):
        if error:
            bad += 1
            logging.warning("Left out %s", error)
    made = list(output.parent.glob(f"{output.name}-*-of-{_SHARDS.value:05}.*"))
    size = sum(path.stat().st_size for path in made)
    print(
        f"Packed {len(paths) - bad:,} pictures, {size / 1e6:,.1f} MB, into "
        f"{len(made)} files {output}-*.tfrecord; {bad} could not be read."
    )


if __name__ == "__main__":
    command.run(main)
