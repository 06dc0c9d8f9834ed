"""The models that the answers in serving_cases.json were recorded from.

Their graphs are written out as they were then, names of nodes included: they
stand in the recorded messages.
"""

import keras
import numpy as np
import tensorflow as tf

SCALE, MAX_PIXELS, MAX_BATCH = 2, 2048 * 2048, 8


class SR(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.c1 = keras.layers.Conv2D(8, 3, padding="same", activation="relu")
        self.c2 = keras.layers.Conv2D(3 * SCALE * SCALE, 3, padding="same")

    def call(self, x):
        return tf.nn.depth_to_space(self.c2(self.c1(x)), SCALE)


def guard(x):
    x = tf.ensure_shape(x, [None, None, None, 3])
    shape = tf.shape(x)
    checks = [
        tf.debugging.assert_greater(
            tf.reduce_min(shape), 0, message="empty image"
        ),
        tf.debugging.assert_less_equal(
            shape[0], MAX_BATCH, message="batch too large"
        ),
        tf.debugging.assert_less_equal(
            tf.cast(shape[1], tf.int64) * tf.cast(shape[2], tf.int64),
            tf.constant(MAX_PIXELS, tf.int64),
            message="image too large",
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(x)


def big_endian(content, position):
    digits = tf.strings.substr(content, position, 4)
    value = tf.cast(tf.io.decode_raw(digits, tf.uint8), tf.int64)
    return value[0] * 16777216 + value[1] * 65536 + value[2] * 256 + value[3]


def header_pixels(content):
    is_png = tf.equal(tf.strings.substr(content, 0, 8), b"\x89PNG\r\n\x1a\n")
    is_jpeg = tf.equal(tf.strings.substr(content, 0, 3), b"\xff\xd8\xff")

    def png():
        check = tf.debugging.assert_greater_equal(
            tf.strings.length(content), 33, message="truncated PNG header"
        )
        with tf.control_dependencies([check]):
            return big_endian(content, 16) * big_endian(content, 20)

    def jpeg():
        shape = tf.io.extract_jpeg_shape(content, output_type=tf.int32)
        shape = tf.cast(shape, tf.int64)
        return shape[0] * shape[1]

    def bad():
        check = tf.debugging.Assert(False, ["only PNG and JPEG are accepted"])
        with tf.control_dependencies([check]):
            return tf.constant(-1, tf.int64)

    return tf.cond(is_png, png, lambda: tf.cond(is_jpeg, jpeg, bad)), is_png


def to_uint8(images):
    return tf.cast(tf.clip_by_value(images, 0.0, 1.0) * 255.0 + 0.5, tf.uint8)


def make_signatures(model):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
        ]
    )
    def uint8(image):
        outputs = model(tf.cast(guard(image), tf.float32) / 255.0)
        return {"image": to_uint8(outputs)}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")]
    )
    def encoded(image_bytes):
        image_bytes = tf.ensure_shape(image_bytes, [None])

        def one(content):
            pixels, is_png = header_pixels(content)
            check = tf.debugging.assert_less_equal(
                pixels,
                tf.constant(MAX_PIXELS, tf.int64),
                message="image too large",
            )
            with tf.control_dependencies([check]):
                content = tf.identity(content)
            image = tf.cond(
                is_png,
                lambda: tf.io.decode_png(content, channels=3),
                lambda: tf.io.decode_jpeg(
                    content, channels=3, dct_method="INTEGER_ACCURATE"
                ),
            )
            image.set_shape([None, None, 3])
            outputs = model(tf.cast(image, tf.float32)[None] / 255.0)
            return tf.io.encode_png(to_uint8(outputs[0]), compression=1)

        outputs = tf.map_fn(
            one,
            image_bytes,
            fn_output_signature=tf.string,
            parallel_iterations=1,
        )
        return {"image_bytes": outputs}

    return {"serving_default": uint8, "encoded": encoded}


def write_super_resolution(path):
    keras.utils.set_random_seed(0)
    model = SR()
    model(np.zeros((1, 8, 8, 3), "float32"))
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, function in make_signatures(model).items():
        archive.add_endpoint(name, function)
    archive.write_out(str(path), verbose=False)


class Two(tf.Module):
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="a"),
            tf.TensorSpec([None], tf.float32, name="b"),
        ]
    )
    def call(self, a, b):
        return {
            "sum": a + b[:, None],
            "thumb_bytes": tf.strings.as_string(b),
            "text": tf.strings.as_string(b),
        }


def write_two(path):
    two = Two()
    tf.saved_model.save(two, str(path), signatures=two.call)
