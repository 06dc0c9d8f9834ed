"""Films, frame by frame through a pipe, by ffmpeg, which has to be installed.

Sound is copied, the frame rate stays, and so does the length. Each frame is
painted by itself.
"""

import collections
import contextlib
import dataclasses
import fractions
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
from typing import IO
from typing import Any
from typing import cast

import numpy as np

from percgen import picture_files

# Of each ending: how its frames are coded, near to what cannot be seen.
_X264 = ["-c:v", "libx264", "-crf", "18"]
_VP9 = ["-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0"]
_CODERS = {
    ".mp4": _X264,
    ".m4v": _X264,
    ".mov": _X264,
    ".mkv": _X264,
    ".webm": _VP9,
}

ENDINGS = tuple(_CODERS)

Paint = Callable[[np.ndarray], np.ndarray]


class VideoError(ValueError):
    """Raised when a film cannot be read or written; says why."""


@dataclasses.dataclass(frozen=True)
class Film:
    """What a film is.

    Args:
        width: As it is to be seen, in pixels.
        height: Likewise.
        rate: Frames a second, as `30000/1001`.
        seconds: Its length; 0 if it does not say.
    """

    width: int
    height: int
    rate: fractions.Fraction
    seconds: float


def is_film(path: str | os.PathLike) -> bool:
    """Tells whether a file is a film, by its ending."""
    return pathlib.Path(path).suffix.lower() in _CODERS


def probe(path: str | os.PathLike) -> Film:
    """Returns what a film is.

    Raises:
        VideoError: If it is none, or ffmpeg is missing.
    """
    done = subprocess.run(
        [
            _program("ffprobe"),
            *("-v", "error", "-select_streams", "v:0", "-of", "json"),
            "-show_entries",
            "stream=width,height,avg_frame_rate:stream_side_data=rotation"
            ":format=duration",
            os.fspath(path),
        ],
        capture_output=True,
        check=False,
    )
    found = json.loads(done.stdout or b"{}")
    if done.returncode or not found.get("streams"):
        raise VideoError(f"{path}: no film ({_last(done.stderr)}).")
    stream = found["streams"][0]
    try:
        rate = fractions.Fraction(stream["avg_frame_rate"])
    except (ValueError, ZeroDivisionError) as error:
        raise VideoError(f"{path}: no frame rate.") from error
    size = stream["width"], stream["height"]
    for data in stream.get("side_data_list", ()):
        if data.get("rotation", 0) % 180:  # ffmpeg turns it upright.
            size = size[::-1]
    seconds = float(found.get("format", {}).get("duration", 0.0))
    return Film(*size, rate, seconds)


def paint(
    source: str | os.PathLike,
    target: str | os.PathLike,
    ask: Paint,
    concurrency: int = 2,
    progress: Callable[[float], Any] = lambda share: None,
) -> tuple[int, int]:
    """Paints every frame of a film, and writes the film, all or nothing.

    Args:
        source: Of the film.
        target: To write: .mp4, .m4v, .mov, .mkv or .webm.
        ask: From a frame, uint8 RGB `[H, W, 3]`, to its painting.
        concurrency: Frames asked for at a time.
        progress: Told after each frame which share is done.

    Returns:
        Width and height of what was written.

    Raises:
        VideoError: If ffmpeg is missing, or cannot read or write it.
    """
    film = probe(source)
    count = max(1.0, film.seconds * film.rate)

    def painted() -> Iterator[np.ndarray]:
        answers = _ordered(ask, _frames(source, film), concurrency)
        for number, frame in enumerate(answers, start=1):
            yield frame
            progress(min(1.0, float(number / count)))

    with picture_files.draft(target) as draft:
        return _write(draft, painted(), film.rate, source)


def _frames(source: str | os.PathLike, film: Film) -> Iterator[np.ndarray]:
    """Gives the frames of a film, at an even rate."""
    shape = [film.height, film.width, 3]
    line = [
        _program("ffmpeg"),
        *("-v", "error", "-i", os.fspath(source), "-map", "0:v:0"),
        # An even rate, that of all: or sound and frames would drift apart.
        *("-r", str(film.rate), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    with (
        tempfile.TemporaryFile() as told,
        _running(line, stdout=subprocess.PIPE, stderr=told) as process,
    ):
        size, pipe = int(np.prod(shape)), cast(IO[bytes], process.stdout)
        while len(content := pipe.read(size)) == size:
            yield np.frombuffer(content, np.uint8).reshape(shape)
        if process.wait():
            told.seek(0)
            raise VideoError(f"{source}: {_last(told.read())}")


def _write(
    path: pathlib.Path,
    frames: Iterator[np.ndarray],
    rate: fractions.Fraction,
    sound: str | os.PathLike,
) -> tuple[int, int]:
    """Writes frames to a film, with the sound of another."""
    first = next(frames, None)
    if first is None:
        raise VideoError(f"{sound}: no frames.")
    height, width = first.shape[:2]
    # Chroma of half the size needs even sides.
    chroma = "yuv444p" if width % 2 or height % 2 else "yuv420p"
    line = [
        _program("ffmpeg"),
        *("-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", str(rate), "-i", "-"),
        *("-i", os.fspath(sound), "-map", "0:v:0", "-map", "1:a?"),
        *("-c:a", "copy", *_CODERS[path.suffix.lower()]),
        *("-pix_fmt", chroma, os.fspath(path)),
    ]
    with (
        tempfile.TemporaryFile() as told,
        _running(line, stdin=subprocess.PIPE, stderr=told) as process,
    ):
        pipe = cast(IO[bytes], process.stdin)
        try:
            for frame in itertools.chain([first], frames):
                pipe.write(np.ascontiguousarray(frame).data)
            pipe.close()
            failed = process.wait() != 0
        except BrokenPipeError:
            failed = True
        if failed:
            process.wait()
            told.seek(0)
            raise VideoError(f"{sound}: ffmpeg: {_last(told.read())}")
    return width, height


def _ordered(
    ask: Paint, frames: Iterator[np.ndarray], concurrency: int
) -> Iterator[np.ndarray]:
    """Asks for several frames at a time; gives the answers in order."""
    executor = futures.ThreadPoolExecutor(concurrency)
    waiting: collections.deque[futures.Future] = collections.deque()
    try:
        for frame in frames:
            waiting.append(executor.submit(ask, frame))
            if len(waiting) > concurrency:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _running(line: list[str], **pipes: Any) -> Iterator[subprocess.Popen]:
    """Starts a program, which ends with what is done inside."""
    process = subprocess.Popen(line, **{"stdin": subprocess.DEVNULL, **pipes})
    try:
        yield process
    finally:
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe:
                    pipe.close()
        process.kill()
        process.wait()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise VideoError(f"Films need {name}, which is not installed (ffmpeg).")
    return found


def _last(told: bytes) -> str:
    lines = told.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "nothing said"
