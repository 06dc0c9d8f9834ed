"""The folder of a run: its flags, its checkpoints, its results."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import flags
from absl import logging

from percgen import images
from percgen import tasks

_KEPT = 2


class Workdir:
    """A run's folder, and where the run stands.

    Nothing is written before `claim` or `open`.

    Args:
        path: The folder.
        resumable: Flags that may change when a run goes on.
        chief: Whether this process writes there; others only read.

    Raises:
        ValueError: If the folder belongs to a run of other flags.
        OSError: If it cannot be written.
    """

    def __init__(self, path: str, resumable: set[str], chief: bool = True):
        self.path, self.chief = pathlib.Path(path), chief
        existing = self.path.absolute()
        while not existing.exists():
            existing = existing.parent
        if not existing.is_dir():
            raise NotADirectoryError(
                f"Cannot make {path}: {existing} is a file."
            )
        if not os.access(existing, os.W_OK):
            raise PermissionError(
                f"Permission denied: cannot write {existing}."
            )
        self._check_flags(resumable)
        self._step = tf.Variable(0, dtype=tf.int64, name="step")

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self._step.numpy())

    def claim(self) -> None:
        """Makes the folder, and keeps the flags in it."""
        if self.chief:
            self.path.mkdir(parents=True, exist_ok=True)
            self.write("flags.txt", flags_text().encode())

    def open(self, task: tasks.Task) -> None:
        """Makes the folder; restores the task from the newest checkpoint.

        One that cannot be read gives its place to the one before, with a
        warning.

        Raises:
            ValueError: If none of those that there are can be read.
        """
        self.claim()
        checkpoint = tf.train.Checkpoint(step=self._step, **task.state())
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(self.path / "checkpoints"), max_to_keep=_KEPT
        )
        kept = self._kept()
        for path in kept:
            try:
                restored = checkpoint.restore(str(path))
                restored.assert_existing_objects_matched()
                return
            except tf.errors.OpError as error:
                reason = error.message.split("\n")[0]
                logging.warning("%s cannot be read: %s", path, reason)
        if kept:
            raise ValueError(
                f"None of the {len(kept)} checkpoints in {self.path} can be "
                "read. Give another --workdir."
            )

    def _kept(self) -> list[pathlib.Path]:
        """Returns the checkpoints, the newest first.

        By what lies there: TensorFlow's own list of them may be torn, too.
        """
        found = self.path.glob("checkpoints/ckpt-*.index")
        whole = [path.with_suffix("") for path in found]
        return sorted(whole, key=lambda p: int(p.name[5:]), reverse=True)

    def save(self, step: int) -> None:
        """Keeps the state after a step, and until then the one before."""
        self._step.assign(step)
        if not self.chief:
            return
        try:
            with self.writing():
                self._manager.save(step)
        except OSError:
            for draft in (self.path / "checkpoints").glob(f"ckpt-{step}.*"):
                draft.unlink()
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Turns what TensorFlow raises when it cannot write into `OSError`."""
        try:
            yield
        except tf.errors.OpError as error:
            reason = error.message.split("\n")[0]
            raise OSError(f"Cannot write to {self.path}: {reason}") from error

    def finish(
        self, generator: keras.Model, samples: np.ndarray, used: str
    ) -> None:
        """Writes `generator.keras`, `samples.png` and `used.txt`."""
        if not self.chief:
            return
        draft = self.path / ".generator.keras"
        try:
            generator.save(draft)
            os.replace(draft, self.path / "generator.keras")
        finally:
            draft.unlink(missing_ok=True)
        self.write_picture("samples.png", samples)
        self.write("used.txt", f"{used}\n".encode())
        print(f"Wrote generator.keras and samples.png to {self.path}")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file of the run, whole or not at all."""
        if self.chief:
            images.write_bytes(self.path / name, content)

    def write_picture(self, name: str, pixels: np.ndarray) -> None:
        """Writes a picture of the run, uint8, likewise."""
        if self.chief:
            images.write(self.path / name, pixels)

    def _check_flags(self, resumable: set[str]) -> None:
        file = self.path / "flags.txt"
        if not file.exists():
            return
        then = _lines(file.read_text(), resumable)
        now = _lines(flags_text(), resumable)
        if then != now:
            raise ValueError(
                f"{self.path} holds a run of other flags: it was started with "
                f"{' '.join(sorted(then - now)) or 'less'}, not "
                f"{' '.join(sorted(now - then)) or 'without'}. Give the same "
                "flags to go on, or another --workdir."
            )


def flags_text() -> str:
    """Returns the running command's own flags, one a line, for --flagfile."""
    ours = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    ours = sorted(ours, key=lambda flag: flag.name)
    return "".join(f"{f.serialize()}\n" for f in ours if f.value is not None)


def _lines(text: str, left_out: set[str]) -> set[str]:
    lines = {line for line in text.split("\n") if line}
    return {x for x in lines if x[2:].partition("=")[0] not in left_out}
