"""Learning from pairs: autoencoders, super-resolution, other repairs.

Reference:
    Snell et al., "Learning to generate images with perceptual similarity
    metrics", ICIP 2017 (paper A).
"""

from collections.abc import Mapping
from typing import Any
from typing import Protocol

import keras
import tensorflow as tf

from percgen import losses
from percgen import ops
from percgen.tasks.task import Task
from percgen.tasks.task import Terms
from percgen.tasks.task import Weight


class Criterion(Protocol):
    """What a term is computed by: a loss of `percgen.losses`, or alike."""

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns `[B]`."""


class Reconstruct(Task):
    """Trains a generator to give the targets that belong to its inputs.

    A batch is a pair `(inputs, targets)`, or just pictures, which are both.

    Args:
        generator: From inputs to pictures `[B, H, W, C]`, shaped as targets.
        terms: What compares targets with outputs, by the name of the term.
        weights: Weight of each of them, a number or a schedule.
        luma: Whether Y of BT.601 is compared instead of RGB.
        name: Of the task.

    Raises:
        ValueError: If terms and weights have other names, a term has no `call`,
            or, with `luma`, a term's comparator would want colors.
    """

    _OWN_TERMS: tuple[str, ...] = ()  # Those that compare no pictures.

    def __init__(
        self,
        generator: keras.Model,
        terms: Mapping[str, Criterion],
        weights: Mapping[str, Weight],
        luma: bool = False,
        name: str = "reconstruct",
    ):
        names = sorted([*terms, *self._OWN_TERMS])
        if sorted(weights) != names:
            raise ValueError(
                "`weights` should have the names of all terms, each once. "
                f"Received: terms {names}, weights={dict(weights)}."
            )
        for key, term in terms.items():
            _refuse_term(key, term, luma)
        super().__init__(generator, weights, name)
        self.criteria, self.luma = dict(terms), luma

    def pair(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what the generator takes of a batch, and what it should give.

        Of just pictures, them twice.
        """
        inputs, targets = batch if isinstance(batch, tuple) else (batch, batch)
        return inputs, targets

    def terms(self, batch: Any, training: bool) -> Terms:
        inputs, targets = self.pair(batch)
        outputs, own = self.generate(inputs, training)
        return {**self.compare(targets, outputs), **own}

    def generate(self, inputs: tf.Tensor, training: bool) -> tuple[Any, Terms]:
        """Returns outputs, and terms that compare no pictures."""
        return self.generator(inputs, training=training), {}

    def compare(self, targets: tf.Tensor, outputs: tf.Tensor) -> Terms:
        """Returns what each criterion says of outputs, `[B]`."""
        targets, outputs = self._view(targets), self._view(outputs)
        return {
            name: criterion.call(targets, outputs)
            for name, criterion in self.criteria.items()
        }

    def maps(self, batch: Any) -> dict[str, tf.Tensor]:
        """Returns where outputs and targets differ, `[B, H, W]` each.

        By the name of the term for those with a `map`, and always `ssim`: one
        minus the structural similarity at each position. Outputs that leave
        [0, 1] are clipped.
        """
        inputs, targets = self.pair(batch)
        targets, outputs = (
            self._view(tf.clip_by_value(tf.cast(x, tf.float32), 0.0, 1.0))
            for x in (targets, self.generator(inputs, training=False))
        )
        maps = {
            name: criterion.map(targets, outputs)
            for name, criterion in self.criteria.items()
            if hasattr(criterion, "map")
            # It inherits one only to say that style has no place.
            and not isinstance(criterion, losses.StyleLoss)
        }
        return {**maps, "ssim": 1.0 - losses.ssim_map(targets, outputs)}

    def _view(self, pictures: tf.Tensor) -> tf.Tensor:
        return ops.luma(pictures) if self.luma else pictures


def _refuse_term(name: str, term: Any, luma: bool) -> None:
    if not hasattr(term, "call"):
        raise ValueError(
            "`terms` should be objects with `call`, as `losses.L1Loss()`. "
            f"Received: {name}={term!r}."
        )
    if luma and isinstance(term, losses.FeatureLoss):
        raise ValueError(
            "With `luma` there are no colors left, which a comparator wants. "
            f"Received: luma=True, {name}={type(term).__name__}."
        )
