import pathlib
import re
import signal
import subprocess
import sys
import time

import commands
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import logged
from PIL import Image

from percgen import images
from percgen import networks

ROOT = pathlib.Path(__file__).parents[1]
TERMS = {"feature", "style", "total_variation", "loss"}


@pytest.fixture(scope="session")
def finished(tmp_path_factory, flags):
    """Returns the workdir of a run that was never interrupted."""
    workdir = tmp_path_factory.mktemp("runs") / "straight"
    line = [sys.executable, "-m", "train.stylize", f"--workdir={workdir}"]
    done = subprocess.run(
        [*line, *flags], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for term in TERMS:
        assert f"{term}=" in done.stdout
    assert "8/8" in done.stdout
    assert re.search(r"input=\d+%", done.stdout)
    assert "RANDOM weights" in done.stderr
    return workdir


def state(workdir):
    """Returns every array of the last checkpoint, by name."""
    newest = tf.train.latest_checkpoint(workdir / "checkpoints")
    reader = tf.train.load_checkpoint(newest)
    names = sorted(reader.get_variable_to_shape_map())
    # But for the graph of objects, whose text may be ordered otherwise.
    return {
        name: reader.get_tensor(name)
        for name in names
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def assert_same_state(one, other, but=()):
    one, other = (
        {k: v for k, v in state(run).items() if k.split("/")[0] not in but}
        for run in (one, other)
    )
    assert set(one) == set(other)
    assert len(one) > 100  # Weights and two slots of Adam for each.
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


class TestAFinishedRun:
    def test_leaves_its_results(self, finished):
        names = {path.name for path in finished.iterdir()}
        assert names == {
            "checkpoints",
            "flags.txt",
            "generator.keras",
            "logs",
            "samples.png",
            "used.txt",
        }
        assert "random" in (finished / "used.txt").read_text()
        assert images.read(finished / "samples.png").shape == (536, 1064, 3)

    def test_leaves_a_generator_that_loads(self, finished, photographs):
        generator = keras.saving.load_model(finished / "generator.keras")
        assert isinstance(generator, networks.StyleGenerator)
        sheet = images.read(finished / "samples.png")
        shown = sheet[8:264, 8:264] / np.float32(255)
        painted = np.asarray(generator(shown[None])[0]) * 255
        np.testing.assert_allclose(painted, sheet[272:528, 8:264], atol=1)

    def test_shows_itself_in_tensorboard(self, finished):
        assert list(logged(finished)["panel"]) == [0, 2, 4, 6, 8]
        for tag in ("seconds_per_step", *(f"terms/{term}" for term in TERMS)):
            assert 8 in logged(finished)[tag]
        style = logged(finished)["panel/style"]
        assert style[8] < style[0]
        shares = logged(finished)["input_share"].values()
        assert all(0.0 < share < 1.0 for share in shares)

    def test_shows_where_the_comparator_sees_a_difference(self, finished):
        assert list(logged(finished)["where/feature"]) == [0, 2, 4, 6, 8]
        width, height, png = logged(finished)["where/feature"][8]
        assert (int(width), int(height)) == (4 * 264 + 8, 256 + 16)
        heat = np.asarray(tf.image.decode_png(png))[8:-8, 8:264]
        brightest = logged(finished)["where/feature_brightest"]
        assert all(value > 0 for value in brightest.values())
        assert heat.std() > 10

    def test_can_be_replayed(self, finished, run, tmp_path):
        again = tmp_path / "again"
        done = run(
            "train.stylize",
            f"--flagfile={finished}/flags.txt",
            f"--workdir={again}",
        )
        assert done.returncode == 0, done.stderr
        assert_same_state(again, finished)

    def test_can_be_exported(self, finished, run, tmp_path):
        done = run(
            "serving.export",
            f"--workdir={finished}",
            f"--model_dir={tmp_path}/model",
        )
        assert done.returncode == 0, done.stderr
        assert f"Published {tmp_path}/model/1" in done.stdout

    def test_refuses_other_flags(self, finished, refused, flags):
        before = state(finished)
        message = refused(
            "train.stylize", f"--workdir={finished}", *flags, "--style_weight=7"
        )
        assert "--style_weight=5.0, not --style_weight=7.0" in message
        np.testing.assert_equal(state(finished), before)

    def test_goes_on_for_more_steps(self, finished, run, flags, tmp_path):
        workdir = tmp_path / "longer"
        half = [f"--workdir={workdir}", *flags, "--steps=4"]
        assert run("train.stylize", *half).returncode == 0
        done = run("train.stylize", f"--workdir={workdir}", *flags)
        assert "Going on from step 4" in done.stdout
        assert_same_state(workdir, finished)


def end_when(workdir, pattern, flags, number=signal.SIGKILL):
    """Starts the run and signals it as soon as a file appears."""
    line = [sys.executable, "-m", "train.stylize", f"--workdir={workdir}"]
    process = subprocess.Popen(
        [*line, *flags],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not list(workdir.glob(pattern)):
        time.sleep(0.001)
    process.send_signal(number)
    _, told = process.communicate()
    return process.returncode, told


def test_a_killed_run_ends_bit_for_bit_the_same(finished, flags, run, tmp_path):
    workdir = tmp_path / "killed"
    for moment in (
        "logs/*",  # Before the first checkpoint.
        "checkpoints/ckpt-2*",  # While it is written.
        "checkpoints/ckpt-4.index",  # Between two.
    ):
        assert end_when(workdir, moment, flags)[0] == -signal.SIGKILL
    done = run("train.stylize", f"--workdir={workdir}", *flags)
    assert done.returncode == 0, done.stderr
    assert "Going on from step" in done.stdout
    assert_same_state(workdir, finished)
    one, other = (
        keras.saving.load_model(path / "generator.keras").get_weights()
        for path in (workdir, finished)
    )
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sigterm_keeps_the_step_at_once(finished, flags, run, tmp_path):
    workdir = tmp_path / "stopped"
    seldom = [*flags, "--checkpoint_every=100"]
    status, told = end_when(workdir, "logs/*", seldom, signal.SIGTERM)
    assert status == 143
    kept = tf.train.latest_checkpoint(workdir / "checkpoints")
    step = kept.rpartition("-")[2]
    assert f"Stopped by SIGTERM after step {step}, which is kept" in told
    assert int(step) < 8
    done = run("train.stylize", f"--workdir={workdir}", *flags)
    assert f"Going on from step {step}" in done.stdout
    assert_same_state(workdir, finished, but={"save_counter"})


def test_a_torn_checkpoint_gives_its_place(finished, stopped, run, flags):
    workdir = stopped(finished, "[68]")
    (data,) = workdir.glob("checkpoints/ckpt-8.data*")
    torn = bytearray(data.read_bytes())
    torn[len(torn) // 2 :] = bytes(len(torn) - len(torn) // 2)
    data.write_bytes(torn)
    done = run("train.stylize", f"--workdir={workdir}", *flags)
    assert done.returncode == 0, done.stderr
    assert "ckpt-8 cannot be read" in done.stderr
    assert "Going on from step 6" in done.stdout
    assert_same_state(workdir, finished)
    for path in workdir.glob("checkpoints/ckpt-*"):
        path.write_bytes(b"")
    done = run("train.stylize", f"--workdir={workdir}", *flags)
    assert done.returncode == 2
    assert "None of the 2 checkpoints" in done.stderr


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision(precision, run, flags, tmp_path):
    done = run(
        "train.stylize",
        f"--workdir={tmp_path}/run",
        *flags,
        "--steps=2",
        f"--mixed_precision={precision}",
    )
    assert done.returncode == 0, done.stderr
    generator = keras.saving.load_model(tmp_path / "run" / "generator.keras")
    assert all(layer.compute_dtype == "float32" for layer in generator.layers)


@pytest.fixture
def run_on_two(flags):
    """Returns a function that trains on two logical CPUs, mirrored."""
    code = (
        "import runpy, sys, tensorflow as tf\n"
        "tf.config.set_logical_device_configuration(\n"
        "    tf.config.list_physical_devices('CPU')[0],\n"
        "    [tf.config.LogicalDeviceConfiguration()] * 2)\n"
        "runpy.run_module('train.stylize', run_name='__main__', alter_sys=True)"
    )

    def run_on_two(*changes):
        line = [sys.executable, "-c", code, *flags, "--strategy=mirrored"]
        return subprocess.run(
            [*line, *changes],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run_on_two


def test_mirrored_over_two_devices(run_on_two, finished, tmp_path):
    done = run_on_two(f"--workdir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    assert "on 2 device(s)" in done.stdout
    # Weights are compared in test_tasks.py, where Adam's epsilon keeps rounding
    # noise from becoming steps.
    one, two = (
        logged(path)["panel/style"] for path in (finished, tmp_path / "run")
    )
    np.testing.assert_allclose(
        list(two.values()), list(one.values()), rtol=0.05
    )
    assert one[8] < 0.8 * one[0]


def test_a_batch_that_does_not_divide(run_on_two, tmp_path):
    done = run_on_two(f"--workdir={tmp_path}/run", "--batch_size=3")
    assert done.returncode == 2
    assert "--batch_size=3 does not divide by 2 replicas" in done.stderr


def test_tensorflow_datasets(run, flags, photo_folder, tmp_path):
    folder = tmp_path / "pictures" / "train" / "all"
    folder.mkdir(parents=True)
    for path in photo_folder.iterdir():
        with Image.open(path) as image:
            image.save(folder / f"{path.stem}.jpg")
    chosen = [flag for flag in flags if not flag.startswith("--images")]
    done = run(
        "train.stylize",
        f"--workdir={tmp_path}/run",
        *chosen,
        "--steps=2",
        f"--tfds={tmp_path}/pictures",
    )
    assert done.returncode == 0, done.stderr


def test_the_published_setting(run, flags, tmp_path):
    done = run(
        "train.stylize",
        "--flagfile=train/settings/johnson2016.flags",
        f"--workdir={tmp_path}/run",
        *flags[:2],
        "--image_size=32",
        "--comparator_weights=random",
        "--steps=1",
        "--width=2",
    )
    assert done.returncode == 0, done.stderr
    generator = keras.saving.load_model(tmp_path / "run" / "generator.keras")
    assert generator.variant == "johnson2016"


@pytest.fixture(scope="session")
def two_styles(tmp_path_factory, flags, photographs):
    """Returns the workdir of a run of two styles."""
    folder = tmp_path_factory.mktemp("styles")
    other = Image.fromarray(images.to_uint8(photographs[2]))
    other.resize((70, 66)).save(folder / "other.png")
    style, *rest = flags
    done = commands.run(
        "train.stylize",
        f"{style},{folder / 'other.png'}",
        *rest,
        f"--workdir={folder / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


class TestStyles:
    def test_the_sheet_has_a_row_for_each(self, two_styles):
        sheet = images.read(two_styles / "samples.png").astype(float)
        assert sheet.shape == (3 * 264 + 8, 1064, 3)
        network = keras.saving.load_model(two_styles / "generator.keras")
        assert network.styles == 2
        shown = sheet[8:264, 8:264].astype(np.float32) / 255
        for row, weights in ((1, [[1.0, 0.0]]), (2, [[0.0, 1.0]])):
            painted = network([shown[None], np.array(weights, np.float32)])
            expected = np.asarray(painted[0]) * 255
            found = sheet[264 * row + 8 : 264 * row + 264, 8:264]
            np.testing.assert_allclose(found, expected, atol=1)

    def test_a_missing_style_is_refused(self, refused, flags, tmp_path):
        style, *rest = flags
        message = refused(
            "train.stylize", f"{style},x.png", *rest, f"--workdir={tmp_path}/x"
        )
        assert "x.png" in message
        assert not (tmp_path / "x").exists()
