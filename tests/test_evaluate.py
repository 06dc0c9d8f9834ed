"""The command that compares pictures with their references."""

import csv

import numpy as np
import pytest
import skimage
from PIL import Image

from percgen import comparators
from percgen import evaluation
from percgen import images
from percgen import losses


@pytest.fixture
def folders(tmp_path):
    """Returns a folder of photographs, and one of the same with noise."""
    reference, pictures = tmp_path / "reference", tmp_path / "pictures"
    reference.mkdir()
    pictures.mkdir()
    random = np.random.default_rng(0)
    for name, deviation in (("astronaut", 4), ("coffee", 30), ("chelsea", 12)):
        photo = getattr(skimage.data, name)()[:200, :180]
        noisy = photo + random.normal(0, deviation, photo.shape)
        images.write(reference / f"{name}.png", photo)
        noisy = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
        images.write(pictures / f"{name}.bmp", noisy)
    return reference, pictures


def read_scores(folder):
    with (folder / "scores.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_scores_every_picture(run, folders, tmp_path):
    reference, pictures = folders
    done = run(
        "train.evaluate",
        f"--reference={reference}",
        f"--images={pictures}",
        f"--output={tmp_path / 'out'}",
    )
    assert done.returncode == 0, done.stderr
    scores = read_scores(tmp_path / "out")
    assert list(scores) == ["astronaut", "chelsea", "coffee", "mean"]
    protocol = evaluation.Protocol("y", 4)
    values = []
    for name in list(scores)[:3]:
        true = images.read(reference / f"{name}.png")
        pred = images.read(pictures / f"{name}.bmp")
        expected = evaluation.psnr(true, pred, protocol)
        assert float(scores[name]["psnr"]) == pytest.approx(expected)
        expected = evaluation.ssim(true, pred, protocol)
        assert float(scores[name]["ssim"]) == pytest.approx(expected)
        assert 0.3 < float(scores[name]["ms_ssim"]) < 1.0
        assert scores[name]["protocol"] == str(protocol)
        values.append(float(scores[name]["psnr"]))
    assert float(scores["mean"]["psnr"]) == pytest.approx(np.mean(values))
    for name, row in scores.items():
        assert f"{float(row['psnr']):.5f}" in done.stdout
        assert any(
            line.startswith(name) and str(protocol) in line
            for line in done.stdout.splitlines()
        )


def test_shows_the_worst_first(run, folders, tmp_path):
    reference, pictures = folders
    options = f"--reference={reference}", f"--images={pictures}"
    run("train.evaluate", *options, f"--output={tmp_path}")
    sheet = images.read(tmp_path / "worst.png")
    coffee = images.read(reference / "coffee.png")
    first = sheet[8 : 8 + 192, 8 : 8 + 180]
    assert any(
        np.array_equal(first, coffee[top : top + 192, :180])
        for top in range(200 - 192 + 1)
    )
    assert sheet.shape[1] == 3 * (180 + 8) + 8


def test_scores_bicubic_of_rgb_without_a_border(run, folders, tmp_path):
    reference, _ = folders
    done = run(
        "train.evaluate",
        f"--reference={reference}",
        "--bicubic=3",
        "--protocol=rgb",
        "--shave=0",
        "--border=symmetric",
        "--noround_between_passes",
        f"--output={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    true = images.read(reference / "coffee.png")[:198, :180]
    pred = images.resize(images.resize(true, 66, 60), 198, 180)
    expected = evaluation.psnr(true, pred, evaluation.Protocol("rgb", 0))
    score = read_scores(tmp_path)["coffee"]
    assert float(score["psnr"]) == pytest.approx(expected)
    assert score["protocol"].startswith("RGB, border of 0 px")


def test_gray_written_as_rgb_is_gray(run, tmp_path):
    gray = skimage.data.camera()[:64, :64]
    for name, mode in (("a", "L"), ("b", "RGB")):
        (tmp_path / name).mkdir()
        picture = Image.fromarray(gray).convert(mode)
        picture.save(tmp_path / name / "camera.png")
    done = run(
        "train.evaluate",
        f"--reference={tmp_path / 'a'}",
        f"--images={tmp_path / 'b'}",
        f"--output={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    score = read_scores(tmp_path)["camera"]
    assert (score["psnr"], score["ssim"]) == ("inf", "1.0")
    assert score["ms_ssim"] == ""
    assert "1 pictures equal their references" in done.stdout


def test_a_larger_reference_is_cut_when_asked(run, refused, folders, tmp_path):
    reference, pictures = folders
    for path in pictures.iterdir():
        images.write(path, images.read(path)[:196, :176])
    options = f"--reference={reference}", f"--images={pictures}"
    error = refused("train.evaluate", *options, f"--output={tmp_path}")
    assert "reference is 180 x 200, the picture 176 x 196; --crop" in error
    assert not (tmp_path / "scores.csv").exists()
    done = run("train.evaluate", *options, "--crop", f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert float(read_scores(tmp_path)["astronaut"]["psnr"]) > 30


def test_refuses_what_it_cannot_compare(refused, folders, tmp_path):
    reference, pictures = folders
    both = f"--reference={reference}", f"--images={pictures}"
    assert "either --images or --bicubic" in refused("train.evaluate", both[0])
    assert "either" in refused("train.evaluate", *both, "--bicubic=2")
    missing = f"--images={tmp_path / 'none'}"
    assert "no such folder" in refused("train.evaluate", both[0], missing)
    (tmp_path / "empty").mkdir()
    empty = f"--reference={tmp_path / 'empty'}"
    assert "no pictures in it" in refused("train.evaluate", empty, both[1])
    large = "--shave=90"
    assert "at least 191 x 191" in refused("train.evaluate", *both, large)
    (pictures / "coffee.bmp").write_bytes(b"BM but no more")
    assert "coffee.bmp: " in refused("train.evaluate", *both)
    (pictures / "coffee.bmp").unlink()
    error = refused("train.evaluate", *both)
    assert "Only one holds: coffee" in error


@pytest.fixture
def changed(tmp_path):
    """Returns flags of two pictures, one gray, each with a square changed."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    for name, row in (("camera", 12), ("coffee", 40)):
        photo = getattr(skimage.data, name)()[:64, :80]
        other = photo.copy()
        other[row : row + 8, 20:28] = 255 - other[row : row + 8, 20:28]
        Image.fromarray(photo).save(a / f"{name}.png")
        Image.fromarray(other).save(b / f"{name}.png")
    return [f"--reference={a}", f"--images={b}", f"--output={tmp_path}"]


HEATMAP = (
    "--heatmap",
    "--comparator=vgg19",
    "--comparator_weights=random",
    "--verbosity=-2",
)


def test_heatmaps_show_where_pictures_differ(run, changed, tmp_path):
    layer = "--layer=relu1_2:0.5,relu2_2"
    done = run("train.evaluate", *changed, *HEATMAP, layer)
    assert done.returncode == 0, done.stderr
    vgg = comparators.VGG19(["relu1_2", "relu2_2"], weights="random")
    loss = losses.FeatureLoss(vgg, {"relu1_2": 0.5, "relu2_2": 1.0})
    column, scores = "vgg19 relu1_2:0.5 relu2_2", read_scores(tmp_path)
    assert list(scores["mean"])[-2:] == [column, "protocol"]
    brightest = []
    for name, row in (("camera", 12), ("coffee", 40)):
        pair = [
            images.read(tmp_path / folder / f"{name}.png") for folder in "ab"
        ]
        batches = [picture[None] / np.float32(255) for picture in pair]
        expected = float(loss.call(*batches)[0])
        assert float(scores[name][column]) == pytest.approx(expected, rel=1e-4)
        brightest.append(images.brightest(loss.map(*batches)))
        sheet = images.read(tmp_path / "heatmaps" / f"{name}.png")
        assert sheet.shape == (64 + 16, 3 * 88 + 8, 3)
        *shown, heat = (sheet[8:72, x : x + 80] for x in (8, 96, 184))
        np.testing.assert_array_equal(shown, pair)
        luma = heat.astype(int).sum(axis=-1)
        found = np.unravel_index(luma.argmax(), luma.shape)
        assert np.abs(np.subtract(found, [row + 3.5, 23.5])).max() < 7
        assert luma[:, 48:].max() < 8
    said = float(done.stdout.split("Brightest: ")[1])
    assert said == pytest.approx(max(brightest), rel=1e-4)
    assert column in done.stdout


def test_the_brightest_can_be_given(run, changed, tmp_path):
    layer = "--layer=relu1_1"
    done = run("train.evaluate", *changed, *HEATMAP, layer, "--brightest=1e12")
    assert done.returncode == 0, done.stderr
    assert "Brightest: 1e+12" in done.stdout
    sheet = images.read(tmp_path / "heatmaps" / "coffee.png")
    assert sheet[8:72, 184:264].max() < 40


def test_refuses_what_a_comparator_cannot_see(refused, changed, tmp_path):
    error = refused("train.evaluate", *changed, *HEATMAP, "--layer=relu9_1")
    assert "conv1_1, relu1_1, " in error
    error = refused("train.evaluate", *changed, "--layer=relu1_1")
    assert "--layer is for --heatmap" in error
    gone = "--comparator_weights=gone.npz"
    error = refused("train.evaluate", *changed, *HEATMAP, gone)
    assert "gone.npz" in error
    for folder in "ab":
        path = tmp_path / folder / "coffee.png"
        images.write(path, images.read(path)[:12, :40])
    error = refused(
        "train.evaluate", *changed, *HEATMAP, "--layer=pool4", "--shave=0"
    )
    assert "coffee: vgg19 pool4 needs pictures of at least 16 x 16" in error
    assert "40 x 12" in error
    assert not (tmp_path / "scores.csv").exists()
