"""Arrays out of `.npz` files, whole or broken."""

import contextlib
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from collections.abc import Iterator

import numpy as np

# What readers raise over files that are cut, or not what their name says.
BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextlib.contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an archive; pickles are never loaded, alone or in one.

    What it raises, and what the archive raises later, is of `BROKEN`.
    """
    with open(path, "rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise ValueError("no .npz archive, or only the beginning of one")
        stream.seek(0)
        with np.lib.npyio.NpzFile(stream, allow_pickle=False) as file:
            yield file


def names(path: str | os.PathLike) -> list[str]:
    """Returns the names of the arrays of an archive.

    Raises:
        ValueError: If it cannot be read.
    """
    with _reading(path), open_npz(path) as file:
        return file.files


def read(path: str | os.PathLike, wanted: Iterable[str]) -> list[np.ndarray]:
    """Returns arrays of an archive, by name.

    Raises:
        ValueError: If they cannot be read, or one is missing.
    """
    with _reading(path), open_npz(path) as file:
        return [_array(file, name) for name in wanted]


def _array(file: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    value = file[name]
    if not isinstance(value, np.ndarray):  # Of other files: their bytes.
        raise ValueError(f"{name} is no array")
    return value


@contextlib.contextmanager
def _reading(path: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        # NumPy's reasons may have several lines.
        reason = " ".join(str(error).split())
        raise ValueError(f"Cannot read {path}: {reason}") from error
