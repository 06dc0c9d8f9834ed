"""Photographs to batches: files, or TensorFlow Datasets.

A batch is a pure function of the seed and of the number of its step, so a run
that was killed goes on with the very pictures it would have seen.
"""

import functools
import glob
import itertools
import os
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import Protocol

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from percgen import images

_SHUFFLE_BUFFER = 2048


class Photographs(Protocol):
    """A source of photographs."""

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns the batches of steps `start` to `stop`.

        Each is float32 RGB in [0, 1], `[batch_size, size, size, 3]`: random
        square crops at a random scale, half of them mirrored, with the rounding
        to 8 bits made random too.
        """

    def panel(self, count: int, size: int) -> np.ndarray:
        """Returns the same few pictures always, `[count, size, size, 3]`."""


class Files:
    """Photographs in files; unreadable ones are skipped with a warning.

    Args:
        pattern: A glob, `**` included, or several separated by commas.

    Raises:
        ValueError: If nothing matches, or none of it is a readable picture.
    """

    def __init__(self, pattern: str):
        self.paths = sorted(
            path
            for part in pattern.split(",")
            for path in glob.glob(os.path.expanduser(part), recursive=True)
            if os.path.isfile(path)
        )
        if not self.paths:
            raise ValueError(f"No file matches {pattern!r}.")
        self._unreadable: set[str] = set()
        if not any(map(self.open, self.paths)):
            raise ValueError(
                f"None of the {len(self.paths)} files that match {pattern!r} "
                "is a readable picture."
            )

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        order = functools.lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([seed, epoch]).permutation(
                len(self.paths)
            )
        )

        def load(position: np.int64) -> np.ndarray:
            # A file that cannot be read gives its place to the next one.
            for candidate in range(position, position + 2 * len(self.paths)):
                epoch, place = divmod(candidate, len(self.paths))
                image = self.open(self.paths[order(epoch)[place]])
                if image is not None:
                    return _crop(image, size, seed, position)
            raise ValueError("No picture can be read any more.")

        positions = tf.data.Dataset.range(start * batch_size, stop * batch_size)
        return _batch(positions, load, size, batch_size)

    def open(self, path: str) -> Image.Image | None:
        """Returns a picture, or None, with a warning, if it is unreadable."""
        if path in self._unreadable:
            return None
        try:
            return images.open_rgb(path)
        except images.ImageError as error:
            logging.warning("Skipped %s", error)
            self._unreadable.add(path)
            return None

    def panel(self, count: int, size: int) -> np.ndarray:
        stride = max(1, len(self.paths) // count)
        opened = map(self.open, self.paths[::stride] + self.paths)
        readable = (image for image in opened if image is not None)
        return _panel(itertools.islice(readable, count), size)


class Records:
    """Photographs of a TensorFlow Datasets data set.

    Resuming reads past the records of the steps before, without decoding them.

    Args:
        name: A data set with an `image` feature, such as `"coco/2017"`, or a
            folder: one that `tfds` has prepared, or one in the layout of
            `tfds.ImageFolder` (`train/label/x.jpg`).
        split: Of the data set.

    Raises:
        ValueError: If it does not exist, cannot be had or holds no pictures.
    """

    def __init__(self, name: str, split: str = "train"):
        self.name, self.split = name, split
        self._builder = _tfds_builder(name)
        if split not in self._builder.info.splits:
            raise ValueError(
                f"Data set {name!r} has no split {split!r}. It has: "
                f"{', '.join(self._builder.info.splits) or 'none'}."
            )

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        def load(position: np.int64, record: bytes) -> np.ndarray:
            return _crop(images.open_rgb(record), size, seed, position)

        records = self._records().shuffle(_SHUFFLE_BUFFER, seed).repeat()
        records = records.take(stop * batch_size).skip(start * batch_size)
        return _batch(
            records.enumerate(start * batch_size), load, size, batch_size
        )

    def panel(self, count: int, size: int) -> np.ndarray:
        records = self._records().take(count).as_numpy_iterator()
        return _panel(map(images.open_rgb, records), size)

    def _records(self) -> tf.data.Dataset:
        import tensorflow_datasets as tfds

        decoders = {"image": tfds.decode.SkipDecoding()}
        records = self._builder.as_dataset(split=self.split, decoders=decoders)
        return records.map(lambda record: record["image"])


def photographs(pattern: str | None, tfds_name: str | None) -> Photographs:
    """Returns the photographs of a glob, or of a TensorFlow Datasets name.

    Raises:
        ValueError: If not exactly one is given, or it holds no pictures.
    """
    if bool(pattern) == bool(tfds_name):
        raise ValueError("Give either --images or --tfds.")
    return Files(pattern) if pattern else Records(str(tfds_name))


def _tfds_builder(name: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        if not os.path.isdir(name):
            builder = tfds.builder(name)
            builder.download_and_prepare()
        elif os.path.exists(os.path.join(name, "dataset_info.json")):
            builder = tfds.builder_from_directory(name)
        else:
            builder = tfds.ImageFolder(name)
    except Exception as error:  # tfds raises a class of its own for each cause.
        reason = " ".join(str(error).split())
        raise ValueError(f"Cannot get data set {name!r}: {reason}") from error
    if "image" not in builder.info.features:
        raise ValueError(
            f"Data set {name!r} has no feature `image`. It has: "
            f"{', '.join(builder.info.features)}."
        )
    return builder


def _batch(
    positions: tf.data.Dataset,
    load: Callable[..., np.ndarray],
    size: int,
    batch_size: int,
) -> tf.data.Dataset:
    def load_one(*args: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(load, args, tf.float32)
        return tf.ensure_shape(image, [size, size, 3])

    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return (
        positions.map(load_one, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )


def _crop(
    image: Image.Image, size: int, seed: int, position: np.int64
) -> np.ndarray:
    """Cuts a random square of at least `size`, where the picture has it."""
    random = np.random.default_rng([seed, 1, int(position)])
    short = min(image.size)
    side = int(random.integers(min(size, short), short, endpoint=True))
    left = int(random.integers(0, image.width - side, endpoint=True))
    top = int(random.integers(0, image.height - side, endpoint=True))
    square = image.resize(
        (size, size),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    # A number anywhere in the step that it was rounded to: a crop of one colour
    # would have no variance, so that each instance norm of a generator would
    # multiply the gradient by 1 / sqrt(epsilon); fifteen of them overflow.
    pixels = np.asarray(square, np.float32)
    pixels = pixels + random.random(pixels.shape, np.float32) - 0.5
    pixels = np.clip(pixels / 255.0, 0.0, 1.0)
    return pixels[:, ::-1] if random.random() < 0.5 else pixels


def _panel(opened: Iterable[Image.Image], size: int) -> np.ndarray:
    squares = [images.center_square(image, size) for image in opened]
    return np.stack([np.asarray(s, np.float32) / 255.0 for s in squares])
