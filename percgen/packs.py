"""Photographs packed into a few large files, read at any place.

A million small files are slow to list and slow to read. Packs are TFRecord
files of `tf.train.Example`, each with a picture's file, `image`, as it was, and
its `name`; so other tools read them, too.
"""

import itertools
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging
from google.protobuf import message
from PIL import Image

from percgen import crops
from percgen import images
from percgen import picture_files

# A record: its length, 8 bytes, a checksum of that, itself, and one of it.
_BEFORE, _AFTER = 12, 4


class Packed:
    """Photographs of packs; unreadable ones are skipped with a warning.

    Memory holds 12 bytes of each, whatever their number.

    Args:
        pattern: A glob of `.tfrecord` files, or several separated by commas.

    Raises:
        ValueError: If nothing matches, a file is no pack or is cut off, or
            there is no readable picture.
    """

    def __init__(self, pattern: str):
        self.paths = picture_files.matching(pattern)
        places = [np.fromiter(_places(x), np.int64) for x in self.paths]
        self._files = np.repeat(
            np.arange(len(places), dtype=np.int32), [len(x) for x in places]
        )
        self._places = np.concatenate(places)
        self._unreadable: set[int] = set()
        if not any(self.open(number) for number in range(len(self))):
            raise ValueError(f"{pattern!r}: no readable picture.")

    def __len__(self) -> int:
        return len(self._places)

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns batches, as `data.Photographs` says."""
        return crops.drawn(
            len(self), self.open, size, batch_size, seed, start, stop
        )

    def name(self, number: int) -> str:
        """Returns the path of a picture's file, before it was packed."""
        return self.read(number)[0]

    def size(self, number: int) -> tuple[int, int]:
        """Returns width and height by the header; 0 of what is broken."""
        try:
            return images.header_size(self.read(number)[1])
        except ValueError:
            return 0, 0

    def open(self, number: int) -> Image.Image | None:
        """Returns a picture, or None, with a warning, if it is unreadable."""
        if number in self._unreadable:
            return None
        name = f"picture {number}"
        try:
            name, content = self.read(number)
            return images.open_rgb(content)
        except ValueError as error:  # Of the pack, or of the picture.
            self._unreadable.add(number)
            logging.warning(
                "Skipped %s of %s: %s (%d so far)",
                name,
                self.paths[self._files[number]],
                error,
                len(self._unreadable),
            )
            return None

    def read(self, number: int) -> tuple[str, bytes]:
        """Returns the name and the bytes of a picture's file.

        Raises:
            ValueError: If the record is broken.
        """
        place = int(self._places[number])
        with open(self.paths[self._files[number]], "rb") as file:
            file.seek(place)
            length = int.from_bytes(file.read(8), "little")
            file.seek(place + _BEFORE)
            record = file.read(length)
        return _unpack(record)

    def panel(self, count: int, size: int) -> np.ndarray:
        """Returns the same pictures always, `[count, size, size, 3]`."""
        stride = max(1, len(self) // count)
        numbers = itertools.chain(range(0, len(self), stride), range(len(self)))
        opened = filter(None, map(self.open, itertools.cycle(numbers)))
        return crops.panel(itertools.islice(opened, count), size)

    def shorter_sides(self) -> Iterable[int]:
        """Yields them, by their headers; 0 of what is broken."""
        return (min(self.size(number)) for number in range(len(self)))


def write(
    pictures: Iterable[tuple[str, str | bytes]],
    count: int,
    folder: pathlib.Path,
    name: str,
    shards: int,
) -> Iterator[images.ImageError | None]:
    """Packs pictures in the order given; each is decoded once.

    Files come to be when all are whole: `NAME-00000-of-00016.tfrecord`, ...

    Args:
        pictures: Of each its name, and the path or the bytes of its file.
        count: How many they are, at least as many as shards.
        folder: Where packs go; it is made.
        name: Of them.
        shards: How many.

    Yields:
        For each picture what is wrong with it, which leaves it out; or None.

    Raises:
        OSError: If they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = [
        folder / f"{name}-{shard:05}-of-{shards:05}.tfrecord"
        for shard in range(shards)
    ]
    drafts = [path.with_name(f".{path.name}") for path in whole]
    try:
        dealt = itertools.groupby(
            enumerate(pictures), lambda numbered: numbered[0] * shards // count
        )
        for shard, group in dealt:
            with tf.io.TFRecordWriter(str(drafts[shard])) as writer:
                for _, (title, source) in group:
                    yield _add(writer, title, source)
        for draft, path in zip(drafts, whole, strict=True):
            os.replace(draft, path)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def shuffled(
    paths: Sequence[str], seed: int
) -> Iterator[tuple[str, str | bytes]]:
    """Yields files for `write`, in an order of their own."""
    for number in np.random.default_rng(seed).permutation(len(paths)):
        yield paths[number], paths[number]


def _add(
    writer: tf.io.TFRecordWriter, name: str, source: str | bytes
) -> images.ImageError | None:
    try:
        images.open_rgb(source)
    except images.ImageError as error:
        return error
    content = source
    if isinstance(source, str):
        content = pathlib.Path(source).read_bytes()
    values = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in (("image", content), ("name", name.encode()))
    }
    example = tf.train.Example(features=tf.train.Features(feature=values))
    writer.write(example.SerializeToString())
    return None


def _places(path: str) -> Iterator[int]:
    """Yields where records begin.

    Raises:
        ValueError: If it is no pack, or the beginning of one.
    """
    end, place = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while place < end:
            file.seek(place)
            length = int.from_bytes(file.read(8), "little")
            after = place + _BEFORE + length + _AFTER
            if after > end:
                raise ValueError(f"{path} is no pack of pictures, or cut off.")
            yield place
            place = after


def _unpack(record: bytes) -> tuple[str, bytes]:
    try:
        features = tf.train.Example.FromString(record).features.feature
    except message.DecodeError as error:
        raise ValueError("not a record of a pack") from error
    name, content = (
        b"".join(features[key].bytes_list.value) for key in ("name", "image")
    )
    return name.decode(errors="replace"), content
