"""What every training command shares: flags, strategy, loop, record."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from percgen import data
from percgen import tasks
from train import loop
from train import machines
from train import panels
from train import workdir as workdir_lib

WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the run: flags, checkpoints, TensorBoard, results. The same "
    "command on the same folder goes on where it was stopped.",
    required=True,
)
IMAGES = flags.DEFINE_string(
    "images",
    None,
    "Glob of photographs to learn from; commas separate several. Or an .npz "
    "file with an array x_train or images, uint8.",
)
TFDS = flags.DEFINE_string(
    "tfds", None, "TensorFlow Datasets name (or prepared folder), instead."
)
_TFDS_SPLIT = flags.DEFINE_string(
    "tfds_split", "train", "Of the --tfds data set, such as unlabelled."
)
HELD_OUT = flags.DEFINE_string(
    "held_out",
    None,
    "Glob of photographs for the panel, which are not learnt from; by default "
    "the panel shows some of those that are.",
)
IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 256, "Side of the training crops, in pixels.", lower_bound=32
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 4, "Pictures of a step, over all replicas.", lower_bound=1
)
STEPS = flags.DEFINE_integer(
    "steps", 40_000, "Steps to train in all.", lower_bound=1
)
CHECKPOINT_EVERY = flags.DEFINE_integer(
    "checkpoint_every", 500, "Steps between checkpoints.", lower_bound=1
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 1e-3, "Of Adam.", lower_bound=0.0
)
SEED = flags.DEFINE_integer("seed", 0, "Of weights and data.", lower_bound=0)
MIXED_PRECISION = flags.DEFINE_enum(
    "mixed_precision",
    None,
    ["float16", "bfloat16"],
    "Compute the networks in half precision: float16, with losses scaled, for "
    "GPUs; bfloat16 for newer ones, and for CPUs with AMX. Weights, losses and "
    "what is kept of the run are float32.",
)
_PROFILE = flags.DEFINE_integer(
    "profile",
    0,
    "Steps to trace by TensorFlow's profiler, after ten that are not; "
    "TensorBoard shows where time went (pip install xprof).",
    lower_bound=0,
)

flags.adopt_module_key_flags(machines)

Defaults = Mapping[str, Any]  # Values of flags, by name.
_RESUMABLE = {"workdir", "steps", "checkpoint_every", "join_timeout", "profile"}
_PANEL, _PANEL_SIDE = 4, 256


def run(
    make_task: Callable[[], tasks.Stylize],
    paint: Callable[[tasks.Stylize, np.ndarray], list[np.ndarray]],
) -> None:
    """Trains a generator on photographs, and leaves it in the workdir.

    Args:
        make_task: Makes the compiled task; called inside the strategy's scope.
        paint: From a task and the panel to the rows of the sheet below it.

    Raises:
        ValueError: If the flags do not fit the machine, the photographs or the
            workdir, or the loss stops being finite.
        OSError: If the workdir cannot be written.
    """
    workdir = open_workdir()
    learnt = photographs()
    shown = held_out() or learnt
    panel = shown.panel(_PANEL, max(_PANEL_SIDE, IMAGE_SIZE.value))
    small = shown.panel(_PANEL, IMAGE_SIZE.value)

    def sheet(task: tasks.Task) -> np.ndarray:
        return panels.contact_sheet([panel, *paint(task, panel)])

    task = train(
        make_task,
        lambda start, stop: learnt.batches(
            IMAGE_SIZE.value, BATCH_SIZE.value, SEED.value, start, stop
        ),
        lambda task, step: panels.show(task, panel, sheet(task), step, small),
        workdir,
    )
    workdir.finish(task.generator, sheet(task), task.comparator.provenance)


def describe_defaults(choice: str, defaults: Mapping[str, Defaults]) -> str:
    """Returns help on flags whose defaults depend on a choice.

    Args:
        choice: What is chosen, as "kind".
        defaults: Of flags, by what may be chosen.
    """
    lines = [
        f"{name}: " + " ".join(f"--{flag}={x}" for flag, x in own.items())
        for name, own in defaults.items()
    ]
    head = f"See above. Flags that are not given have defaults by {choice}:"
    return "\n".join([head, *lines])


def set_defaults(own: Defaults) -> None:
    """Sets flags that are not given."""
    for name, value in own.items():
        flags.FLAGS.set_default(name, value)


def photographs() -> data.Photographs:
    """Returns the photographs of --images or --tfds.

    Raises:
        ValueError: If not exactly one is given, or it holds no pictures.
    """
    return data.photographs(IMAGES.value, TFDS.value, _TFDS_SPLIT.value)


def held_out() -> data.Photographs | None:
    """Returns the photographs of --held_out, if it is given."""
    if HELD_OUT.value is None:
        return None
    return data.photographs(HELD_OUT.value, None)


def open_workdir() -> workdir_lib.Workdir:
    """Returns the workdir of the flags; nothing is written yet."""
    return workdir_lib.Workdir(WORKDIR.value, _RESUMABLE, machines.chief())


def train(
    make_task: Callable[[], tasks.Task],
    batches: Callable[[int, int], tf.data.Dataset],
    show: Callable[[tasks.Task, int], None],
    workdir: workdir_lib.Workdir,
) -> tasks.Task:
    """Trains the task of the flags, from where the workdir stands.

    Args:
        make_task: Makes the compiled task; called inside the strategy's scope.
        batches: From a first step and the one after the last to their batches.
        show: Writes summaries of a task after a step, for TensorBoard.
        workdir: The run's folder.

    Returns:
        The task.

    Raises:
        ValueError: If the flags do not fit the machine or the workdir, or the
            loss stops being finite.
        OSError: If the workdir cannot be written.
    """
    strategy = machines.strategy()
    replicas = strategy.num_replicas_in_sync
    if BATCH_SIZE.value % replicas:
        raise ValueError(
            f"--batch_size={BATCH_SIZE.value} does not divide by {replicas} "
            "replicas."
        )
    keras.utils.set_random_seed(SEED.value)
    if MIXED_PRECISION.value:
        keras.config.set_dtype_policy(f"mixed_{MIXED_PRECISION.value}")
    with strategy.scope():
        task = make_task()
    machines.agree(
        workdir_lib.flags_text(), "Workers were started with different flags."
    )
    machines.share(workdir.path)
    workdir.open(task)
    machines.agree(
        f"{workdir.step}", f"Workers read different steps in {workdir.path}."
    )
    print(f"Training {task.name} on {replicas} device(s); in {workdir.path}")
    if workdir.step:
        print(f"Going on from step {workdir.step}.")
    loop.Loop(task, strategy, batches, show, workdir, _PROFILE.value).run(
        STEPS.value, CHECKPOINT_EVERY.value
    )
    # Where weights are averaged, the averages are what is kept of the run.
    task.optimizer.finalize_variable_values(task.generator.trainable_variables)
    return task
