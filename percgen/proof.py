"""Proves that an exported version answers as its generator does."""

import math
import pathlib
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from percgen import painting
from percgen import signatures

_SIDE = 256  # Of the pictures it is tried on.

Request = tuple[str, dict[str, np.ndarray]]  # Signature, inputs.


def try_on(generator: keras.Model, limits: signatures.Limits) -> None:
    """Paints a picture of odd width by a generator.

    Raises:
        ValueError: If it does not take it.
    """
    side = _side(limits.halved())
    picture = _picture(side, _odd(side, limits))
    try:
        _paint(generator, picture[None] / np.float32(255.0))
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise ValueError(
            f"{generator.name} does not take pictures of any size, here "
            f"{picture.shape[1]} x {side}, as a served model has to."
        ) from error


def worst(
    generator: keras.Model, version: pathlib.Path, limits: signatures.Limits
) -> int:
    """Compares a version with its generator, on an odd size too.

    Returns:
        The largest difference, in levels of 255.

    Raises:
        tf.errors.OpError: If it does not run.
    """
    loaded = tf.saved_model.load(str(version))
    unasked = _unasked(generator)
    for signature, inputs in requests(loaded.signatures, limits):
        _ask(loaded, signature, unasked | inputs)
    found = 0
    side = _side(limits.halved())
    for width in (side, _odd(side, limits)):
        picture = _picture(side, width)
        painted = _paint(generator, picture[None] / np.float32(255.0))
        expected = np.round(np.clip(painted[0], 0.0, 1.0) * 255.0)
        for answer in _answers(loaded, picture, unasked):
            difference = np.abs(expected - np.asarray(answer, np.float32))
            found = max(found, int(difference.max()))
    return found


def _answers(
    loaded: Any, picture: np.ndarray, unasked: dict[str, np.ndarray]
) -> list[tf.Tensor]:
    """Returns what each signature makes of a picture."""
    images = {"images": picture[None], **unasked}
    answers = [_ask(loaded, "pixels", images)["images"][0]]
    coded = {"image_bytes": _png(picture), **unasked}
    given = {"serving_default": coded}
    if "part" in loaded.signatures:  # Of a whole: the picture itself.
        given["part"] = {"context_bytes": _png(picture), **coded}
    for signature, inputs in given.items():
        (content,) = _ask(loaded, signature, inputs)["image_bytes"]
        answers.append(tf.io.decode_png(content))
    return answers


def _png(picture: np.ndarray) -> np.ndarray:
    return np.array([tf.io.encode_png(picture).numpy()], object)


def _picture(height: int, width: int) -> np.ndarray:
    """Draws uint8 `[H, W, 3]`: smooth colours under a little noise."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x / width, y / height, (x + y) / (width + height)], -1)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, smooth.shape)
    return (np.clip(smooth + noise, 0.0, 1.0) * 255).astype(np.uint8)


def _odd(side: int, limits: signatures.Limits) -> int:
    """Returns an odd width, unless pictures may not be as narrow."""
    return max(limits.smallest, side // 2 | 1)


def _side(limits: signatures.Limits) -> int:
    return min(_SIDE, math.isqrt(limits.max_pixels))


def requests(names: Iterable[str], limits: signatures.Limits) -> list[Request]:
    """Returns what a server runs before it takes its first real request.

    One for each signature but `about`, which only says what is known.
    """
    picture = _picture(_side(limits), _side(limits))
    smaller = _side(limits.halved())
    png, part = _png(picture), _png(_picture(smaller, smaller))
    found = [
        ("serving_default", {"image_bytes": png}),
        (
            "serving_default",
            {"image_bytes": png, "jpeg_quality": np.array([95], np.int32)},
        ),
        ("pixels", {"images": picture[None]}),
        ("part", {"image_bytes": part, "context_bytes": part}),
    ]
    return [request for request in found if request[0] in names]


def _unasked(generator: keras.Model) -> dict[str, np.ndarray]:
    """Returns what a painter does when nothing is wished."""
    styles = getattr(generator, "styles", None)
    return {} if styles is None else painting.Wishes(styles).defaults


def _paint(generator: keras.Model, images: np.ndarray) -> tf.Tensor:
    """Returns the generator's own answer, in its first style."""
    if getattr(generator, "styles", 1) == 1:
        return generator(images, training=False)
    weights = _unasked(generator)["style_weights"]
    return generator([tf.constant(images), tf.constant(weights)])


def _ask(
    loaded: Any, signature: str, inputs: dict[str, np.ndarray]
) -> dict[str, tf.Tensor]:
    """Calls a signature; TensorFlow in Python does not fill in defaults."""
    if signature == "serving_default":
        inputs = {"jpeg_quality": np.array([0], np.int32), **inputs}
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    return loaded.signatures[signature](**tensors)
