"""The experiment of paper B: each loss trains, is judged, and is kept."""

import re

import numpy as np
import pytest
from PIL import Image

from percgen import images


@pytest.fixture
def line(tmp_path, photographs):
    """Returns the command with two small photographs and a few classes."""
    for number, photo in enumerate(images.to_uint8(photographs[:2])):
        square = Image.fromarray(photo).resize((90, 80), Image.LANCZOS)
        square.save(tmp_path / f"{number}.png")
    small = images.to_uint8(photographs[:, ::2, ::2]).repeat(3, axis=0)
    labels = np.arange(12)[:, None] % 3
    np.savez(
        tmp_path / "small.npz",
        x_train=small,
        y_train=labels,
        x_test=small[:5],
        y_test=labels[:5],
    )
    return [
        "benchmarks.deepsim",
        f"--labelled={tmp_path}/small.npz",
        f"--photographs={tmp_path}/*.png",
        f"--held_out={tmp_path}/*.png",
        "--alexnet=random",
        "--exemplar=random",
        "--squeezenet=random",
        f"--folder={tmp_path / 'runs'}",
        "--seeds=1",
        "--steps=1",
        f"--output={tmp_path / 'report' / 'deepsim.md'}",
    ]


def test_trains_each_once(run, line, tmp_path):
    line.append("--losses=squared_error,compact_without_image,compact")
    done = run(*line)
    assert done.returncode == 0, done.stderr
    commands = re.findall(r"^\$ python -m (.*)$", done.stdout, re.MULTILINE)
    assert [x.split()[0] for x in commands] == [
        "train.reconstruct",
        "train.deepsim",
        "train.deepsim",
    ]
    assert "--comparator=compact" in commands[1]
    assert "--image_weight=0" in commands[1]
    report = (tmp_path / "report" / "deepsim.md").read_text()
    assert f"{line[-1]} --seeds=1 --steps=1`" in report
    rows = re.findall(r"^\| (\w+) \| ([\d. |]+) \|$", report, re.MULTILINE)
    assert [name for name, _ in rows] == [
        "squared_error",
        "compact_without_image",
        "compact",
        "compact_without_image",
        "compact",
    ]
    for _ in range(2):
        least, median, most, *others = map(float, rows.pop()[1].split(" | "))
        assert 0.0 < least == median == most  # There was one step.
        right, *learn = others
        assert 0.0 <= right <= 100.0
        assert learn == [100.0, 100.0]
    (claims,) = re.findall(r"^\| compact \| ([a-z, |]+) \|$", report, re.M)
    classifies, further, *_ = claims.split(" | ")
    (one, *_, right), _, (other, *_, also) = (
        list(map(float, cells.split(" | "))) for _, cells in rows
    )
    assert further == "yes, every seed over every other"
    assert other > one
    assert (classifies == "no") == (also < right)
    for _, cells in rows:
        euclidean, *_, similar, right = map(float, cells.split(" | "))
        assert euclidean > 1.0
        assert -1.0 <= similar <= 1.0
        assert 0.0 <= right <= 100.0
    assert images.read(tmp_path / "report" / "deepsim.png").shape[0] >= 4 * 64
    again = run(*line)
    assert "$ python" not in again.stdout
    assert again.stdout == report


def test_takes_a_data_set_in_place_of_files(run, line, tmp_path, photographs):
    squares = images.to_uint8(np.tile(photographs, (5, 1, 1, 1))[:, :64, :64])
    for split, count in (("unlabelled", 2), ("train", 20), ("test", 5)):
        for number, square in enumerate(squares[:count]):
            folder = tmp_path / "set" / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(square).save(folder / f"{number}.png")
    line = [x for x in line if "photogr" not in x and "labelled" not in x]
    line = [x for x in line if "held_out" not in x]
    done = run(*line, f"--tfds={tmp_path}/set", "--losses=l1")
    assert done.returncode == 0, done.stderr
    assert "--tfds_split=unlabelled" in done.stdout
    assert "5 held-out photographs" in done.stdout
    taught = "mean of 10, each taught by a fifth of 20 pictures and judged by 5"
    assert taught in done.stdout.replace("\n", " ")


def test_a_loss_that_is_none(refused, line):
    error = refused(*line, "--losses=compact_without_sense")
    assert "Received: compact_without_sense" in error
    assert "gone.npz" in refused(*line, "--alexnet=gone.npz")
    assert "--labelled, or --tfds" in refused(*line, "--tfds=stl10")


