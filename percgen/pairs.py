"""Photographs to pairs of patches, small and large, for super-resolution.

Whole pictures are shrunk, exactly as `train.evaluate` shrinks them, and patches
cut out after: a patch that is shrunk by itself knows nothing of what lies
beyond its border.
"""

import itertools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from percgen import crops
from percgen import data
from percgen import degradation
from percgen import evaluation
from percgen import memory

Pair = tuple[np.ndarray, ...]  # The same, small and large.

_REMEMBERED = 2**30  # Bytes of whole pictures.
_DRAWS = 16
_LUMA_RANGE = 219.0  # From black to white.


class Pairs:
    """Patches of photographs as they are, and the same ones shrunk.

    Each is turned by 0, 90, 180 or 270 degrees and mirrored or not, at random.

    Args:
        photographs: Numbered. One smaller than a patch is skipped as those are
            that cannot be read, with a warning: the next takes its place.
        scale: How much smaller the small ones are.
        flattest: The least standard deviation of a patch's luma, where black is
            0 and white 1. A patch below it is drawn anew from its picture, but
            the 16th is taken as it is.
        degradations: What makes the small ones, of which each patch has one at
            random; the first one in panels.

    Raises:
        ValueError: If an argument is wrong, or the photographs have no numbers.
    """

    def __init__(
        self,
        photographs: data.Photographs,
        scale: int,
        flattest: float = 0.0,
        degradations: Sequence[degradation.Degradation] = (
            degradation.bicubic,
        ),
    ):
        if not isinstance(photographs, data.Numbered):
            raise ValueError(
                "Pairs of patches need --images: files or packs. "
                f"Received: {type(photographs).__name__}."
            )
        if scale < 1:
            raise ValueError(
                f"`scale` should be 1 or more. Received: {scale=}."
            )
        if not 0.0 <= flattest < 0.5:  # Half black, half white: .5.
            raise ValueError(
                "`flattest` should be in [0, 0.5). "
                f"Received: flattest={flattest}."
            )
        self.photographs, self.scale = photographs, scale
        self.flattest, self.degradations = flattest, degradations
        self._whole = memory.Memory(self._open, _REMEMBERED)
        self._too_small: set[int] = set()

    def batches(
        self, size: int, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns the batches of steps `start` to `stop`.

        Each is a pure function of the seed and of its step: small patches
        `[batch_size, size / scale, size / scale, 3]` and large ones
        `[batch_size, size, size, 3]`, float32 RGB in [0, 1].

        Raises:
            ValueError: If `size` does not divide by the scale, or no picture
                is large enough.
        """
        self._check(size)
        order = crops.Order(len(self.photographs), seed)
        sides = (size // self.scale, size)

        def load(position: np.int64) -> Pair:
            random = np.random.default_rng([seed, 5, int(position)])
            for number in order.at(int(position)):
                whole = self._find(number, size)
                if whole is not None:
                    return self._draw(whole, size, random)
            raise ValueError("No picture can be read any more.")

        def load_one(position: tf.Tensor) -> tuple[tf.Tensor, ...]:
            pair = tf.numpy_function(load, [position], [tf.float32, tf.float32])
            return tuple(
                tf.ensure_shape(patch, [side, side, 3])
                for patch, side in zip(pair, sides, strict=True)
            )

        positions = tf.data.Dataset.range(start * batch_size, stop * batch_size)
        return crops.in_batches(positions, load_one, batch_size)

    def panel(self, count: int, size: int) -> Pair:
        """Returns the same few patches always, the middles of pictures.

        Like batches of `count`, but neither turned nor mirrored.

        Raises:
            ValueError: As `batches`.
        """
        self._check(size)
        numbers = range(len(self.photographs))
        stride = max(1, len(numbers) // count)
        found = (
            self._find(number, size)
            for number in itertools.chain(
                numbers[::stride], itertools.cycle(numbers)
            )
        )
        wholes = itertools.islice(filter(None, found), count)
        patches = [self._middle(whole, size) for whole in wholes]
        small, large = (np.stack(x) for x in zip(*patches, strict=True))
        return small, large

    def _check(self, size: int) -> None:
        if size < self.scale or size % self.scale:
            raise ValueError(
                f"The size of patches should divide by {self.scale}, the "
                f"scale. Received: size={size}."
            )
        count, size_of = len(self.photographs), self.photographs.size
        # Here, as an error in the pipeline may hang the process.
        if not any(
            min(size_of(number)) >= size and self._find(number, size)
            for number in range(count)
        ):
            width, height = max(map(size_of, range(count)), key=min)
            raise ValueError(
                f"Of {count} pictures none has a patch of {size} x {size} "
                f"pixels. The largest has {width} x {height}."
            )

    def _find(self, number: int, size: int) -> memory.Arrays | None:
        """Returns a whole picture, or None, with a warning, if none fits."""
        whole = self._whole(number)
        if whole is None or min(whole[-1].shape[:2]) >= size:
            return whole
        if number not in self._too_small:
            name = self.photographs.name(number)
            logging.warning("Skipped %s: below %d x %d.", name, size, size)
            self._too_small.add(number)
        return None

    def _open(self, number: int) -> memory.Arrays | None:
        """Returns a whole picture: by each degradation, then as it is."""
        image = self.photographs.open(number)
        if image is None:
            return None
        large = evaluation.crop_to_multiple(np.asarray(image), self.scale)
        if not large.size:
            return (large,)
        small = (shrink(large, self.scale) for shrink in self.degradations)
        return *small, large

    def _draw(
        self, whole: memory.Arrays, size: int, random: np.random.Generator
    ) -> Pair:
        quarters, mirrored = random.integers([4, 2])
        room = np.array(whole[0].shape[:2]) - size // self.scale
        for _ in range(_DRAWS):
            top, left = random.integers(room, endpoint=True)
            *smalls, large = self._cut(whole, top, left, size)
            if not self.flattest or _deviation(large) >= self.flattest:
                break
        small = smalls[random.integers(len(smalls))]
        small, large = (np.rot90(x, quarters) for x in (small, large))
        step = -1 if mirrored else 1
        return _floats(small[:, ::step]), _floats(large[:, ::step])

    def _middle(self, whole: memory.Arrays, size: int) -> Pair:
        height, width = whole[0].shape[:2]
        side = size // self.scale
        top, left = (height - side) // 2, (width - side) // 2
        small, *_, large = self._cut(whole, top, left, size)
        return _floats(small), _floats(large)

    def _cut(
        self, whole: memory.Arrays, top: int, left: int, size: int
    ) -> memory.Arrays:
        """Cuts at a place that is given in pixels of the small picture."""
        *smalls, large = whole
        side = size // self.scale
        return (
            *(small[top:, left:][:side, :side] for small in smalls),
            large[top * self.scale :, left * self.scale :][:size, :size],
        )


def _deviation(patch: np.ndarray) -> float:
    luma = evaluation.luma(patch, rounded=False)
    return float(luma.std()) / _LUMA_RANGE


def _floats(patch: np.ndarray) -> np.ndarray:
    return patch.astype(np.float32) / np.float32(255.0)
