"""Arrays that make a function small, found by descent within bounds.

What it knows of pictures is that their values have bounds. A comparator was
taught on pictures, and knows nothing of brighter ones than white; a value
beyond would be clipped when the picture is written, and the function with it.

References:
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained
    optimization", SIAM Journal on Scientific Computing, 1995.
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015.
"""

import itertools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import threadpoolctl
from scipy import optimize

# From a float32 tensor, and what else a function depends on, to its value and
# its gradient there.
Slope = Callable[..., tuple[tf.Tensor, tf.Tensor]]
# Told after each step: its number from 1 on, the value, the array.
Watch = Callable[[int, float, np.ndarray], None]

_FIRST_STEP = 0.01  # Of the range between the bounds.


def differentiate(function: Callable[..., tf.Tensor]) -> Slope:
    """Returns what gives a function's value and gradient, compiled.

    Args:
        function: From a tensor, and whatever else it depends on, to a scalar.

    Returns:
        A function of the same arguments; the gradient is by the first.
    """

    @tf.function
    def slope(x: tf.Tensor, *given: Any) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x, *given)
        return value, tape.gradient(value, x)

    return slope


def lbfgs(
    slope: Slope,
    start: np.ndarray,
    bounds: tuple[float, float],
    steps: int,
    given: Sequence[Any] = (),
    watch: Watch | None = None,
) -> np.ndarray:
    """Goes down by L-BFGS-B (`scipy.optimize.minimize`).

    Stops before `steps` where float32 shows no way further down. The unit of
    the function makes no difference.

    Args:
        slope: Of the function.
        start: Where to start, of any shape; clipped to the bounds.
        bounds: The least and the greatest value that elements may have.
        steps: At most; one evaluates the function once, or a few times.
        given: What else the function depends on.
        watch: Told after each step.

    Returns:
        An array of the shape of `start`, float64.

    Raises:
        ValueError: If the function is not finite.
    """
    start = np.clip(start, *bounds)
    unit = _unit(_evaluate(slope, start, given)[1], bounds)
    numbers = itertools.count(1)

    def call(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _evaluate(slope, flat.reshape(start.shape), given)
        return value / unit, np.asarray(gradient, np.float64).ravel() / unit

    def tell(intermediate_result: optimize.OptimizeResult) -> None:
        x = intermediate_result.x.reshape(start.shape)
        if watch:
            watch(next(numbers), float(intermediate_result.fun) * unit, x)

    # Its threads and TensorFlow's stall one another: three times slower.
    with threadpoolctl.threadpool_limits(1, "blas"):
        found = optimize.minimize(
            call,
            start.ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(*bounds),
            callback=tell,
            # Of a mean each pixel's gradient is small; by the default it stops.
            options={"maxiter": steps, "gtol": 0.0, "ftol": 1e-12},
        )
    return found.x.reshape(start.shape)


def adam(
    slope: Slope,
    start: np.ndarray,
    bounds: tuple[float, float],
    steps: int,
    rate: float,
    given: Sequence[Any] = (),
    watch: Watch | None = None,
) -> np.ndarray:
    """Goes down by Adam, whose rate falls to 0 like a cosine.

    Args:
        slope: As of `lbfgs`, as are others.
        start: Likewise.
        bounds: Likewise; elements are clipped to them after each step.
        steps: In all.
        rate: At first; about how far an element moves in a step.
        given: What else the function depends on.
        watch: Told after each step.

    Returns:
        An array of the shape of `start`, float32.

    Raises:
        ValueError: If the function is not finite.
    """
    x = keras.Variable(np.clip(start, *bounds), dtype="float32")
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(rate, steps),
        epsilon=1e-30,  # Below any gradient; of a mean those are small.
    )
    optimizer.build([x])
    _, gradient = _evaluate(slope, x.value, given)
    for step in range(1, steps + 1):
        optimizer.apply([gradient], [x])
        x.assign(tf.clip_by_value(x.value, *bounds))
        value, gradient = _evaluate(slope, x.value, given)
        if watch:
            watch(step, value, x.numpy())
    return x.numpy()


def _evaluate(
    slope: Slope, x: Any, given: Sequence[Any]
) -> tuple[float, tf.Tensor]:
    value, gradient = slope(tf.cast(x, tf.float32), *given)
    if not np.isfinite(float(value)):
        raise ValueError(f"The function is not finite but {float(value)}.")
    return float(value), gradient


def _unit(gradient: tf.Tensor, bounds: tuple[float, float]) -> float:
    """Returns what to count a function in, by its gradient at the start.

    SciPy's first step is the gradient itself, and its tolerance is absolute
    below 1: a function of tiny numbers would not move.
    """
    steepness = float(np.sqrt(np.mean(np.square(gradient, dtype=np.float64))))
    return steepness / (_FIRST_STEP * (bounds[1] - bounds[0])) or 1.0
