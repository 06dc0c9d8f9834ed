"""The losses that a command's flags ask for."""

from collections.abc import Callable
from collections.abc import Sequence

from absl import flags

from percgen import losses
from percgen import tasks
from train import compared_layers
from train import comparison
from train import runner

_NAMES = (
    *("mse", "mae", "charbonnier", "ssim", "ms_ssim"),
    *("feature", "total_variation"),
)
LOSS = flags.DEFINE_list(
    "loss",
    ["mse"],
    f"What is made small: of {', '.join(_NAMES)}, each NAME or NAME:WEIGHT, "
    "separated by commas. A weight may change by step: mae:1@0/0.1@2000 goes "
    "from 1 to 0.1 in the first 2,000.",
)
_EXPONENTS = flags.DEFINE_enum(
    "exponents",
    "ones",
    ["ones", "wang"],
    "Of ms_ssim's scales: ones are paper A's (seen second-hand).",
)
_SCALES = flags.DEFINE_integer(
    "scales",
    None,
    "Of ms_ssim; by default as many as pictures have room for, five at most. "
    "Fewer reach less far.",
    lower_bound=1,
    upper_bound=5,
)
flags.adopt_module_key_flags(compared_layers)
flags.adopt_module_key_flags(comparison)


def weights() -> dict[str, tasks.Weight]:
    """Reads --loss.

    Returns:
        The weight of each term, by name.

    Raises:
        ValueError: If a name is unknown or named twice, or a weight is none.
    """
    found: dict[str, tasks.Weight] = {}
    for item in LOSS.value:
        name, _, weight = item.partition(":")
        if name not in _NAMES or name in found:
            raise ValueError(
                f"--loss should be of {', '.join(_NAMES)}, each once. "
                f"Received: {','.join(LOSS.value)}."
            )
        found[name] = tasks.parse_weight(weight or "1")
    return found


def make(names: Sequence[str], check: bool) -> dict[str, losses.PictureLoss]:
    """Returns losses by name.

    Args:
        names: Of `weights()`.
        check: Whether outputs outside [0, 1] are refused.
    """
    makers: dict[str, Callable[..., losses.PictureLoss]] = {
        "mse": losses.L2Loss,
        "mae": losses.L1Loss,
        "charbonnier": losses.CharbonnierLoss,
        "ssim": lambda check: losses.SSIMLoss("same", check),
        "ms_ssim": lambda check: losses.MSSSIMLoss(
            _EXPONENTS.value, "same", _SCALES.value, check
        ),
        "feature": _feature,
        "total_variation": lambda check: losses.TotalVariationLoss(check=check),
    }
    return {name: makers[name](check=check) for name in names}


def _feature(check: bool) -> losses.FeatureLoss:
    layers = compared_layers.weights()
    comparator = comparison.make(list(layers), runner.SEED.value)
    return losses.FeatureLoss(comparator, layers, check=check)
