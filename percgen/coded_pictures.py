"""PNG and JPEG files inside a graph, refused before a pixel is decoded."""

import tensorflow as tf

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_PNG_BITS = 24  # Where a file says how many bits a colour has.
_PNG_HEADER = 33  # Bytes of the mark and the first chunk.


def check_size(
    height: tf.Tensor, width: tf.Tensor, smallest: int, max_pixels: int
) -> tf.Operation:
    """Returns what fails if a picture is too small or too large.

    Args:
        height: Of the picture, int64.
        width: Likewise.
        smallest: Least height and width.
        max_pixels: Most height times width.
    """
    most = tf.constant(max_pixels, tf.int64)
    low, high = tf.minimum(height, width), tf.maximum(height, width)
    return tf.group(
        tf.debugging.Assert(
            low >= smallest,
            [f"image too small: at least {smallest} x {smallest} pixels"],
        ),
        # The longer side too, lest the product of a forged header overflow.
        tf.debugging.Assert(
            (high <= most) & (height * width <= most),
            [f"image too large: at most {max_pixels} pixels"],
        ),
    )


def decode(
    content: tf.Tensor, smallest: int, max_pixels: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes one PNG or JPEG file.

    Transparent pixels count as lying over white. Fails as `check_size`, or if
    it is another file.

    Returns:
        RGB in [0, 1], float32 `[H, W, 3]`, and whether it has 16 bits.
    """
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
    with tf.control_dependencies(
        [check_size(height, width, smallest, max_pixels)]
    ):
        content = tf.identity(content)
    deep = tf.equal(tf.strings.substr(content, _PNG_BITS, 1), b"\x10") & is_png
    image = tf.cond(
        is_png,
        lambda: _decode_png(content, deep),
        lambda: _floats(
            tf.io.decode_jpeg(
                content, channels=3, dct_method="INTEGER_ACCURATE"
            )
        ),
    )
    return tf.ensure_shape(image, [None, None, 3]), deep


def _decode_png(content: tf.Tensor, deep: tf.Tensor) -> tf.Tensor:
    # Not all in 16 bits, which would take twice the memory.
    return tf.cond(
        deep,
        lambda: _over_white(tf.io.decode_png(content, 4, tf.uint16)),
        lambda: _over_white(tf.io.decode_png(content, 4)),
    )


def _floats(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(image, tf.float32) / float(image.dtype.max)


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
    image = _floats(rgba)
    opacity = image[..., 3:]
    image = image[..., :3] * opacity + (1.0 - opacity)
    # Rounded, that it is the same as a file without transparency.
    return _floats(levels(image, rgba.dtype))


def levels(images: tf.Tensor, kind: tf.DType) -> tf.Tensor:
    """Returns images in [0, 1] as unsigned integers, rounded and clipped."""
    images = tf.clip_by_value(images, 0.0, 1.0) * float(kind.max) + 0.5
    return tf.cast(images, kind)


def encode(image: tf.Tensor, quality: tf.Tensor, deep: tf.Tensor) -> tf.Tensor:
    """Returns a file of one picture, rounded and clipped.

    Args:
        image: RGB in [0, 1], float32 `[H, W, 3]`.
        quality: 0 for PNG, 1 to 100 for JPEG.
        deep: Whether PNG is to have 16 bits.
    """
    legal = tf.debugging.Assert(
        (quality >= 0) & (quality <= 100),
        ["jpeg_quality should be 0 (PNG) or 1 to 100"],
    )
    with tf.control_dependencies([legal]):
        quality = tf.identity(quality)
    # PNG compression of 1: the default takes 15 times as long for 17 % less.
    return tf.case(
        [
            (
                quality > 0,
                lambda: tf.raw_ops.EncodeJpegVariableQuality(
                    images=levels(image, tf.uint8), quality=quality
                ),
            ),
            (deep, lambda: _encode_png(levels(image, tf.uint16))),
        ],
        default=lambda: _encode_png(levels(image, tf.uint8)),
    )


def _encode_png(image: tf.Tensor) -> tf.Tensor:
    return tf.io.encode_png(image, compression=1)
