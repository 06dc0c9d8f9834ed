"""TensorFlow's profiler over some steps of a training."""

import contextlib
import pathlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Self

import tensorflow as tf

_WARM = 10  # Steps that are not traced: the first ones compile.


class Profiler:
    """Traces steps of a loop, as a context about it.

    The trace lies beside TensorBoard's events, whose page Profile (package
    `xprof`) shows what a step's time went into.

    Args:
        folder: Of the events.
        first: Step that the loop starts after.
        count: Steps to trace, after ten that are not; 0 for none.
        told: Is given one line when the trace is written.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        first: int,
        count: int,
        told: Callable[[str], object],
    ):
        self._folder, self._told = folder, told
        self._first = first + _WARM + 1
        self._last = first + _WARM + count
        self._runs = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextlib.contextmanager
    def step(self, number: int) -> Iterator[None]:
        """Is a context about each step, by its number."""
        if number == self._first <= self._last:
            tf.profiler.experimental.start(str(self._folder))
            self._runs = True
        with tf.profiler.experimental.Trace("train", step_num=number, _r=1):
            yield
        if number == self._last:
            self._stop()

    def _stop(self) -> None:
        if self._runs:
            self._runs = False
            tf.profiler.experimental.stop()
            self._told(f"Wrote a profile to {self._folder}/plugins/profile.")
