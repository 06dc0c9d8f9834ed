"""How each kind of comparator is trained."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from absl import flags

from percgen import comparators
from percgen import data
from percgen import images
from percgen import networks
from percgen import patches
from percgen import tasks
from percgen import tracks
from percgen.comparators import distillation
from percgen.comparators import weights as weights_lib
from train import runner

_CLASSES = flags.DEFINE_integer(
    "classes",
    1000,
    "Surrogate classes of --kind=exemplar: 200 at first, and one more in every "
    "two steps until there are so many.",
    lower_bound=2,
)
_MOTION = flags.DEFINE_enum(
    "motion",
    "synthetic",
    ["synthetic", "tracked"],
    "Of --kind=video: a camera that moves over photographs, or patches tracked "
    "through --images, which are then the frames of one film.",
)
_HARD_AFTER = flags.DEFINE_integer(
    "hard_after",
    None,
    "Of --kind=video: the step after which only those other patches count that "
    "are hardest to tell apart, as Wang and Gupta do in the end. By default "
    "never: too early, all patches come to look alike, and stay so.",
    lower_bound=0,
)
_TEACHER_WEIGHTS = flags.DEFINE_string(
    "teacher_weights",
    "imagenet",
    "VGG-19's, for --kind=compact: imagenet (downloaded by Keras) or a file.",
)

_PANEL = 8
_MEASURED = 64  # Photographs by which Compact's features are scaled.


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
        hard_after = _HARD_AFTER.value
        if hard_after is None:
            hard_after = runner.STEPS.value
        return tasks.Rank(head, hard_after=hard_after)

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


COURSES = {"exemplar": _exemplar, "video": _video, "compact": _compact}


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
