"""Photographs to patches that teach a comparator without labels.

Reference:
    Dosovitskiy, Springenberg, Riedmiller and Brox, "Discriminative unsupervised
    feature learning with convolutional neural networks", NIPS 2014, section 3.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image
from scipy import ndimage
from skimage import color

from percgen import data

_FIRST_CLASSES = 200  # At step 0; then one more in two steps.
_BICUBIC = Image.Resampling.BICUBIC


class Exemplars:
    """Surrogate classes: each a patch, and all that may be done to it.

    A patch is moved by up to a fifth of its side, scaled by .7 to 1.4, rotated
    by up to 20 degrees, and changed in contrast and colour; the ranges are the
    paper's as far as we recall them. Classes are the crops of the photographs
    with the steepest edges, of twice as many as are needed. Training starts
    with 200 of them, and every second step another joins: of 2,000 at once,
    nothing is learnt for long.

    Args:
        photographs: Where patches come from.
        classes: How many.
        size: Side of a patch, in pixels.
        seed: Of the choice.
    """

    def __init__(
        self, photographs: data.Photographs, classes: int, size: int, seed: int
    ):
        self.size = size
        # Room to be moved, scaled and rotated in.
        side = math.ceil(size * (1.4 * math.sqrt(2) + 0.4))
        (crops,) = photographs.batches(side, 2 * classes, seed, 0, 1)
        crops = np.asarray(crops)
        # One by one: over a batch it would blur each into its neighbours.
        steep = [
            ndimage.gaussian_gradient_magnitude(luma, 1.0).mean()
            for luma in crops.mean(axis=3)
        ]
        flattest = np.argsort(steep, kind="stable")[:classes]
        crops = np.delete(crops, flattest, axis=0)
        self.crops = np.round(crops * 255.0).astype(np.uint8)

    def batches(
        self, batch_size: int, seed: int, start: int, stop: int
    ) -> tf.data.Dataset:
        """Returns patches `[B, S, S, 3]` and classes `[B]` of the steps."""
        all_classes = len(self.crops)

        def load(step: np.int64) -> tuple[np.ndarray, np.ndarray]:
            random = np.random.default_rng([seed, 3, int(step)])
            known = min(all_classes, _FIRST_CLASSES + int(step) // 2)
            classes = random.integers(known, size=batch_size)
            return (
                np.stack([self.patch(c, random) for c in classes]),
                classes.astype(np.int32),
            )

        def load_step(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            patches, classes = tf.numpy_function(
                load, [step], [tf.float32, tf.int32]
            )
            shape = [batch_size, self.size, self.size, 3]
            return (
                tf.ensure_shape(patches, shape),
                tf.ensure_shape(classes, [batch_size]),
            )

        return _steps(load_step, start, stop)

    def patch(self, number: int, random: np.random.Generator) -> np.ndarray:
        """Returns one version of a class, float32 `[S, S, 3]`."""
        patch = moved(
            self.crops[number],
            self.size,
            shift=random.uniform(-0.2, 0.2, 2) * self.size,
            scale=random.uniform(0.7, 1.4),
            degrees=random.uniform(-20.0, 20.0),
        )
        return _recoloured(patch, random)


def disturbed(
    photographs: data.Photographs,
    size: int,
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
) -> tf.data.Dataset:
    """Returns batches of photographs, two in three of them spoilt.

    By blur, noise fine and coarse, false colours and double exposure: pictures
    such as generators make while they learn.
    """
    crops = photographs.batches(size, batch_size, seed, start, stop)
    return each_step(crops, _spoilt, seed, start, (size, size, 3))


def each_step(
    batches: tf.data.Dataset,
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    seed: int,
    start: int,
    shape: tuple[int, ...],
) -> tf.data.Dataset:
    """Changes each picture, by a random generator of its step and place."""

    def load(step: np.int64, batch: np.ndarray) -> np.ndarray:
        return np.stack(
            [
                change(
                    image, np.random.default_rng([seed, 4, int(step), place])
                )
                for place, image in enumerate(batch)
            ]
        )

    def load_step(step: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        changed = tf.numpy_function(load, [step, batch], tf.float32)
        return tf.ensure_shape(changed, [batch.shape[0], *shape])

    return batches.enumerate(start).map(load_step, tf.data.AUTOTUNE)


def _steps(
    load: Callable[..., tuple[tf.Tensor, ...]], start: int, stop: int
) -> tf.data.Dataset:
    steps = tf.data.Dataset.range(start, stop)
    return steps.map(load, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def moved(
    crop: np.ndarray,
    size: int,
    shift: np.ndarray,
    scale: float,
    degrees: float,
) -> np.ndarray:
    """Cuts a square about the middle of a crop, moved, scaled and rotated."""
    middle = np.array(crop.shape[1::-1]) / 2.0 + shift
    turn = math.radians(degrees)
    axes = scale * np.array(
        [
            [math.cos(turn), -math.sin(turn)],
            [math.sin(turn), math.cos(turn)],
        ]
    )
    corner = middle - axes @ [size / 2.0, size / 2.0]
    matrix = np.column_stack([axes, corner]).ravel()
    patch = Image.fromarray(crop).transform(
        (size, size), Image.Transform.AFFINE, tuple(matrix), _BICUBIC
    )
    return np.asarray(patch, np.float32) / np.float32(255.0)


def _recoloured(patch: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Changes contrast along the patch's own principal colours, then in HSV."""
    flat = patch.reshape(-1, 3)
    mean = flat.mean(axis=0)
    _, colours = np.linalg.eigh(np.cov(flat, rowvar=False) + 1e-8 * np.eye(3))
    strength = random.uniform(0.5, 2.0, 3)
    flat = (flat - mean) @ (colours * strength) @ colours.T + mean
    patch = np.clip(flat, 0.0, 1.0).reshape(patch.shape)
    return other_light(patch, random, power=4.0)


