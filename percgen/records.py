"""Photographs of TensorFlow Datasets."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from percgen import crops
from percgen import images

_SHUFFLE_BUFFER = 2048
_FEATURES = ("image", "hr")  # Of pictures; the first that is.


class Records:
    """Photographs of a TensorFlow Datasets data set.

    Resuming reads past the records of the steps before, without decoding them.

    Args:
        name: A data set with a feature `image`, such as `"coco/2017"`, or else
            `hr`, such as `"div2k"`; or a folder: one that `tfds` has prepared,
            or one in the layout of `tfds.ImageFolder` (`train/label/x.jpg`).
        split: Of the data set.

    Raises:
        ValueError: If it does not exist, cannot be had or holds no pictures.
    """

    def __init__(self, name: str, split: str = "train"):
        self.name, self.split = name, split
        self._builder = _builder(name)
        self._feature = _feature(self._builder)
        if split not in self._builder.info.splits:
            raise ValueError(
                f"Data set {name!r} has no split {split!r}. It has: "
                f"{', '.join(self._builder.info.splits) or 'none'}."
            )

    def __len__(self) -> int:
        return self._builder.info.splits[self.split].num_examples

    def encoded(self) -> Iterator[bytes]:
        """Yields the files of all pictures, as they are stored."""
        yield from self._records().as_numpy_iterator()

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns batches, as `data.Photographs` says."""

        def load(position: np.int64, record: bytes) -> np.ndarray:
            image = images.open_rgb(record)
            return crops.cut(image, size, seed, int(position))

        records = self._records().shuffle(_SHUFFLE_BUFFER, seed).repeat()
        records = records.take(stop * batch_size).skip(start * batch_size)
        return crops.batches(
            records.enumerate(start * batch_size), load, size, batch_size
        )

    def panel(self, count: int, size: int) -> np.ndarray:
        """Returns the same pictures always, `[count, size, size, 3]`."""
        records = self._records().take(count).as_numpy_iterator()
        return crops.panel(map(images.open_rgb, records), size)

    def shorter_sides(self) -> list[int]:
        """Returns none: records are read to be decoded."""
        return []

    def _records(self) -> tf.data.Dataset:
        import tensorflow_datasets as tfds

        decoders = {self._feature: tfds.decode.SkipDecoding()}
        records = self._builder.as_dataset(split=self.split, decoders=decoders)
        return records.map(lambda record: record[self._feature])


def labelled(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns all pictures of a split, `[N, H, W, 3]` uint8, and their labels.

    Args:
        name: As of `Records`.
        split: Of the data set.

    Raises:
        ValueError: As `Records`, or if pictures have no labels or several
            sizes.
    """
    import tensorflow_datasets as tfds

    builder = Records(name, split)._builder
    if "label" not in builder.info.features:
        raise ValueError(
            f"Data set {name!r} has no feature `label`. It has: "
            f"{', '.join(builder.info.features)}."
        )
    records = list(tfds.as_numpy(builder.as_dataset(split=split)))
    if len(sizes := {record["image"].shape for record in records}) != 1:
        raise ValueError(
            f"Pictures of data set {name!r} should have one size. "
            f"Received: {sorted(sizes)}."
        )
    pictures, labels = zip(
        *((record["image"], record["label"]) for record in records),
        strict=True,
    )
    return np.stack(pictures), np.stack(labels)


def _builder(name: str) -> Any:
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
    if not _feature(builder):
        raise ValueError(
            f"Data set {name!r} has no feature `image`, nor `hr`. It has: "
            f"{', '.join(builder.info.features)}."
        )
    return builder


def _feature(builder: Any) -> str:
    """Returns the name of its pictures, or nothing."""
    held = builder.info.features
    return next((name for name in _FEATURES if name in held), "")
