"""Times calls that take turns, one thread each."""

import time
from collections.abc import Callable
from collections.abc import Mapping

import tensorflow as tf
import threadpoolctl

WARM_UP = 2


def single_thread() -> None:
    """Leaves TensorFlow and BLAS one thread; before the first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    threadpoolctl.threadpool_limits(1)


def least_milliseconds(
    calls: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, float]:
    """Returns the least time of each call, all taking turns."""
    least = dict.fromkeys(calls, float("inf"))
    for turn in range(repeats + WARM_UP):
        for name, call in calls.items():
            start = time.perf_counter()
            tf.nest.map_structure(_wait, call())
            if turn >= WARM_UP:
                seconds = time.perf_counter() - start
                least[name] = min(least[name], seconds * 1e3)
    return least


def _wait(result: object) -> None:
    if isinstance(result, tf.Tensor):
        result.numpy()
