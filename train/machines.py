"""What a training command trains on: a device, several, several machines."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable

import tensorflow as tf
from absl import flags

from percgen import command
from train import cluster

_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "one", "mirrored", "multi_worker"],
    "One device, a replica on each (MirroredStrategy), or on each of several "
    "machines, which TF_CONFIG names (MultiWorkerMirroredStrategy); auto: all "
    "that there is, of CPUs one.",
)
_JOIN_TIMEOUT = flags.DEFINE_float(
    "join_timeout",
    300.0,
    "Seconds that a worker waits for the others.",
    lower_bound=1.0,
)

# Of a worker that lost another: 128 or more, as `preemption.PREEMPTED`.
LOST = 138

_joined: tuple[cluster.Cluster, tf.distribute.Strategy] | None = None


def start(main: Callable[[], None]) -> None:
    """Runs a training command, as one of several workers if flags say so."""
    command.run(lambda: _start(main))


def strategy() -> tf.distribute.Strategy:
    """Returns the flags' strategy: over workers, over GPUs, or else CPUs."""
    if _joined:
        return _joined[1]
    gpus = tf.config.list_logical_devices("GPU")
    devices = [d.name for d in gpus or tf.config.list_logical_devices("CPU")]
    choice = _STRATEGY.value
    if choice == "mirrored" or (choice == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.OneDeviceStrategy(devices[0])


def chief() -> bool:
    """Returns whether this process keeps what is kept of the run."""
    return _joined is None or _joined[0].chief


def agree(text: str, else_: str) -> None:
    """Waits until all workers say the same.

    Args:
        text: What this one says.
        else_: What is wrong if another says otherwise.

    Raises:
        ValueError: On every worker, if one does.
    """
    if _joined:
        cluster.agree(_joined[1], text, else_)


def share(folder: pathlib.Path) -> None:
    """Sees to it that all workers share a folder.

    Raises:
        ValueError: On every worker, if one does not.
        OSError: If the folder cannot be written.
    """
    if _joined:
        cluster.share(_joined[1], _joined[0], folder)


def _start(main: Callable[[], None]) -> None:
    global _joined
    wanted = _STRATEGY.value == "multi_worker"
    found = cluster.read() if wanted or _STRATEGY.value == "auto" else None
    if found is None and wanted:
        raise ValueError(
            "--strategy=multi_worker needs TF_CONFIG, which names the workers. "
            "`python -m train.launch` sets it for workers on this machine."
        )
    if found is None or (not wanted and len(found.addresses) == 1):
        main()
        return
    _joined = found, cluster.join(found, _JOIN_TIMEOUT.value)
    with contextlib.ExitStack() as stack:
        if not found.chief:  # Whose words are enough.
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        try:
            main()
            cluster.gather(_joined[1], "")  # Nobody leaves before all may.
        except tf.errors.OpError as error:
            reason = error.message.split("\n")[0]
            command.complain(
                f"Another worker was lost; start all again. {reason}"
            )
            sys.stderr.flush()
            # Not `sys.exit`: TensorFlow would wait for the others.
            os._exit(LOST)
