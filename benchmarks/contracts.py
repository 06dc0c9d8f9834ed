"""Prints the table of what every loss and metric promises.

Example:
    python -m benchmarks.contracts --output=docs/losses.md
"""

import inspect
from types import ModuleType
from typing import Any

from benchmarks import report
from percgen import command
from percgen import losses
from percgen import metrics

_TEXT = """# Losses and metrics

What each promises of pictures in [0, 1], `[B, H, W, C]`. Losses and their
functions give one number per picture, metrics the mean over pictures. The same
facts are attributes: `losses.ms_ssim.direction`, `losses.SSIMLoss().border`.
The smallest picture is that of the default arguments; where a network is asked,
it is the network's `smallest_image`.

Pictures outside [0, 1] are refused by a `ValueError` that names the likely
mistake (0-255, [-1, 1], bfloat16, NaN). Inside a step compiled by TensorFlow or
JAX the same words come by that library's own error; where XLA compiled it for
TensorFlow, which then cannot raise, the value is NaN. `check=False` turns this
off.

{table}

Made by `python -m benchmarks.contracts --output=docs/losses.md`."""


def page() -> str:
    """Returns the page with the table."""
    rows = [
        [
            f"`{where.__name__.rpartition('.')[2]}.{name}`",
            promised.direction,
            "{:.4g} to {:.4g}".format(*promised.value_range),
            promised.color_space,
            promised.border,
            promised.smallest_image,
        ]
        for where in (losses, metrics)
        for name, promised in _promised(where)
    ]
    header = ["", "better", "range", "compares", "border", "smallest picture"]
    return _TEXT.format(table=report.table(header, rows))


def _promised(where: ModuleType) -> list[tuple[str, Any]]:
    """Returns what makes a promise in a module: functions, then classes."""
    found = [
        (name, value)
        for name, value in vars(where).items()
        if hasattr(value, "smallest_image")
    ]
    return sorted(found, key=lambda one: (inspect.isclass(one[1]), one[0]))


def main() -> None:
    report.show(page())


if __name__ == "__main__":
    command.run(main)
