"""The stand-in server as a process of its own, and models for it."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from types import TracebackType

import keras

from percgen import export
from percgen import networks
from percgen import shipped
from percgen import signatures

_ROOT = pathlib.Path(__file__).parents[1]
_READY = "For development only"
_TAIL = 2000  # Characters of what a server that failed has said.
SIDE = 512  # Of the largest picture that the small model takes.


class Server:
    """`serving.server` on loopback, until the `with` ends.

    Args:
        model_dir: Folder of the model's versions.
        *flags: Further flags of the command.

    Raises:
        ValueError: If it does not start.
    """

    def __init__(self, model_dir: pathlib.Path, *flags: str):
        self._model_dir, self._flags = model_dir, flags
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  Ours.
        self.port = self.rest_port = 0
        self._start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._end()
        self._said.close()

    @property
    def name(self) -> str:
        """The model's."""
        return self._model_dir.name

    def restart(self) -> None:
        """Kills it as the kernel does for want of memory; starts it again."""
        self._process.kill()
        self._end()
        self._start()

    def is_alive(self) -> bool:
        """Tells whether the process has not ended."""
        return self._process.poll() is None

    def megabytes(self, peak: bool = False) -> float:
        """Returns its resident memory, now or the most since its start."""
        return megabytes(self._process.pid, peak)

    def open_files(self) -> int:
        """Returns how many files and sockets it holds."""
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def said(self) -> str:
        """Returns what it has written to standard error."""
        self._said.seek(0)
        return self._said.read()

    def _start(self) -> None:
        line = [sys.executable, "-m", "serving.server", *self._flags]
        self._process = subprocess.Popen(
            [
                *line,
                f"--model_dir={self._model_dir}",
                f"--port={self.port}",
                f"--rest_api_port={self.rest_port}",
            ],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        ports: list[int] = []
        for said in self._process.stdout or ():
            ports += map(int, re.findall(r"localhost:(\d+)", said))
            if said.startswith(_READY):
                self.port, self.rest_port = ports
                return
        self._end()
        raise ValueError(f"The server did not start: {self.said()[-_TAIL:]}")

    def _end(self) -> None:
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def megabytes(pid: int | str, peak: bool = False) -> float:
    """Returns the resident memory of a process, now or at most."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    key = "VmHWM" if peak else "VmRSS"
    found = re.search(rf"{key}:\s+(\d+) kB", status)
    if not found:
        raise ValueError(f"Process {pid} has ended.")
    return int(found[1]) / 1024


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """Yields a folder for models that goes in the end."""
    with tempfile.TemporaryDirectory(prefix="serving_load-") as path:
        yield pathlib.Path(path)


def export_small(
    home: pathlib.Path, seed: int, side: int = SIDE
) -> pathlib.Path:
    """Exports a small painter, untrained; returns the version.

    Args:
        home: Folder of the model's versions.
        seed: Of its weights.
        side: Of the largest picture that it takes.
    """
    keras.utils.set_random_seed(seed)
    limits = signatures.Limits(max_pixels=side**2)
    return export.export(networks.StyleGenerator(width=4), home, None, limits)[
        0
    ]


def export_shipped(home: pathlib.Path) -> pathlib.Path:
    """Exports the network of the package named as the folder is."""
    return export.export(shipped.load(home.name), home)[0]


def publish(version: pathlib.Path, home: pathlib.Path, number: int) -> None:
    """Copies a version so that it appears as a whole."""
    home.mkdir(parents=True, exist_ok=True)
    draft = home / "draft"  # No number: not served.
    shutil.copytree(version, draft)
    draft.rename(home / str(number))
