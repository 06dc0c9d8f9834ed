"""What a served generator answers to, guarded against every stray request.

TensorFlow Serving does not compare a request with the signature's shape: an
unguarded convolution that is fed one picture without its batch axis ends the
whole server. So every signature checks shape and size first, and reads the size
of a coded picture from its header before a pixel is decoded. A refused request
gets INVALID_ARGUMENT and the reason.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from percgen import about
from percgen import coded_pictures
from percgen import context
from percgen import painting
from percgen import request_checks
from percgen.request_checks import Limits as Limits

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
    count as lying over white. A PNG of 16 bits is answered with one of 16 bits.

    `pixels` takes and gives `images`, uint8 RGB `[B, H, W, 3]`, of no more
    pixels together than one picture may have.

    Of a network that paints, one with `styles`, both also take the inputs of
    `painting.Wishes`, each one row or one for each picture.

    Where such a network normalizes each picture by itself, `part` takes parts
    of a picture as `image_bytes`, and in place of `jpeg_quality`
    `context_bytes`, `[1]`: the whole picture, made as small as a part, by which
    they are normalized (`context`).

    `about` tells what `about.make` says.
    """
    served = (
        _of_painter(generator, limits)
        if hasattr(generator, "styles")
        else _of_another(generator, limits)
    )
    told = about.make(
        generator, "part" in served, limits.smallest, limits.max_pixels
    )
    return {**served, "about": Signature(told, about.SPECS)}


def _of_another(generator: keras.Model, limits: Limits) -> dict[str, Signature]:
    as_png = _as_png()

    def paint(images: tf.Tensor, _: Sequence[tf.Tensor]) -> tf.Tensor:
        return generator(images, training=False)

    def serving_default(
        image_bytes: tf.Tensor, jpeg_quality: Any = as_png
    ) -> dict[str, tf.Tensor]:
        return _answer(paint, image_bytes, jpeg_quality, {}, limits)

    def pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return _answer_pixels(
            paint, request_checks.check_pixels(images, limits), ()
        )

    return {
        "serving_default": Signature(serving_default, _CODED),
        "pixels": Signature(pixels, _PIXELS),
    }


def _of_painter(generator: keras.Model, limits: Limits) -> dict[str, Signature]:
    wishes = painting.Wishes(generator.styles)
    as_png = _as_png()
    weights, full, no = map(tf.constant, wishes.defaults.values())

    def paint(images: tf.Tensor, wished: Sequence[tf.Tensor]) -> tf.Tensor:
        return painting.paint(generator, images, *wished)

    def serving_default(
        image_bytes: tf.Tensor,
        jpeg_quality: Any = as_png,
        style_weights: Any = weights,
        strength: Any = full,
        preserve_color: Any = no,
    ) -> dict[str, tf.Tensor]:
        wished = wishes.check(
            style_weights=style_weights,
            strength=strength,
            preserve_color=preserve_color,
        )
        return _answer(paint, image_bytes, jpeg_quality, wished, limits)

    def pixels(
        images: tf.Tensor,
        style_weights: Any = weights,
        strength: Any = full,
        preserve_color: Any = no,
    ) -> dict[str, tf.Tensor]:
        images = request_checks.check_pixels(images, limits)
        wished = wishes.check(
            style_weights=style_weights,
            strength=strength,
            preserve_color=preserve_color,
        )
        rows = [
            request_checks.one_for_each(k, x, images) for k, x in wished.items()
        ]
        return _answer_pixels(paint, images, rows)

    return {
        "serving_default": Signature(serving_default, [*_CODED, *wishes.specs]),
        "pixels": Signature(pixels, [*_PIXELS, *wishes.specs]),
        **_of_follower(generator, wishes, limits),
    }


def _of_follower(
    generator: keras.Model, wishes: painting.Wishes, limits: Limits
) -> dict[str, Signature]:
    follower = context.following(generator)
    if follower is None:
        return {}
    weights, full, no = map(tf.constant, wishes.defaults.values())
    # Two pictures at once: together they may need the memory of one.
    halved = limits.halved()

    def part(
        image_bytes: tf.Tensor,
        context_bytes: tf.Tensor,
        style_weights: Any = weights,
        strength: Any = full,
        preserve_color: Any = no,
    ) -> dict[str, tf.Tensor]:
        wished = wishes.check(
            style_weights=style_weights,
            strength=strength,
            preserve_color=preserve_color,
        )
        (whole,) = tf.unstack(tf.ensure_shape(context_bytes, [1]))
        whole, _ = coded_pictures.decode(
            whole, halved.smallest, halved.max_pixels
        )

        def paint(images: tf.Tensor, wished: Sequence[tf.Tensor]) -> tf.Tensor:
            fits = tf.debugging.Assert(
                tf.reduce_all(tf.shape(images)[1:] == tf.shape(whole)),
                ["context_bytes should be of the size of image_bytes"],
            )
            with tf.control_dependencies([fits]):
                both = tf.concat([whole[None], images], 0)
            wished = [tf.repeat(x, 2, 0) for x in wished]
            return painting.paint(follower, both, *wished)[1:]

        return _answer(paint, image_bytes, _as_png(), wished, halved)

    return {"part": Signature(part, [_CODED[0], _CONTEXT, *wishes.specs])}


_CODED = [
    tf.TensorSpec([None], tf.string, name="image_bytes"),
    tf.TensorSpec([None], tf.int32, name="jpeg_quality"),
]
_CONTEXT = tf.TensorSpec([None], tf.string, name="context_bytes")
_PIXELS = [tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")]


def _answer(
    paint: Callable[[tf.Tensor, Sequence[tf.Tensor]], tf.Tensor],
    image_bytes: tf.Tensor,
    jpeg_quality: tf.Tensor,
    wished: Mapping[str, tf.Tensor],
    limits: Limits,
) -> dict[str, tf.Tensor]:
    """Returns what `serving_default` gives, one picture after the other."""
    image_bytes = request_checks.check_batch(
        tf.ensure_shape(image_bytes, [None]), limits
    )
    given = {"jpeg_quality": tf.ensure_shape(jpeg_quality, [None]), **wished}
    rows = [
        request_checks.one_for_each(k, x, image_bytes) for k, x in given.items()
    ]

    def one(item: Sequence[tf.Tensor]) -> tf.Tensor:
        content, quality, *wished = item
        image, deep = coded_pictures.decode(
            content, limits.smallest, limits.max_pixels
        )
        painted = paint(image[None], [x[None] for x in wished])
        return coded_pictures.encode(painted[0], quality, deep)

    painted = tf.map_fn(
        one,
        (image_bytes, *rows),
        fn_output_signature=tf.string,
        parallel_iterations=1,
    )
    return {"image_bytes": painted}


def _as_png() -> tf.Tensor:
    # A tensor: of other defaults the served signature does not tell.
    return tf.constant([0])


def _answer_pixels(
    paint: Callable[[tf.Tensor, Sequence[tf.Tensor]], tf.Tensor],
    images: tf.Tensor,
    wished: Sequence[tf.Tensor],
) -> dict[str, tf.Tensor]:
    painted = paint(tf.cast(images, tf.float32) / 255.0, wished)
    return {"images": coded_pictures.levels(painted, tf.uint8)}
