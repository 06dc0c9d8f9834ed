r"""Trains a network that paints photographs in the style of a picture.

Example:
    python -m train.stylize --style_image=starry_night.jpg \
        --images='photos/*.jpg' --workdir=runs/starry
    python -m train.stylize --flagfile=runs/starry/flags.txt  # Goes on.
    tensorboard --logdir=runs

Ctrl-C stops; the same command goes on from the last checkpoint. Then
`python -m serving.export --workdir=runs/starry --model_dir=models/starry`.
"""

import keras
import numpy as np
from absl import flags

from percgen import command
from percgen import images
from percgen import losses
from percgen import networks
from percgen import tasks
from train import comparison
from train import runner

_STYLE_IMAGE = flags.DEFINE_string(
    "style_image", None, "Picture whose style to learn.", required=True
)
_STYLE_SIZE = flags.DEFINE_integer(
    "style_size",
    512,
    "Shorter side to which the style picture is resized; smaller makes smaller "
    "strokes.",
    lower_bound=64,
)
_VARIANT = flags.DEFINE_enum(
    "variant", "modern", ["modern", "johnson2016"], "Form of the network."
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "Filters of its first layer; by default the variant's own."
)
_FEATURE_LAYERS = flags.DEFINE_list(
    "feature_layers",
    None,
    "Layers that keep the photograph's content, each LAYER or LAYER:WEIGHT; by "
    "default the comparator's own, relu2_2 of compact and VGG.",
)
_STYLE_LAYERS = flags.DEFINE_list(
    "style_layers",
    None,
    "Layers that carry the style, likewise; by default relu1_2, relu2_2 and "
    "relu3_1 of compact; relu1_2, relu2_2, relu3_3 and relu4_3 of VGG.",
)
_STYLE_SCALES = flags.DEFINE_integer(
    "style_scales",
    1,
    "Sizes at which style is compared, each half the one before; more reach "
    "larger strokes.",
    lower_bound=1,
)
_FEATURE_WEIGHT = flags.DEFINE_float("feature_weight", 1.0, "Of that term.")
_STYLE_WEIGHT = flags.DEFINE_float("style_weight", 5.0, "Of that term.")
_TOTAL_VARIATION_WEIGHT = flags.DEFINE_float(
    "total_variation_weight", 0.0, "Of that term."
)
flags.adopt_module_key_flags(comparison)
flags.adopt_module_key_flags(runner)

_SMALLEST_STYLE = 64


def main() -> None:
    least = 16 * 2**_STYLE_SCALES.value
    if runner.IMAGE_SIZE.value < least:
        raise ValueError(
            f"--style_scales={_STYLE_SCALES.value} needs an --image_size of at "
            f"least {least}. Received: {runner.IMAGE_SIZE.value}."
        )
    style_image = _read_style()
    ours = comparison.chosen()
    feature = comparison.parse(_FEATURE_LAYERS.value or ours.content_layers)
    style = comparison.parse(_STYLE_LAYERS.value or ours.style_layers)

    def make_task() -> tasks.Stylize:
        comparator = comparison.make(
            sorted({*feature, *style}), runner.SEED.value
        )
        task = tasks.Stylize(
            networks.StyleGenerator(_VARIANT.value, _WIDTH.value),
            losses.FeatureLoss(comparator, feature),
            losses.StyleLoss(comparator, style),
            style_image,
            weights={
                "feature": _FEATURE_WEIGHT.value,
                "style": _STYLE_WEIGHT.value,
                "total_variation": _TOTAL_VARIATION_WEIGHT.value,
            },
            scales=_STYLE_SCALES.value,
        )
        task.compile(keras.optimizers.Adam(runner.LEARNING_RATE.value))
        return task

    runner.run(make_task)


def _read_style() -> np.ndarray:
    image = images.open_rgb(_STYLE_IMAGE.value)
    if min(image.size) < _SMALLEST_STYLE:
        raise ValueError(
            f"--style_image should be at least {_SMALLEST_STYLE} x "
            f"{_SMALLEST_STYLE} pixels. {_STYLE_IMAGE.value} is "
            f"{image.width} x {image.height}."
        )
    image = images.shrink(image, _STYLE_SIZE.value)
    return np.asarray(image, np.float32)[None] / 255.0


if __name__ == "__main__":
    command.run(main)
