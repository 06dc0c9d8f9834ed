"""Bad input of the training command: one line, status 2, nothing left."""

import os
import resource

import commands
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def train(refused, flags, tmp_path):
    def train(*changes):
        workdir = tmp_path / "run"
        message = refused(
            "train.stylize", f"--workdir={workdir}", *flags, *changes
        )
        assert not workdir.exists(), "nothing half-written"
        return message

    return train


def test_a_process_of_its_own_says_one_line_too(flags, tmp_path):
    done = commands.run(
        "train.stylize", f"--workdir={tmp_path}", *flags[1:], fresh=True
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().split("\n")) == 1, done.stderr


def test_a_missing_style_image(train):
    assert "gone.jpg: no such file" in train("--style_image=gone.jpg")


def test_a_style_image_that_is_none(train):
    message = train("--style_image=LICENSE")
    assert "LICENSE: not a picture" in message


def test_a_small_style_image(train, tmp_path):
    Image.new("RGB", (63, 500)).save(tmp_path / "small.png")
    message = train(f"--style_image={tmp_path}/small.png")
    assert "at least 64 x 64" in message
    assert "is 63 x 500" in message


def test_a_glob_that_matches_nothing(train):
    assert "No file matches 'none/*.jpg'" in train("--images=none/*.jpg")


def test_only_corrupt_photographs(train, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    message = train(f"--images={tmp_path}/*.jpg", "--verbosity=-2")
    assert "None of the 1 files" in message


def test_a_layer_that_the_weights_do_not_reach(train, tmp_path):
    np.savez(
        tmp_path / "w.npz",
        block1_conv1_kernel=np.zeros([3, 3, 3, 64]),
        block1_conv1_bias=np.zeros([64]),
    )
    message = train(f"--comparator_weights={tmp_path}/w.npz")
    assert "do not reach layer conv1_2" in message


def test_an_unknown_layer(train):
    assert "conv1_1, relu1_1" in train("--style_layers=relu7_1")


def test_a_layer_weight_that_is_no_number(train):
    assert "relu1_1:x" in train("--style_layers=relu1_1:x")


def test_a_flag_out_of_range(train):
    assert "batch_size=0" in train("--batch_size=0")


def test_more_scales_than_pixels(train):
    assert "--image_size of at least 64" in train("--style_scales=2")


def test_an_argument_that_is_no_flag(train):
    assert "Unexpected arguments: photo.jpg." in train("photo.jpg")


def test_an_unknown_flag(train):
    assert "no_such_flag" in train("--no_such_flag=1")


def test_no_photographs(refused, flags, tmp_path):
    chosen = [flag for flag in flags if not flag.startswith("--images")]
    message = refused("train.stylize", f"--workdir={tmp_path}/r", *chosen)
    assert "either --images or --tfds" in message


def test_a_workdir_that_cannot_be_made(refused, flags, tmp_path):
    (tmp_path / "file").touch()
    workdir = tmp_path / "file" / "run"
    message = refused("train.stylize", f"--workdir={workdir}", *flags)
    assert f"{tmp_path}/file is a file" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workdir(refused, flags, tmp_path):
    tmp_path.chmod(0o555)
    message = refused("train.stylize", f"--workdir={tmp_path}", *flags)
    assert "Permission denied" in message


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_full_workdir(run, flags, tmp_path):
    done = run(
        "train.stylize",
        f"--workdir={tmp_path}/run",
        *flags,
        before=small_files,
    )
    assert done.returncode == 2
    assert "error: Cannot write" in done.stderr.strip().split("\n")[-1]
    assert not list(tmp_path.glob("run/checkpoints/ckpt*"))
