"""A picture in tiles: what to cut, and how answers come together again.

Works from top to bottom, one row of tiles at a time, so that memory holds what
a row of tiles covers and not the picture.
"""

import dataclasses
import itertools
from collections.abc import Callable
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import numpy as np

GRID = 8  # Networks that shrink pictures see every tile at the same phase.
_LEAST = 64  # Side of a tile.
_CHUNK = 64  # Rows given out at a time.

Ask = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How to cut.

    Args:
        side: Of the squares that a picture is divided into, in pixels.
        halo: Pixels around them that are sent, too, and of whose answer
            nothing is kept: what the network has to see.
        overlap: Width of the bands in which neighbours fade into one another;
            0 cuts sharply.

    Raises:
        ValueError: If they are no multiples of 8, or do not fit.
    """

    side: int
    halo: int
    overlap: int = 0

    def __post_init__(self) -> None:
        if (
            any(x % GRID for x in (self.side, self.halo, self.overlap / 2))
            or min(self.halo, self.overlap) < 0
            or self.side < max(_LEAST, 3 * self.overlap)
        ):
            raise ValueError(
                f"Tiles should be of {_LEAST} pixels or more, they and their "
                f"halo multiples of {GRID}, and their overlap one of "
                f"{2 * GRID} and at most a third. Received: {self}."
            )

    @property
    def largest(self) -> int:
        """Side of the largest square that is sent."""
        return self.side + self.overlap + 2 * self.halo


@dataclasses.dataclass(frozen=True)
class Span:
    """One tile along one axis, in pixels of the picture.

    Args:
        start: Of what is kept.
        stop: Its end.
        sent_start: Of what is sent.
        sent_stop: Its end.
        fade_in: Width of the band that it shares with the tile before.
        fade_out: And with the one behind.
    """

    start: int
    stop: int
    sent_start: int
    sent_stop: int
    fade_in: int
    fade_out: int

    def kept(self, scale: int) -> slice:
        """Returns which part of the answer is kept."""
        first = scale * (self.start - self.sent_start)
        return slice(first, first + scale * (self.stop - self.start))

    def weights(self, scale: int) -> np.ndarray:
        """Returns how much each kept pixel counts; with neighbours, 1."""
        weights = np.ones(scale * (self.stop - self.start), np.float32)
        into, out = _rise(scale * self.fade_in), _rise(scale * self.fade_out)
        weights[: len(into)] *= into
        weights[len(weights) - len(out) :] *= out[::-1]
        return weights


def _rise(size: int) -> np.ndarray:
    """Returns weights from 0 to 1, which with those from 1 to 0 make 1."""
    return (np.arange(size, dtype=np.float32) + 0.5) / max(size, 1)


def spans(length: int, plan: Plan, smallest: int) -> list[Span]:
    """Divides an axis.

    Args:
        length: In pixels.
        plan: How to cut.
        smallest: Least length that may be sent.
    """
    cuts = list(range(0, length, plan.side))
    least = max(smallest, plan.overlap)
    if len(cuts) > 1 and length - cuts[-1] < least:
        cuts[-1] = (length - least) // GRID * GRID  # At the cost of the last.
    half = plan.overlap // 2
    found = []
    for first, last in zip(cuts, [*cuts[1:], length], strict=True):
        start = first - half if first else 0
        stop = last + half if last < length else length
        found.append(
            Span(
                start,
                stop,
                max(0, start - plan.halo),
                min(length, stop + plan.halo),
                plan.overlap if first else 0,
                plan.overlap if last < length else 0,
            )
        )
    return found


class Window:
    """The rows of a picture that are needed now.

    Args:
        read: Returns as many rows as it is asked for, the next ones.
    """

    def __init__(self, read: Callable[[int], np.ndarray]):
        self._read = read
        self._first = 0
        self._rows: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Returns rows; those before `start` are given up for good."""
        if self._rows is None:
            self._rows = self._read(stop)
        held = self._rows[start - self._first :]
        missing = stop - start - len(held)
        if missing > 0:
            held = np.concatenate([held, self._read(missing)])
        else:
            held = held.copy()  # Lest what is given up stays in memory.
        self._first, self._rows = start, held
        return held


def stream(
    height: int,
    width: int,
    read: Callable[[int], np.ndarray],
    ask: Ask,
    plan: Plan,
    smallest: int,
    workers: int,
) -> Iterator[np.ndarray]:
    """Gives the answer to a whole picture, some rows at a time.

    Args:
        height: Of the picture.
        width: Likewise.
        read: Returns as many rows `[N, W, C]` as it is asked for, the next.
        ask: From a part of the picture to its answer, larger by a whole factor.
        plan: How to cut.
        smallest: Least height and width that `ask` takes.
        workers: Threads that ask at a time.

    Yields:
        `[N, scale W, C]`, of the type of the answers.

    Raises:
        ValueError: If an answer is not larger by a whole factor.
    """
    window = Window(read)
    columns = spans(width, plan, smallest)
    faded = None
    with futures.ThreadPoolExecutor(workers) as executor:
        for row in spans(height, plan, smallest):
            strip = window.rows(row.sent_start, row.sent_stop)
            band, kind = _band(executor, strip, row, columns, ask, plan)
            scale = band.shape[1] // width
            if faded is not None:
                band[: len(faded)] += faded
            stop = len(band) - scale * row.fade_out
            for first in range(0, stop, _CHUNK):
                yield _levels(band[first : min(first + _CHUNK, stop)], kind)
            faded = band[stop:].copy()
            del band


def _band(
    executor: futures.Executor,
    strip: np.ndarray,
    row: Span,
    columns: list[Span],
    ask: Ask,
    plan: Plan,
) -> tuple[np.ndarray, Any]:
    """Returns the answer of one row of tiles, weighted, and its type."""
    parts = [strip[:, c.sent_start : c.sent_stop] for c in columns]
    answers = executor.map(ask, parts)
    first = next(answers)
    scale, kind = _scale(parts[0], first), first.dtype
    shape = [row.stop - row.start, columns[-1].stop, first.shape[2]]
    band = np.zeros(
        [scale * shape[0], scale * shape[1], shape[2]],
        np.float32 if plan.overlap else kind,
    )
    rest = itertools.chain([first], answers)
    for column, part, answer in zip(columns, parts, rest, strict=True):
        _scale(part, answer)
        kept = answer[row.kept(scale), column.kept(scale)]
        place = slice(scale * column.start, scale * column.stop)
        if plan.overlap:
            band[:, place] += kept * column.weights(scale)[:, None]
        else:
            band[:, place] = kept
    if plan.overlap:
        band *= row.weights(scale)[:, None, None]
    return band, kind


def _scale(part: np.ndarray, answer: np.ndarray) -> int:
    scale = answer.shape[0] // part.shape[0]
    if answer.shape[:2] != (scale * part.shape[0], scale * part.shape[1]):
        raise ValueError(
            f"A tile of {part.shape[1]} x {part.shape[0]} came back as "
            f"{answer.shape[1]} x {answer.shape[0]}: --tile is for models that "
            "enlarge by a whole factor."
        )
    return scale


def _levels(rows: np.ndarray, kind: Any) -> np.ndarray:
    if rows.dtype == kind:
        return rows
    return np.rint(np.clip(rows, 0, np.iinfo(kind).max)).astype(kind)
