r"""Trains a variational autoencoder with DeePSiM (Dosovitskiy and Brox 2016).

A picture becomes a Gaussian over codes, by layers of a comparator and two dense
layers; a code becomes a picture by up-convolutions. Pictures of codes that are
drawn look as natural as the loss demands.

Example:
    python -m train.vae --comparator=alexnet --layer=pool5 \
        --comparator_weights=alexnet.caffemodel --images='photos/*.jpg' \
        --held_out='others/*.jpg' --workdir=runs/vae
    tensorboard --logdir=runs

--feature_weight=0 --adversarial_weight=0 trains by squared error. Leaves
generator.keras in --workdir, whose `decoder` makes pictures, and drawn.png,
pictures of codes that nobody had. Ctrl-C stops; the same command goes on. In
few steps codes only come to carry pictures if pixels lead at first:
--feature_weight=0@400/1@600 --adversarial_weight=0@500/0.07@700.
"""

from typing import Any

import keras
import numpy as np
from absl import flags

from percgen import networks
from percgen import tasks
from train import adversary
from train import encoding
from train import machines
from train import paired
from train import panels
from train import runner

_CODE = flags.DEFINE_integer(
    "code", 128, "Numbers of the code; paper B's fc6 has 4096.", lower_bound=1
)
_KL_WEIGHT = flags.DEFINE_string(
    "kl_weight",
    "0@0/1e-3@1000",
    "A number, or a schedule: by default it grows to .001 by step 1,000, as "
    "else codes may never carry anything. Paper B's was not found.",
)
_TRAIN_ENCODER = flags.DEFINE_bool(
    "train_encoder", True, "Let --encoder's layers learn, too."
)
_WIDTH = flags.DEFINE_integer(
    "width",
    8,
    "Filters of the last layer before the colors; paper B's has 32.",
    lower_bound=1,
)
_DENSE = flags.DEFINE_integer(
    "dense",
    1,
    "Dense layers from the code to the first map; paper B's net has 3.",
    lower_bound=1,
)
flags.adopt_module_key_flags(adversary)
flags.adopt_module_key_flags(encoding)
flags.adopt_module_key_flags(runner)
runner.set_defaults({**adversary.DEFAULTS, "image_size": 64})

_DRAWN, _ACROSS = 32, 8


def main() -> None:
    kl = tasks.parse_weight(_KL_WEIGHT.value)
    adversary.refuse()
    encoder = encoding.make()
    workdir = runner.open_workdir()
    photographs = paired.photographs()
    _, spread = encoding.look(encoder, photographs)
    _network(encoder, spread)  # Refuses what does not fit.
    panel, batches = paired.restored(photographs)

    def make_task() -> tasks.DeePSiM:
        judge = adversary.discriminator()
        own = encoding.make(_TRAIN_ENCODER.value)
        before = [_network(own, spread)]
        return adversary.make(tasks.VAE, before, judge, photographs, kl=kl)

    note = f"; encoder: {encoding.LAYER.value} of {encoder.provenance}"
    paired.run(make_task, panel, batches, workdir, note, {"drawn": _draw})


def _network(
    encoder: keras.Model, spread: dict[str, Any]
) -> networks.UpconvVAE:
    return networks.UpconvVAE(
        keras.Model(encoder.input, encoder.output[encoding.LAYER.value]),
        _CODE.value,
        runner.IMAGE_SIZE.value,
        _WIDTH.value,
        **spread,
        dense=_DENSE.value,
    )


def _draw(task: tasks.VAE) -> np.ndarray:
    """Returns pictures of codes that nobody had, always the same codes."""
    pictures = np.asarray(task.sample(_DRAWN))
    return panels.contact_sheet(np.split(pictures, _DRAWN // _ACROSS))


if __name__ == "__main__":
    machines.start(main)
