r"""Trains an autoencoder with DeePSiM (Dosovitskiy and Brox 2016).

What is made small is a sum of three: how features of a comparator differ, how
surely a discriminator tells the picture from a real one, how pixels differ.

Example:
    python -m train.deepsim --comparator=compact --images='photos/*.jpg' \
        --held_out='others/*.jpg' --workdir=runs/deepsim
    python -m train.deepsim --flagfile=train/settings/deepsim2016.flags \
        --images='photos/*.jpg' --workdir=runs/paper
    tensorboard --logdir=runs

A term of weight 0 is shown, and not learnt. Ctrl-C stops; the same command goes
on.
"""

from typing import Any

import keras
import numpy as np
from absl import flags

from percgen import command
from percgen import losses
from percgen import networks
from percgen import tasks
from train import comparison
from train import paired
from train import runner

# What flags are that are not given, sized for two CPU cores.
_DEFAULTS = {
    "image_size": 64,
    "batch_size": 16,
    "steps": 3000,
    "learning_rate": 1e-3,
}
_NETWORK = flags.DEFINE_enum(
    "network",
    "upconv_autoencoder",
    ["upconv_autoencoder"],
    "A code of 8 x 8 with 8 channels for 64 x 64.",
)
_WIDTH = flags.DEFINE_integer(
    "width", 32, "Filters of the network's first layer.", lower_bound=1
)
_CODE = flags.DEFINE_integer("code", 8, "Channels of the code.", lower_bound=1)
_FEATURE_LAYERS = flags.DEFINE_list(
    "feature_layers",
    None,
    "Layers of the comparator, each LAYER or LAYER:WEIGHT; by default those "
    "that carry content, or relu3 of the discriminator.",
)
_OWN_FEATURES = flags.DEFINE_bool(
    "own_features",
    False,
    "Compare features of the discriminator's convolutions (relu1 to relu5) "
    "instead of --comparator's: Larsen et al. 2016.",
)
_NORMALIZE = flags.DEFINE_bool(
    "normalize",
    True,
    "Count features in distances of unlike photographs, so that one weight "
    "does for every comparator; or as they are.",
)
_FEATURE_WEIGHT = flags.DEFINE_string(
    "feature_weight", "1", "A number, or a schedule as 1@0/0.1@2000."
)
_ADVERSARIAL_WEIGHT = flags.DEFINE_string(
    "adversarial_weight", "0.07", "Likewise."
)
_IMAGE_WEIGHT = flags.DEFINE_string(
    "image_weight", "7", "Likewise, of the mean squared difference of pixels."
)
_DISCRIMINATOR_WIDTH = flags.DEFINE_integer(
    "discriminator_width",
    16,
    "Filters of its first layer; paper B's has 32.",
    lower_bound=1,
)
_SPECTRAL = flags.DEFINE_bool(
    "spectral", False, "Normalize the discriminator's kernels spectrally."
)
_DISCRIMINATOR_RATE = flags.DEFINE_float(
    "discriminator_rate",
    2e-4,
    "Learning rate of the discriminator, paper B's; at .001 it learns little.",
    lower_bound=0.0,
)
_HALVE_AT = flags.DEFINE_list(
    "halve_at", [], "Steps after which learning rates are halved."
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
flags.adopt_module_key_flags(comparison)
flags.adopt_module_key_flags(runner)

_MEASURED = 32  # Pictures that distances of features are counted in.
_LARGE = 128  # From here on the discriminator's first stride is 4.


def main() -> None:
    runner.set_defaults(_DEFAULTS)
    weights = {
        name: tasks.parse_weight(flag.value)
        for name, flag in (
            ("feature", _FEATURE_WEIGHT),
            ("adversarial", _ADVERSARIAL_WEIGHT),
            ("image", _IMAGE_WEIGHT),
        )
    }
    rates = _rate(runner.LEARNING_RATE.value), _rate(_DISCRIMINATOR_RATE.value)
    tasks.Pause(*_thresholds())  # Refuses what is not in order.
    workdir = runner.open_workdir()
    photographs = paired.photographs()
    size, seed = runner.IMAGE_SIZE.value, runner.SEED.value
    _refuse_size(size)
    panel, batches = paired.restored(photographs)
    measured = photographs.panel(_MEASURED, size)

    def make_task() -> tasks.DeePSiM:
        discriminator = _discriminator()
        terms = {
            "feature": _feature(discriminator, measured),
            "image": losses.L2Loss(check=False),
        }
        pause = tasks.Pause(*_thresholds(), off=not _PAUSE.value)
        task = tasks.DeePSiM(
            _network(), discriminator, terms, weights, pause, seed
        )
        average = {"use_ema": bool(_EMA.value), "ema_momentum": _EMA.value}
        task.compile(
            keras.optimizers.Adam(rates[0], **average),
            keras.optimizers.Adam(rates[1]),
        )
        return task

    paired.run(make_task, panel, batches, workdir)


def _refuse_size(size: int) -> None:
    """Refuses pictures that do not fit a network, before anything is made."""
    multiple, least = networks.upconv.MULTIPLE, _discriminator().smallest_image
    if size % multiple or size < least:
        raise ValueError(
            f"--image_size should be a multiple of {multiple} and at least "
            f"{least}. Received: {size}."
        )


def _network() -> keras.Model:
    return networks.UpconvAutoencoder(_WIDTH.value, _CODE.value)


def _discriminator() -> networks.Discriminator:
    return networks.Discriminator(
        4 if runner.IMAGE_SIZE.value >= _LARGE else 2,
        _DISCRIMINATOR_WIDTH.value,
        spectral=_SPECTRAL.value,
    )


def _feature(
    discriminator: networks.Discriminator, measured: np.ndarray
) -> losses.FeatureLoss:
    """Returns the loss of features, by what the flags let compare."""
    own = _OWN_FEATURES.value
    layers = comparison.parse(
        _FEATURE_LAYERS.value
        or (["relu3"] if own else comparison.chosen().content_layers)
    )
    comparator = discriminator.trunk
    if not own:
        comparator = comparison.make(list(layers), runner.SEED.value)
    elif unknown := set(layers) - set(comparator.output):
        raise ValueError(
            f"--feature_layers of the discriminator should be of "
            f"{', '.join(comparator.output)}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    least, size = getattr(comparator, "smallest_image", 1), measured.shape[1]
    if size < least:
        raise ValueError(
            f"{comparator.name} needs an --image_size of at least {least} for "
            f"{', '.join(layers)}. Received: {size}."
        )
    if _NORMALIZE.value:
        return losses.FeatureLoss.balanced(
            comparator, layers, measured, check=False
        )
    return losses.FeatureLoss(comparator, layers, check=False)


def _rate(first: float) -> Any:
    """Returns a learning rate, halved at each step of --halve_at."""
    try:
        steps = sorted(int(step) for step in _HALVE_AT.value)
    except ValueError:
        raise ValueError(
            "--halve_at should be whole numbers. "
            f"Received: {','.join(_HALVE_AT.value)}."
        ) from None
    if not steps:
        return first
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        steps, [first / 2**halvings for halvings in range(len(steps) + 1)]
    )


def _thresholds() -> tuple[float, float, float]:
    return (
        _PAUSE_BELOW.value,
        _RESUME_ABOVE.value,
        _PAUSE_GENERATOR_ABOVE.value,
    )


if __name__ == "__main__":
    command.run(main)
