r"""Trains a network that turns features back into pictures, with DeePSiM.

Shows what a layer of a comparator still knows of a picture (Dosovitskiy and
Brox 2016): the network is given nothing else.

Example:
    python -m train.invert --comparator=alexnet --layer=pool5 \
        --comparator_weights=alexnet.caffemodel --images='photos/*.jpg' \
        --held_out='others/*.jpg' --workdir=runs/pool5
    python -m train.invert --flagfile=train/settings/invert2016.flags \
        --images='photos/*.jpg' --workdir=runs/paper
    tensorboard --logdir=runs

--feature_weight=0 --adversarial_weight=0 trains by pixels alone, as the same
authors did before (CVPR 2016). Leaves generator.keras, from features to
pictures, in --workdir. Ctrl-C stops; the same command goes on.
"""

import keras
import numpy as np
from absl import flags

from percgen import command
from percgen import comparators
from percgen import data
from percgen import networks
from percgen import tasks
from train import adversary
from train import comparison
from train import paired
from train import runner

# What flags are that are not given, sized for two CPU cores.
_DEFAULTS = {
    "image_size": 128,
    "batch_size": 16,
    "steps": 3000,
    "learning_rate": 1e-3,
}
_LAYER = flags.DEFINE_string(
    "layer", None, "Whose features are turned back.", required=True
)
_ENCODER = flags.DEFINE_enum(
    "encoder",
    None,
    sorted(comparators.COMPARATORS),
    "Whose --layer it is; by default that of --comparator.",
)
_ENCODER_WEIGHTS = flags.DEFINE_string(
    "encoder_weights", None, "Of --encoder, as --comparator_weights."
)
_WIDTH = flags.DEFINE_integer(
    "width",
    8,
    "Filters of the last layer before the colors; paper B's has 32.",
    lower_bound=1,
)
_TELL = flags.DEFINE_bool(
    "tell_discriminator",
    None,
    "Show the features to the discriminator, too, as paper B does; by default "
    "if they are at most 10,000 numbers, by which its layers grow.",
)
_MOST_TOLD = 10_000
_MEASURED = 32  # Pictures that features' scale is taken of.
flags.adopt_module_key_flags(adversary)
flags.adopt_module_key_flags(runner)


def main() -> None:
    runner.set_defaults(_DEFAULTS)
    weights = adversary.weights()
    adversary.refuse()
    encoder = _encoder()
    workdir = runner.open_workdir()
    photographs = paired.photographs()
    adversary.refuse_small(encoder, f" for {_LAYER.value}")
    shape, scale = _look(encoder, photographs)
    _generator(shape, scale)  # Refuses what does not fit.
    panel, batches = paired.restored(photographs)

    numbers = int(np.prod(shape))
    tell = numbers <= _MOST_TOLD if _TELL.value is None else _TELL.value

    def make_task() -> tasks.Invert:
        discriminator = adversary.discriminator(numbers if tell else None)
        task = tasks.Invert(
            _generator(shape, scale),
            _encoder(),
            discriminator,
            adversary.terms(discriminator, photographs),
            weights,
            adversary.pause(),
            runner.SEED.value,
        )
        task.compile(*adversary.optimizers())
        return task

    note = f"; inverted: {_LAYER.value} of {encoder.provenance}"
    paired.run(make_task, panel, batches, workdir, note)


def _encoder() -> comparators.comparator.Comparator:
    if _ENCODER.value is None:
        return comparison.make([_LAYER.value], runner.SEED.value)
    return comparators.COMPARATORS[_ENCODER.value](
        [_LAYER.value], weights=_ENCODER_WEIGHTS.value, seed=runner.SEED.value
    )


def _look(
    encoder: comparators.comparator.Comparator, photographs: data.Photographs
) -> tuple[tuple[int, ...], float]:
    """Returns shape and standard deviation of a picture's features."""
    pictures = photographs.panel(_MEASURED, runner.IMAGE_SIZE.value)
    features = tasks.invert.describe(encoder, pictures)
    return tuple(features.shape[1:]), float(np.std(features))


def _generator(shape: tuple[int, ...], scale: float) -> keras.Model:
    return networks.UpconvGenerator(
        shape, runner.IMAGE_SIZE.value, _WIDTH.value, scale
    )


if __name__ == "__main__":
    command.run(main)
