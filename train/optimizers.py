"""Adam, as commands take it: its betas, and how its rate falls."""

from typing import Any

import keras
from absl import flags

from train import runner

_BETA_1 = flags.DEFINE_float(
    "beta_1",
    0.9,
    "Of Adam: how long it remembers gradients.",
    lower_bound=0.0,
    upper_bound=0.9999,
)
_BETA_2 = flags.DEFINE_float(
    "beta_2",
    0.999,
    "Of Adam: how long it remembers their squares.",
    lower_bound=0.0,
    upper_bound=0.9999,
)
_HALVE_AT = flags.DEFINE_list(
    "halve_at",
    [],
    "Steps after which learning rates are halved; by default they fall to 0 "
    "like a cosine by the last step.",
)


def adam(rate: float, **options: Any) -> keras.Optimizer:
    """Returns Adam as the flags ask for it.

    Args:
        rate: At the first step.
        **options: Of `keras.optimizers.Adam`.

    Raises:
        ValueError: If --halve_at is no list of steps.
    """
    return keras.optimizers.Adam(
        _falling(rate), _BETA_1.value, _BETA_2.value, **options
    )


def _falling(rate: float) -> keras.optimizers.schedules.LearningRateSchedule:
    try:
        steps = sorted(int(step) for step in _HALVE_AT.value)
    except ValueError:
        raise ValueError(
            "--halve_at should be whole numbers. "
            f"Received: {','.join(_HALVE_AT.value)}."
        ) from None
    if not steps:
        return keras.optimizers.schedules.CosineDecay(rate, runner.STEPS.value)
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        steps, [rate / 2**halvings for halvings in range(len(steps) + 1)]
    )
