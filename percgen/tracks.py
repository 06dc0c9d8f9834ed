"""Pairs of patches, the second what the first looks like later in the film.

Reference:
    Wang and Gupta, "Unsupervised learning of visual representations using
    videos", ICCV 2015, section 3.
"""

import itertools
import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from scipy import ndimage
from skimage import feature

from percgen import data
from percgen import film
from percgen import patches

Place = tuple[int, int]  # Top and left of a patch, in pixels.

_LONGEST = 15  # Frames that a patch is followed for, at most.
_CANDIDATES = 8
_LOST = 0.5  # The correlation below which a patch is no longer itself.


class SyntheticTracks:
    """Pairs of patches as two cameras might see them, at other times of day.

    Our stand-in for patches tracked through video, from still photographs. Each
    of the two is moved by up to a fifth of its side, scaled by .5 to 2,
    rotated by up to 15 degrees, mirrored in one case of two, blurred, and lit
    and coloured in another way: far more than from frame to frame, or colours
    alone would tell what belongs together. Nothing moves by itself, as things
    in video do.

    Args:
        photographs: Where patches come from.
        size: Side of a patch, in pixels.
    """

    def __init__(self, photographs: data.Photographs, size: int):
        self.photographs, self.size = photographs, size

    def batches(
        self, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns the pairs `[B, 2, S, S, 3]` of the steps."""
        # Room to be moved, scaled and rotated in.
        side = math.ceil(2.9 * self.size)
        crops = self.photographs.batches(side, batch_size, seed, start, stop)
        shape = (2, self.size, self.size, 3)
        return patches.each_step(crops, self._pair, seed, start, shape)

    def _pair(
        self, crop: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        crop = np.round(crop * 255.0).astype(np.uint8)
        pair = [self._seen(crop, random) for _ in range(2)]
        return np.stack(pair).astype(np.float32)

    def _seen(
        self, crop: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        patch = patches.moved(
            crop,
            self.size,
            shift=random.uniform(-0.2, 0.2, 2) * self.size,
            scale=2.0 ** random.uniform(-1.0, 1.0),
            degrees=random.uniform(-15.0, 15.0),
        )
        if random.random() < 0.5:
            patch = patch[:, ::-1]
        patch = patches.other_light(patch, random, power=2.0)
        if random.random() < 0.2:
            patch = patch.mean(axis=2, keepdims=True).repeat(3, axis=2)
        return ndimage.gaussian_filter(
            patch, random.uniform(0.0, 1.5), axes=(0, 1)
        )


class VideoTracks:
    """Pairs of patches, the second where the first went in a film.

    Of a few places in a random frame the one is taken that changes most until
    the next frame. It is followed for 1 to 15 frames, drawn at random, or until
    it is lost. Differs from Wang and Gupta, who choose by the motion of SURF
    points and follow with a KCF tracker (recalled).

    Args:
        photographs: The frames of one film in the order of their names.
        size: Side of a patch, in pixels.

    Raises:
        ValueError: If they are not files, fewer than two, of different sizes or
            smaller than a patch.
    """

    def __init__(self, photographs: data.Photographs, size: int):
        if not isinstance(photographs, data.Files):
            raise ValueError(
                "Tracking needs --images, the frames of one film. "
                f"Received: {type(photographs).__name__}."
            )
        self.film, self.size = film.Film(photographs), size
        if min(self.film.size) < size:
            width, height = self.film.size
            raise ValueError(
                f"Frames should be no smaller than patches, {size} x {size}. "
                f"Received: {width} x {height}."
            )

    def batches(
        self, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns the pairs `[B, 2, S, S, 3]` of the steps."""
        places = tf.data.Dataset.range(start * batch_size, stop * batch_size)
        return patches.each_step(
            places.batch(batch_size, drop_remainder=True),
            lambda _, random: self._pair(random),
            seed,
            start,
            (2, self.size, self.size, 3),
        )

    def _pair(self, random: np.random.Generator) -> np.ndarray:
        last = len(self.film) - 1
        gap = int(random.integers(1, min(_LONGEST, last), endpoint=True))
        start = int(random.integers(last - gap, endpoint=True))
        frames = (self.film[start + passed] for passed in range(gap + 1))
        first, second = next(frames), next(frames)
        place = self._liveliest(first, second, random)
        patch = _cut(first, place, self.size)
        later, _ = follow(patch, place, itertools.chain([second], frames))
        return np.stack([patch, later]).astype(np.float32) / np.float32(255.0)

    def _liveliest(
        self, first: np.ndarray, second: np.ndarray, random: np.random.Generator
    ) -> Place:
        room = np.array(first.shape[:2]) - self.size
        places = random.integers(room, size=(_CANDIDATES, 2), endpoint=True)
        change = [
            np.abs(
                _cut(first, place, self.size).astype(int)
                - _cut(second, place, self.size)
            ).mean()
            for place in places
        ]
        top, left = places[np.argmax(change)]
        return int(top), int(left)


def follow(
    patch: np.ndarray, place: Place, frames: Iterable[np.ndarray]
) -> tuple[np.ndarray, Place]:
    """Follows a patch by normalised cross-correlation.

    In each frame it is looked for within a quarter of its side around where it
    was before, until it is lost.

    Args:
        patch: uint8 `[S, S, 3]`.
        place: Its top and left.
        frames: What comes after it, uint8 `[H, W, 3]` each.

    Returns:
        What it looks like when last seen, and where.
    """
    size = len(patch)
    template, later = _gray(patch), patch
    for frame in frames:
        top, left = (max(0, x - size // 4) for x in place)
        bottom, right = (x + size + size // 4 for x in place)
        window = _gray(frame[top:bottom, left:right])
        match = feature.match_template(window, template)
        row, column = np.unravel_index(np.argmax(match), match.shape)
        if match[row, column] < _LOST:
            break
        place = top + int(row), left + int(column)
        later = _cut(frame, place, size)
    return later, place


def _cut(frame: np.ndarray, place: Place, size: int) -> np.ndarray:
    top, left = place
    return frame[top : top + size, left : left + size]


def _gray(frame: np.ndarray) -> np.ndarray:
    return frame.mean(axis=2)
