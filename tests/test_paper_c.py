"""The experiments of paper C: each trains, judges, and goes on from there."""

import re

import numpy as np
import pytest

from benchmarks import dcscn
from benchmarks import upscaling_measures
from percgen import degradation
from percgen import evaluation
from percgen import images


def enlarged(path, shrink):
    """Returns the PSNR of a picture made small, and large again by bicubic."""
    true = images.read(path)
    small = degradation.DEGRADATIONS[shrink](true, 4)
    large = images.resize(small, *true.shape[:2])
    return evaluation.psnr(true, large, evaluation.Protocol("y", 4))


def test_upscaling_trains_each_once(run, two_photographs, tmp_path):
    page = tmp_path / "report" / "upscaling.md"
    line = [
        "benchmarks.upscaling",
        f"--photographs={two_photographs}/*.png",
        f"--test_sets={two_photographs}",
        "--vgg16=random",
        "--squeezenet=random",
        f"--folder={tmp_path / 'runs'}",
        "--steps=1",
        f"--output={page}",
    ]
    done = run(*line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("$ python -m train.upscale") == 3
    paths = sorted(two_photographs.iterdir())
    found = re.findall(r"^\| (.*) \|$", page.read_text(), re.MULTILINE)
    header, _, *rows = (row.split(" | ") for row in found)
    assert header[1:] == ["PSNR", "SSIM", "MS-SSIM", "distance", "aliased PSNR"]
    assert [row[0] for row in rows[:4]] == [
        *("bicubic", "srcnn", "pixel", "feature")
    ]
    assert "fidelity_x4" in [row[0] for row in rows[4:]]
    for row in rows:
        psnr, ssim, ms_ssim, distance, aliased = map(float, row[1:])
        assert 0.0 < ssim < 1.0
        assert 0.0 < ms_ssim < 1.0
        assert distance > 0.0
        assert min(psnr, aliased) > 0.0
    for column, shrink in ((1, "bicubic"), (5, "aliased")):
        expected = np.mean([enlarged(path, shrink) for path in paths])
        assert float(rows[0][column]) == pytest.approx(expected, abs=0.006)
    sheet = images.read(page.parent / "upscaling_x4.jpg")
    assert sheet.shape[0] >= 6 * 160
    assert "trained on blurred" in page.read_text()
    larger = run(*line[:-1], f"--output={tmp_path / 'x8.md'}", "--scale=8")
    assert larger.returncode == 0, larger.stderr
    found = re.findall(r"^\| (\w+) \|", (tmp_path / "x8.md").read_text(), re.M)
    assert found[1:] == ["bicubic", "pixel", "feature"]
    alone = run(*line[:1], *line[2:3], *line[4:5], "--notrain")
    assert alone.returncode == 0, alone.stderr
    assert "benchmarks.upscaling --notrain" in alone.stdout
    assert "trained on blurred" not in alone.stdout
    assert "| bicubic |" in alone.stdout
    assert "| pixel |" not in alone.stdout
    again = run(*line)
    assert "$ python" not in again.stdout
    assert again.stdout == page.read_text()


def test_histograms_are_matched_to_the_small_picture(photographs):
    true = images.to_uint8(photographs[0, :48, :60])
    plain = upscaling_measures.enlarge(darken, true, 4)
    matched = upscaling_measures.enlarge(darken, true, 4, match=True)
    small = degradation.bicubic(true, 4)
    assert matched.dtype == np.uint8
    for channel in range(3):
        mean = small[..., channel].mean()
        assert abs(plain[..., channel].mean() - mean) > 20
        assert abs(matched[..., channel].mean() - mean) < 2


def darken(small):
    return np.repeat(np.repeat(small / 2, 4, axis=1), 4, axis=2)


def test_the_peer_is_as_large_as_published():
    assert dcscn.draw().count_params() == 64_201


def test_upscaling_speed_tells_both_times(run):
    done = run("benchmarks.upscaling_speed", "--sizes=16x20", "--repeats=5")
    assert done.returncode == 0, done.stderr
    head, _, row = re.findall(r"^\| (.*) \|$", done.stdout, re.MULTILINE)
    found = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert found.pop("small picture") == "16x20"
    assert {"c-DCSCN", "fidelity_x4", "bicubic"} <= set(found)
    times = {name: float(time) for name, time in found.items()}
    names = set(times) - {"c-DCSCN", "bicubic"}
    ratio = max(times[name] for name in names) / times["c-DCSCN"]
    told = re.search(r"at most ([\d.]+) times c-DCSCN's", done.stdout)
    assert float(told[1]) == pytest.approx(ratio, rel=0.1)
