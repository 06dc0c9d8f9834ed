"""Training's own loop."""

import dataclasses
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tqdm

from percgen import crops
from percgen import tasks
from train import panels
from train import preemption
from train import profiling
from train import workdir as workdir_lib

_LOG_EVERY = 10


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
    profiled: int = 0  # Steps that TensorFlow's profiler traces.

    def run(self, last: int, checkpoint_every: int) -> None:
        """Trains from the workdir's step to the last, checkpointing.

        SIGTERM ends it after the step, which is kept, by
        `preemption.PREEMPTED`; of several workers it may reach any.
        """
        first = self.workdir.step
        bar = tqdm.tqdm(
            total=last,
            initial=first,
            unit="step",
            file=sys.stdout,
            mininterval=1,
        )
        profiler = profiling.Profiler(
            self.workdir.path / "logs",
            first,
            self.profiled if self.workdir.chief else 0,
            bar.write,
        )
        with (
            preemption.Notice() as notice,
            bar,
            self._writer().as_default(),
            profiler,
        ):
            if first == 0:
                self._show(0)
            batches = iter(
                distributed(self.strategy, lambda: self.batches(first, last))
            )
            done = first
            while done < last:
                stop = (done // checkpoint_every + 1) * checkpoint_every
                stop = min(stop, last)
                done, ends = self._train(
                    done, stop, batches, bar, notice, profiler
                )
                if not ends:
                    self._show(done)
                self.workdir.save(done)
                if ends and done < last:
                    preemption.leave(done)

    def _writer(self) -> tf.summary.SummaryWriter:
        if not self.workdir.chief:
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(str(self.workdir.path / "logs"))

    def _train(
        self,
        start: int,
        stop: int,
        batches: Iterator[Any],
        bar: tqdm.tqdm,
        notice: preemption.Notice,
        profiler: profiling.Profiler,
    ) -> tuple[int, bool]:
        """Returns the last step done, and whether notice was given."""
        since, before, waited = start, time.monotonic(), 0.0
        for step in range(start + 1, stop + 1):
            asked = time.monotonic()
            with profiler.step(step):
                batch = next(batches)
                waited += time.monotonic() - asked
                noted = tf.constant(float(notice.given))
                told, given = self._step(batch, noted)
                terms = self._read(told, step)
            if step % _LOG_EVERY == 0 or step == stop:
                now = time.monotonic()
                speed = {
                    "seconds_per_step": (now - before) / (step - since),
                    "input_share": waited / (now - before),
                }
                since, before, waited = step, now, 0.0
                self._write(terms, speed, step)
                shown = {k: f"{v:.3g}" for k, v in terms.items()}
                shown["input"] = f"{speed['input_share']:.0%}"
                bar.set_postfix(shown, False)
                self.task.reset_metrics()
            bar.update()
            if given:
                return step, True
        return stop, False

    @tf.function
    def _step(
        self, batch: Any, given: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the logs, and on how many replicas notice was given."""
        logs = self.strategy.run(self.task.train_step, (batch,))
        given = self.strategy.run(tf.identity, (given,))
        # One by one: over several machines `reduce` takes no dictionary.
        means = {
            name: self.strategy.reduce("MEAN", value, axis=None)
            for name, value in logs.items()
        }
        return means, self.strategy.reduce("SUM", given, axis=None)

    def _read(self, logs: dict[str, tf.Tensor], step: int) -> dict[str, float]:
        """Returns means since the last reset.

        Read at every step: after one that is not finite, weights are lost.
        """
        terms = {name: float(value) for name, value in logs.items()}
        panels.refuse_infinite(terms, step)
        return terms

    def _write(
        self, terms: dict[str, float], speed: dict[str, float], step: int
    ) -> None:
        with self.workdir.writing():
            for name, value in terms.items():
                tf.summary.scalar(f"terms/{name}", value, step)
            for name, value in speed.items():
                tf.summary.scalar(name, value, step)
            rate = self.task.optimizer.learning_rate
            tf.summary.scalar("learning_rate", rate, step)

    def _show(self, step: int) -> None:
        if not self.workdir.chief:
            return
        with self.workdir.writing():
            self.show(self.task, step)
            tf.summary.flush()


def distributed(
    strategy: tf.distribute.Strategy, make: Callable[[], tf.data.Dataset]
) -> tf.distribute.DistributedDataset:
    """Returns batches in equal parts, the n-th of each for the n-th replica.

    A machine loads the parts of its own replicas alone.

    Args:
        strategy: What has the replicas.
        make: Makes the batches, out of `crops.in_batches`.
    """

    def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        index, machines = context.input_pipeline_id, context.num_input_pipelines
        replicas = context.num_replicas_in_sync
        with crops.part(index, machines):
            batches = make()
        if replicas == 1:
            return batches
        size = tf.nest.flatten(batches.element_spec)[0].shape[0]
        return (
            batches.rebatch(size // replicas, drop_remainder=True)
            .enumerate()
            .filter(lambda n, *_: n % replicas * machines // replicas == index)
            .map(lambda _, batch: batch)
            .prefetch(tf.data.AUTOTUNE)
        )

    return strategy.distribute_datasets_from_function(own)
