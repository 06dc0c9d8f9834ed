"""What a request may hold, checked inside a graph."""

import dataclasses

import tensorflow as tf

from percgen import coded_pictures


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Args:
        max_pixels: Height times width of a picture.
        max_batch: Pictures of one request.
        smallest: Least height and width.

    Raises:
        ValueError: If no picture could meet them.
    """

    max_pixels: int = 2048 * 2048
    max_batch: int = 8
    smallest: int = 16

    def __post_init__(self) -> None:
        if self.max_batch < 1 or self.max_pixels < self.smallest**2:
            raise ValueError(
                "`max_batch` should be at least 1 and `max_pixels` at least "
                f"`smallest` squared. Received: {self}."
            )

    def halved(self) -> "Limits":
        """Returns those of pictures that come with another of their size."""
        most = max(self.max_pixels // 2, self.smallest**2)
        return dataclasses.replace(self, max_pixels=most)


def check_pixels(images: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Returns uint8 pictures `[B, H, W, 3]`, if they are within limits."""
    images = check_batch(tf.ensure_shape(images, [None, None, None, 3]), limits)
    shape = tf.shape(images, out_type=tf.int64)
    checks = [
        coded_pictures.check_size(
            shape[1], shape[2], limits.smallest, limits.max_pixels
        ),
        # Computed at once: together they may need the memory of one.
        tf.debugging.Assert(
            tf.reduce_prod(shape[:3]) <= limits.max_pixels,
            [f"batch too large: at most {limits.max_pixels} pixels in all"],
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(images)


def check_batch(batch: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Returns a batch of anything, if it is neither empty nor too large."""
    size = tf.shape(batch)[0]
    checks = [
        tf.debugging.Assert(size > 0, ["no image"]),
        tf.debugging.Assert(
            size <= limits.max_batch,
            [f"batch too large: at most {limits.max_batch} images"],
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(batch)


def one_for_each(name: str, given: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Returns one row for each image, of as many or of one."""
    count, wanted = tf.shape(given)[0], tf.shape(images)[0]
    fits = tf.debugging.Assert(
        (count == 1) | (count == wanted),
        [f"{name} should hold one {_row(given)}, or one for each image"],
    )
    with tf.control_dependencies([fits]):
        return tf.broadcast_to(
            given, tf.concat([[wanted], tf.shape(given)[1:]], 0)
        )


def _row(given: tf.Tensor) -> str:
    return "number" if given.shape.rank == 1 else "row"
