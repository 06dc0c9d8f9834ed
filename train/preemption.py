"""SIGTERM: the machine is wanted back, so what was learnt is kept at once."""

import signal
import sys
import types
from typing import NoReturn
from typing import Self

# 128 + SIGTERM. Kubernetes' operator starts a job again that ends by 128 or
# more, where its restart policy is ExitCode; so does any policy but Never.
PREEMPTED = 143


class Notice:
    """Notes SIGTERM instead of ending by it, as a context.

    Attributes:
        given: Whether it came.
    """

    def __init__(self) -> None:
        self.given = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.given = True


def leave(step: int) -> NoReturn:
    """Ends the process, after a step that was kept."""
    print(
        f"\nStopped by SIGTERM after step {step}, which is kept: the same "
        "command goes on.",
        file=sys.stderr,
    )
    sys.exit(PREEMPTED)
