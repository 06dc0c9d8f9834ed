r"""Keeps a trained network for the package: float16, small.

Example:
    python -m train.ship --workdir=runs/paintings \
        --output=percgen/pretrained/paintings.npz

Then `python -m serving.export --pretrained=paintings` serves it. Write its card
beside it: data, licences, command, steps, measured quality.
"""

import pathlib

import numpy as np
from absl import flags

from percgen import command
from percgen import shipped

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the training run.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "File to write, .npz.", required=True
)


def main() -> None:
    output = pathlib.Path(_OUTPUT.value)
    if output.suffix != ".npz" or not output.absolute().parent.is_dir():
        raise ValueError(
            "--output should end in .npz, in a folder that exists. "
            f"Received: {output}."
        )
    network = shipped.trained(_WORKDIR.value)
    shipped.write(network, output)
    pairs = zip(
        network.get_weights(), shipped.read(output).get_weights(), strict=True
    )
    furthest = max(float(np.abs(a - b).max()) for a, b in pairs)
    print(
        f"Wrote {output}: {network.count_params():,} parameters, "
        f"{output.stat().st_size / 1e6:.2f} MB; none moved by more than "
        f"{furthest:.2g}."
    )


if __name__ == "__main__":
    command.run(main)
