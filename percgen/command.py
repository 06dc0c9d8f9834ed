"""How a command of percgen starts and ends.

Bad input ends in one line on standard error and exit status 2, never in a
traceback (`--verbosity=1` shows it all the same).
"""

import os
import sys
import traceback
from collections.abc import Callable
from collections.abc import Sequence

from absl import app
from absl import flags
from absl import logging

INTERRUPTED = 130


def run(
    main: Callable[[Sequence[str]], None],
    expected: tuple[type[Exception], ...] = (ValueError, OSError),
) -> None:
    """Runs `main` with the positional arguments, program name left out.

    Args:
        main: The command.
        expected: Errors that tell of bad input rather than of a fault of ours.
    """

    def guarded(argv: Sequence[str]) -> None:
        try:
            main(argv[1:])
        except expected as error:
            if logging.level_debug():
                traceback.print_exc()
            _fail(str(error))
        except KeyboardInterrupt:
            print(file=sys.stderr)
            sys.exit(INTERRUPTED)

    app.run(guarded, flags_parser=_parse)


def _parse(argv: Sequence[str]) -> list[str]:
    # absl's own ending would be several lines and exit status 1.
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        _fail(str(error))
    except OSError as error:  # --flagfile of a file that is not there.
        _fail(str(error))
    return []


def _fail(message: str) -> None:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if spec else os.path.basename(sys.argv[0])
    print(f"{name}: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
