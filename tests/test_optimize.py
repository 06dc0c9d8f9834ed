import re
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from PIL import Image

from percgen import comparators
from percgen import images
from percgen import losses
from percgen import networks
from percgen import tasks

WEIGHTS = {"feature": 1.0, "style": 5.0, "total_variation": 3.0}


@pytest.fixture
def pictures(tmp_path, photographs):
    """Returns the flags that name a photograph and a style."""
    paths = []
    for name, picture in zip(("photo", "style"), photographs, strict=False):
        image = Image.fromarray(images.to_uint8(picture))
        image.resize((96, 72)).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    return [
        f"--content_image={paths[0]}",
        f"--style_image={paths[1]}",
        "--style_size=64",
    ]


@pytest.fixture
def optimize(run, pictures, tmp_path):
    """Returns a function that paints, and says the loss before and after."""

    def optimize(*changes, name="out.png"):
        out = tmp_path / name
        done = run(
            "train.optimize",
            *pictures,
            f"--output={out}",
            "--iterations=12",
            *changes,
        )
        assert done.returncode == 0, done.stderr
        told = re.search(r"was (\S+) and is (\S+)$", done.stdout.strip())
        assert "12/12" in done.stdout
        assert "Compared by compact" in done.stdout
        return images.read(out), *map(float, told.groups())

    return optimize


def test_ctrl_c_leaves_the_picture_so_far(pictures, tmp_path):
    out = tmp_path / "out.png"
    line = [*pictures, f"--output={out}", "--iterations=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "train.optimize", *line, "--method=adam"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),
    )
    said = ""
    while "loss=" not in said:
        said += process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    first, last = re.search(r"was (\S+) and is (\S+)$", rest.strip()).groups()
    assert float(last) < float(first)
    assert images.read(out).shape == (72, 96, 3)


def test_the_loss_falls_and_again_the_same(optimize, tmp_path, photographs):
    painting, first, last = optimize("--image_size=64")
    assert painting.shape == (64, 85, 3)
    assert last < 0.2 * first
    again, *losses = optimize("--image_size=64", name="again.png")
    np.testing.assert_array_equal(again, painting)
    assert losses == [first, last]
    assert not list(tmp_path.glob(".*")), "no draft is left"


def test_noise_and_adam_do_too(optimize):
    photo, first, last = optimize("--method=adam", "--learning_rate=0.05")
    assert photo.shape == (72, 96, 3), "the photograph's own size"
    assert last < 0.5 * first
    _, noisy, last = optimize("--init=noise", name="noise.png")
    assert noisy > first
    assert last < 0.5 * noisy
    _, other, _ = optimize("--init=noise", "--seed=1", name="other.png")
    assert other != noisy


@pytest.fixture(scope="module")
def task(photographs):
    keras.utils.set_random_seed(0)
    compact = comparators.Compact(["relu1_2", "relu2_2"])
    return tasks.Stylize(
        networks.StyleGenerator(width=4),
        losses.FeatureLoss(compact, {"relu2_2": 1.0}),
        losses.StyleLoss(compact, {"relu1_2": 0.5, "relu2_2": 1.0}),
        photographs[:1],
        WEIGHTS,
        scales=2,
    )


def test_the_objective_is_the_one_networks_learn_by(task, photographs):
    batch = tf.constant(photographs)
    total = task.objective.total(
        task.objective.describe(batch), task.generator(batch)
    )
    expected = task.test_step(batch)["loss"]
    np.testing.assert_allclose(tf.reduce_mean(total), expected, rtol=1e-5)
    # Of the style's own picture only what is rough is left.
    own = task.objective.total(task.objective.describe(batch[:1]), batch[:1])
    rough = 3.0 * losses.total_variation(batch[:1])
    np.testing.assert_allclose(own, rough, rtol=1e-4)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"feature": 1.0, "style": 1.0}, "should name"),
        ({**WEIGHTS, "style": -1.0}, "should not be negative"),
        (dict.fromkeys(WEIGHTS, 0.0), "one at least positive"),
    ],
)
def test_weights_that_are_none(task, photographs, weights, message):
    with pytest.raises(ValueError, match=message):
        tasks.StyleObjective(task.feature, task.style, photographs[:1], weights)


@pytest.fixture
def refuses(refused, pictures, tmp_path):
    def refuses(*changes):
        out = tmp_path / "kept.png"
        out.write_text("kept")
        message = refused(
            "train.optimize", *pictures, f"--output={out}", *changes
        )
        assert out.read_text() == "kept"
        return message

    return refuses


def test_bad_pictures(refuses, tmp_path):
    assert "gone.jpg: no such file" in refuses("--content_image=gone.jpg")
    assert "LICENSE: not a picture" in refuses("--style_image=LICENSE")
    Image.new("RGB", (500, 31)).save(tmp_path / "flat.png")
    message = refuses(f"--content_image={tmp_path}/flat.png")
    assert "shorter side of at least 32. Received: 31." in message
    assert "of at least 128. Received: 72." in refuses("--style_scales=3")


def test_bad_outputs(refuses, tmp_path):
    message = refuses(f"--output={tmp_path}/out.txt")
    assert "--output should end in .png or .jpg" in message
    assert "no folder" in refuses(f"--output={tmp_path}/gone/out.png")
    (tmp_path / "folder.png").mkdir()
    message = refuses(f"--output={tmp_path}/folder.png")
    assert "--output: cannot write" in message


def test_bad_flags(refuses):
    assert "relu1_2, trunk2_1" in refuses("--style_layers=relu7_1")
    assert "iterations=0" in refuses("--iterations=0")
    assert "style_weight=-1" in refuses("--style_weight=-1")
    assert "one at least positive" in refuses(
        "--feature_weight=0", "--style_weight=0"
    )
    assert "no_such_flag" in refuses("--no_such_flag=1")
