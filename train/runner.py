"""What every training command shares: flags, strategy, loop, record."""

import dataclasses
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tqdm
from absl import flags

from percgen import data
from percgen import tasks
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
STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "one", "mirrored"],
    "One device, or a replica on each (MirroredStrategy); auto: mirrored where "
    "there are several GPUs.",
)
MIXED_PRECISION = flags.DEFINE_enum(
    "mixed_precision",
    None,
    ["float16", "bfloat16"],
    "Compute the networks in half precision: float16, with losses scaled, for "
    "GPUs; bfloat16 for newer ones, and for CPUs with AMX. Weights, losses and "
    "what is kept of the run are float32.",
)

Defaults = Mapping[str, Any]  # Values of flags, by name.
_RESUMABLE = {"workdir", "steps", "checkpoint_every"}
_LOG_EVERY = 10
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

    strategy = make_strategy(STRATEGY.value)
    task = train(
        make_task,
        lambda start, stop: learnt.batches(
            IMAGE_SIZE.value, BATCH_SIZE.value, SEED.value, start, stop
        ),
        lambda task, step: panels.show(task, panel, sheet(task), step, small),
        workdir,
        strategy,
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
    return workdir_lib.Workdir(WORKDIR.value, _RESUMABLE)


def train(
    make_task: Callable[[], tasks.Task],
    batches: Callable[[int, int], tf.data.Dataset],
    show: Callable[[tasks.Task, int], None],
    workdir: workdir_lib.Workdir,
    strategy: tf.distribute.Strategy,
) -> tasks.Task:
    """Trains the task of the flags, from where the workdir stands.

    Args:
        make_task: Makes the compiled task; called inside the strategy's scope.
        batches: From a first step and the one after the last to their batches.
        show: Writes summaries of a task after a step, for TensorBoard.
        workdir: The run's folder.
        strategy: What to train on.

    Returns:
        The task.

    Raises:
        ValueError: If the flags do not fit the machine or the workdir, or the
            loss stops being finite.
        OSError: If the workdir cannot be written.
    """
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
    workdir.open(task)
    print(f"Training {task.name} on {replicas} device(s); in {workdir.path}")
    if workdir.step:
        print(f"Going on from step {workdir.step}.")
    Loop(task, strategy, batches, show, workdir).run()
    # Where weights are averaged, the averages are what is kept of the run.
    task.optimizer.finalize_variable_values(task.generator.trainable_variables)
    return task


def make_strategy(choice: str) -> tf.distribute.Strategy:
    """Returns a strategy over this machine's GPUs, or else its CPUs."""
    gpus = tf.config.list_logical_devices("GPU")
    devices = [d.name for d in gpus or tf.config.list_logical_devices("CPU")]
    if choice == "mirrored" or (choice == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.OneDeviceStrategy(devices[0])


@dataclasses.dataclass(eq=False)  # tf.function needs it hashable.
class Loop:
    """Steps, with what is shown and kept as they go.

    Our own rather than `fit`: it resumes at any step, and is alike on one
    device and on several.
    """

    task: tasks.Task
    strategy: tf.distribute.Strategy
    batches: Callable[[int, int], tf.data.Dataset]
    show: Callable[[tasks.Task, int], None]
    workdir: workdir_lib.Workdir

    def run(self) -> None:
        """Trains from the workdir's step to the last, checkpointing."""
        first, last = self.workdir.step, STEPS.value
        writer = tf.summary.create_file_writer(str(self.workdir.path / "logs"))
        bar = tqdm.tqdm(
            total=last,
            initial=first,
            unit="step",
            file=sys.stdout,
            mininterval=1,
        )
        with bar, writer.as_default():
            if first == 0:
                self._show(0)
            batches = iter(
                self.strategy.experimental_distribute_dataset(
                    self.batches(first, last)
                )
            )
            for start in range(first, last, CHECKPOINT_EVERY.value):
                stop = min(start + CHECKPOINT_EVERY.value, last)
                self._train(start, stop, batches, bar)
                self._show(stop)
                self.workdir.save(stop)
        writer.close()

    def _train(
        self, start: int, stop: int, batches: Iterator[Any], bar: tqdm.tqdm
    ) -> None:
        since, before = start, time.monotonic()
        for step, batch in zip(
            range(start + 1, stop + 1), batches, strict=False
        ):
            terms = self._read(self._step(batch), step)
            if step % _LOG_EVERY == 0 or step == stop:
                now = time.monotonic()
                self._write(terms, (now - before) / (step - since), step)
                since, before = step, now
                bar.set_postfix(
                    {k: f"{v:.3g}" for k, v in terms.items()}, False
                )
                self.task.reset_metrics()
            bar.update()

    @tf.function
    def _step(self, batch: Any) -> dict[str, tf.Tensor]:
        logs = self.strategy.run(self.task.train_step, (batch,))
        return self.strategy.reduce("MEAN", logs, axis=None)

    def _read(self, logs: dict[str, tf.Tensor], step: int) -> dict[str, float]:
        """Returns means since the last reset.

        Read at every step: after one that is not finite, weights are lost.
        """
        terms = {name: float(value) for name, value in logs.items()}
        panels.refuse_infinite(terms, step)
        return terms

    def _write(
        self, terms: dict[str, float], seconds: float, step: int
    ) -> None:
        with self.workdir.writing():
            for name, value in terms.items():
                tf.summary.scalar(f"terms/{name}", value, step)
            tf.summary.scalar("seconds_per_step", seconds, step)
            rate = self.task.optimizer.learning_rate
            tf.summary.scalar("learning_rate", rate, step)

    def _show(self, step: int) -> None:
        with self.workdir.writing():
            self.show(self.task, step)
            tf.summary.flush()