def other_light(
    patch: np.ndarray, random: np.random.Generator, power: float
) -> np.ndarray:
    """Changes a patch in hue, saturation and value, as Exemplar-CNN's are.

    Args:
        patch: `[S, S, 3]` in [0, 1].
        random: What draws by how much.
        power: To which saturation and value are raised at most; at least, its
            inverse.

    Returns:
        float32, likewise.
    """
    hsv = color.rgb2hsv(patch)
    exponents = power ** random.uniform(-1.0, 1.0, 2)
    factor, offset = random.uniform(0.7, 1.4, 2), random.uniform(-0.1, 0.1, 2)
    hsv[..., 1:] = np.clip(
        hsv[..., 1:] ** exponents * factor + offset, 0.0, 1.0
    )
    hsv[..., 0] = (hsv[..., 0] + random.uniform(-0.1, 0.1)) % 1.0
    return color.hsv2rgb(hsv).astype(np.float32)


def _spoilt(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if random.random() < 1 / 3:
        return image
    if random.random() < 0.5:
        image = ndimage.gaussian_filter(
            image, random.uniform(0.3, 2.5), axes=(0, 1)
        )
    if random.random() < 0.5:  # Two pictures, or one upon its mirror image.
        share = random.uniform(0.0, 0.5)
        image = (1 - share) * image + share * image[::-1, ::-1]
    if random.random() < 0.5:
        gain, offset = random.uniform(0.4, 1.8, 3), random.uniform(-0.3, 0.3, 3)
        image = (image - 0.5) * gain + 0.5 + offset
    if random.random() < 0.5:
        noise = random.standard_normal(image.shape)
        coarse = int(random.integers(1, 5))
        noise = noise[::coarse, ::coarse].repeat(coarse, 0).repeat(coarse, 1)
        height, width = image.shape[:2]
        image = image + random.uniform(0.0, 0.25) * noise[:height, :width]
    return np.clip(image, 0.0, 1.0).astype(np.float32)
