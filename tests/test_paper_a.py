"""The experiments of paper A: each trains, judges, and goes on from there."""

import re

import numpy as np
import pytest

from benchmarks import report
from percgen import images


def rows_of(text):
    """Returns the cells of each line of Markdown tables."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [line.split(" | ") for line in lines]


class TestVerdict:
    def test_every_seed_over_every_other(self):
        scores = {"mse": [0.1, 0.2], "ms_ssim": [0.3, 0.25]}
        assert report.verdict(scores, "ms_ssim", True).startswith("yes")
        assert report.verdict(scores, "ms_ssim", False) == "no"
        assert report.verdict(scores, "mse", False).startswith("yes")

    def test_a_better_mean_alone(self):
        scores = {"mse": [0.1, 0.3], "mae": [0.0, 0.0], "ms_ssim": [0.2, 0.5]}
        found = report.verdict(scores, "ms_ssim", True)
        assert found == "in the mean, not beyond the spread"

    def test_needs_a_rival(self):
        scores = {"ms_ssim": [0.3]}
        assert report.verdict(scores, "ms_ssim", True) == "not tried"
        assert report.verdict({"mse": [0.3]}, "ms_ssim", True) == "not tried"


def test_srcnn_trains_each_once(run, two_photographs, tmp_path):
    page = tmp_path / "report" / "srcnn.md"
    line = [
        "benchmarks.srcnn",
        f"--photographs={two_photographs}/*.png",
        f"--test_sets={two_photographs}",
        f"--folder={tmp_path / 'runs'}",
        "--losses=mse,ms_ssim",
        "--seeds=1",
        "--steps=2",
        "--middle=1",
        f"--output={page}",
    ]
    done = run(*line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ python -m train.upscale") == 2
    rows = rows_of(page.read_text())
    assert [row[0] for row in rows] == [
        "photos",
        "---",
        "bicubic",
        "mse",
        "ms_ssim",
        "**ms_ssim wins**",
    ]
    assert float(rows[2][1]) > 20
    sheet = images.read(page.parent / "srcnn_x4.png")
    assert sheet.shape[0] >= 4 * 160
    again = run(*line)
    assert "$ python" not in again.stdout
    assert again.stdout == page.read_text()


def test_autoencoders_prints_both(run, two_photographs, photographs, tmp_path):
    small = images.to_uint8(photographs[:, ::2, ::2])
    np.savez(tmp_path / "small.npz", x_train=small, x_test=small[:2])
    page = tmp_path / "autoencoders.md"
    done = run(
        "benchmarks.autoencoders",
        f"--labelled={tmp_path}/small.npz",
        f"--photographs={two_photographs}/0.png",
        f"--held_out={two_photographs}/1.png",
        f"--folder={tmp_path / 'runs'}",
        "--losses=mae",
        "--seeds=2",
        "--steps=1",
        f"--output={page}",
    )
    assert done.returncode == 0, done.stderr
    text = page.read_text()
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
        """Returns a function that writes a file of 60 lit squares.

        The left half tells who it is, the right half the azimuth, and nothing
        the elevation.
        """

        def faces(**changed):
            rng = np.random.default_rng(0)
            subject, azimuth = np.arange(60) % 2, rng.uniform(-90, 90, 60)
            squares = rng.integers(0, 9, [60, 96, 96], np.uint8)
            squares[:, :, :48] += (subject * 80).astype(np.uint8)[:, None, None]
            squares[:, :, 48:] += (azimuth + 90).astype(np.uint8)[:, None, None]
            labels = {
                "images": squares,
                "subject": subject,
                "azimuth": azimuth,
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
        right, azimuth, elevation = (
            float(cell.split()[0]) for cell in rows[-1][1:]
        )
        assert right == 1.0
        assert azimuth < 2.0
        assert elevation > 25.0  # A guess errs by 32.5 on average.

    def test_says_what_is_missing(self, refused, faces, tmp_path):
        error = refused("benchmarks.codes", f"--faces={tmp_path}/none.npz")
        assert "none.npz" in error
        error = refused("benchmarks.codes", faces(subject=None))
        assert "subject" in error
        error = refused("benchmarks.codes", faces(azimuth=np.zeros(3)))
        assert "should hold azimuth for each of 60 faces" in error
