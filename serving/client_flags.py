"""The flags of `serving.client`, and what they say together."""

import os
import pathlib
from typing import Any

from absl import flags

from serving import connection
from serving import served_model
from serving.client import Client

SERVER = flags.DEFINE_string(
    "server", "localhost:8500", "HOST:PORT of TensorFlow Serving's gRPC."
)
MODEL = flags.DEFINE_string("model", None, "Name of the model.", required=True)
_VERSION = flags.DEFINE_integer(
    "version",
    None,
    "Number of the model's version; by default the server chooses.",
    lower_bound=0,
)
_LABEL = flags.DEFINE_string("label", None, "Or the label of a version.")
OUT = flags.DEFINE_string(
    "out",
    None,
    "File to write, .png or .jpg, or a film's; for several pictures a folder, "
    "in which they keep their names.",
    short_name="o",
)
_STYLE_WEIGHTS = flags.DEFINE_list(
    "style_weights",
    None,
    "How much of each style that the model has, as 0,1,1; they count by their "
    "sum. By default the first style.",
)
_STRENGTH = flags.DEFINE_float(
    "strength",
    None,
    "From 0, the photograph, to 1, the painting, which is the default.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_PRESERVE_COLOR = flags.DEFINE_bool(
    "preserve_color", None, "Keep the photograph's colours; paint its light."
)
KEEP_GRAY = flags.DEFINE_bool(
    "keep_gray", True, "Gray pictures stay gray; else they get colours."
)
JPEG_QUALITY = flags.DEFINE_integer(
    "jpeg_quality", 95, "Of JPEG that is written.", 1, 100
)
TILE = flags.DEFINE_integer(
    "tile",
    None,
    "Send a picture in squares of this side, in pixels, for what is too large "
    "for one request. The answer is the same where the model looks only so far "
    "from each pixel, as in super-resolution. A model that looks at the whole "
    "picture, as painters do, is shown it made small, and its answer is near: "
    "the larger the tiles, the nearer. Needs pyvips.",
    lower_bound=1,
)
HALO = flags.DEFINE_integer(
    "halo",
    None,
    "Pixels around a tile that the network has to see; the model tells them.",
    lower_bound=0,
)
OVERLAP = flags.DEFINE_integer(
    "overlap",
    None,
    "Pixels in which tiles fade into one another; by default 0, and a quarter "
    "of a tile for a model that looks at the whole picture.",
    lower_bound=0,
)
CONCURRENCY = flags.DEFINE_integer(
    "concurrency", 2, "Requests at a time.", lower_bound=1
)
_TIMEOUT = flags.DEFINE_float(
    "timeout",
    60.0,
    "Seconds to wait for the answer to a request, all tries together.",
    lower_bound=0.001,
)
_RETRIES = flags.DEFINE_integer(
    "retries",
    3,
    "How often to try again where the server is not available; never after "
    "another error.",
    lower_bound=0,
)
_MAX_MEGABYTES = flags.DEFINE_integer(
    "max_megabytes", 256, "Largest answer to take, in MB.", lower_bound=1
)
_TLS = flags.DEFINE_bool(
    "tls", False, "Encrypt; trust the certificates that gRPC trusts."
)
_TLS_CA = flags.DEFINE_string(
    "tls_ca", None, "Encrypt; trust the certificates of this file (PEM)."
)
_TLS_CERT = flags.DEFINE_string(
    "tls_cert", None, "Our own certificate (PEM), where the server wants one."
)
_TLS_KEY = flags.DEFINE_string("tls_key", None, "Its key (PEM).")
_TOKEN = flags.DEFINE_string(
    "token",
    None,
    "Sent as `authorization: Bearer TOKEN`; to other machines by TLS alone. In "
    "a --flagfile it is not seen by who lists processes.",
)
STATUS = flags.DEFINE_bool(
    "status", False, "Say how the model's versions are, and send nothing."
)
METADATA = flags.DEFINE_bool(
    "metadata", False, "Say what the model takes and gives, and send nothing."
)
JSON = flags.DEFINE_bool(
    "json", False, "Print a line of JSON for each picture, and one at the end."
)


def connect() -> Client:
    """Returns the client that is meant.

    Raises:
        ValueError: If flags do not fit.
        OSError: If a certificate cannot be read.
    """
    return Client(
        SERVER.value,
        MODEL.value,
        version=_VERSION.value,
        label=_LABEL.value,
        timeout=_TIMEOUT.value,
        retries=_RETRIES.value,
        max_megabytes=_MAX_MEGABYTES.value,
        security=connection.Security(
            _TLS.value,
            _TLS_CA.value,
            _TLS_CERT.value,
            _TLS_KEY.value,
            _TOKEN.value,
        ),
    )


def wishes() -> served_model.Wishes:
    """Returns what is asked of a model that paints.

    Raises:
        ValueError: If --style_weights are no numbers.
    """
    return served_model.Wishes(
        _weights(), _STRENGTH.value, _PRESERVE_COLOR.value
    )


def _weights() -> list[float] | None:
    if _STYLE_WEIGHTS.value is None:
        return None
    try:
        return [float(weight) for weight in _STYLE_WEIGHTS.value]
    except ValueError:
        raise ValueError(
            "--style_weights should be numbers. "
            f"Received: {','.join(_STYLE_WEIGHTS.value)}."
        ) from None


def out_is_folder() -> bool:
    """Tells whether --out means a folder: it is one, or has no ending."""
    out = OUT.value
    return (
        os.path.isdir(out) or out.endswith("/") or not pathlib.Path(out).suffix
    )


def options() -> dict[str, Any]:
    """Returns how answers are to be stored."""
    return {
        "jpeg_quality": JPEG_QUALITY.value,
        "keep_gray": KEEP_GRAY.value,
    }
