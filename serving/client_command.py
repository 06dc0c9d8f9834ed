"""The command of `serving.client`."""

import functools
import json
import pathlib
import sys
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import tqdm
from PIL import Image

from percgen import command
from serving import batch
from serving import big_pictures
from serving import client_flags
from serving import served_model
from serving import video
from serving.client import Client
from serving.client import ServerError

_EXPECTED = (ValueError, OSError)  # Of one picture: others go on.


def main(argv: Sequence[str]) -> None:
    if client_flags.STATUS.value or client_flags.METADATA.value:
        _inform(argv)
        return
    # Twice as many pixels as it warns of are refused.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    jobs = _jobs(argv)
    wishes = client_flags.wishes()
    start, failed = time.monotonic(), []
    with client_flags.connect() as client, _bar(len(jobs)) as bar:
        for result in _results(jobs, Work(client, wishes, bar)):
            failed += [result.error] if result.error else []
            _tell(result, alone=len(jobs) == 1)
    if client_flags.JSON.value:
        summary = {"pictures": len(jobs), "failed": len(failed)}
        print(json.dumps({**summary, "seconds": _since(start)}), flush=True)
    if failed and len(jobs) == 1:
        raise failed[0]
    if failed:
        raise ValueError(f"{len(failed)} of {len(jobs)} failed.")


def _jobs(argv: Sequence[str]) -> list[batch.Job]:
    """Returns what to do, and makes the folder to write to.

    Raises:
        ValueError: If it is not clear, or cannot be.
    """
    out = client_flags.OUT.value
    if not argv or not out:
        raise ValueError("Expected pictures, and --out.")
    sources = batch.find(argv)
    if client_flags.out_is_folder():
        jobs = batch.plan(sources, pathlib.Path(out))
        pathlib.Path(out).mkdir(exist_ok=True)
        return jobs
    if len(sources) > 1:
        raise ValueError(
            f"--out should be a folder for {len(sources)} pictures. "
            f"Received: {out}."
        )
    film = video.is_film(sources[0])
    endings = video.ENDINGS if film else batch.PICTURES
    return [
        batch.Job(
            sources[0], command.picture_to_write(client_flags.OUT, endings)
        )
    ]


def _results(jobs: Sequence[batch.Job], work: "Work") -> Iterator[batch.Result]:
    """Does the jobs; what is sent in many requests, one after the other."""
    many = client_flags.TILE.value is not None
    alone = [job for job in jobs if many or job.is_film]
    others = [job for job in jobs if not (many or job.is_film)]
    yield from batch.run(
        others, work, _EXPECTED, client_flags.CONCURRENCY.value
    )
    yield from batch.run(alone, work, _EXPECTED, 1)


class Work:
    """Does one job.

    Args:
        client: Of the model.
        wishes: What is asked of it.
        bar: That shows how far all jobs are.
    """

    def __init__(
        self, client: Client, wishes: served_model.Wishes, bar: tqdm.tqdm
    ):
        self._client, self._wishes, self._bar = client, wishes, bar

    def __call__(self, job: batch.Job) -> tuple[int, int]:
        """Writes what is to be written; returns its width and height."""
        progress = _Share(self._bar)
        try:
            if job.is_film:
                return self._film(job, progress)
            if client_flags.TILE.value is not None:
                return self._tiles(job, progress)
            return self._whole(job)
        except ServerError as error:
            hint = ""
            if "image too large" in str(error):
                hint = " (--tile sends a picture in parts)"
            raise OSError(
                f"{job.source} to {client_flags.SERVER.value}: {error}{hint}"
            ) from error
        finally:
            progress(1.0)

    def _whole(self, job: batch.Job) -> tuple[int, int]:
        painting = self._client.generate(
            job.source,
            kind="PNG" if job.target.suffix.lower() == ".png" else "JPEG",
            **client_flags.options(),
            **vars(self._wishes),
        )
        painting.save(job.target)
        return painting.size

    def _tiles(
        self, job: batch.Job, progress: Callable[[float], None]
    ) -> tuple[int, int]:
        return big_pictures.generate(
            self._client,
            job.source,
            job.target,
            tile=client_flags.TILE.value,
            halo=client_flags.HALO.value,
            overlap=client_flags.OVERLAP.value,
            concurrency=client_flags.CONCURRENCY.value,
            progress=progress,
            **client_flags.options(),
            **vars(self._wishes),
        )

    def _film(
        self, job: batch.Job, progress: Callable[[float], None]
    ) -> tuple[int, int]:
        if client_flags.TILE.value is not None:
            raise ValueError(f"{job.source}: --tile is for pictures alone.")
        return video.paint(
            job.source,
            job.target,
            functools.partial(self._client.paint, wishes=self._wishes),
            client_flags.CONCURRENCY.value,
            progress,
        )


class _Share:
    """Moves a bar by what is done of one job."""

    def __init__(self, bar: tqdm.tqdm):
        self._bar, self._done = bar, 0.0

    def __call__(self, share: float) -> None:
        with self._bar.get_lock():
            self._bar.update(share - self._done)
            self._done = share


def _bar(total: int) -> tqdm.tqdm:
    return tqdm.tqdm(
        total=total,
        file=sys.stderr,
        disable=None,  # Only on a terminal.
        bar_format="{l_bar}{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]",
    )


def _tell(result: batch.Result, alone: bool) -> None:
    """Says what became of one job; the error of the only one comes last."""
    row = result.row()
    if client_flags.JSON.value:
        tqdm.tqdm.write(json.dumps(row), file=sys.stdout)
        sys.stdout.flush()
    elif result.error is None:
        tqdm.tqdm.write(f"Wrote {result.job.target}", file=sys.stdout)
    if result.error and not alone:
        tqdm.tqdm.write(f"Failed: {row['error']}", file=sys.stderr)


def _inform(argv: Sequence[str]) -> None:
    """Prints --status and --metadata.

    Raises:
        ValueError: If pictures are given, too.
    """
    if argv:
        raise ValueError(
            f"--status and --metadata send no picture. Received: {argv[0]}."
        )
    told: dict[str, Any] = {}
    with client_flags.connect() as client:
        if client_flags.STATUS.value:
            told["status"] = client.status()
        if client_flags.METADATA.value:
            told["metadata"] = client.metadata()
    if client_flags.JSON.value:
        print(json.dumps(told))
        return
    for row in told.get("status", ()):
        print(
            f"version {row['version']}: {row['state']} {row['error']}".strip()
        )
    if "metadata" in told:
        _print_signatures(told["metadata"])


def _print_signatures(metadata: dict[str, Any]) -> None:
    print(f"version {metadata['version']}")
    for name, signature in metadata["signatures"].items():
        print(name)
        for way in ("inputs", "outputs"):
            for key, tensor in signature[way].items():
                optional = ", optional" if tensor.get("optional") else ""
                kind = tensor["dtype"].removeprefix("DT_").lower()
                print(f"  {way[:-1]} {key}: {kind} {tensor['shape']}{optional}")


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)


def run() -> None:
    """Runs the command."""
    command.run(main, takes_arguments=True)
