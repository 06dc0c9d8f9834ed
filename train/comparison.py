"""The comparator that a command's flags ask for."""

from collections.abc import Sequence

from absl import flags

from percgen import comparators

COMPARATOR = flags.DEFINE_enum(
    "comparator",
    "vgg16",
    sorted(comparators.COMPARATORS),
    "Network whose features are compared.",
)
COMPARATOR_WEIGHTS = flags.DEFINE_string(
    "comparator_weights",
    "imagenet",
    "imagenet (downloaded by Keras), random, or an .h5 or .npz file.",
)


def make(
    layers: Sequence[str], seed: int = 0
) -> comparators.comparator.Comparator:
    """Returns the comparator of the flags, as deep as `layers` ask.

    Args:
        layers: Names of the layers to return.
        seed: Of random weights.

    Raises:
        ValueError: If a layer is unknown, or the weights cannot be had.
    """
    return comparators.COMPARATORS[COMPARATOR.value](
        layers, weights=COMPARATOR_WEIGHTS.value, seed=seed
    )


def parse(items: Sequence[str]) -> dict[str, float]:
    """Reads `relu1_2,relu2_2:0.5`, split already: a weight for each layer.

    Raises:
        ValueError: If a weight is no number.
    """
    weights = {}
    for item in items:
        layer, _, weight = item.partition(":")
        try:
            weights[layer] = float(weight or 1.0)
        except ValueError as error:
            raise ValueError(
                f"Expected LAYER or LAYER:WEIGHT. Received: {item}."
            ) from error
    return weights
