r"""Trains a comparator: without labels, or by what VGG-19 sees.

--kind=exemplar  ExemplarCNN, by telling apart patches of photographs, whatever
                 is done to them (Dosovitskiy et al. 2014).
--kind=video     VideoNet, by ranking: a patch is most like itself later (Wang
                 and Gupta 2015). From frames in the order of their names, or
                 from photographs and a synthetic camera: --motion.
--kind=compact   Compact, percgen's own, by predicting VGG-19's features.

Example:
    python -m train.comparator --kind=exemplar --images='photos/*.jpg' \
        --labelled=cifar10.npz --workdir=runs/exemplar
    python -m train.stylize --comparator=exemplar \
        --comparator_weights=runs/exemplar/comparator.npz ...

Leaves comparator.npz, samples.png and used.txt in --workdir and, with
--labelled, probe.txt: how well a linear classifier does on its features, and on
those of the same network with random weights. Ctrl-C stops; the same command
goes on.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from percgen import command
from percgen import comparators
from percgen import data
from percgen import images
from percgen import networks
from percgen import patches
from percgen import tasks
from percgen import tracks
from percgen.comparators import distillation
from percgen.comparators import weights as weights_lib
from train import probe
from train import runner

# What flags are that are not given, sized for two CPU cores.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "exemplar": {
        "image_size": 32,
        "batch_size": 64,
        "steps": 4000,
        "learning_rate": 1e-3,
    },
    "video": {
        "image_size": 99,
        "batch_size": 32,
        "steps": 1500,
        "learning_rate": 3e-4,
    },
    "compact": {
        "image_size": 128,
        "batch_size": 8,
        "steps": 6000,
        "learning_rate": 2e-3,
    },
}

_KIND = flags.DEFINE_enum(
    "kind",
    None,
    list(_DEFAULTS),
    "\n".join(
        ["See above. Flags that are not given have defaults by kind:"]
        + [
            f"{kind}: " + " ".join(f"--{name}={x}" for name, x in own.items())
            for kind, own in _DEFAULTS.items()
        ]
    ),
    required=True,
)
_CLASSES = flags.DEFINE_integer(
    "classes", 2000, "Surrogate classes of --kind=exemplar.", lower_bound=2
)
_MOTION = flags.DEFINE_enum(
    "motion",
    "synthetic",
    ["synthetic", "tracked"],
    "Of --kind=video: a camera that moves over photographs, or patches tracked "
    "through --images, which are then the frames of one film.",
)
_TEACHER_WEIGHTS = flags.DEFINE_string(
    "teacher_weights",
    "imagenet",
    "VGG-19's, for --kind=compact: imagenet (downloaded by Keras) or a file.",
)
flags.adopt_module_key_flags(runner)
for _name in ("labelled", "probe_layers", "probe_size"):
    flags.declare_key_flag(_name)

# Of a replica: ranking has to have other patches, painting another's style.
_LEAST_BATCH = {"exemplar": 1, "video": 5, "compact": 8}
_PANEL = 8


@dataclasses.dataclass
class Course:
    """How one kind of comparator is trained.

    Attributes:
        make_task: Makes the task, not compiled yet.
        batches: From a first step and the one after the last to batches.
        sheet: From the task to a picture of what it does, uint8.
        arrays: From the task to the comparator's weights by name.
        used: One line for the record.
        dtype: Of the weights as written.
    """

    make_task: Callable[[], tasks.Task]
    batches: Callable[[int, int], tf.data.Dataset]
    sheet: Callable[[tasks.Task], np.ndarray]
    arrays: Callable[[tasks.Task], Mapping[str, np.ndarray]]
    used: str
    dtype: str = "float32"


def main() -> None:
    kind = _KIND.value
    for name, value in _DEFAULTS[kind].items():
        flags.FLAGS.set_default(name, value)  # Leaves flags that are given.
    labelled = probe.read_labelled()
    workdir = runner.open_workdir()
    photographs = data.photographs(runner.IMAGES.value, runner.TFDS.value)
    strategy = runner.make_strategy(runner.STRATEGY.value)
    _check_batch(kind, strategy.num_replicas_in_sync)
    course = _COURSES[kind](photographs)
    task = runner.train(
        lambda: _compiled(course.make_task()),
        course.batches,
        lambda task, step: _show(course, task, step),
        workdir,
        strategy,
    )
    packed = weights_lib.pack(course.arrays(task), course.dtype)
    workdir.write("comparator.npz", packed)
    workdir.write("used.txt", f"{course.used}\n".encode())
    images.write(workdir.path / "samples.png", course.sheet(task))
    print(f"Wrote comparator.npz and samples.png to {workdir.path}")
    if labelled:
        file = str(workdir.path / "comparator.npz")
        report = probe.compare(kind, file, labelled)
        print(report)
        workdir.write("probe.txt", f"{report}\n".encode())


def _check_batch(kind: str, replicas: int) -> None:
    least = _LEAST_BATCH[kind] * replicas
    if runner.BATCH_SIZE.value < least:
        raise ValueError(
            f"--kind={kind} needs a --batch_size of at least {least} on "
            f"{replicas} device(s). Received: {runner.BATCH_SIZE.value}."
        )


def _compiled(task: tasks.Task) -> tasks.Task:
    rate = keras.optimizers.schedules.CosineDecay(
        runner.LEARNING_RATE.value, runner.STEPS.value
    )
    task.compile(keras.optimizers.Adam(rate))
    return task


def _show(course: Course, task: tasks.Task, step: int) -> None:
    tf.summary.image("panel", course.sheet(task)[None], step)


def _exemplar(photographs: data.Photographs) -> Course:
    exemplars = patches.Exemplars(
        photographs,
        _CLASSES.value,
        runner.IMAGE_SIZE.value,
        runner.SEED.value,
    )

    def make_task() -> tasks.Task:
        network = comparators.ExemplarCNN(
            ["relu4"], "random", runner.SEED.value, trainable=True
        )
        head = networks.Headed(network, "relu4", _CLASSES.value, dropout=0.5)
        return tasks.Classify(head)

    def batches(start: int, stop: int) -> tf.data.Dataset:
        return exemplars.batches(
            runner.BATCH_SIZE.value, runner.SEED.value, start, stop
        )

    some = np.random.default_rng(runner.SEED.value)
    rows = [
        [exemplars.patch(number, some) for _ in range(_PANEL)]
        for number in range(min(_PANEL, _CLASSES.value))
    ]
    return Course(
        make_task,
        batches,
        lambda task: _sheet(rows, task.generator.trunk),
        lambda task: weights_lib.arrays(task.generator.trunk),
        f"exemplar: {_CLASSES.value} surrogate classes",
    )


def _video(photographs: data.Photographs) -> Course:
    size, seed = runner.IMAGE_SIZE.value, runner.SEED.value
    source = (
        tracks.SyntheticTracks(photographs, size)
        if _MOTION.value == "synthetic"
        else tracks.VideoTracks(photographs, size)
    )

    def make_task() -> tasks.Task:
        network = comparators.VideoNet(
            ["pool5"], "random", seed=seed, trainable=True
        )
        if size < network.smallest_image:
            raise ValueError(
                "--kind=video needs an --image_size of at least "
                f"{network.smallest_image}. Received: {size}."
            )
        head = networks.Headed(network, "pool5", 1024)
        return tasks.Rank(head, hard_after=runner.STEPS.value // 2)

    def batches(start: int, stop: int) -> tf.data.Dataset:
        return source.batches(runner.BATCH_SIZE.value, seed, start, stop)

    (pairs,) = source.batches(_PANEL, seed, 0, 1)
    rows = [list(np.asarray(pairs[:, place])) for place in (0, 1)]
    return Course(
        make_task,
        batches,
        lambda task: _sheet(rows, task.generator.trunk),
        lambda task: weights_lib.arrays(task.generator.trunk),
        f"video: patches moved by {_MOTION.value} motion",
    )


def _compact(photographs: data.Photographs) -> Course:
    size, seed = runner.IMAGE_SIZE.value, runner.SEED.value
    if size % 4:
        raise ValueError(
            "--kind=compact needs an --image_size that divides by 4. "
            f"Received: {size}."
        )
    layers = list(comparators.compact.TEACHES)
    teacher = comparators.VGG19(layers, _TEACHER_WEIGHTS.value)
    (crops,) = photographs.batches(size, _MEASURED, seed, 0, 1)

    def make_task() -> tasks.Task:
        pupil = distillation.Pupil(seed)
        pupil.measure(teacher(crops))
        return tasks.Distill(pupil, teacher, layers)

    def batches(start: int, stop: int) -> tf.data.Dataset:
        return patches.disturbed(
            photographs, size, runner.BATCH_SIZE.value, seed, start, stop
        )

    def sheet(task: tasks.Task) -> np.ndarray:
        panel = crops[:_PANEL]
        rows = [list(np.asarray(x)) for x in (panel, task.paint(panel))]
        return _sheet(rows, task.generator.compact)

    return Course(
        make_task,
        batches,
        sheet,
        lambda task: task.generator.fold(crops, teacher(crops)),
        f"compact: taught by {teacher.provenance}",
        dtype="float16",
    )


_MEASURED = 64  # Photographs by which Compact's features are scaled.
_COURSES = {"exemplar": _exemplar, "video": _video, "compact": _compact}


def _sheet(
    rows: list[list[np.ndarray]], network: comparators.comparator.Comparator
) -> np.ndarray:
    """Returns pictures above the kernels of a network's first layer."""
    first = next(layer for layer in network.layers if hasattr(layer, "kernel"))
    kernels = np.moveaxis(np.asarray(first.kernel), -1, 0)
    least = kernels.min(axis=(1, 2, 3), keepdims=True)
    most = kernels.max(axis=(1, 2, 3), keepdims=True)
    kernels = images.to_uint8((kernels - least) / (most - least + 1e-12))
    kernels = kernels.repeat(4, axis=1).repeat(4, axis=2)
    columns = max(len(rows[0]), 16)
    return images.contact_sheet(
        [
            *(list(images.to_uint8(np.stack(row))) for row in rows),
            *(
                list(kernels[start : start + columns])
                for start in range(0, len(kernels), columns)
            ),
        ]
    )


if __name__ == "__main__":
    command.run(main)
