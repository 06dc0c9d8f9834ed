"""Exports a network as the next version of a served model.

Example:
    python -m serving.export --workdir=runs/starry --model_dir=models/starry
    python -m serving.export --pretrained=paintings --model_dir=models/paintings
"""

from percgen import command

command.import_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402

from percgen import comparators  # noqa: E402, F401  Of whose layers some are.
from percgen import export  # noqa: E402
from percgen import networks  # noqa: E402
from percgen import shipped  # noqa: E402
from percgen import signatures  # noqa: E402

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the training run.")
_PRETRAINED = flags.DEFINE_enum(
    "pretrained",
    None,
    shipped.names(),
    "Instead: a network of the package, of percgen/pretrained/NAME.md.",
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of the model's versions.", required=True
)
_VERSION = flags.DEFINE_integer(
    "version",
    None,
    "Number of the version; by default the next.",
    lower_bound=1,
)
_MAX_PIXELS = flags.DEFINE_integer(
    "max_pixels",
    signatures.Limits.max_pixels,
    "Largest picture served, height times width. The server takes about 0.45 GB"
    " for a million pixels, with a network of width 16.",
    lower_bound=networks.residual.SMALLEST**2,
)
_MAX_BATCH = flags.DEFINE_integer(
    "max_batch",
    signatures.Limits.max_batch,
    "Most pictures of one request.",
    lower_bound=1,
)


def main() -> None:
    generator = _generator()
    limits = signatures.Limits(
        _MAX_PIXELS.value, _MAX_BATCH.value, networks.residual.SMALLEST
    )
    version, difference = export.export(
        generator, _MODEL_DIR.value, _VERSION.value, limits
    )
    print(
        f"Published {version}; its answers differ from the model's by at most "
        f"{difference} of 255 levels."
    )
    print(f"Next: python -m serving.server --model_dir={_MODEL_DIR.value}")


def _generator() -> keras.Model:
    if (_WORKDIR.value is None) == (_PRETRAINED.value is None):
        raise ValueError("Give either --workdir or --pretrained.")
    if _PRETRAINED.value:
        return shipped.load(_PRETRAINED.value)
    return shipped.trained(_WORKDIR.value)


if __name__ == "__main__":
    command.run(main, (ValueError, OSError, tf.errors.OpError))
