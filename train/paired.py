"""What commands that learn from pairs of pictures share: panel and ending."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from percgen import data
from percgen import losses
from percgen import pairs
from percgen import tasks
from train import panels
from train import runner
from train import workdir as workdir_lib

_PANEL = 8


def run(
    make_task: Callable[[], tasks.Reconstruct],
    panel: pairs.Pair,
    batches: Callable[[int, int], tf.data.Dataset],
    workdir: workdir_lib.Workdir,
    note: str = "",
    sheets: Mapping[str, Callable[[Any], np.ndarray]] | None = None,
) -> None:
    """Trains a generator and leaves it in the workdir, with its panel.

    Args:
        make_task: Makes the compiled task; called inside the strategy's scope.
        panel: What TensorBoard and the last sheet show.
        batches: From a first step and the one after the last to their batches.
        workdir: The run's folder.
        note: What the record should say besides the losses.
        sheets: By name, from a task to further pictures, uint8; they are shown
            in TensorBoard, and left as NAME.png.

    Raises:
        ValueError: If the flags do not fit the machine or the workdir, or the
            loss stops being finite.
        OSError: If the workdir cannot be written.
    """
    inputs, targets = panel

    def sheet(task: tasks.Task) -> np.ndarray:
        return panels.pair_sheet(inputs, targets, panels.paint(task, inputs))

    def show(task: tasks.Task, step: int) -> None:
        panels.show(task, panel, sheet(task), step)
        for name, draw in (sheets or {}).items():
            tf.summary.image(name, draw(task)[None], step)

    task = runner.train(
        make_task,
        batches,
        show,
        workdir,
    )
    for name, draw in (sheets or {}).items():
        workdir.write_picture(f"{name}.png", draw(task))
    workdir.finish(task.generator, sheet(task), _used(task) + note)


def photographs() -> data.Photographs:
    """Returns the flags' photographs to learn from.

    Raises:
        ValueError: If there are none, or one is too small.
    """
    found = runner.photographs()
    data.refuse_smaller(found, runner.IMAGE_SIZE.value)
    return found


def restored(
    learnt: data.Photographs,
) -> tuple[pairs.Pair, Callable[[int, int], tf.data.Dataset]]:
    """Returns panel and batches of pictures that are inputs and targets."""
    size = runner.IMAGE_SIZE.value
    panel = (runner.held_out() or learnt).panel(_PANEL, size)

    def batches(start: int, stop: int) -> tf.data.Dataset:
        count, seed = runner.BATCH_SIZE.value, runner.SEED.value
        return learnt.batches(size, count, seed, start, stop)

    return (panel, panel), batches


def _used(task: tasks.Reconstruct) -> str:
    """Returns for the record what was made small, and by whose eyes."""
    terms = " + ".join(f"{w} {name}" for name, w in task.term_weights.items())
    eyes = [
        f"; {name}: {criterion.comparator.provenance}"
        for name, criterion in task.criteria.items()
        if isinstance(criterion, losses.FeatureLoss)
        and hasattr(criterion.comparator, "provenance")
    ]
    return f"loss: {terms}{''.join(eyes)}"
