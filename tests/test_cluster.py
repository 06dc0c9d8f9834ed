"""Training as several workers: TF_CONFIG, and what all must agree on."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import kubernetes_validate
import proxies
import pytest
import yaml

from train import cluster
from train import machines
from train import preemption

ROOT = pathlib.Path(__file__).parents[1]


def config_of(workers, index=0, kind="worker", **others):
    return {
        "cluster": {"worker": workers, **others},
        "task": {"type": kind, "index": index},
    }


class TestRead:
    def test_without_it(self):
        assert cluster.read("") is None

    def test_workers(self):
        text = json.dumps(config_of(["a:1", "b:2"], index=1))
        assert cluster.read(text) == cluster.Cluster(("a:1", "b:2"), 1)
        assert not cluster.read(text).chief

    def test_a_chief_is_the_first(self):
        config = config_of(["a:1"], chief=["c:3"])
        assert cluster.read(json.dumps(config)).index == 1
        config["task"]["type"] = "chief"
        assert cluster.read(json.dumps(config)).chief

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "should be as"),
            ("[]", "should be as"),
            ("{}", "should be as"),
            (json.dumps(config_of(["a:1"], index=1)), "should be as"),
            (json.dumps(config_of(["a:1"], kind="ps")), "should be as"),
            (json.dumps(config_of(["a:1"], ps=["b:2"])), "Received: ps"),
            (json.dumps(config_of(["a"])), "HOST:PORT. Received: 'a'"),
            (json.dumps(config_of(["a:1", "a:1"])), "twice"),
        ],
    )
    def test_refuses(self, text, reason):
        with pytest.raises(ValueError, match=reason):
            cluster.read(text)


def start(config, *line, folder=ROOT):
    return subprocess.Popen(
        [sys.executable, "-m", "train.stylize", *line],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TF_CONFIG": json.dumps(config),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def error_of(process):
    _, told = process.communicate(timeout=120)
    (line,) = [x for x in told.split("\n") if x.startswith("train.stylize: ")]
    return line


def test_a_worker_that_is_missing(flags, tmp_path):
    missing = [f"127.0.0.1:{port}" for port in proxies.free_ports(2)]
    process = start(
        config_of(missing), f"--workdir={tmp_path}", "--join_timeout=4", *flags
    )
    told = error_of(process)
    assert f"No answer within 4 s from {missing[1]} (TF_CONFIG)" in told
    assert process.returncode == 2


def test_a_strategy_without_workers(refused, flags, tmp_path):
    message = refused(
        "train.stylize",
        f"--workdir={tmp_path}/run",
        "--strategy=multi_worker",
        *flags,
    )
    assert "needs TF_CONFIG" in message


def test_launch_needs_a_command(refused):
    assert "Give the command after --" in refused("train.launch")


class TestWorkersDisagree:
    def both(self, lines, folders=(ROOT, ROOT)):
        workers = [f"127.0.0.1:{port}" for port in proxies.free_ports(2)]
        started = [
            start(config_of(workers, index), *line, folder=folder)
            for index, (line, folder) in enumerate(
                zip(lines, folders, strict=True)
            )
        ]
        errors = [error_of(process) for process in started]
        assert [process.returncode for process in started] == [2, 2]
        return errors

    def test_on_flags(self, flags, tmp_path):
        line = [f"--workdir={tmp_path}/run", *flags]
        for error in self.both([line, [*line, "--seed=1"]]):
            assert "different flags" in error

    def test_on_the_workdir(self, flags, tmp_path):
        """As on machines that share no disk: a path that means two folders."""
        folders = [tmp_path / name for name in ("a", "b")]
        for folder in folders:
            folder.mkdir()
        for error in self.both([["--workdir=run", *flags]] * 2, folders):
            assert "not one folder that all workers share" in error


def launch(*line):
    return subprocess.Popen(
        [sys.executable, "-m", "train.launch", "--workers=2", "--", *line],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(happened, process):
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def newest(folder):
    return max(int(path.stem[5:]) for path in folder.glob("ckpt-*.index"))


def children(process):
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    return [int(x) for x in pathlib.Path(path).read_text().split()]


@pytest.mark.skipif(
    not pathlib.Path("/proc/self/task").exists(), reason="needs Linux's /proc"
)
class TestOneOfTwoWorkers:
    @pytest.fixture
    def workdir(self, tmp_path):
        return tmp_path / "run"

    @pytest.fixture
    def line(self, flags, workdir):
        return ["train.stylize", f"--workdir={workdir}", *flags]

    def end(self, line, workdir, number):
        """Sends a signal to the second worker once they learn.

        Returns the status, what was said, and the last step that is kept.
        """
        process = launch(*line, "--steps=4000")
        kept = workdir / "checkpoints"
        until((kept / "ckpt-2.index").exists, process)
        os.kill(children(process)[1], number)
        begun = time.monotonic()
        _, err = process.communicate(timeout=120)
        assert time.monotonic() - begun < 60
        return process.returncode, err, newest(kept)

    def go_on(self, line, workdir, last):
        process = launch(*line, f"--steps={last + 2}")
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert f"Going on from step {last}" in out
        assert (workdir / "generator.keras").exists()

    def test_killed_ends_all_and_they_go_on(self, line, workdir):
        status, _, last = self.end(line, workdir, signal.SIGKILL)
        assert status in (machines.LOST, 128 + signal.SIGKILL)
        self.go_on(line, workdir, last)

    def test_preempted_keeps_the_step_of_all(self, line, workdir):
        status, err, last = self.end(line, workdir, signal.SIGTERM)
        assert status == preemption.PREEMPTED, err
        (step,) = set(
            re.findall(r"SIGTERM after step (\d+), which is kept", err)
        )
        assert last == int(step)
        self.go_on(line, workdir, last)


@pytest.fixture
def documents():
    path = ROOT / "train" / "kubernetes" / "job.yaml"
    return list(yaml.safe_load_all(path.read_text()))


class TestKubernetes:
    def test_the_manifest(self, documents):
        for document in documents:
            kubernetes_validate.validate(document, "1.34", strict=True)
        service, job = documents
        pod = job["spec"]["template"]["spec"]
        assert pod["subdomain"] == service["metadata"]["name"]
        assert job["spec"]["completions"] == job["spec"]["parallelism"]
        again = {machines.LOST, preemption.PREEMPTED}
        rules = job["spec"]["podFailurePolicy"]["rules"]
        ignored = [x for x in rules if x["action"] == "Ignore"]
        assert set(ignored[1]["onExitCodes"]["values"]) == again

    def test_what_its_workers_are_told(self, documents, tmp_path):
        _, job = documents
        (worker,) = job["spec"]["template"]["spec"]["containers"]
        count = job["spec"]["completions"]
        told = tmp_path / "python"
        told.write_text('#!/bin/sh\necho "$TF_CONFIG"\necho "$@" >&2\n')
        told.chmod(0o755)
        for index in range(count):
            done = subprocess.run(
                [*worker["command"], *worker["args"]],
                env={
                    "PATH": f"{tmp_path}:{os.environ['PATH']}",
                    "JOB_COMPLETION_INDEX": str(index),
                    **{each["name"]: each["value"] for each in worker["env"]},
                },
                capture_output=True,
                text=True,
                check=True,
            )
            name = job["metadata"]["name"]
            found = cluster.read(done.stdout)
            assert found.addresses == tuple(
                f"{name}-{number}.{name}:2222" for number in range(count)
            )
            assert found.index == index
            assert "--strategy=multi_worker" in done.stderr
