"""A photograph of 100 megapixels in tiles: what memory it takes."""

import contextlib
import pathlib
import subprocess
import sys
import time

import numpy as np
import pyvips
from PIL import Image

from benchmarks import load_clients
from benchmarks import load_parts
from benchmarks import load_server

_ROOT = pathlib.Path(__file__).parents[1]
_CLIENT, _SERVER = 1500, 2000  # Megabytes, at most.
_BETWEEN = 0.1  # Seconds, of looking at the client's memory.


def measure(
    server: load_server.Server,
    folder: pathlib.Path,
    size: tuple[int, int],
    tile: int,
) -> load_parts.Part:
    """Sends a large JPEG through the client's command.

    Args:
        server: To ask.
        folder: For the pictures.
        size: Width and height, in pixels.
        tile: Side of the tiles.
    """
    large, answer = folder / "large.jpg", folder / "answer.png"
    _write(large, size)
    start = time.monotonic()
    status, client = _paint(server, large, answer, tile)
    seconds = time.monotonic() - start
    given = _size(answer)
    answer.unlink(missing_ok=True)
    least = server.megabytes(peak=True)
    factors = {one / other for one, other in zip(given, size, strict=True)}
    return load_parts.Part(
        f"A large picture through {server.name}",
        f"A JPEG of {size[0]:,} x {size[1]:,}, by `serving.client "
        f"--tile={tile}`, two requests at a time, into a PNG of {given[0]:,} x "
        f"{given[1]:,}, in {seconds / 60:.1f} minutes.",
        [
            load_parts.Claim(
                "the whole picture comes",
                f"status {status}",
                status == 0 and factors in ({1.0}, {4.0}),
            ),
            _at_most("client", client, _CLIENT),
            _at_most("server", least, _SERVER),
        ],
    )


def _at_most(who: str, found: float, most: int) -> load_parts.Claim:
    return load_parts.Claim(
        f"the {who} takes at most {most:,} MB",
        f"{found:,.0f} MB",
        found <= most,
    )


def _write(path: pathlib.Path, size: tuple[int, int]) -> None:
    """Writes a JPEG of a real photograph, again and again."""
    one = load_clients.photograph(512, 512)
    repeats = [-(-side // 512) for side in size]
    whole = np.tile(one, (repeats[1], repeats[0], 1))
    Image.fromarray(whole[: size[1], : size[0]]).save(path, quality=90)


def _size(path: pathlib.Path) -> tuple[int, int]:
    """Returns width and height of a picture of any size; 0 without one."""
    if not path.exists():
        return 0, 0
    header = pyvips.Image.new_from_file(str(path))
    return header.width, header.height


def _paint(
    server: load_server.Server,
    large: pathlib.Path,
    answer: pathlib.Path,
    tile: int,
) -> tuple[int, float]:
    """Returns the client's status, and the megabytes that it took at most."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "serving.client", str(large)),
            *(f"--server=localhost:{server.port}", f"--model={server.name}"),
            *(f"--tile={tile}", f"--out={answer}", "--concurrency=2"),
            "--timeout=600",
        ],
        cwd=_ROOT,
        stdout=subprocess.DEVNULL,
    )
    most = 0.0
    while process.poll() is None:
        with contextlib.suppress(ValueError):  # It has just ended.
            most = load_server.megabytes(process.pid, peak=True)
        time.sleep(_BETWEEN)
    return process.returncode, most
