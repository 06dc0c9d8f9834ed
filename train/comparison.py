"""The comparator that a command's flags ask for."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from percgen import comparators
from percgen.comparators import cards

COMPARATOR = flags.DEFINE_enum(
    "comparator",
    "compact",
    sorted(comparators.COMPARATORS),
    "\n".join(
        [
            "Network whose features are compared:",
            *[
                f"{name}: {cards.summary(name)}"
                for name in sorted(comparators.COMPARATORS)
            ],
        ]
    ),
)
COMPARATOR_WEIGHTS = flags.DEFINE_string(
    "comparator_weights",
    None,
    "An .h5, .npz or .caffemodel file, imagenet (downloaded by Keras) or "
    "random. By default the comparator's own: compact's lie in the package, "
    "VGG's are downloaded by Keras, random's are drawn; others need a file.",
)
_PRECISION = flags.DEFINE_enum(
    "comparator_precision",
    "float32",
    ["float32", "float16", "bfloat16"],
    "What the comparator computes in, whatever --mixed_precision says; half "
    "the bits are quicker where the machine is, and measure less finely.",
)


def chosen() -> type[Any]:
    """Returns the class that the flags name."""
    return comparators.COMPARATORS[COMPARATOR.value]


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
    precision = _PRECISION.value
    return chosen()(
        layers,
        weights=COMPARATOR_WEIGHTS.value,
        seed=seed,
        dtype=precision if precision == "float32" else f"mixed_{precision}",
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
