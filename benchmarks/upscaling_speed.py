r"""Times the package's networks of super-resolution beside compact DCSCN.

c-DCSCN of Yamanaka et al. (jiny2001/dcscn-super-resolution, version 2, x4) is
the best of the compact networks that still run today. It is drawn here from its
description, with random weights, which time does not depend on; it works on
luma alone, ours on RGB.

Example:
    python -m benchmarks.upscaling_speed \
        --output=benchmarks/results/upscaling_speed.md

One thread, all taking turns in one process, compiled; the least of --repeats.
"""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from keras import layers

from benchmarks import report
from benchmarks import timing
from percgen import command
from percgen import networks
from percgen import shipped
from percgen.networks import upscaling

_SIZES = flags.DEFINE_list(
    "sizes",
    ["64x64", "128x128", "180x320"],
    "Of the small pictures, height x width.",
)
_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each.", lower_bound=5)

_SCALE = 4
_PEER, _BICUBIC = "c-DCSCN", "bicubic"
_MOST = 3.0  # Times the peer's time.
# c-DCSCN: filters of the seven layers; of the two branches after them.
_FILTERS = (32, 26, 22, 18, 14, 11, 8)
_BRANCHES = (24, 8)


def dcscn() -> keras.Model:
    """Returns c-DCSCN x4: from luma `[B, H, W, 1]`, and that enlarged."""

    def conv(x: Any, filters: int, size: int = 3) -> Any:
        x = layers.Conv2D(filters, size, padding="same")(x)
        return layers.PReLU(shared_axes=[1, 2])(x)

    small = x = keras.Input([None, None, 1])
    large = keras.Input([None, None, 1])
    found = []
    for filters in _FILTERS:
        x = conv(x, filters)
        found.append(x)
    every = layers.Concatenate()(found)
    wide, narrow = _BRANCHES
    x = layers.Concatenate()(
        [conv(conv(every, narrow, 1), narrow), conv(every, wide, 1)]
    )
    for filters in (sum(_BRANCHES), 1):
        x = layers.Conv2D(4 * filters, 3, padding="same")(x)
        x = upscaling.PixelShuffle(2)(x)
    x = layers.Conv2D(1, 3, padding="same", use_bias=False)(x)
    return keras.Model([small, large], layers.Add()([x, large]))


def main() -> None:
    timing.single_thread()
    names = [
        name
        for name in shipped.names()
        if getattr(shipped.load(name), "scale", None) == _SCALE
    ]
    ours = {name: shipped.load(name) for name in names}
    ours[_BICUBIC] = networks.BicubicEnlarge(_SCALE)
    peer = dcscn()
    least = [_least(ours, peer, size) for size in _SIZES.value]
    slowest = max(one[name] / one[_PEER] for one in least for name in names)
    counts = {name: ours[name].count_params() for name in names}
    report.write(
        "Time of super-resolution x4",
        "python -m benchmarks.upscaling_speed",
        "Milliseconds for a picture, network alone; one thread, in turns, the "
        f"least of {_REPEATS.value}. c-DCSCN with {peer.count_params():,} "
        "parameters, on luma; ours on RGB, "
        + ", ".join(f"{name} with {n:,}" for name, n in counts.items())
        + ".",
        report.table(
            ["small picture", *least[0]],
            [
                [size, *(f"{x:.1f}" for x in one.values())]
                for size, one in zip(_SIZES.value, least, strict=True)
            ],
        ),
        f"Ours takes at most {slowest:.2f} times c-DCSCN's time; it should not "
        f"be more than {_MOST:.0f}.",
    )


def _least(
    ours: dict[str, Any], peer: keras.Model, size: str
) -> dict[str, float]:
    """Returns milliseconds by name, for a small picture of a size."""
    try:
        height, width = map(int, size.split("x"))
    except ValueError as error:
        raise ValueError(
            f"--sizes should be as 64x64. Received: {size}."
        ) from error
    random = np.random.default_rng(0)
    small = tf.constant(random.random([1, height, width, 3], np.float32))
    shape = [1, _SCALE * height, _SCALE * width, 1]
    luma = [small[..., :1], tf.constant(random.random(shape, np.float32))]
    calls = {_PEER: functools.partial(tf.function(peer), luma)}
    for name, network in ours.items():
        calls[name] = functools.partial(tf.function(network), small)
    return timing.least_milliseconds(calls, _REPEATS.value)


if __name__ == "__main__":
    command.run(main)
