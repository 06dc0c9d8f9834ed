"""What commands that train by DeePSiM share: weights, and two players.

Dosovitskiy and Brox, NIPS 2016 (paper B), section 3.
"""

from collections.abc import Callable
from collections.abc import Sequence

import keras
from absl import flags

from percgen import data
from percgen import networks
from percgen import tasks
from train import feature_terms
from train import optimizers
from train import runner

_FEATURE_WEIGHT = flags.DEFINE_string(
    "feature_weight",
    "1",
    "Of the distance of features: a number, or a schedule as 1@0/0.1@2000.",
)
_ADVERSARIAL_WEIGHT = flags.DEFINE_string(
    "adversarial_weight",
    "0.07",
    "Of -log D, what the discriminator finds: a number or a schedule.",
)
_IMAGE_WEIGHT = flags.DEFINE_string(
    "image_weight",
    "7",
    "Of the mean squared difference of pixels: a number or a schedule.",
)
_WIDTH = flags.DEFINE_integer(
    "discriminator_width",
    16,
    "Filters of its first layer; paper B's has 32.",
    lower_bound=1,
)
_SPECTRAL = flags.DEFINE_bool(
    "spectral", False, "Normalize the discriminator's kernels spectrally."
)
_DETAIL = flags.DEFINE_bool(
    "detail",
    False,
    "Show the discriminator fine detail alone, which a blur takes away: it "
    "learns far sooner to tell what is not sharp.",
)
_DISCRIMINATOR_RATE = flags.DEFINE_float(
    "discriminator_rate",
    5e-4,
    "Learning rate of the discriminator; paper B's is .0002.",
    lower_bound=0.0,
)
_EMA = flags.DEFINE_float(
    "ema",
    0.0,
    "Momentum of a moving average of the weights, which is what is kept of the "
    "training; 0 keeps the weights themselves.",
    lower_bound=0.0,
    upper_bound=0.9999,
)
_PAUSE = flags.DEFINE_bool(
    "pause",
    True,
    "Let the discriminator rest while its loss over the generator's, r, is "
    "small, and the generator while it is large.",
)
_PAUSE_BELOW = flags.DEFINE_float("pause_below", 0.1, "r to let it rest.")
_RESUME_ABOVE = flags.DEFINE_float("resume_above", 0.5, "r to wake it.")
_PAUSE_GENERATOR_ABOVE = flags.DEFINE_float(
    "pause_generator_above", 10.0, "r to let the generator rest."
)
flags.adopt_module_key_flags(feature_terms)
flags.adopt_module_key_flags(optimizers)

# What flags are that are not given, sized for two CPU cores; but --image_size.
# Paper B's betas are .9 and .999. With those, in batches of 16 and with
# Compact, the discriminator was at chance after a few hundred steps and stayed
# there; with .5 and .9 it was not. That Adam's long memory of early, large
# gradients is why was not measured.
DEFAULTS = {
    "batch_size": 16,
    "steps": 3000,
    "learning_rate": 1e-3,
    "beta_1": 0.5,
    "beta_2": 0.9,
}
_LARGE = 128  # From here on the discriminator's first stride is 4.


def refuse() -> None:
    """Raises `ValueError` if a flag is not in order, before all else."""
    for read in (_weights, _pause, _optimizers):
        read()
    feature_terms.refuse_small(discriminator())


def discriminator(features: int | None = None) -> networks.Discriminator:
    """Returns the discriminator for --image_size.

    Args:
        features: Numbers that it is told of a picture, if any.
    """
    return networks.Discriminator(
        4 if runner.IMAGE_SIZE.value >= _LARGE else 2,
        _WIDTH.value,
        features,
        spectral=_SPECTRAL.value,
        detail=_DETAIL.value,
    )


def make(
    kind: Callable[..., tasks.DeePSiM],
    before: Sequence[keras.Model],
    judge: networks.Discriminator,
    photographs: data.Photographs,
    **own_weights: tasks.Weight,
) -> tasks.DeePSiM:
    """Returns a compiled task.

    Args:
        kind: The task's class.
        before: What it takes before the discriminator.
        judge: The discriminator.
        photographs: That distances of features are counted in.
        **own_weights: Of terms that this kind has besides DeePSiM's.

    Raises:
        ValueError: If the flags ask for layers that there are not, or pictures
            are too small for them.
    """
    task = kind(
        *before,
        judge,
        feature_terms.terms(judge, photographs),
        {**_weights(), **own_weights},
        _pause(),
        runner.SEED.value,
    )
    task.compile(*_optimizers())
    return task


def _weights() -> dict[str, tasks.Weight]:
    """Returns the weight of each term, a number or a schedule.

    Raises:
        ValueError: If one is neither.
    """
    found = {
        "feature": _FEATURE_WEIGHT.value,
        "adversarial": _ADVERSARIAL_WEIGHT.value,
        "image": _IMAGE_WEIGHT.value,
    }
    return {name: tasks.parse_weight(text) for name, text in found.items()}


def _pause() -> tasks.Pause:
    """Returns who rests when.

    Raises:
        ValueError: If the thresholds are not in order.
    """
    return tasks.Pause(
        _PAUSE_BELOW.value,
        _RESUME_ABOVE.value,
        _PAUSE_GENERATOR_ABOVE.value,
        off=not _PAUSE.value,
    )


def _optimizers() -> tuple[keras.Optimizer, keras.Optimizer]:
    """Returns Adam for the generator, and for the discriminator.

    Raises:
        ValueError: If --halve_at is no list of steps.
    """
    return (
        optimizers.adam(
            runner.LEARNING_RATE.value,
            use_ema=bool(_EMA.value),
            ema_momentum=_EMA.value,
        ),
        optimizers.adam(_DISCRIMINATOR_RATE.value),
    )
