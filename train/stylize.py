r"""Trains a network that paints photographs in the style of a picture.

Example:
    python -m train.stylize --style_image=starry_night.jpg \
        --images='photos/*.jpg' --workdir=runs/starry
    python -m train.stylize --flagfile=runs/starry/flags.txt  # Goes on.
    python -m train.stylize --style_image=starry_night.jpg,wave.jpg \
        --images='photos/*.jpg' --workdir=runs/both  # One network.
    tensorboard --logdir=runs

Ctrl-C stops; the same command goes on from the last checkpoint. Then
`python -m serving.export --workdir=runs/starry --model_dir=models/starry`.
"""

import keras
import numpy as np
from absl import flags

from percgen import networks
from percgen import tasks
from train import machines
from train import panels
from train import runner
from train import style_terms

_VARIANT = flags.DEFINE_enum(
    "variant", "modern", ["modern", "johnson2016"], "Form of the network."
)
_WIDTH = flags.DEFINE_integer(
    "width", None, "Filters of its first layer; by default the variant's own."
)
flags.adopt_module_key_flags(style_terms)
flags.adopt_module_key_flags(runner)


def main() -> None:
    style_terms.refuse_small(runner.IMAGE_SIZE.value, "an --image_size")
    style_image = style_terms.read()

    def make_task() -> tasks.Stylize:
        task = tasks.Stylize(
            networks.StyleGenerator(
                _VARIANT.value, _WIDTH.value, len(style_image)
            ),
            **style_terms.arguments(style_image, runner.SEED.value),
            seed=runner.SEED.value,
        )
        task.compile(keras.optimizers.Adam(runner.LEARNING_RATE.value))
        return task

    runner.run(make_task, _paint)


def _paint(task: tasks.Stylize, panel: np.ndarray) -> list[np.ndarray]:
    """Returns the panel in each style."""
    styles = task.objective.styles
    if styles == 1:
        return [panels.paint(task, panel)]
    return [
        np.asarray(task.generator([panel, weights]))
        for weights in np.eye(styles, dtype=np.float32)[:, None].repeat(
            len(panel), axis=1
        )
    ]


if __name__ == "__main__":
    machines.start(main)
