"""What a server may not make of a graph."""

import os
import re
import subprocess
import sys

import at_once
import commands
import pytest

from percgen import export
from percgen import served_graphs
from percgen import shipped


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """Returns a version whose blocks add what their convolutions give."""
    home = tmp_path_factory.mktemp("models") / "x4"
    return export.export(shipped.load("fidelity_x4"), home)[0]


def all_at_once(version, rounds, **environment):
    return subprocess.run(
        [sys.executable, at_once.__file__, version, str(rounds)],
        env={**os.environ, **commands.ANYWHERE, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def in_convolutions(version):
    """Returns what oneDNN computes in the kernels of convolutions, too."""
    told = all_at_once(version, 1, ONEDNN_VERBOSE="1").stdout
    return set(re.findall(r"cpu,convolution,.*attr-post-ops:(\w+)", told))


def test_requests_at_once_get_what_they_get_alone(version):
    done = all_at_once(version, 1000)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{[0] * at_once.THREADS}\n"


def test_convolutions_add_nothing(version, tmp_path, monkeypatch):
    monkeypatch.setattr(served_graphs, "part_sums", lambda path: None)
    other, _ = export.export(shipped.load("fidelity_x4"), tmp_path / "x4")
    if not in_convolutions(other):
        pytest.skip("TensorFlow computes without oneDNN here")
    assert in_convolutions(other) == {"sum", "eltwise_relu"}
    assert in_convolutions(version) == {"eltwise_relu"}
