"""How a command of percgen starts and ends.

Bad input ends in one line on standard error and exit status 2, never in a
traceback (`--verbosity=1` shows it all the same).
"""

import contextlib
import os
import pathlib
import sys
import traceback
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging

INTERRUPTED = 130


def import_tensorflow() -> None:
    """Imports TensorFlow and finds its devices without its C++ chatter.

    Its first lines come before it reads `TF_CPP_MIN_LOG_LEVEL`, and would bury
    the one line that a command says of bad input.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _stderr_closed():
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def _stderr_closed() -> Iterator[None]:
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def run(
    main: Callable[..., None],
    expected: tuple[type[Exception], ...] = (ValueError, OSError),
    takes_arguments: bool = False,
) -> None:
    """Runs a command.

    Args:
        main: The command.
        expected: Errors that tell of bad input rather than of a fault of ours.
        takes_arguments: Whether `main` is given the positional arguments, as a
            list; else there may be none.
    """

    def guarded(argv: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)
        try:
            if takes_arguments:
                main(argv[1:])
            elif len(argv) > 1:
                raise ValueError(f"Unexpected arguments: {' '.join(argv[1:])}.")
            else:
                main()
        except expected as error:
            if logging.level_debug():
                traceback.print_exc()
            _fail(str(error))
        except KeyboardInterrupt:
            print(file=sys.stderr)
            sys.exit(INTERRUPTED)

    app.run(guarded, flags_parser=_parse)


def picture_to_write(
    flag: flags.FlagHolder,
    endings: Sequence[str] = (".png", ".jpg", ".jpeg"),
) -> pathlib.Path:
    """Returns the path that a flag gives, if a picture can be written there.

    Raises:
        ValueError: If it has none of the endings, or no folder.
        OSError: If the folder cannot be written.
    """
    path = pathlib.Path(flag.value)
    if path.suffix.lower() not in endings:
        raise ValueError(
            f"--{flag.name} should end in {' or '.join(endings)}. "
            f"Received: {path}."
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(f"--{flag.name}: no folder {path.parent}.")
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise PermissionError(f"--{flag.name}: cannot write {path}.")
    return path


def _parse(argv: Sequence[str]) -> list[str]:
    # absl's own ending would be several lines and exit status 1.
    try:
        return flags.FLAGS(argv)
    except (flags.Error, OSError) as error:  # Or a --flagfile that is missing.
        _fail(str(error))


def complain(message: str) -> None:
    """Says in one line on standard error what is wrong."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if spec else os.path.basename(sys.argv[0])
    print(f"{name}: error: {' '.join(message.split())}", file=sys.stderr)


def _fail(message: str) -> NoReturn:
    complain(message)
    sys.exit(2)
