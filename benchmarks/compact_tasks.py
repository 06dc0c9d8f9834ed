"""What Compact is judged on: a style network, and x4 super-resolution."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from benchmarks import timing
from percgen import comparators
from percgen import images
from percgen import losses
from percgen import networks
from percgen import tasks

# As train/settings/starry_night.flags.
CONTENT = {"relu2_2": 0.25, "relu3_1": 1.0}
STYLE = {"relu1_2": 0.5, "relu2_2": 1.0, "relu3_1": 1.0}
STYLE_WEIGHT, STYLE_SIZE, STYLE_SCALES = 8.0, 512, 2
# Johnson et al. 2016, section 4.2: super-resolution compares relu2_2.
UPSCALE = {"relu2_2": 1.0}
SCALE, BATCH = 4, 4
_STEP_SIDE = 192
Comparator = comparators.comparator.Comparator


def comparator(name: str, vgg19: str) -> Comparator:
    """Returns Compact, or VGG-19 with the weights of a file."""
    if name == "compact":
        return comparators.Compact(list(STYLE))
    return comparators.VGG19(list(STYLE), vgg19)


def read_style(path: str) -> np.ndarray:
    """Returns a style picture, `[1, H, W, 3]` in [0, 1]."""
    image = images.shrink(images.open_rgb(path), STYLE_SIZE)
    return np.asarray(image, np.float32)[None] / 255.0


def style_task(
    through: Comparator, style_image: np.ndarray, scales: int = STYLE_SCALES
) -> tasks.Stylize:
    """Returns the task of a style network, untrained."""
    return tasks.Stylize(
        networks.StyleGenerator(),
        losses.FeatureLoss(through, CONTENT, check=False),
        losses.StyleLoss(through, STYLE, check=False),
        style_image,
        {"feature": 1.0, "style": STYLE_WEIGHT, "total_variation": 0.0},
        scales,
    )


def upscaler(through: Comparator) -> networks.Upscaler:
    """Returns an untrained network, compiled to learn by `fit`."""
    network = networks.Upscaler(SCALE)
    network.compile(
        keras.optimizers.Adam(5e-4),
        losses.FeatureLoss(through, UPSCALE, check=False),
    )
    return network


def shrink(pictures: np.ndarray) -> np.ndarray:
    """Returns pictures shrunk by MATLAB's bicubic, within [0, 1]."""
    height, width = (side // SCALE for side in pictures.shape[1:3])
    small = [images.resize(picture, height, width) for picture in pictures]
    return np.clip(np.stack(small), 0.0, 1.0)


def step_milliseconds(
    vgg19: str, style_image: np.ndarray, repeats: int
) -> dict[str, dict[str, float]]:
    """Returns how long a training step takes, by task and comparator.

    For a process of its own: it leaves TensorFlow one thread.
    """
    timing.single_thread()
    random = np.random.default_rng(0)
    shape = [BATCH, _STEP_SIDE, _STEP_SIDE, 3]
    batch = random.random(shape, np.float32)
    steps: dict[str, dict[str, Callable[[], object]]] = {}
    for name in ("vgg19", "compact"):
        through = comparator(name, vgg19)
        for scales in (1, STYLE_SCALES):
            kind = f"style network, style at {scales} size(s)"
            task = style_task(through, style_image, scales)
            task.compile(keras.optimizers.Adam())
            steps.setdefault(kind, {})[name] = _step(task.train_step, batch)
        network = upscaler(through)
        network.optimizer.build(network.trainable_variables)
        steps.setdefault("x4 super-resolution", {})[name] = _step(
            network.train_step, (shrink(batch), batch)
        )
    return {
        f"{kind}, {' x '.join(map(str, shape[:3]))}": timing.least_milliseconds(
            calls, repeats
        )
        for kind, calls in steps.items()
    }


def _step(
    train_step: Callable[..., dict[str, tf.Tensor]], batch: object
) -> Callable[[], object]:
    compiled = tf.function(train_step)
    constant = tf.nest.map_structure(tf.constant, batch)
    return lambda: compiled(constant)
