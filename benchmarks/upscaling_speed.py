r"""Times the package's networks of super-resolution beside compact DCSCN.

The peer has random weights, which time does not depend on, and works on luma
alone; ours on RGB.

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

from benchmarks import dcscn
from benchmarks import report
from benchmarks import timing
from benchmarks import upscaling_measures
from percgen import command
from percgen import networks

_SIZES = flags.DEFINE_list(
    "sizes",
    ["64x64", "128x128", "180x320"],
    "Of the small pictures, height x width.",
)
_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each.", lower_bound=5)

_SCALE = 4
_PEER, _BICUBIC = "c-DCSCN", "bicubic"
_MOST = 3.0  # Times the peer's time.


def main() -> None:
    timing.single_thread()
    ours = upscaling_measures.shipped_for(_SCALE)
    names = list(ours)
    ours[_BICUBIC] = networks.BicubicEnlarge(_SCALE)
    peer = dcscn.draw()
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
