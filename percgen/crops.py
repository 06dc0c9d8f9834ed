"""Squares of pictures, in batches that the seed and the step alone decide."""

import contextlib
import contextvars
import functools
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from percgen import images

# Which part of each batch is loaded, and of how many.
_part: contextvars.ContextVar[tuple[int, int]] = contextvars.ContextVar(
    "part", default=(0, 1)
)


class Order:
    """The order in which pictures are seen: each once an epoch.

    Args:
        count: Of the pictures.
        seed: Of their order, another one in each epoch.
    """

    def __init__(self, count: int, seed: int):
        self._count = count
        self._epoch = functools.lru_cache(maxsize=2)(
            lambda epoch: np.random.default_rng([seed, epoch]).permutation(
                count
            )
        )

    def at(self, position: int) -> Iterator[int]:
        """Yields the picture of a position, then those to take its place."""
        for candidate in range(position, position + 2 * self._count):
            epoch, place = divmod(candidate, self._count)
            yield int(self._epoch(epoch)[place])


def cut(image: Image.Image, size: int, seed: int, position: int) -> np.ndarray:
    """Cuts a random square of at least `size`, where the picture has it.

    Args:
        image: RGB. One smaller than `size` is enlarged.
        size: Side of the result, in pixels.
        seed: Of all randomness, with the position.
        position: Of the square, in all that is ever cut.

    Returns:
        float32 in [0, 1], `[size, size, 3]`, mirrored in one case of two.
    """
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


def panel(opened: Iterable[Image.Image], size: int) -> np.ndarray:
    """Returns the middles of pictures, float32 in [0, 1], `[N, S, S, 3]`."""
    squares = [images.center_square(image, size) for image in opened]
    return np.stack([np.asarray(s, np.float32) / 255.0 for s in squares])


def drawn(
    count: int,
    open_: Callable[[int], Image.Image | None],
    size: int,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
) -> tf.data.Dataset:
    """Returns the batches of steps, as `data.Photographs` says, by numbers.

    Args:
        count: Of the pictures.
        open_: From a number to its picture, RGB. One that cannot be read, None,
            gives its place to the next.
        size: Side of the squares.
        batch_size: Of a step.
        seed: Of all randomness.
        start: First step.
        stop: The one after the last.
    """
    order = Order(count, seed)

    def load(position: np.int64) -> np.ndarray:
        for number in order.at(int(position)):
            image = open_(number)
            if image is not None:
                return cut(image, size, seed, int(position))
        raise ValueError("No picture can be read any more.")

    positions = tf.data.Dataset.range(start * batch_size, stop * batch_size)
    return batches(positions, load, size, batch_size)


def batches(
    positions: tf.data.Dataset,
    load: Callable[..., np.ndarray],
    size: int,
    batch_size: int,
) -> tf.data.Dataset:
    """Returns batches `[batch_size, size, size, 3]` of what `load` returns."""

    def load_one(*args: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(load, args, tf.float32)
        return tf.ensure_shape(image, [size, size, 3])

    return in_batches(positions, load_one, batch_size)


def in_batches(
    positions: tf.data.Dataset, load: Callable[..., tf.Tensor], batch_size: int
) -> tf.data.Dataset:
    """Returns batches of what a function of TensorFlow's makes of positions."""
    index, count = _part.get()
    if count > 1:
        size = batch_size // count
        first = index * size
        places = range(first, first + size)
        positions, load = _only(positions, load, places, batch_size)
    return (
        positions.map(load, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


@contextlib.contextmanager
def part(index: int, count: int) -> Iterator[None]:
    """Makes batches within it load one of their equal parts alone.

    Each of several machines that train together needs its own part. Batches
    keep their size: elsewhere they are zeros, which cost nothing.

    Args:
        index: Of the part.
        count: Of parts; batches have to divide by it.
    """
    token = _part.set((index, count))
    try:
        yield
    finally:
        _part.reset(token)


def _only(
    positions: tf.data.Dataset,
    load: Callable[..., tf.Tensor],
    places: range,
    batch_size: int,
) -> tuple[tf.data.Dataset, Callable[..., tf.Tensor]]:
    """Returns numbered positions, and what loads those of some places."""
    specs = positions.map(load).element_spec

    def load_some(number: tf.Tensor, element: tf.Tensor) -> tf.Tensor:
        element = element if isinstance(element, tuple) else (element,)
        place = number % batch_size
        return tf.cond(
            (place >= places.start) & (place < places.stop),
            lambda: load(*element),
            lambda: tf.nest.map_structure(
                lambda spec: tf.zeros(spec.shape, spec.dtype), specs
            ),
        )

    return positions.enumerate(), load_some
