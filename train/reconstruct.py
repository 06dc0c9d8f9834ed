r"""Trains an autoencoder, by any sum of losses (Snell et al. 2017).

--network=fc_autoencoder    fully connected, 32 x 32.
--network=conv_autoencoder  convolutional, 96 x 96.
--network=upconv_autoencoder  paper B's, 64 x 64, to a map of 8 x 8.

Example:
    python -m train.reconstruct --network=conv_autoencoder --loss=ms_ssim \
        --images='photos/*.jpg' --held_out='others/*.jpg' --workdir=runs/ms_ssim
    python -m train.reconstruct --network=fc_autoencoder --loss=mse,mae:0.5 \
        --images=cifar10.npz --workdir=runs/pixels
    tensorboard --logdir=runs

--stochastic makes it paper A's EL-VAE: codes are drawn, and have to be like a
normal distribution's. Ctrl-C stops; the same command goes on.
"""

import keras
from absl import flags

from percgen import networks
from percgen import tasks
from train import machines
from train import optimizers
from train import paired
from train import runner
from train import terms

# What flags are that are not given, sized for two CPU cores.
_DEFAULTS: dict[str, runner.Defaults] = {
    "fc_autoencoder": {"image_size": 32, "batch_size": 64, "steps": 6000},
    "conv_autoencoder": {"image_size": 96, "batch_size": 16, "steps": 3000},
    "upconv_autoencoder": {"image_size": 64, "batch_size": 16, "steps": 3000},
}
_NETWORK = flags.DEFINE_enum(
    "network",
    None,
    list(_DEFAULTS),
    runner.describe_defaults("network", _DEFAULTS),
    required=True,
)
_CODE = flags.DEFINE_integer(
    "code",
    None,
    "Numbers of the bottleneck, by default 128 and 512; upconv_autoencoder's "
    "channels, by default 8.",
    lower_bound=1,
)
_WIDTH = flags.DEFINE_integer(
    "width",
    32,
    "Filters of the first layer but of fc_autoencoder; the next have twice and "
    "four times as many. Paper A's have 128 (seen second-hand).",
    lower_bound=1,
)
_STOCHASTIC = flags.DEFINE_bool(
    "stochastic", False, "Draw codes, and add the term kl: paper A's EL-VAE."
)
_KL_WEIGHT = flags.DEFINE_string(
    "kl_weight",
    "1e-4",
    "Of --stochastic; a number, or a schedule as in --loss. Paper A's was not "
    "found.",
)
flags.adopt_module_key_flags(terms)
flags.adopt_module_key_flags(optimizers)
flags.adopt_module_key_flags(runner)


def main() -> None:
    runner.set_defaults(_DEFAULTS[_NETWORK.value])
    weights = terms.weights()
    kl_weight = tasks.parse_weight(_KL_WEIGHT.value)
    if _STOCHASTIC.value and _NETWORK.value == "upconv_autoencoder":
        raise ValueError("--network=upconv_autoencoder has no --stochastic.")
    workdir = runner.open_workdir()
    panel, batches = paired.restored(paired.photographs())

    def make_task() -> tasks.Reconstruct:
        bounded = _NETWORK.value != "upconv_autoencoder"
        losses = terms.make(list(weights), check=bounded)
        if _STOCHASTIC.value:
            task: tasks.Reconstruct = tasks.ExpectedLossVAE(
                _network(),
                losses,
                {**weights, "kl": kl_weight},
                seed=runner.SEED.value,
            )
        else:
            task = tasks.Reconstruct(_network(), losses, weights)
        task.compile(optimizers.adam(runner.LEARNING_RATE.value))
        return task

    paired.run(make_task, panel, batches, workdir)


def _network() -> keras.Model:
    size = runner.IMAGE_SIZE.value
    if _NETWORK.value == "fc_autoencoder":
        return networks.FCAutoencoder(
            size, code=_CODE.value or 128, stochastic=_STOCHASTIC.value
        )
    if _NETWORK.value == "upconv_autoencoder":
        return networks.UpconvAutoencoder(_WIDTH.value, _CODE.value or 8)
    return networks.ConvAutoencoder(
        size,
        widths=[_WIDTH.value * factor for factor in (1, 2, 4)],
        code=_CODE.value or 512,
        stochastic=_STOCHASTIC.value,
    )


if __name__ == "__main__":
    machines.start(main)
