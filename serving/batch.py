"""Many files: what to send, where to write it, and one after the other."""

import dataclasses
import glob
import pathlib
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent import futures

from serving import video

PICTURES = (".png", ".jpg", ".jpeg")  # What can be written.
_READ = (
    *PICTURES,
    *(".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".avif"),
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to send, and the one to write.

    Args:
        source: Of the picture or film.
        target: Of what comes back.
    """

    source: pathlib.Path
    target: pathlib.Path

    @property
    def is_film(self) -> bool:
        """Tells whether it is a film, by its ending."""
        return video.is_film(self.source)


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a job.

    Args:
        job: That was done.
        seconds: How long it took.
        size: Width and height of what was written; None if it failed.
        error: Why it failed; None if it did not.
    """

    job: Job
    seconds: float
    size: tuple[int, int] | None
    error: Exception | None

    def row(self) -> dict[str, object]:
        """Returns it for scripts."""
        return {
            "file": str(self.job.source),
            "output": None if self.error else str(self.job.target),
            "seconds": round(self.seconds, 3),
            "size": self.size,
            "error": " ".join(str(self.error).split()) if self.error else None,
        }


def find(arguments: Sequence[str]) -> list[pathlib.Path]:
    """Returns the files that are meant: files, folders' files, globs'.

    Raises:
        ValueError: If a folder or a glob holds no picture.
    """
    found: dict[pathlib.Path, None] = {}
    for argument in arguments:
        path = pathlib.Path(argument)
        if path.is_dir():
            files = sorted(path.iterdir())
        elif not path.exists() and glob.has_magic(argument):
            files = [
                pathlib.Path(one)
                for one in sorted(glob.glob(argument, recursive=True))
            ]
        else:
            found[path] = None  # Whatever it is: it was named.
            continue
        pictures = [file for file in files if _is_known(file)]
        if not pictures:
            raise ValueError(f"{argument}: no pictures.")
        found.update(dict.fromkeys(pictures))
    return list(found)


def _is_known(file: pathlib.Path) -> bool:
    known = file.suffix.lower() in _READ or video.is_film(file)
    return known and file.is_file() and not file.name.startswith(".")


def plan(sources: Sequence[pathlib.Path], folder: pathlib.Path) -> list[Job]:
    """Returns jobs that keep names: PNG, JPEG and films their endings, too.

    Raises:
        ValueError: If two would write one file, or one over what it reads.
    """
    originals = {source.resolve() for source in sources}
    jobs: dict[pathlib.Path, Job] = {}
    for source in sources:
        target = folder / source.name
        if source.suffix.lower() not in PICTURES and not video.is_film(source):
            target = target.with_suffix(".png")
        if target in jobs:
            raise ValueError(
                f"{jobs[target].source} and {source} would both be {target}."
            )
        if target.resolve() in originals:
            raise ValueError(f"{target} would be written over; choose another.")
        jobs[target] = Job(source, target)
    return list(jobs.values())


def run(
    jobs: Sequence[Job],
    work: Callable[[Job], tuple[int, int]],
    expected: tuple[type[Exception], ...],
    concurrency: int,
) -> Iterator[Result]:
    """Does jobs, several at a time, and gives results as they come.

    Args:
        jobs: To be done.
        work: Does one, and returns width and height of what it wrote.
        expected: Errors that one job may end in without stopping others.
        concurrency: How many at a time.
    """

    def one(job: Job) -> Result:
        start = time.monotonic()
        try:
            size, error = work(job), None
        except expected as raised:
            size, error = None, raised
        return Result(job, time.monotonic() - start, size, error)

    executor = futures.ThreadPoolExecutor(concurrency)
    try:
        waiting = [executor.submit(one, job) for job in jobs]
        for done in futures.as_completed(waiting):
            yield done.result()
    finally:
        executor.shutdown(cancel_futures=True)
