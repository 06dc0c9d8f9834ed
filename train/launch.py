r"""Starts a training command as several workers on this machine, for trying.

Example:
    python -m train.launch --workers=2 -- train.stylize --style_image=a.jpg \
        --images='photos/*.jpg' --workdir=runs/two

Each worker has a TF_CONFIG of its own, as on machines of their own. What the
first says is shown as it is, errors of others with their number. When one ends
by an error, or this is stopped, so are all.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO

from absl import flags

from percgen import command

_WORKERS = flags.DEFINE_integer(
    "workers", 2, "How many to start.", lower_bound=1
)
_PATIENCE = flags.DEFINE_float(
    "patience",
    60.0,
    "Seconds that workers have to end by themselves when one has failed.",
    lower_bound=0.0,
)


def main(arguments: list[str]) -> None:
    if not arguments:
        raise ValueError("Give the command after --, such as train.stylize.")
    module, *rest = arguments
    addresses = _free_addresses(_WORKERS.value)
    workers = []
    for index in range(len(addresses)):
        config = {
            "cluster": {"worker": addresses},
            "task": {"type": "worker", "index": index},
        }
        worker = subprocess.Popen(
            [sys.executable, "-m", module, "--strategy=multi_worker", *rest],
            env={**os.environ, "TF_CONFIG": json.dumps(config)},
            stderr=subprocess.PIPE if index else None,
            text=True,
        )
        if worker.stderr:
            threading.Thread(target=_tell, args=(index, worker.stderr)).start()
        workers.append(worker)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _end(workers, signal.SIGTERM))
    sys.exit(_wait(workers))


def _free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{x.getsockname()[1]}" for x in sockets]
    for each in sockets:
        each.close()
    return addresses


def _tell(index: int, lines: IO[str]) -> None:
    for line in lines:
        print(f"[{index}] {line}", end="", file=sys.stderr)


def _wait(workers: list[subprocess.Popen]) -> int:
    """Returns the first status that is not 0, once all have ended."""
    status, deadline = 0, None
    while any(worker.poll() is None for worker in workers):
        failed = [x.returncode for x in workers if x.returncode]
        if failed and deadline is None:
            status, deadline = failed[0], time.monotonic() + _PATIENCE.value
        if deadline and time.monotonic() > deadline:
            _end(workers, signal.SIGKILL)
        time.sleep(0.1)
    codes = [worker.returncode for worker in workers]
    status = status or next(filter(None, codes), 0)
    return status if status >= 0 else 128 - status


def _end(workers: list[subprocess.Popen], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)


if __name__ == "__main__":
    command.run(main, takes_arguments=True)
