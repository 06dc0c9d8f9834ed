"""The load on the stand-in, in short. No time is asserted."""

import keras
import pytest
from keras import layers
from keras.initializers import Constant

from benchmarks import load_bombs
from benchmarks import load_fuzz
from benchmarks import load_inputs
from benchmarks import load_integrity
from benchmarks import load_large
from benchmarks import load_latency
from benchmarks import load_server
from benchmarks import load_sockets
from benchmarks import load_swaps
from percgen import export
from percgen import signatures

_SIDE = 64


def export_tiny(home, factor, side):
    shape = [None, None, 3]
    mix = layers.Conv2D(3, 1, kernel_initializer=Constant(factor))
    network = keras.Sequential([keras.Input(shape), mix])
    limits = signatures.Limits(max_pixels=side**2)
    return export.export(network, home, None, limits)[0]


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Returns two versions of a tiny model, each alone in its folder."""
    folder = tmp_path_factory.mktemp("load")
    return tuple(
        export_tiny(folder / str(factor) / "m", factor, _SIDE)
        for factor in (0.2, 0.3)
    )


@pytest.fixture(scope="module")
def server(versions):
    with load_server.Server(
        versions[0].parent, *load_integrity.FLAGS
    ) as server:
        yield server


def holds(part):
    """Tells which claims hold, by their first words."""
    assert part.text().startswith(f"## {part.title}\n")
    return {claim.wanted: claim.holds for claim in part.claims}


def test_integrity(server, versions):
    part = load_integrity.measure(
        "tiny", server, versions[0], clients=100, count=400
    )
    assert all(holds(part).values()), part.text()
    assert "400 of 400 right" in part.text()
    assert " 0 times" not in part.how  # The gate has refused some.


def test_what_is_wrong_is_told(server, versions):
    part = load_integrity.measure(
        "another", server, versions[1], clients=1, count=1
    )
    assert list(holds(part).values()) == [True, False, True]
    claim = load_integrity.all_right(["right", "wrong", "right"], 4)
    assert not claim.holds
    assert claim.found == "2 of 4 right; wrong"
    tally = load_fuzz.Tally()
    for status in ("OK", "INVALID_ARGUMENT", "UNKNOWN", "no answer"):
        tally.add(status, b"sent")
    assert tally.faults == ["UNKNOWN: b'sent'", "no answer: b'sent'"]


def test_slow_clients(server):
    part = load_sockets.measure(server, sockets=28, seconds=2.5)
    assert all(holds(part).values()), part.text()


def test_latency(server, versions):
    part = load_latency.measure(server, versions[0], [1, 2], count=4, side=48)
    assert list(holds(part).values())[0]
    assert part.tables[0].count("\n") == 3


def test_kill(server):
    part = load_integrity.kill(server, clients=3, kills=1, between=0.5)
    assert all(holds(part).values()), part.text()


def test_fuzz(server):
    bodies = [
        (name, (load_bombs.PATH, body, {}))
        for name, body in load_bombs.nested(100_000)
    ]
    part = load_fuzz.measure(
        server, 80, _SIDE, requests=load_bombs.shapes(), bodies=bodies
    )
    assert all(holds(part).values()), part.text()


def test_swaps(versions, tmp_path):
    part = load_swaps.measure(versions, tmp_path / "m", clients=2, count=2)
    assert all(holds(part).values()), part.text()


def test_edits():
    content = bytes(range(100))
    edits = [("cut", 0.5, 0, 1), ("set", 0.0, 255, 1), ("flip", 0.1, 3, 1)]
    edited = load_inputs.edited(content, edits)
    assert edited[:6] == b"\xff\1\2\3\4\x0d"
    assert len(edited) == 50
    for content in load_inputs.pictures():
        assert load_inputs.with_sums(content) == content


def test_the_command_says_what_it_does_not_know(refused):
    error = refused("benchmarks.serving_load", "--parts=latency,what")
    assert "Received: latency,what." in error


def test_a_large_picture(tmp_path):
    export_tiny(tmp_path / "m", 0.2, 256)
    with load_server.Server(tmp_path / "m") as server:
        part = load_large.measure(server, tmp_path, (300, 200), 64)
    assert all(holds(part).values()), part.text()
    assert "into a PNG of 300 x 200" in part.how
    client, served = (float(x.found.split(" ")[0]) for x in part.claims[1:])
    assert 20 < client < served
