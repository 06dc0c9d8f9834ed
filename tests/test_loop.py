"""The loop of training, without a command."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from percgen import losses
from percgen import networks
from percgen import tasks
from train import loop
from train import preemption


class Memory:
    """A workdir that keeps nothing but which steps were saved."""

    def __init__(self, path, step=0):
        self.path, self.step, self.chief, self.saved = path, step, True, []

    def save(self, step):
        self.saved.append(step)

    def writing(self):
        return tf.name_scope("writing")


@pytest.fixture
def make(photographs, tmp_path):
    """Returns a function that makes a loop, from the step that it starts at."""

    def make(start):
        keras.utils.set_random_seed(0)
        task = tasks.Reconstruct(
            networks.UpconvAutoencoder(width=4),
            {"mse": losses.L2Loss(check=False)},
            {"mse": 1.0},
        )
        task.compile(keras.optimizers.Adam(1e-3))

        def batches(first, last):
            whole = tf.data.Dataset.from_tensors((photographs, photographs))
            return whole.repeat(last - first)

        return loop.Loop(
            task,
            tf.distribute.OneDeviceStrategy("CPU:0"),
            batches,
            lambda task, step: None,
            Memory(tmp_path, start),
        )

    return make


def test_traces_its_step_once(make):
    ran = make(0)
    ran.run(7, 3)
    assert ran._step.experimental_get_tracing_count() == 1
    assert ran.workdir.saved == [3, 6, 7]


def test_saves_at_the_same_steps_wherever_it_goes_on(make):
    ran = make(4)
    ran.run(10, 3)
    assert ran.workdir.saved == [6, 9, 10]


@pytest.mark.parametrize(("after", "saved"), [(4, [3, 5]), (5, [3, 6])])
def test_sigterm_keeps_the_next_step(make, monkeypatch, capsys, after, saved):
    def read(terms, step):
        if step == after:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.panels, "refuse_infinite", read)
    ran = make(0)
    with pytest.raises(SystemExit) as left:
        ran.run(9, 3)
    assert left.value.code == preemption.PREEMPTED
    assert ran.workdir.saved == saved
    assert f"after step {after + 1}, which is kept" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("profiled", [2, 5])  # The last are not reached.
def test_profiles_steps(make, capsys, profiled):
    ran = make(3)
    ran.profiled = profiled
    ran.run(16, 20)
    folder = ran.workdir.path / "logs" / "plugins" / "profile"
    assert f"Wrote a profile to {folder}." in capsys.readouterr().out
    (path,) = folder.glob("*/*.xplane.pb")
    assert b"Conv2DBackpropFilter" in path.read_bytes()


def test_profiles_nothing_unless_asked(make):
    ran = make(0)
    ran.run(12, 20)
    assert not (ran.workdir.path / "logs" / "plugins").exists()


def test_terms_that_are_not_finite_end_it(make):
    ran = make(0)
    (weight, *_) = ran.task.generator.trainable_variables
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(ValueError, match="mse"):
        ran.run(9, 3)
    assert ran.workdir.saved == []
