"""What TensorBoard shows of a task on a fixed panel of pictures."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from percgen import images
from percgen import tasks


def paint(task: tasks.Task, inputs: np.ndarray) -> np.ndarray:
    """Returns the task's outputs, however many replicas there are."""
    return np.asarray(task(tf.constant(inputs), training=False))


def contact_sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Returns batches of pictures in [0, 1] as rows, uint8."""
    return images.contact_sheet([list(images.to_uint8(row)) for row in rows])


def pair_sheet(
    inputs: np.ndarray, targets: np.ndarray, outputs: np.ndarray
) -> np.ndarray:
    """Returns rows of inputs, targets, outputs and absolute differences.

    Small inputs are shown as the squares that their pixels are; differences
    are doubled.
    """
    factor = targets.shape[1] // inputs.shape[1]
    inputs = inputs.repeat(factor, axis=1).repeat(factor, axis=2)
    differences = 2.0 * np.abs(np.clip(outputs, 0.0, 1.0) - targets)
    return contact_sheet([inputs, targets, outputs, differences])


def show(
    task: tasks.Task,
    batch: Any,
    sheet: np.ndarray,
    step: int,
    learnt: Any = None,
) -> None:
    """Writes summaries: a sheet, terms, what each weighs, where it looks.

    Args:
        task: Compiled.
        batch: The panel, as the task's `terms` take it.
        sheet: The panel's picture, uint8.
        step: Of training.
        learnt: The panel in the size of training, for gradients, which cost
            much of large pictures; by default it has that size already.

    Raises:
        ValueError: If a term is not finite.
    """
    learnt = batch if learnt is None else learnt
    tf.summary.image("panel", sheet[None], step)
    terms = task.terms(batch, training=False)
    means = {k: float(tf.reduce_mean(values)) for k, values in terms.items()}
    refuse_infinite(means, step)
    for name, mean in means.items():
        tf.summary.scalar(f"panel/{name}", mean, step)
    for name, share in task.shares(terms).items():
        tf.summary.scalar(f"share/{name}", share, step)
    for name, norm in task.gradient_norms(learnt).items():
        tf.summary.scalar(f"gradient_norm/{name}", norm, step)
    _show_where(task, batch, step)


def refuse_infinite(terms: Mapping[str, float], step: int) -> None:
    """Raises `ValueError`, by name, if terms are not finite."""
    lost = [name for name, value in terms.items() if not np.isfinite(value)]
    if lost:
        raise ValueError(
            f"Not finite at step {step}: {', '.join(lost)}. Try a lower "
            "--learning_rate; the last checkpoint is good."
        )


def _show_where(task: tasks.Task, batch: Any, step: int) -> None:
    """Shows where terms differ; each sheet's scale is a scalar beside it.

    A scale for the whole run would be that of the untrained first panel.
    """
    for name, values in task.maps(batch).items():
        most = images.brightest(values)
        sheet = images.contact_sheet([list(images.heat(values, most))])
        tf.summary.image(f"where/{name}", sheet[None], step)
        tf.summary.scalar(f"where/{name}_brightest", most, step)
