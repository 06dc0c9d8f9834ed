r"""Puts load on the stand-in server, and tries to fell it.

Each part starts a server of its own on loopback, and ends it.

Example:
    python -m benchmarks.serving_load \
        --output=benchmarks/results/serving_load.md
    python -m benchmarks.serving_load --parts=latency --clients=1,4

`latency` takes paintings, a network of the package; the others a small one,
untrained, and `integrity` fidelity_x4, too. Memory is read as Linux tells it.
"""

import pathlib
import signal
import sys
from collections.abc import Callable

from absl import flags

from benchmarks import load_bombs
from benchmarks import load_fuzz
from benchmarks import load_inputs
from benchmarks import load_integrity
from benchmarks import load_large
from benchmarks import load_latency
from benchmarks import load_parts
from benchmarks import load_server
from benchmarks import load_sockets
from benchmarks import load_swaps
from benchmarks import report
from percgen import command

_CLIENTS = flags.DEFINE_list(
    "clients", ["1", "4", "16", "64"], "Of latency: how many at a time."
)
_REQUESTS = flags.DEFINE_integer(
    "requests", 100, "Of latency, for each number of clients.", lower_bound=1
)
_SIDE = flags.DEFINE_integer(
    "side", 512, "Of latency's picture, in pixels.", 16, 512
)
_CROWD = flags.DEFINE_integer(
    "crowd", 64, "Clients at a time, of integrity.", lower_bound=1
)
_CHECKED = flags.DEFINE_integer(
    "checked", 5000, "Requests of integrity.", lower_bound=1
)
_SWAPS = flags.DEFINE_integer(
    "swaps", 20, "Versions that come, one by one.", lower_bound=1
)
_KILLS = flags.DEFINE_integer(
    "kills", 3, "How often the server is killed.", lower_bound=1
)
_SOCKETS = flags.DEFINE_integer(
    "sockets", 300, "Of slow clients.", lower_bound=1
)
_SECONDS = flags.DEFINE_float(
    "seconds", 20.0, "For which slow clients dawdle.", lower_bound=0.1
)
_INPUTS = flags.DEFINE_integer(
    "inputs", 20_000, "Of fuzz, and bombs besides.", lower_bound=4
)

_LARGE = flags.DEFINE_list(
    "large",
    ["paintings", "fidelity_x4"],
    "Networks of the package that a picture of 12,000 x 8,334 goes through.",
)

_TERMINATED = 143
_RESIDUAL = "fidelity_x4"
_FEW = 8  # Clients of swaps and kill.
_BETWEEN = 5.0  # Seconds between two kills.
_SIZE, _TILE = (12_000, 8_334), 512


def main() -> None:
    # A kill, too, ends the servers that were started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    clients = _numbers()
    with load_server.folder() as folder:
        parts = [
            part for name in _chosen() for part in _PARTS[name](folder, clients)
        ]
    text = [part.text() for part in parts]
    broken = [
        f"{part.title}: {claim.wanted}"
        for part in parts
        for claim in part.claims
        if not claim.holds
    ]
    ours = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    report.write(
        "The stand-in server under load",
        report.line(
            "benchmarks.serving_load",
            sorted(ours, key=lambda flag: flag.name),
        ),
        "Everything on one machine, by loopback.",
        *text,
        f"Does not hold: {'; '.join(broken)}." if broken else "All holds.",
    )


def _latency(folder: pathlib.Path, clients: list[int]) -> list[load_parts.Part]:
    version = load_server.export_shipped(folder / "latency" / "paintings")
    with load_server.Server(version.parent) as server:
        return [
            load_latency.measure(
                server, version, clients, _REQUESTS.value, _SIDE.value
            )
        ]


def _integrity(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    parts = []
    for network, version in (
        ("a small painter", _small(folder, 0)),
        # Its blocks add what their convolutions give.
        (_RESIDUAL, load_server.export_shipped(folder / "added" / _RESIDUAL)),
    ):
        home = version.parent
        with load_server.Server(home, *load_integrity.FLAGS) as server:
            parts.append(
                load_integrity.measure(
                    network, server, version, _CROWD.value, _CHECKED.value
                )
            )
    return parts


def _swaps(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    versions = (_small(folder, 0), _small(folder, 1))
    home = folder / "swaps" / load_inputs.MODEL
    return [load_swaps.measure(versions, home, _FEW, _SWAPS.value)]


def _kill(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    with load_server.Server(_small(folder, 0).parent) as server:
        return [load_integrity.kill(server, _FEW, _KILLS.value, _BETWEEN)]


def _slow(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    with load_server.Server(_small(folder, 0).parent) as server:
        return [load_sockets.measure(server, _SOCKETS.value, _SECONDS.value)]


def _fuzz(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    with load_server.Server(_small(folder, 0).parent) as server:
        return [
            load_fuzz.measure(
                server,
                _INPUTS.value,
                load_server.SIDE,
                load_bombs.requests(),
                load_bombs.bodies(),
            )
        ]


def _large(folder: pathlib.Path, _: list[int]) -> list[load_parts.Part]:
    parts = []
    for name in _LARGE.value:
        version = load_server.export_shipped(folder / "large" / name)
        with load_server.Server(version.parent) as server:
            parts.append(load_large.measure(server, folder, _SIZE, _TILE))
    return parts


_PARTS: dict[
    str, Callable[[pathlib.Path, list[int]], list[load_parts.Part]]
] = {
    "latency": _latency,
    "integrity": _integrity,
    "swaps": _swaps,
    "kill": _kill,
    "slow": _slow,
    "fuzz": _fuzz,
    "large": _large,
}
_CHOSEN = flags.DEFINE_list("parts", list(_PARTS), "What to do.")


def _chosen() -> list[str]:
    unknown = [name for name in _CHOSEN.value if name not in _PARTS]
    if unknown or not _CHOSEN.value:
        raise ValueError(
            f"--parts should be of {', '.join(_PARTS)}. "
            f"Received: {','.join(_CHOSEN.value)}."
        )
    return _CHOSEN.value


def _numbers() -> list[int]:
    if not all(n.isdecimal() and int(n) for n in _CLIENTS.value):
        raise ValueError(
            "--clients should be whole numbers above 0. "
            f"Received: {','.join(_CLIENTS.value)}."
        )
    return [int(number) for number in _CLIENTS.value]


def _small(folder: pathlib.Path, seed: int) -> pathlib.Path:
    """Returns the version of a small model, exported once."""
    home = folder / f"small{seed}" / load_inputs.MODEL
    version = home / "1"
    return version if version.exists() else load_server.export_small(home, seed)


if __name__ == "__main__":
    command.run(main)
