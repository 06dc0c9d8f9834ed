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

from absl import flags

from percgen import networks
from percgen import tasks
from train import adversary
from train import machines
from train import paired
from train import runner

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
flags.adopt_module_key_flags(adversary)
flags.adopt_module_key_flags(runner)
runner.set_defaults({**adversary.DEFAULTS, "image_size": 64})


def main() -> None:
    adversary.refuse()
    _refuse_size(runner.IMAGE_SIZE.value)
    workdir = runner.open_workdir()
    photographs = paired.photographs()
    panel, batches = paired.restored(photographs)

    def make_task() -> tasks.DeePSiM:
        judge = adversary.discriminator()
        network = networks.UpconvAutoencoder(_WIDTH.value, _CODE.value)
        return adversary.make(tasks.DeePSiM, [network], judge, photographs)

    paired.run(make_task, panel, batches, workdir)


def _refuse_size(size: int) -> None:
    multiple = networks.upconv.MULTIPLE
    if size % multiple:
        raise ValueError(
            f"--image_size should be a multiple of {multiple}. "
            f"Received: {size}."
        )


if __name__ == "__main__":
    machines.start(main)
