"""The layers whose features a command's loss compares."""

from absl import flags

from train import comparison

_FEATURE_LAYERS = flags.DEFINE_list(
    "feature_layers",
    None,
    "Layers whose features are compared, each LAYER or LAYER:WEIGHT; by "
    "default the comparator's own that carry content, relu2_2 of compact and "
    "VGG.",
)


def weights(usual: list[str] | None = None) -> dict[str, float]:
    """Returns the weight of each layer of the flag.

    Args:
        usual: Layers by default, if not those of --comparator.

    Raises:
        ValueError: If a weight is no number.
    """
    by_default = usual or comparison.chosen().content_layers
    return comparison.parse(_FEATURE_LAYERS.value or by_default)
