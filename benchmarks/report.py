"""What every benchmark prints: tables, and where they were measured."""

import importlib.metadata
import pathlib
import platform
from collections.abc import Iterable
from collections.abc import Sequence

from percgen import images

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


def write(path: str | None, title: str, made_by: str, *paragraphs: str) -> None:
    """Prints a report, and writes it to a Markdown file if one is named.

    Args:
        path: Of the file, or None.
        title: Of the report.
        made_by: The command that repeats it.
        *paragraphs: Text and tables.
    """
    text = "\n\n".join([f"# {title}", f"`{made_by}`", *paragraphs, machine()])
    print(text)
    if path:
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        images.write_bytes(path, f"{text}\n".encode())


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
