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
pictures, in --workdir. Ctrl-C stops; the same command goes on. In few steps
pictures only appear if the discriminator is not heard at first:
--adversarial_weight=0@500/0.07@800.

--optimize trains nothing: each picture of --held_out is looked for by itself,
in --steps steps, as Mahendran and Vedaldi did (CVPR 2015).
"""

import sys
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import flags

from percgen import inversion
from percgen import networks
from percgen import tasks
from train import adversary
from train import encoding
from train import machines
from train import paired
from train import panels
from train import runner
from train import workdir as workdir_lib

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
_OPTIMIZE = flags.DEFINE_bool(
    "optimize", False, "Look for pictures one by one, and train no network."
)
_SMOOTHNESS = flags.DEFINE_float(
    "total_variation", 0.03, "Weight of it with --optimize.", lower_bound=0.0
)
_NORM = flags.DEFINE_float(
    "norm",
    0.01,
    "Weight, with --optimize, of how far values are from gray.",
    lower_bound=0.0,
)
_MOST_TOLD = 10_000
flags.adopt_module_key_flags(adversary)
flags.adopt_module_key_flags(encoding)
flags.adopt_module_key_flags(runner)
runner.set_defaults({**adversary.DEFAULTS, "image_size": 128})


def main() -> None:
    adversary.refuse()
    encoder = encoding.make()
    workdir = runner.open_workdir()
    photographs = paired.photographs()
    shape, spread = encoding.look(encoder, photographs)
    _generator(shape, spread)  # Refuses what does not fit.
    panel, batches = paired.restored(photographs)
    note = f"inverted: {encoding.LAYER.value} of {encoder.provenance}"
    if _OPTIMIZE.value:
        _optimize(encoder, panel[0], workdir, note)
        return
    numbers = int(np.prod(shape))
    tell = numbers <= _MOST_TOLD if _TELL.value is None else _TELL.value

    def make_task() -> tasks.DeePSiM:
        judge = adversary.discriminator(numbers if tell else None)
        before = [_generator(shape, spread), encoding.make()]
        return adversary.make(tasks.Invert, before, judge, photographs)

    paired.run(make_task, panel, batches, workdir, f"; {note}")


def _generator(shape: tuple[int, ...], spread: dict[str, Any]) -> keras.Model:
    return networks.UpconvGenerator(
        shape, runner.IMAGE_SIZE.value, _WIDTH.value, **spread
    )


def _optimize(
    encoder: keras.Model,
    pictures: np.ndarray,
    workdir: workdir_lib.Workdir,
    note: str,
) -> None:
    def encode(x: tf.Tensor) -> tf.Tensor:
        return tasks.invert.describe(encoder, x)

    workdir.claim()
    found = [
        inversion.invert(
            encode,
            np.asarray(encode(picture[None])),
            runner.IMAGE_SIZE.value,
            _SMOOTHNESS.value,
            _NORM.value,
            runner.STEPS.value,
            runner.SEED.value,
        )
        for picture in tqdm.tqdm(pictures, unit="picture", file=sys.stdout)
    ]
    sheet = panels.pair_sheet(pictures, pictures, np.concatenate(found))
    workdir.write_picture("samples.png", sheet)
    workdir.write("used.txt", f"optimized; {note}\n".encode())
    print(f"Wrote samples.png to {workdir.path}")


if __name__ == "__main__":
    machines.start(main)
