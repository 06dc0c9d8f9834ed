"""What every benchmark prints: tables, and where they were measured."""

import importlib.metadata
import pathlib
import platform
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

import keras
import numpy as np
from absl import flags

from percgen import images

OUTPUT = flags.DEFINE_string("output", None, "Markdown file to write, too.")

_PACKAGES = (
    "tensorflow",
    "keras",
    "torch",
    "pytorch-msssim",
    "piq",
    "torchmetrics",
    "lpips",
    "scikit-image",
    "numpy",
    "pillow",
)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def provenance(comparator: keras.Model, path: str) -> str:
    """Returns what a comparator's weights are, without their folder."""
    return comparator.provenance.replace(path, pathlib.Path(path).name)


def spread(values: Sequence[float], digits: int) -> str:
    """Returns a mean and, of several values, how far they lie about it."""
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def verdict(
    scores: Mapping[str, Sequence[float]], winner: str, higher: bool
) -> str:
    """Says whether a loss wins a measure, and beyond the spread of seeds.

    Args:
        scores: One value for each seed, by loss.
        winner: The loss that should win.
        higher: Whether higher is better.
    """
    if winner not in scores or len(scores) == 1:
        return "not tried"
    sign = 1.0 if higher else -1.0
    worst = min(sign * value for value in scores[winner])
    best = max(
        sign * value
        for name, values in scores.items()
        if name != winner
        for value in values
    )
    means = {name: sign * np.mean(values) for name, values in scores.items()}
    if worst > best:
        return "yes, every seed over every other"
    if max(means, key=lambda name: means[name]) == winner:
        return "in the mean, not beyond the spread"
    return "no"


def write(title: str, made_by: str, *paragraphs: str) -> None:
    """Prints a report with where it was made, and writes it to --output.

    Args:
        title: Of the report.
        made_by: The command that repeats it.
        *paragraphs: Text and tables.
    """
    show("\n\n".join([f"# {title}", f"`{made_by}`", *paragraphs, machine()]))


def show(text: str) -> None:
    """Prints a text, and writes it to --output if that is given."""
    print(text)
    if OUTPUT.value:
        path = pathlib.Path(OUTPUT.value)
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write_bytes(path, f"{text}\n".encode())


def line(module: str, given: Iterable[flags.Flag]) -> str:
    """Returns the command that repeats a report.

    Args:
        module: Of the command.
        given: Flags to tell of, where they are given.
    """
    own = [flag.serialize() for flag in given if flag.present]
    return " ".join([f"python -m {module}", *own])


def machine() -> str:
    """Returns a line on versions and the kind of machine."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # Not here: then nothing here was measured with it.
    return (
        f"Python {platform.python_version()}, {', '.join(found)}; "
        f"{_processor()}, {platform.system()}."
    )


def _processor() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
