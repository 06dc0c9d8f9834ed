r"""Times a training step of style transfer beside PyTorch's usual loop.

The same network (Johnson et al.'s with instance normalization, 32 filters), the
same comparator (VGG-16 to relu4_3), batch and size; random weights, which time
does not depend on.

Example:
    python -m benchmarks.train_speed \
        --output=benchmarks/results/train_speed.md

A process of one thread for each, which take turns; the least of --repeats.
PyTorch is optional: `make peers` installs it, in .venv-peers.
"""

import contextlib
import multiprocessing
from collections.abc import Callable
from collections.abc import Iterator
from multiprocessing.connection import Connection

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from absl import logging

from benchmarks import peers
from benchmarks import report
from benchmarks import timing
from percgen import command
from percgen import comparators
from percgen import losses
from percgen import networks
from percgen import tasks

_SIZE = flags.DEFINE_integer(
    "size", 256, "Side of the pictures, in pixels.", lower_bound=64
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 4, "Pictures.", lower_bound=1)
_WIDTH = flags.DEFINE_integer(
    "width", 32, "Filters of the network's first layer.", lower_bound=1
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Of each.", lower_bound=5)

_PEER, _OURS, _HALF, _XLA = "PyTorch", "percgen", "bfloat16", "XLA"
_FASTER = 2.0  # What percgen should be.
_CONTENT = "relu2_2"
_STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
_SPAWN = multiprocessing.get_context("spawn")
Step = Callable[[], float]


def main() -> None:
    names = [_PEER] if peers.find("torch") else []
    names += [_OURS, _HALF, _XLA]
    least = _least(names)
    ratios = {name: least[name] / least[_OURS] for name in names}
    claim = "PyTorch is not installed: nothing to compare with."
    if _PEER in ratios:
        claim = (
            f"percgen takes its steps {ratios[_PEER]:.2f} times as fast as "
            f"PyTorch; it should be {_FASTER:g} times."
        )
    settings = (_SIZE, _BATCH_SIZE, _WIDTH, _REPEATS)
    given = [flags.FLAGS[flag.name] for flag in settings]
    report.write(
        "Speed of training",
        report.line("benchmarks.train_speed", given),
        f"One step of style transfer on {_BATCH_SIZE.value} pictures of "
        f"{_SIZE.value} x {_SIZE.value}: the network of pytorch/examples with "
        f"{_WIDTH.value} filters, VGG-16 to relu4_3. A process of one thread "
        f"for each, in turns, the least of {_REPEATS.value}. {_HALF}: "
        "--mixed_precision and --comparator_precision; XLA: the step compiled "
        "by it.",
        report.table(
            ["", "seconds", "steps a second", "times percgen's time"],
            [
                [
                    name,
                    f"{least[name]:.2f}",
                    f"{1.0 / least[name]:.3f}",
                    f"{ratios[name]:.2f}",
                ]
                for name in names
            ],
        ),
        claim,
    )


def _least(names: list[str]) -> dict[str, float]:
    """Returns the seconds of a step of each, all taking turns."""
    with contextlib.ExitStack() as stack:
        steps = {name: stack.enter_context(_process(name)) for name in names}
        found = timing.least_milliseconds(steps, _REPEATS.value)
    return {name: milliseconds / 1e3 for name, milliseconds in found.items()}


@contextlib.contextmanager
def _process(name: str) -> Iterator[Step]:
    """Gives a function that lets a process step, and returns its loss."""
    here, there = _SPAWN.Pipe()
    arguments = name, _WIDTH.value, _BATCH_SIZE.value, _SIZE.value
    process = _SPAWN.Process(target=_serve, args=(there, *arguments))
    process.start()
    there.close()

    def step() -> float:
        try:
            here.send(True)
            return here.recv()
        except (EOFError, OSError) as error:
            raise ValueError(f"The process of {name} has ended.") from error

    try:
        yield step
    finally:
        with contextlib.suppress(OSError):
            here.send(False)
        process.join()


def _serve(
    pipe: Connection, name: str, width: int, batch_size: int, size: int
) -> None:
    """Steps whenever it is asked to, and tells its loss."""
    timing.single_thread()
    logging.set_verbosity(logging.ERROR)  # That random weights see little.
    random = np.random.default_rng(0)
    photographs = random.random([batch_size, size, size, 3], np.float32)
    step = _maker(name)(width, photographs)
    while pipe.recv():
        loss = step()
        if not np.isfinite(loss):
            raise ValueError(f"The loss of {name} is {loss}.")
        pipe.send(loss)


def _maker(name: str) -> Callable[[int, np.ndarray], Step]:
    if name == _PEER:
        from benchmarks import torch_style

        return torch_style.step
    return lambda *arguments: _ours(name, *arguments)


def _ours(name: str, width: int, photographs: np.ndarray) -> Step:
    """Returns the step of `train.stylize`."""
    policy = "mixed_bfloat16" if name == _HALF else "float32"
    keras.config.set_dtype_policy(policy)
    vgg = comparators.VGG16(_STYLE, "random", dtype=policy)
    task = tasks.Stylize(
        networks.StyleGenerator(width=width),
        losses.FeatureLoss(vgg, {_CONTENT: 1.0}),
        losses.StyleLoss(vgg, dict.fromkeys(_STYLE, 1.0)),
        photographs[:1],
        {"feature": 1.0, "style": 5.0, "total_variation": 0.0},
    )
    task.compile(keras.optimizers.Adam(1e-3))
    train_step = tf.function(task.train_step, jit_compile=name == _XLA)
    batch = tf.constant(photographs)
    return lambda: float(train_step(batch)["loss"])


if __name__ == "__main__":
    command.run(main)
