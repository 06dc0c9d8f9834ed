"""DeePSiM is killed at random moments, and ends with the very same weights.

PERCGEN_KILLS=10 kills it ten times, as a longer trial.
"""

import os
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from conftest import ROOT

KILLS = int(os.environ.get("PERCGEN_KILLS", "2"))


def start(workdir, folder):
    line = [
        *(sys.executable, "-m", "train.deepsim", f"--workdir={workdir}"),
        *(f"--images={folder}/*.png", "--image_size=64", "--batch_size=2"),
        *(
            f"--steps={12 * KILLS}",
            "--checkpoint_every=3",
            "--width=4",
            "--code=2",
        ),
        *("--discriminator_width=4", "--ema=0.9", "--image_weight=5@0/9@24"),
    ]
    return subprocess.Popen(
        line,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def state(workdir):
    """Returns every array of the last checkpoint, by name."""
    reader = tf.train.load_checkpoint(workdir / "checkpoints")
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def newest(workdir):
    return tf.train.latest_checkpoint(workdir / "checkpoints")


def until_it_learns(process, workdir):
    """Waits until a process has kept a checkpoint, or has ended."""
    before = newest(workdir)
    while process.poll() is None and newest(workdir) == before:
        time.sleep(0.05)


def test_killed_at_random_moments(photo_folder, tmp_path):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    process = start(straight, photo_folder)
    begun = time.monotonic()
    until_it_learns(process, straight)
    first = time.monotonic()
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    each = (time.monotonic() - first) / KILLS
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    at = []
    while len(at) < KILLS:
        process = start(killed, photo_folder)
        if at and moments.random() < 0.25:  # Before it learns, or soon after.
            time.sleep(moments.uniform(0.3, 1.0) * (first - begun))
        else:
            until_it_learns(process, killed)
            time.sleep(moments.uniform(0.0, each))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:  # It was through already.
            break
        assert process.returncode == -signal.SIGKILL
        kept = newest(killed)
        at.append(kept and kept.rpartition("-")[2])
    print(f"Killed after steps {at}.")
    assert at, seed
    process = start(killed, photo_folder)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    one, other = state(straight), state(killed)
    assert set(one) == set(other)
    for name, value in one.items():
        np.testing.assert_array_equal(
            other[name], value, err_msg=f"{name}; killed after {at}, {seed=}"
        )
    one, other = (
        keras.saving.load_model(path / "generator.keras").get_weights()
        for path in (straight, killed)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
