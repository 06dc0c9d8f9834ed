r"""Prints what each comparator sees and what a step through it costs.

Example:
    python -m benchmarks.comparators \
        --output=benchmarks/results/comparators.md

A step is the FeatureLoss of a comparator's content_layers and the StyleLoss of
its style_layers, forward and back to the picture; what it is compared with was
looked at before. Weights are random, which changes no time. All take turns in
one process, one thread each; the least of --repeats is taken.
"""

import itertools
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks import report
from benchmarks import timing
from percgen import command
from percgen import comparators
from percgen import losses
from percgen.comparators import cards

_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each.", lower_bound=1)
_SIZE = flags.DEFINE_string(
    "size", "4x192x192x3", "Batch to measure, BxHxWx3; H and W of 32 or more."
)

_COMPACT = comparators.Compact.style_layers  # VGG-19's, too, by their names.
_BASE = ("vgg19", _COMPACT)  # What times are compared with.
_TEXT = """A step is a FeatureLoss of the content layers and a StyleLoss of the
style layers, forward and back to the picture, of a batch of {size}: one thread,
all in turns, the least of {repeats}. The ratio is to VGG-19 at Compact's
layers: {base}. Stride, field and smallest picture are the deepest layer's of
all, parameters and GFLOP (forward, per megapixel) those of the whole network;
a step goes only as deep as its layers."""


def contestants() -> list[tuple[str, tuple[str, ...]]]:
    """Returns what is timed: a comparator's name and its style layers."""
    kinds = comparators.COMPARATORS
    found = [(name, kind.style_layers) for name, kind in kinds.items()]
    return [*found, ("vgg16", _COMPACT), _BASE]


def make_step(
    name: str, style_layers: Sequence[str], shape: Sequence[int]
) -> Callable[[], tf.Tensor]:
    """Returns a call that gives the gradient of a comparator's losses.

    Args:
        name: Of the comparator.
        style_layers: Of its StyleLoss.
        shape: Of the batch of pictures.
    """
    kind = comparators.COMPARATORS[name]
    layers = sorted({*kind.content_layers, *style_layers})
    network = kind(layers, weights="random")
    feature = losses.FeatureLoss(network, dict.fromkeys(kind.content_layers, 1))
    style = losses.StyleLoss(network, dict.fromkeys(style_layers, 1))
    random = np.random.default_rng(0)
    x, y = (tf.constant(random.random(shape, np.float32)) for _ in range(2))
    seen = network(y)
    content, grams = feature.describe(seen), style.describe(seen)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            seen = network(x)
            value = feature.compare(content, feature.describe(seen))
            value += style.compare(grams, style.describe(seen))
        return tape.gradient(value, x)

    return step


def costs(found: list[cards.Card], shape: Sequence[int]) -> str:
    """Returns the table of what each comparator costs."""
    calls = {
        f"{name} {' '.join(layers)}": make_step(name, layers, shape)
        for name, layers in contestants()
    }
    times = timing.least_milliseconds(calls, _REPEATS.value)
    base = times[f"{_BASE[0]} {' '.join(_BASE[1])}"]
    by_name = {card.name: card for card in found}
    rows = [
        [
            *_facts(by_name[name]),
            ", ".join(layers),
            f"{time:.1f}",
            f"{time / base:.2f}",
        ]
        for (name, layers), time in zip(
            contestants(), times.values(), strict=True
        )
    ]
    header = [
        "comparator",
        "smallest picture",
        "stride",
        "field",
        "parameters, million",
        "GFLOP",
        "weights",
        "style layers",
        "step, ms",
        "ratio",
    ]
    return report.table(header, rows)


def _facts(card: cards.Card) -> list[object]:
    deepest = list(card.layers.values())[-1]
    return [
        f"`{card.name}`",
        card.smallest_image,
        deepest.stride,
        deepest.field,
        f"{card.parameters / 1e6:.2f}",
        f"{card.gflops_per_megapixel:.0f}",
        card.origin,
    ]


def sights(found: list[cards.Card]) -> str:
    """Returns the table of what each layer of each comparator sees."""
    header = ["comparator", "layers", "stride", "field", "channels"]
    return report.table(header, _sights(found))


def _sights(found: list[cards.Card]) -> Iterator[Sequence[object]]:
    """Yields a row for each run of layers that see the same.

    Networks of the same layers share their rows.
    """
    kinds: dict[tuple, list[str]] = {}
    for card in found:
        kinds.setdefault(tuple(card.layers.items()), []).append(card.name)
    for layers, names in kinds.items():
        for sight, alike in itertools.groupby(layers, lambda pair: pair[1]):
            yield [
                ", ".join(names),
                ", ".join(name for name, _ in alike),
                *sight,
            ]


def main() -> None:
    if not re.fullmatch(r"[1-9]\d*x\d+x\d+x3", _SIZE.value):
        raise ValueError(f"--size: expected BxHxWx3. Received: {_SIZE.value}.")
    timing.single_thread()
    found = [cards.card(name) for name in comparators.COMPARATORS]
    text = _TEXT.format(
        size=_SIZE.value.replace("x", " x "),
        repeats=_REPEATS.value,
        base=", ".join(_COMPACT),
    )
    report.write(
        "Comparators",
        "python -m benchmarks.comparators",
        text.replace("\n", " "),
        costs(found, tuple(map(int, _SIZE.value.split("x")))),
        "What a position of each layer sees: the step from one to the next and "
        "the side of the square that it looks at, in pixels of the picture.",
        sights(found),
    )


if __name__ == "__main__":
    command.run(main)
