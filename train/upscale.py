r"""Trains a network that makes pictures larger.

Example:
    python -m train.upscale --network=srcnn --scale=4 --loss=mse \
        --images='T91/*.png' --held_out='Set5/*.png' --workdir=runs/srcnn
    tensorboard --logdir=runs

--loss=deepsim is the sum of three that `train.deepsim` has, with its flags and
a discriminator of large patches.

Small pictures are made by MATLAB's bicubic, of whole pictures in 8 bits, just
as `train.evaluate` judges them; patches are cut out after, turned and mirrored.
Ctrl-C stops; the same command goes on.
"""

import functools

import keras
from absl import flags

from percgen import data
from percgen import degradation
from percgen import networks
from percgen import pairs
from percgen import shipped
from percgen import tasks
from train import adversary
from train import machines
from train import optimizers
from train import paired
from train import runner
from train import terms

_NETWORK = flags.DEFINE_enum(
    "network",
    "srcnn",
    ["srcnn", "residual", "johnson2016"],
    "srcnn: three convolutions over the enlarged picture (Dong et al. 2016). "
    "residual: percgen's own, which works at the small picture's size. "
    "johnson2016: paper C's, for feature losses.",
)
_SCALE = flags.DEFINE_integer(
    "scale", 4, "How much larger: 2, 3, 4 (srcnn); 2, 4, 8 (all others)."
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "Filters of all networks but srcnn; by default their own."
)
_BLOCKS = flags.DEFINE_integer(
    "blocks", None, "Residual blocks, likewise; by default their own."
)
_DEGRADATION = flags.DEFINE_list(
    "degradation",
    ["bicubic"],
    f"What makes the small pictures, of {', '.join(degradation.DEGRADATIONS)}: "
    "antialiased as in the tables, not antialiased, or blurred as paper C's. "
    "Of several each patch has one at random.",
)
_START = flags.DEFINE_string(
    "start",
    None,
    "Weights to start from instead of random ones: the workdir of a run of the "
    "same network, or the name of one in the package, as fidelity_x4. Its "
    "discriminator begins far behind it: give --nopause with --loss=deepsim.",
)
_MIDDLE = flags.DEFINE_integer(
    "middle", 5, "Side of srcnn's second kernels: 9-1-5, 9-3-5 or 9-5-5."
)
_COLOR = flags.DEFINE_enum(
    "color",
    "luma",
    ["luma", "rgb"],
    "What is learnt: brightness alone, leaving colour to the bicubic, as "
    "super-resolution is measured; or all of RGB.",
)
_FLATTEST = flags.DEFINE_float(
    "flattest",
    0.0,
    "Patches whose luma (0 to 1) deviates less are drawn anew, such as sky.",
    lower_bound=0.0,
)
flags.adopt_module_key_flags(adversary)
flags.adopt_module_key_flags(terms)
flags.adopt_module_key_flags(optimizers)
flags.adopt_module_key_flags(runner)
# Sized for two CPU cores.
runner.set_defaults({"image_size": 48, "batch_size": 16, "steps": 6000})

_PANEL, _PANEL_SIDE = 4, 144


def main() -> None:
    adversarial = terms.LOSS.value == ["deepsim"]
    weights = {} if adversarial else terms.weights()
    luma = _COLOR.value == "luma"
    if luma and (adversarial or "feature" in weights):
        raise ValueError(
            f"--loss={','.join(terms.LOSS.value)} sees colours: give "
            "--color=rgb."
        )
    if adversarial:
        adversary.refuse()
    workdir = runner.open_workdir()
    photographs = _pairs(runner.IMAGES.value)
    size, seed = runner.IMAGE_SIZE.value, runner.SEED.value
    _network()  # Refuses what does not fit before anything is written.
    shown = photographs
    if runner.HELD_OUT.value:
        shown = _pairs(runner.HELD_OUT.value)
    panel = shown.panel(_PANEL, _PANEL_SIDE)
    batches = functools.partial(
        photographs.batches, size, runner.BATCH_SIZE.value, seed
    )
    batches(0, 1)

    def make_task() -> tasks.Reconstruct:
        if adversarial:
            judge = adversary.discriminator()
            kind = functools.partial(tasks.DeePSiM, name="upscale")
            return adversary.make(
                kind, [_network()], judge, photographs.photographs
            )
        losses = terms.make(list(weights), check=False)
        task = tasks.Reconstruct(_network(), losses, weights, luma, "upscale")
        task.compile(optimizers.adam(runner.LEARNING_RATE.value))
        return task

    paired.run(make_task, panel, batches, workdir)


def _pairs(pattern: str | None) -> pairs.Pairs:
    known = degradation.DEGRADATIONS
    if not _DEGRADATION.value or set(_DEGRADATION.value) - set(known):
        raise ValueError(
            f"--degradation should be of {', '.join(known)}. "
            f"Received: {','.join(_DEGRADATION.value)}."
        )
    degradations = [known[name] for name in _DEGRADATION.value]
    if runner.TFDS.value:  # Before it is downloaded.
        raise ValueError(
            "Patches are cut from whole pictures, in any order: give --images. "
            f"`python -m train.pack --tfds={runner.TFDS.value}` makes files "
            "of a data set."
        )
    found = data.photographs(pattern, None)
    return pairs.Pairs(found, _SCALE.value, _FLATTEST.value, degradations)


def _network() -> keras.Model:
    network = _untrained()
    if _START.value is None:
        return network
    known = _START.value in shipped.names()
    start = (shipped.load if known else shipped.trained)(_START.value)
    wanted = [weight.shape for weight in network.weights]
    if [weight.shape for weight in start.weights] != wanted:
        raise ValueError(
            f"--start={_START.value} is a network of another shape than the "
            "flags ask for."
        )
    network.set_weights(start.get_weights())
    return network


def _untrained() -> keras.Model:
    if _NETWORK.value == "srcnn":
        return networks.SRCNN(_SCALE.value, _MIDDLE.value, _COLOR.value)
    if _COLOR.value == "luma":
        raise ValueError(
            f"--network={_NETWORK.value} works in RGB: give --color=rgb."
        )
    variant = "modern" if _NETWORK.value == "residual" else _NETWORK.value
    return networks.Upscaler(_SCALE.value, _WIDTH.value, _BLOCKS.value, variant)


if __name__ == "__main__":
    machines.start(main)
