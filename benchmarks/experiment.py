"""Trainings of an experiment: each done once, kept in a folder, gone on with.

An experiment trains the same network by several losses and from several seeds,
each training by a command of `train/` in a folder of its own under --folder. A
training that was stopped goes on, one that is done is not done again, and what
was measured of it is kept beside it.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Sequence

import keras
import numpy as np
from absl import flags

from benchmarks import report
from percgen import images
from percgen import networks  # noqa: F401  Known by name when loaded.

FOLDER = flags.DEFINE_string(
    "folder", None, "Where trainings are; by default runs/EXPERIMENT."
)
SEEDS = flags.DEFINE_integer(
    "seeds", 3, "Trainings by each loss.", lower_bound=1
)
FULL = flags.DEFINE_bool(
    "full",
    False,
    "The paper's size, for a GPU; by default sized for two cores.",
)
STEPS = flags.DEFINE_integer(
    "steps", None, "Of each training, if not the experiment's own.", 1
)
LOSSES = flags.DEFINE_list(
    "losses",
    ["mse", "mae", "ms_ssim"],
    "Those to train by, as --loss takes them.",
)
# Paper B's, with --full: for any command, and for DeePSiM's.
ADAM = (
    "--learning_rate=2e-4",
    "--beta_1=0.9",
    "--beta_2=0.999",
    "--halve_at=300000,500000,700000,900000,1100000",
)
DISCRIMINATOR = ("--discriminator_width=32", "--discriminator_rate=2e-4")
Scores = dict[str, float]


def folder(experiment: str) -> pathlib.Path:
    """Returns the folder of an experiment."""
    return pathlib.Path(FOLDER.value or f"runs/{experiment}")


def line(module: str, *further: flags.FlagHolder) -> str:
    """Returns the command that repeats an experiment, with what it trained.

    Args:
        module: Of the command.
        *further: Flags of its own to tell, where they are given.
    """
    shared = (FULL, LOSSES, SEEDS, STEPS)
    return report.line(
        module, [flags.FLAGS[flag.name] for flag in (*shared, *further)]
    )


class Training:
    """One training, in its folder.

    Args:
        experiment: Name of the default folder.
        name: Of the training.
        module: The command, as `train.upscale`.
        arguments: Its flags, all but --workdir.
    """

    def __init__(
        self,
        experiment: str,
        name: str,
        module: str,
        arguments: Sequence[str],
    ):
        self.workdir = folder(experiment) / name
        self._line = ["-m", module, f"--workdir={self.workdir}", *arguments]

    def generator(self) -> keras.Model:
        """Returns the network, after training what is not trained yet.

        Raises:
            ValueError: If the training fails; it has said why.
        """
        if not self._holds("trained.json", self._line):
            print(f"$ python {' '.join(self._line)}", flush=True)
            line = [sys.executable, *self._line]
            if subprocess.run(line, check=False).returncode:
                raise ValueError(f"The training in {self.workdir} failed.")
            self._keep("trained.json", self._line)
        path = self.workdir / "generator.keras"
        return keras.saving.load_model(path, compile=False)

    def scores(
        self, measure: Callable[[keras.Model], Scores], by: str
    ) -> Scores:
        """Returns what `measure` says of the network, once it was asked.

        Args:
            measure: Of the network.
            by: What it depends on; if that changes, it is asked again.
        """
        file = self.workdir / "scores.json"
        key = [*self._line, by]
        if file.exists():
            kept = json.loads(file.read_text())
            if kept["key"] == key:
                return kept["scores"]
        scores = measure(self.generator())
        self._keep("scores.json", {"key": key, "scores": scores})
        return scores

    def _holds(self, name: str, content: object) -> bool:
        file = self.workdir / name
        return file.exists() and json.loads(file.read_text()) == content

    def _keep(self, name: str, content: object) -> None:
        text = json.dumps(content, indent=1)
        images.write_bytes(self.workdir / name, f"{text}\n".encode())


def write_sheet(name: str, rows: Sequence[np.ndarray]) -> str:
    """Writes batches of pictures in [0, 1] as rows, beside --output.

    Returns:
        The Markdown that shows it, empty without --output.
    """
    if not report.OUTPUT.value:
        return ""
    folder = pathlib.Path(report.OUTPUT.value).parent
    folder.mkdir(parents=True, exist_ok=True)
    sheet = images.contact_sheet([list(images.to_uint8(row)) for row in rows])
    images.write(folder / name, sheet)
    return f"![{name}]({name})"
