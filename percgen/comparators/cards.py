"""What is to be known of each comparator before it is chosen."""

import inspect
import textwrap
from typing import NamedTuple

from percgen.comparators import COMPARATORS
from percgen.comparators import comparator
from percgen.comparators import geometry


class Card(NamedTuple):
    """A comparator in figures; `str` gives them as a paragraph.

    Attributes:
        name: In `percgen.comparators.COMPARATORS`.
        summary: What it is, in a line.
        layers: What each of its layers sees, in order.
        smallest_image: Least height and width of a picture for its deepest
            layer; shallower ones take smaller pictures.
        parameters: Of all layers.
        gflops_per_megapixel: Multiplications and additions of all its
            convolutions, each as one, in thousands of millions. Forward only,
            and for a large picture.
        origin: Who made the weights, and on what terms they are given.
    """

    name: str
    summary: str
    layers: dict[str, geometry.Sight]
    smallest_image: int
    parameters: int
    gflops_per_megapixel: float
    origin: str

    def __str__(self) -> str:
        deepest = list(self.layers)[-1]
        layers = ", ".join(
            f"{name} {'/'.join(map(str, sight))}"
            for name, sight in self.layers.items()
        )
        return textwrap.fill(
            f"{self.name}. {self.summary} {self.parameters / 1e6:.2f} million "
            f"parameters, {self.gflops_per_megapixel:.0f} GFLOP per megapixel. "
            f"Pictures of at least {self.smallest_image} x "
            f"{self.smallest_image} for {deepest}. Weights: {self.origin}. "
            f"Layers, stride/field/channels: {layers}.",
            80,
        )


def card(name: str) -> Card:
    """Returns the card of a registered comparator. No weights are needed.

    Raises:
        ValueError: If there is no such comparator.
    """
    if name not in COMPARATORS:
        raise ValueError(
            f"`name` should be of {', '.join(COMPARATORS)}. "
            f"Received: name={name!r}."
        )
    network = _blueprint(name)
    sights = geometry.sights(network)
    return Card(
        name,
        summary(name),
        {layer: sights[layer] for layer in network.layer_names},
        network.smallest_image,
        network.count_params(),
        geometry.flops_per_pixel(network) * 1e6 / 1e9,
        network.origin,
    )


def summary(name: str) -> str:
    """Returns the first line of a registered comparator's docstring."""
    text = inspect.getdoc(COMPARATORS[name]) or ""  # None under python -OO.
    return text.partition("\n")[0]


def _blueprint(name: str) -> comparator.Comparator:
    """Returns a comparator as deep as it goes, without weights."""
    kind = COMPARATORS[name]
    shallow = kind(kind.content_layers, weights="zeros")
    return kind(shallow.layer_names, weights="zeros")
