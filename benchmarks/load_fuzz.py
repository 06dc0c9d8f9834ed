"""Twenty thousand inputs that nobody would send, and some that an enemy would.

Each has to be answered with a status, none by a fault of the server, and its
memory must not grow.
"""

import collections
import warnings
from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

import hypothesis
import tqdm
from hypothesis import errors
from hypothesis import strategies as st

from benchmarks import load_bombs
from benchmarks import load_clients
from benchmarks import load_inputs
from benchmarks import load_json
from benchmarks import load_parts
from benchmarks import load_senders
from benchmarks import load_server
from benchmarks import report

_MOST_MEMORY = 1.3  # Times that after warm-up.
_WARM_UP_SHARE = 10  # One of so many inputs is sent before, of another seed.
_LARGE_PICTURES = 8  # Sent to warm up, two at a time.
_MOST_SHOWN = 5  # Failing inputs, each.
_SHOWN = 500  # Bytes of them.
# Of a server that fails, not of a request that is wrong.
_FAULTS = ("UNKNOWN", "INTERNAL", "UNAVAILABLE", "500", "no answer")


class Tally:
    """Counts statuses, and keeps inputs that were answered by a fault."""

    def __init__(self) -> None:
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: list[str] = []

    def add(self, status: str, sent: object) -> None:
        """Counts one."""
        self.counts[status] += 1
        if status.startswith(_FAULTS) and status != load_senders.NO_MESSAGE:
            self.faults.append(f"{status}: {sent!r}"[:_SHOWN])


def measure(
    server: load_server.Server,
    count: int,
    side: int,
    requests: Iterable[tuple[str, bytes]],
    bodies: Iterable[tuple[str, load_json.Sent]],
) -> load_parts.Part:
    """Sends inputs of all kinds, and looks at the server.

    Args:
        server: Of `load_server.export_small`, named `load_inputs.MODEL`.
        count: Inputs in all, without the further ones.
        side: Of the largest picture that the model takes, to warm up.
        requests: Further ones for gRPC, which have to be refused, and names.
        bodies: Likewise for REST.
    """
    with load_senders.senders(server) as (by_grpc, by_rest):
        kinds: dict[str, tuple[st.SearchStrategy, load_senders.Send]] = {
            "fields": (load_inputs.requests(), by_grpc),
            "bytes": (load_inputs.wire, by_grpc),
            "pictures": (
                load_inputs.images.map(
                    lambda content: load_clients.request(
                        load_inputs.MODEL, content
                    ).SerializeToString()
                ),
                by_grpc,
            ),
            "REST": (load_json.sent(), by_rest),
        }
        each = -(-count // len(kinds))
        _warm_up(server, side)
        _send_all(kinds, -(-each // _WARM_UP_SHARE), seed=1)
        before = server.megabytes()
        tallies = _send_all(kinds, each, seed=0)
        between = server.megabytes()
        tallies["bombs"], accepted = _send_bombs(
            [(by_grpc, *named) for named in requests]
            + [(by_rest, *named) for named in bodies]
        )
    after = server.megabytes()
    refused = load_parts.Claim(
        f"bombs are refused, but {load_bombs.HARMLESS}",
        ", ".join(accepted) or "yes",
        not accepted,
    )
    memory = (before, between, after)
    return _part(tallies, [refused, *_claims(server, memory)])


def _part(
    tallies: dict[str, Tally], claims: list[load_parts.Claim]
) -> load_parts.Part:
    statuses = sorted({s for tally in tallies.values() for s in tally.counts})
    table = report.table(
        ["inputs", *statuses],
        [
            [name, *(tally.counts[status] for status in statuses)]
            for name, tally in tallies.items()
        ],
    )
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    total = sum(tally.counts.total() for tally in tallies.values())
    answered = load_parts.Claim(
        "each is answered, none by a fault of the server",
        f"{len(faults)} faults of {total:,} inputs",
        not faults,
    )
    shown = "".join(f"\n- `{fault}`" for fault in faults[:_MOST_SHOWN])
    return load_parts.Part(
        "Fuzz",
        "Inputs by Hypothesis: fields of a request, bytes of one, PNG and JPEG "
        "with bytes changed, REST; and bombs: pictures that claim to be large, "
        "nested JSON, gzip of zeros, wrong shapes. How they were answered: "
        + shown,
        [answered, *claims],
        [table],
    )


def _claims(
    server: load_server.Server, memory: tuple[float, float, float]
) -> list[load_parts.Claim]:
    before, between, after = memory
    well = _is_well(server)
    return [
        load_parts.Claim(
            "the server is alive and answers",
            "yes" if well else "no",
            well,
        ),
        load_parts.Claim(
            f"its memory at most {_MOST_MEMORY} times that after warm-up",
            f"{before:.0f} MB, {between:.0f} MB after all but bombs, "
            f"{after:.0f} MB in the end: {after / before:.2f} times",
            after <= _MOST_MEMORY * before,
        ),
    ]


def _warm_up(server: load_server.Server, side: int) -> None:
    """Sends the largest pictures that the model takes, two at a time."""
    content = load_clients.encode(load_clients.photograph(side, side), "PNG")
    request = load_clients.request(server.name, content)
    with tqdm.tqdm(desc="warm-up", leave=False) as progress:
        load_clients.crowd(
            server.port,
            2,
            lambda client, _: client.ask(request).ByteSize(),
            iter(range(_LARGE_PICTURES)),
            progress,
        )


def _send_all(
    kinds: dict[str, tuple[st.SearchStrategy, load_senders.Send]],
    each: int,
    seed: int,
) -> dict[str, Tally]:
    tallies = {}
    for name, (strategy, send) in kinds.items():
        with tqdm.tqdm(total=each, desc=name, leave=False) as progress:
            tallies[name] = _drive(strategy, send, each, seed, progress)
    return tallies


def _drive(
    strategy: st.SearchStrategy,
    send: load_senders.Send,
    count: int,
    seed: int,
    progress: tqdm.tqdm,
) -> Tally:
    """Sends inputs that Hypothesis draws, until there were as many."""
    tally = Tally()

    def once(drawn: Any) -> None:
        tally.add(send(drawn), drawn)
        progress.update()

    given = hypothesis.given(strategy)
    while tally.counts.total() < count:  # It may stop before.
        left = count - tally.counts.total()
        settings = hypothesis.settings(
            max_examples=left,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        drawn = hypothesis.seed(seed + left)(settings(given(once)))
        with warnings.catch_warnings():
            # That an input is long is no reason to tell.
            warnings.simplefilter("ignore", errors.HypothesisWarning)
            drawn()
    return tally


def _send_bombs(
    bombs: Sequence[tuple[load_senders.Send, str, Any]],
) -> tuple[Tally, list[str]]:
    """Returns how bombs were answered, and the names of those accepted."""
    tally, accepted = Tally(), []
    for send, name, sent in tqdm.tqdm(bombs, desc="bombs", leave=False):
        status = send(sent)
        tally.add(status, name)
        if status in ("OK", "200") and load_bombs.HARMLESS not in name:
            accepted.append(name)
    return tally, accepted


def _is_well(server: load_server.Server) -> bool:
    if not server.is_alive():
        return False
    request = load_clients.requests(server.name)[0]
    with load_clients.client(server.port) as client:
        digests = {load_clients.digest(client.ask(request)) for _ in range(3)}
    return len(digests) == 1
