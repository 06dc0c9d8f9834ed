"""The experiments of paper A: each trains, judges, and goes on from there."""

import re

import numpy as np
import pytest
from PIL import Image

from benchmarks import codes
from benchmarks import experiment
from percgen import images


@pytest.fixture
def folder(tmp_path, photographs):
    """Returns a folder of two photographs, 180 x 180."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(images.to_uint8(photographs[:2])):
        square = Image.fromarray(photo).resize((180, 180), Image.LANCZOS)
        square.save(folder / f"{number}.png")
    return folder


def rows_of(text):
    """Returns the cells of each line of Markdown tables."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [line.split(" | ") for line in lines]


class TestVerdict:
    def test_every_seed_over_every_other(self):
        scores = {"mse": [0.1, 0.2], "ms_ssim": [0.3, 0.25]}
        assert experiment.verdict(scores, "ms_ssim", True).startswith("yes")
        assert experiment.verdict(scores, "ms_ssim", False) == "no"
        assert experiment.verdict(scores, "mse", False).startswith("yes")

    def test_a_better_mean_alone(self):
        scores = {"mse": [0.1, 0.3], "mae": [0.0, 0.0], "ms_ssim": [0.2, 0.5]}
        found = experiment.verdict(scores, "ms_ssim", True)
        assert found == "in the mean, not beyond the spread"

    def test_needs_a_rival(self):
        scores = {"ms_ssim": [0.3]}
        assert experiment.verdict(scores, "ms_ssim", True) == "not tried"
        assert experiment.verdict({"mse": [0.3]}, "ms_ssim", True) == (
            "not tried"
        )


def test_codes_are_read_as_they_are_written():
    """Labels that stand in the codes are read; noise leaves nothing to."""
    rng = np.random.default_rng(0)
    subject, angle = np.arange(200) % 5, rng.uniform(-90, 90, 200)
    written = np.stack([*np.eye(5)[subject].T, angle], axis=1)
    written += rng.normal(size=written.shape) * 0.01
    noise = rng.normal(size=written.shape)
    assert np.mean(codes.read(written, "subject", subject, 4)) == 1
    assert np.mean(codes.read(noise, "subject", subject, 4)) < 0.4
    blind = np.abs(angle - np.median(angle)).mean()
    assert np.mean(codes.read(written, "azimuth", angle, 4)) < 0.1
    assert np.mean(codes.read(noise, "azimuth", angle, 4)) > 0.9 * blind


def test_srcnn_trains_each_once(run, folder, tmp_path):
    report = tmp_path / "report" / "srcnn.md"
    line = [
        "benchmarks.srcnn",
        f"--photographs={folder}/*.png",
        f"--test_sets={folder}",
        f"--folder={tmp_path / 'runs'}",
        "--losses=mse,ms_ssim",
        "--seeds=1",
        "--steps=2",
        "--middle=1",
        f"--output={report}",
    ]
    done = run(*line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ python -m train.upscale") == 2
    rows = rows_of(report.read_text())
    assert [row[0] for row in rows] == [
        "photos",
        "---",
        "bicubic",
        "mse",
        "ms_ssim",
        "**ms_ssim wins**",
    ]
    assert float(rows[2][1]) > 20
    sheet = images.read(report.parent / "srcnn_x4.png")
    assert sheet.shape[0] >= 4 * 160
    again = run(*line)
    assert "$ python" not in again.stdout
    assert again.stdout == report.read_text()


def test_autoencoders_prints_both(run, folder, photographs, tmp_path):
    small = images.to_uint8(photographs[:, ::2, ::2])
    np.savez(tmp_path / "small.npz", x_train=small, x_test=small[:2])
    report = tmp_path / "autoencoders.md"
    done = run(
        "benchmarks.autoencoders",
        f"--labelled={tmp_path}/small.npz",
        f"--photographs={folder}/0.png",
        f"--held_out={folder}/1.png",
        f"--folder={tmp_path / 'runs'}",
        "--losses=mae",
        "--seeds=2",
        "--steps=1",
        f"--output={report}",
    )
    assert done.returncode == 0, done.stderr
    text = report.read_text()
    assert "## Fully connected, 32 x 32" in text
    assert "## Convolutional, 96 x 96" in text
    rows = rows_of(text)
    assert len([row for row in rows if "±" in row[1]]) == 2
    for kind in ("fc", "conv"):
        sheet = images.read(tmp_path / f"{kind}_autoencoder.png")
        assert sheet.shape[0] >= 64


class TestCodes:
    @pytest.fixture
    def faces(self, tmp_path):
        """Returns a function that writes a file of 60 lit squares."""

        def faces(**changed):
            rng = np.random.default_rng(0)
            labels = {
                "images": rng.integers(0, 255, [60, 96, 96], np.uint8),
                "subject": np.arange(60) % 3,
                "azimuth": rng.uniform(-90, 90, 60),
                "elevation": rng.uniform(-40, 90, 60),
                **changed,
            }
            held = {k: v for k, v in labels.items() if v is not None}
            np.savez(tmp_path / "faces.npz", **held)
            return f"--faces={tmp_path}/faces.npz"

        return faces

    def test_prints_its_table(self, run, faces, tmp_path):
        done = run(
            "benchmarks.codes",
            faces(),
            f"--folder={tmp_path / 'runs'}",
            "--losses=mse",
            "--seeds=1",
            "--steps=1",
            "--folds=2",
        )
        assert done.returncode == 0, done.stderr
        rows = rows_of(done.stdout)
        assert [row[0] for row in rows[2:]] == ["mse", "pixels"]
        for row in rows[2:]:
            assert 0 <= float(row[1].split()[0]) <= 1
            assert 0 < float(row[2].split()[0]) < 180

    def test_says_what_is_missing(self, refused, faces, tmp_path):
        error = refused("benchmarks.codes", f"--faces={tmp_path}/none.npz")
        assert "none.npz" in error
        error = refused("benchmarks.codes", faces(subject=None))
        assert "subject" in error
        error = refused("benchmarks.codes", faces(azimuth=np.zeros(3)))
        assert "should hold azimuth for each of 60 faces" in error