def test_a_training_that_fails_is_no_traceback(run, line, tmp_path):
    done = run(*line, f"--photographs={tmp_path}/none/*.png")
    assert done.returncode == 2
    lines = done.stderr.strip().split("\n")
    assert "train.reconstruct: error: No file matches" in lines[-2]
    assert lines[-1].startswith("benchmarks.deepsim: error: The training in")


@pytest.fixture
def inversion_line(tmp_path, photographs):
    for number, photo in enumerate(images.to_uint8(photographs)):
        for name, turned in (("a", photo), ("b", photo[::-1])):
            square = Image.fromarray(turned).resize((130, 130), Image.LANCZOS)
            square.save(tmp_path / f"{name}{number}.png")
    return [
        "benchmarks.inversion",
        f"--photographs={tmp_path}/*.png",
        f"--held_out={tmp_path}/*.png",
        "--alexnet=random",
        "--layers=pool2",
        "--judges=compact",
        f"--folder={tmp_path / 'runs'}",
        "--steps=1",
        f"--output={tmp_path / 'report' / 'inversion.md'}",
    ]


def test_turns_features_back_by_each_method(run, inversion_line, tmp_path):
    done = run(*inversion_line)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "report" / "inversion.md").read_text()
    rows = re.findall(r"^\| pool2 \| (\w+) \| ([\d. |]+) \|$", report, re.M)
    assert [name for name, _ in rows] == [
        "alexnet",
        "pixels",
        "optimized",
        "compact",
    ]
    for _, cells in rows:
        assert all(float(x) > 1.0 for x in cells.split(" | "))
    errors = {name: [float(x) for x in y.split(" | ")] for name, y in rows}
    (claims,) = re.findall(
        r"^\| pool2 ((?:\| (?:yes|no) ){4})\|$", report, re.M
    )
    ours, pixels = errors["alexnet"], errors["pixels"]
    said = [x == "yes" for x in claims.strip("| ").split(" | ")]
    assert said[:2] == [ours[1] < pixels[1], ours[0] >= pixels[0]]
    drift = dict(
        re.findall(
            r"^\| pool2 \| (\w+) \| ([\d.]+ / [\d./ |]+) \|$", report, re.M
        )
    )
    assert list(drift) == ["alexnet", "pixels"]
    for name, cells in drift.items():
        once, *_ = cells.split(" | ")
        assert [float(x) for x in once.split(" / ")] == errors[name]
    curves = images.read(tmp_path / "report" / "inversion_drift.png")
    assert np.any(curves != 255)
    sheet = images.read(tmp_path / "report" / "inversion_pool2.jpg")
    assert sheet.shape[0] == 6 * (128 + 8) + 8
    again = run(*inversion_line)
    assert "$ python" not in again.stdout
    assert again.stdout == report


def test_what_inversion_cannot_take(refused, inversion_line):
    error = refused(*inversion_line, "--judges=nobody")
    assert "Received: nobody" in error
    error = refused(*inversion_line, "--resnet50=x.npz")
    assert "--resnet50 needs --labels" in error


def test_draws_by_each_loss(run, tmp_path, photographs):
    for number, photo in enumerate(images.to_uint8(photographs)):
        square = Image.fromarray(photo).resize((90, 80), Image.LANCZOS)
        square.save(tmp_path / f"{number}.png")
    line = [
        "benchmarks.vae",
        f"--photographs={tmp_path}/*.png",
        f"--held_out={tmp_path}/*.png",
        "--alexnet=random",
        "--squeezenet=random",
        "--layer=pool2",
        "--drawn=30",
        "--losses=squared_error,compact",
        f"--folder={tmp_path / 'runs'}",
        "--seeds=1",
        "--steps=1",
        f"--output={tmp_path / 'report' / 'vae.md'}",
    ]
    done = run(*line)
    assert done.returncode == 0, done.stderr
    report = (tmp_path / "report" / "vae.md").read_text()
    rows = re.findall(r"^\| ([a-z_ ]+) \| ([\d. |]+) \|$", report, re.M)
    floor, *others = [
        list(map(float, x.strip("| ").split(" | "))) for _, x in rows
    ]
    assert [name for name, _ in rows[1:]] == ["squared_error", "compact"]
    for far in others:
        assert far[0] > floor[0] > 0.0
    for loss in ("squared_error", "compact"):
        sheet = images.read(tmp_path / "report" / f"vae_{loss}.png")
        assert sheet.shape == (8 * 72 + 8, 10 * 72 + 8, 3)
    again = run(*line)
    assert "$ python" not in again.stdout
    assert again.stdout == report
