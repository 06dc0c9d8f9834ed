r"""Paints one photograph in the style of a picture, without a network.

Looks for the painting itself (Gatys et al., CVPR 2016), where `train.stylize`
trains a network that then paints at once: slower by far for many photographs,
and for one very good picture the better way. The objective is that of
`train.stylize`, flag by flag.

Example:
    python -m train.optimize --style_image=starry_night.jpg \
        --content_image=photo.jpg --output=painting.png
    python -m train.optimize --style_image=starry_night.jpg \
        --content_image=photo.jpg --output=painting.png \
        --comparator=vgg19 --style_scales=2 --iterations=300

Writes --output once it is done; Ctrl-C ends it with the picture so far.
Compact's first layer has stride 2, of which the painting may keep a fine grid:
--comparator=vgg19 leaves none, --total_variation_weight=2e6 smooths it.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm
from absl import flags

from percgen import command
from percgen import descent
from percgen import images
from percgen import tasks
from train import style_terms

_CONTENT_IMAGE = flags.DEFINE_string(
    "content_image", None, "Photograph to paint.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File to write, .png or .jpg.", required=True
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    None,
    "Shorter side of the painting; by default the photograph's, at most 512.",
    lower_bound=32,
)
_METHOD = flags.DEFINE_enum(
    "method",
    "lbfgs",
    ["lbfgs", "adam"],
    "lbfgs (L-BFGS-B of SciPy) gets further in as many iterations; adam holds "
    "less memory.",
)
_ITERATIONS = flags.DEFINE_integer(
    "iterations", 500, "At most, of the method.", lower_bound=1
)
_RATE = flags.DEFINE_float(
    "learning_rate",
    0.02,
    "Of adam at first, from 0 (black) to 1 (white); falls like a cosine.",
    lower_bound=1e-6,
)
_INIT = flags.DEFINE_enum(
    "init",
    "content",
    ["content", "noise"],
    "What to start from: the photograph, or noise, as the paper does.",
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Of noise and random weights.", lower_bound=0
)
flags.adopt_module_key_flags(style_terms)

_LONGEST = 512  # What --image_size is at most, unless it is given.
_BOUNDS = (0.0, 1.0)


def main() -> None:
    out = command.picture_to_write(_OUTPUT)
    photograph = _read()
    style_image = style_terms.read()
    objective = tasks.StyleObjective(
        **style_terms.arguments(style_image, _SEED.value)
    )
    print(f"Compared by {objective.comparator.provenance}")
    slope = descent.differentiate(
        lambda painting, content: tf.reduce_sum(
            objective.total(content, painting)
        )
    )
    given = [objective.describe(tf.constant(photograph))]
    start = photograph
    if _INIT.value == "noise":
        start = np.random.default_rng(_SEED.value).random(photograph.shape)
    painting, whole = _descend(slope, start, given)
    images.write(out, images.to_uint8(painting[0]))
    first, last = (
        float(slope(tf.constant(picture, tf.float32), *given)[0])
        for picture in (start, painting)
    )
    print(f"Wrote {out}; the loss was {first:.4g} and is {last:.4g}")
    if not whole:
        sys.exit(command.INTERRUPTED)


def _read() -> np.ndarray:
    image = images.open_rgb(_CONTENT_IMAGE.value)
    side = _IMAGE_SIZE.value or min(*image.size, _LONGEST)
    style_terms.refuse_small(side, "a photograph's shorter side")
    image = images.shrink(image, side)
    return np.asarray(image, np.float32)[None] / 255.0


def _descend(
    slope: descent.Slope, start: np.ndarray, given: Sequence[Any]
) -> tuple[np.ndarray, bool]:
    """Returns what the method of the flags finds, with a bar of progress.

    And whether it came to its end, or was interrupted.
    """
    steps, found = _ITERATIONS.value, start
    bar = tqdm.tqdm(total=steps, unit="step", file=sys.stdout, mininterval=1)

    def watch(_: int, loss: float, picture: np.ndarray) -> None:
        nonlocal found
        found = picture
        bar.set_postfix({"loss": f"{loss:.4g}"}, refresh=False)
        bar.update()

    def descend() -> np.ndarray:
        if _METHOD.value == "adam":
            return descent.adam(
                slope, start, _BOUNDS, steps, _RATE.value, given, watch
            )
        return descent.lbfgs(slope, start, _BOUNDS, steps, given, watch)

    with bar:
        try:
            return descend(), True
        except KeyboardInterrupt:
            if found is start:
                raise
            return found, False


if __name__ == "__main__":
    command.run(main)
