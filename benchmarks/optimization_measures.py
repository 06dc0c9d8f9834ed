"""What is asked of painting by a network and by optimization: time and loss."""

import dataclasses
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tqdm

from benchmarks import timing
from percgen import descent
from percgen import tasks

BOUNDS = (0.0, 1.0)
# By name, what optimization starts from.
INITS = {
    "content": lambda photograph: photograph,
    "noise": lambda x: np.random.default_rng(0).random(x.shape, np.float32),
}


@dataclasses.dataclass
class Game:
    """Photographs of one size, painted by both.

    Attributes:
        photographs: `[N, H, W, 3]`.
        init: What optimization starts from.
        losses: Of the network, by photograph.
        curves: Of optimization, from the start on, by photograph.
        paintings: `[1 + marks, H, W, 3]` by photograph, the network's first.
    """

    photographs: np.ndarray
    init: str
    losses: list[float] = dataclasses.field(default_factory=list)
    curves: list[np.ndarray] = dataclasses.field(default_factory=list)
    paintings: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def side(self) -> int:
        return self.photographs.shape[1]


class Contest:
    """A network and L-BFGS, which paint for the same objective.

    Args:
        network: Photographs `[1, H, W, 3]` to paintings, in [0, 1].
        objective: Of both.
    """

    def __init__(self, network: keras.Model, objective: tasks.StyleObjective):
        self._paint = tf.function(network)
        self._describe = tf.function(objective.describe)
        self._slope = descent.differentiate(
            lambda painting, content: tf.reduce_sum(
                objective.total(content, painting)
            )
        )

    def paint(self, photograph: np.ndarray) -> np.ndarray:
        """Returns what the network paints."""
        return np.clip(self._paint(tf.constant(photograph)).numpy(), *BOUNDS)

    def loss(self, photograph: np.ndarray, painting: np.ndarray) -> float:
        """Returns the objective of a painting."""
        content = self._describe(tf.constant(photograph))
        return float(self._slope(tf.constant(painting), content)[0])

    def judge(
        self, photographs: np.ndarray, init: str, marks: Sequence[int]
    ) -> Game:
        """Lets both paint photographs, and asks the objective.

        Args:
            photographs: `[N, H, W, 3]`.
            init: A name of `INITS`.
            marks: Iterations whose paintings are kept.
        """
        game = Game(photographs, init)
        for photograph in tqdm.tqdm(photographs[:, None], init, leave=False):
            painting = self.paint(photograph)
            start = INITS[init](photograph)
            losses, found = self.descend(photograph, start, marks)
            game.losses.append(self.loss(photograph, painting))
            game.curves.append(losses)
            game.paintings.append(np.concatenate([painting, *found]))
        return game

    def descend(
        self, photograph: np.ndarray, start: np.ndarray, marks: Sequence[int]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Optimizes for as many iterations as the last mark says.

        Returns:
            The objective at the start and after each iteration, and the
            paintings at the marks. Where it ends before, the last stands for
            those that are missing.
        """
        losses, kept = [self.loss(photograph, start)], {0: start}

        def watch(step: int, loss: float, painting: np.ndarray) -> None:
            losses.append(loss)
            if step in marks:
                kept[step] = painting.astype(np.float32)

        given = [self._describe(tf.constant(photograph))]
        end = descent.lbfgs(
            self._slope, start, BOUNDS, max(marks), given, watch
        ).astype(np.float32)
        losses += losses[-1:] * (max(marks) + 1 - len(losses))
        return np.array(losses), [kept.get(mark, end) for mark in marks]

    def race(
        self, photograph: np.ndarray, steps: int, repeats: int
    ) -> tuple[float, np.ndarray]:
        """Returns the least seconds of both, which take turns.

        Args:
            photograph: `[1, H, W, 3]`, from which optimization starts.
            steps: Of optimization.
            repeats: Turns, after some to warm up.

        Returns:
            Of the network; and of optimization at the end of each iteration,
            `[steps, 2]`: in all, and in the objective and its gradient alone.
        """
        fast, slow = [], []
        for turn in range(repeats + timing.WARM_UP):
            start = time.perf_counter()
            self.paint(photograph)
            fast.append(time.perf_counter() - start)
            warm = turn >= timing.WARM_UP
            slow.append(self._clock(photograph, steps if warm else 1))
        kept = slow[timing.WARM_UP :]
        return min(fast[timing.WARM_UP :]), np.min(kept, axis=0)

    def _clock(self, photograph: np.ndarray, steps: int) -> np.ndarray:
        moments, spent = [], 0.0
        began = time.perf_counter()

        def slope(
            x: tf.Tensor, content: dict[str, tf.Tensor]
        ) -> tuple[tf.Tensor, tf.Tensor]:
            nonlocal spent
            start = time.perf_counter()
            value, gradient = self._slope(x, content)
            value.numpy(), gradient.numpy()
            spent += time.perf_counter() - start
            return value, gradient

        def watch(*_: object) -> None:
            moments.append([time.perf_counter() - began, spent])

        given = [self._describe(tf.constant(photograph))]
        descent.lbfgs(slope, photograph, BOUNDS, steps, given, watch)
        moments += moments[-1:] * (steps - len(moments))
        return np.array(moments)


def seconds_at(moments: np.ndarray, step: int) -> np.ndarray:
    """Returns the seconds of that many iterations, multiplied out if need be.

    Args:
        moments: As of `Contest.race`, at least two.
        step: The iteration.
    """
    if step <= len(moments):
        return moments[step - 1]
    each = (moments[-1] - moments[0]) / (len(moments) - 1)
    return moments[0] + (step - 1) * each
