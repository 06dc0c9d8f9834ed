"""Weights of terms that change as training goes on."""

import itertools
import math
from collections.abc import Sequence

import tensorflow as tf

_EXPECTED = (
    "A weight should be a number of at least 0, as 0.5, or a schedule of "
    "weight@step, as 1@0/0.1@2000"
)


class Piecewise:
    """A weight that goes from point to point in straight lines.

    Before the first point and after the last it stays as it is there. Call it
    with a step to get the weight. `str()` is what `parse_weight` reads.

    Args:
        points: Pairs of a step and the weight at it.

    Call arguments:
        step: Steps done, an integer or a scalar tensor of any number type.

    Returns:
        The weight, a float32 scalar.

    Raises:
        ValueError: If there is no point, steps are not whole, negative or do
            not increase, or a weight is negative or not finite.
    """

    def __init__(self, points: Sequence[tuple[int, float]]):
        steps = [step for step, _ in points]
        if (
            not steps
            or steps[0] < 0
            or any(step != int(step) for step in steps)
            or any(a >= b for a, b in itertools.pairwise(steps))
        ):
            raise ValueError(
                "Steps of `points` should be whole, not negative, and increase."
                f" Received: points={list(points)}."
            )
        if not all(_is_weight(weight) for _, weight in points):
            raise ValueError(
                "Weights of `points` should be finite and at least 0. "
                f"Received: points={list(points)}."
            )
        self.points = tuple((int(s), float(w)) for s, w in points)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        # In float64, which holds every step and leaves no crumbs of a weight.
        step = tf.cast(step, tf.float64)
        weight = tf.constant(self.points[0][1], tf.float64)
        for (start, first), (stop, last) in itertools.pairwise(self.points):
            share = tf.clip_by_value((step - start) / (stop - start), 0.0, 1.0)
            line = (1.0 - share) * first + share * last
            weight = tf.where(step > start, line, weight)
        return tf.cast(weight, tf.float32)

    def __str__(self) -> str:
        return "/".join(
            f"{repr(weight).removesuffix('.0')}@{step}"
            for step, weight in self.points
        )

    def __repr__(self) -> str:
        return f"Piecewise({list(self.points)})"


def parse_weight(text: str) -> float | Piecewise:
    """Reads a weight as flags give it.

    Args:
        text: A number, as `0.5`, or points as `1@0/0.1@2000`: weight 1 at step
            0, .1 from step 2000 on, and a straight line between.

    Returns:
        The number, or the schedule.

    Raises:
        ValueError: If it is neither.
    """
    try:
        if "@" in text:
            pairs = [point.split("@") for point in text.split("/")]
            return Piecewise([(int(s), float(w)) for w, s in pairs])
        weight = float(text)
    except ValueError as error:
        raise ValueError(f"{_EXPECTED}. Received: {text!r}. {error}") from None
    if not _is_weight(weight):
        raise ValueError(f"{_EXPECTED}. Received: {text!r}.")
    return weight


def _is_weight(weight: float) -> bool:
    return 0.0 <= weight < math.inf
