"""The objective of style transfer that a command's flags ask for."""

from typing import Any

import numpy as np
from absl import flags

from percgen import images
from percgen import losses
from train import compared_layers
from train import comparison

_STYLE_IMAGE = flags.DEFINE_list(
    "style_image",
    None,
    "Picture whose style to take on; or several, separated by commas, which "
    "train.stylize teaches one network, and train.optimize mixes.",
    required=True,
)
_STYLE_SIZE = flags.DEFINE_integer(
    "style_size",
    512,
    "Shorter side to which the style picture is resized; smaller makes smaller "
    "strokes.",
    lower_bound=64,
)
_STYLE_LAYERS = flags.DEFINE_list(
    "style_layers",
    None,
    "Layers that carry the style, as --feature_layers carry the photograph's "
    "content; by default relu1_2, relu2_2 and "
    "relu3_1 of compact; relu1_2, relu2_2, relu3_3 and relu4_3 of VGG.",
)
_STYLE_SCALES = flags.DEFINE_integer(
    "style_scales",
    1,
    "Sizes at which style is compared, each half the one before; more reach "
    "larger strokes.",
    lower_bound=1,
)
_FEATURE_WEIGHT = flags.DEFINE_float(
    "feature_weight", 1.0, "Of that term.", lower_bound=0.0
)
_STYLE_WEIGHT = flags.DEFINE_float(
    "style_weight", 5.0, "Of that term.", lower_bound=0.0
)
_TOTAL_VARIATION_WEIGHT = flags.DEFINE_float(
    "total_variation_weight", 0.0, "Of that term.", lower_bound=0.0
)
flags.adopt_module_key_flags(compared_layers)
flags.adopt_module_key_flags(comparison)

_SMALLEST_STYLE = 64


def refuse_small(side: int, what: str) -> None:
    """Raises `ValueError` if pictures are too small for --style_scales.

    Args:
        side: Of a picture, the shorter.
        what: What that side is called.
    """
    least = 16 * 2**_STYLE_SCALES.value
    if side < least:
        raise ValueError(
            f"--style_scales={_STYLE_SCALES.value} needs {what} of at least "
            f"{least}. Received: {side}."
        )


def read() -> list[np.ndarray]:
    """Returns the style pictures, each `[1, H, W, 3]` in [0, 1].

    Raises:
        ValueError: If one cannot be read or is too small.
    """
    return [_read(path) for path in _STYLE_IMAGE.value]


def _read(path: str) -> np.ndarray:
    image = images.open_rgb(path)
    if min(image.size) < _SMALLEST_STYLE:
        raise ValueError(
            f"--style_image should be at least {_SMALLEST_STYLE} x "
            f"{_SMALLEST_STYLE} pixels. {path} is "
            f"{image.width} x {image.height}."
        )
    image = images.shrink(image, _STYLE_SIZE.value)
    return np.asarray(image, np.float32)[None] / 255.0


def arguments(style_image: list[np.ndarray], seed: int) -> dict[str, Any]:
    """Returns what `tasks.Stylize` and `tasks.StyleObjective` both take.

    Args:
        style_image: As of `read`.
        seed: Of random weights.

    Raises:
        ValueError: If a layer is unknown, or the weights cannot be had.
    """
    feature = compared_layers.weights()
    style = comparison.parse(
        _STYLE_LAYERS.value or comparison.chosen().style_layers
    )
    comparator = comparison.make(sorted({*feature, *style}), seed)
    return {
        "feature": losses.FeatureLoss(comparator, feature),
        "style": losses.StyleLoss(comparator, style),
        "style_image": style_image,
        "weights": {
            "feature": _FEATURE_WEIGHT.value,
            "style": _STYLE_WEIGHT.value,
            "total_variation": _TOTAL_VARIATION_WEIGHT.value,
        },
        "scales": _STYLE_SCALES.value,
    }
