"""What a served generator answers to, guarded against every stray request.

TensorFlow Serving does not compare a request with the signature's shape: an
unguarded convolution that is fed one picture without its batch axis ends the
whole server. So every signature checks shape and size first, and reads the size
of a coded picture from its header before a pixel is decoded. A refused request
gets INVALID_ARGUMENT and the reason.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PNG_HEADER = 33  # Bytes of the mark and the first chunk.


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


DEFAULT_LIMITS = Limits()


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function from tensors to a dict of tensors, and what it takes."""

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: list[tf.TensorSpec]


def make(generator: keras.Model, limits: Limits) -> dict[str, Signature]:
    """Returns the signatures of a generator of pictures.

    `serving_default` takes `image_bytes`, `[B]` PNG or JPEG files of any sizes,
    and optionally `jpeg_quality`, `[B]` or `[1]`: 0, the default, answers with
    PNG, 1 to 100 with JPEG. It gives `image_bytes`, `[B]`. Transparent pixels
    count as lying over white.

    `pixels` takes and gives `images`, uint8 RGB `[B, H, W, 3]`, of no more
    pixels together than one picture may have.
    """
    as_png = tf.constant([0])

    def paint(images: tf.Tensor) -> tf.Tensor:
        painted = generator(tf.cast(images, tf.float32) / 255.0, training=False)
        return tf.cast(
            tf.clip_by_value(painted, 0.0, 1.0) * 255.0 + 0.5, tf.uint8
        )

    def serving_default(
        image_bytes: tf.Tensor, jpeg_quality: Any = as_png
    ) -> dict[str, tf.Tensor]:
        image_bytes = _check_batch(tf.ensure_shape(image_bytes, [None]), limits)
        quality = _one_for_each(
            tf.ensure_shape(jpeg_quality, [None]), image_bytes
        )

        def one(item: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            image = _decode(item[0], limits)
            return _encode(paint(image[None])[0], item[1])

        painted = tf.map_fn(
            one,
            (image_bytes, quality),
            fn_output_signature=tf.string,
            parallel_iterations=1,
        )
        return {"image_bytes": painted}

    def pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = _check_batch(
            tf.ensure_shape(images, [None, None, None, 3]), limits
        )
        shape = tf.shape(images, out_type=tf.int64)
        checks = [
            _check_size(shape[1], shape[2], limits),
            # Computed at once: together they may need the memory of one.
            tf.debugging.Assert(
                tf.reduce_prod(shape[:3]) <= limits.max_pixels,
                [f"batch too large: at most {limits.max_pixels} pixels in all"],
            ),
        ]
        with tf.control_dependencies(checks):
            images = tf.identity(images)
        return {"images": paint(images)}

    return {
        "serving_default": Signature(
            serving_default,
            [
                tf.TensorSpec([None], tf.string, name="image_bytes"),
                tf.TensorSpec([None], tf.int32, name="jpeg_quality"),
            ],
        ),
        "pixels": Signature(
            pixels,
            [tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")],
        ),
    }


def _check_batch(batch: tf.Tensor, limits: Limits) -> tf.Tensor:
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


def _one_for_each(quality: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    given, wanted = tf.size(quality), tf.size(images)
    fits = tf.debugging.Assert(
        (given == 1) | (given == wanted),
        ["jpeg_quality should hold one number, or one for each image"],
    )
    with tf.control_dependencies([fits]):
        return tf.broadcast_to(quality, tf.shape(images))


def _check_size(
    height: tf.Tensor, width: tf.Tensor, limits: Limits
) -> tf.Operation:
    most = tf.constant(limits.max_pixels, tf.int64)
    low, high = tf.minimum(height, width), tf.maximum(height, width)
    return tf.group(
        tf.debugging.Assert(
            low >= limits.smallest,
            [
                "image too small: at least "
                f"{limits.smallest} x {limits.smallest} pixels"
            ],
        ),
        # The longer side too, lest the product of a forged header overflow.
        tf.debugging.Assert(
            (high <= most) & (height * width <= most),
            [f"image too large: at most {limits.max_pixels} pixels"],
        ),
    )


def _decode(content: tf.Tensor, limits: Limits) -> tf.Tensor:
    """Returns uint8 `[H, W, 3]` of one PNG or JPEG file."""
    is_png = tf.equal(tf.strings.substr(content, 0, len(_PNG)), _PNG)
    is_jpeg = tf.equal(tf.strings.substr(content, 0, len(_JPEG)), _JPEG)
    known = tf.debugging.Assert(
        is_png | is_jpeg, ["only PNG and JPEG are accepted"]
    )
    with tf.control_dependencies([known]):
        content = tf.identity(content)
    height, width = tf.cond(
        is_png, lambda: _png_size(content), lambda: _jpeg_size(content)
    )
    with tf.control_dependencies([_check_size(height, width, limits)]):
        content = tf.identity(content)
    image = tf.cond(
        is_png,
        lambda: _over_white(tf.io.decode_png(content, channels=4)),
        lambda: tf.io.decode_jpeg(
            content, channels=3, dct_method="INTEGER_ACCURATE"
        ),
    )
    return tf.ensure_shape(image, [None, None, 3])


def _png_size(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    long_enough = tf.debugging.Assert(
        tf.strings.length(content) >= _PNG_HEADER, ["truncated PNG header"]
    )
    with tf.control_dependencies([long_enough]):
        header = tf.strings.substr(content, 16, 8)
    digits = tf.cast(tf.io.decode_raw(header, tf.uint8), tf.int64)
    width, height = tf.unstack(
        tf.linalg.matvec(
            tf.reshape(digits, [2, 4]),
            tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64),
        )
    )
    return height, width


def _jpeg_size(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.cast(tf.io.extract_jpeg_shape(content), tf.int64)
    return shape[0], shape[1]


def _over_white(rgba: tf.Tensor) -> tf.Tensor:
    rgba = tf.cast(rgba, tf.float32)
    opacity = rgba[..., 3:] / 255.0
    image = rgba[..., :3] * opacity + 255.0 * (1.0 - opacity)
    return tf.cast(image + 0.5, tf.uint8)


def _encode(image: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    legal = tf.debugging.Assert(
        (quality >= 0) & (quality <= 100),
        ["jpeg_quality should be 0 (PNG) or 1 to 100"],
    )
    with tf.control_dependencies([legal]):
        quality = tf.identity(quality)
    # PNG compression of 1: the default takes 15 times as long for 17 % less.
    return tf.cond(
        tf.equal(quality, 0),
        lambda: tf.io.encode_png(image, compression=1),
        lambda: tf.raw_ops.EncodeJpegVariableQuality(
            images=image, quality=quality
        ),
    )
