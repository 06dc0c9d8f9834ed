"""The client's command on many files of many kinds."""

import io
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from percgen import images
from serving import batch


@pytest.fixture
def folder(tmp_path, photographs):
    """Returns a folder of three photographs, in it another, and a text."""
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    names = ("a.png", "b.jpg", "c.webp", "inner/d.png")
    for name, photo in zip(names, images.to_uint8(photographs), strict=True):
        images.write(folder / name, photo[:40])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def command(run, address, tmp_path):
    """Returns a function that runs the client."""

    def command(*arguments, model="style"):
        flags = (f"--server={address}", f"--model={model}")
        return run("serving.client", *flags, *arguments)

    return command


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class TestFind:
    def test_folders_globs_and_names(self, folder):
        inner = folder / "inner" / "d.png"
        found = batch.find([str(folder), f"{folder}/**/*.png", str(inner)])
        assert [path.name for path in found] == [
            "a.png",
            "b.jpg",
            "c.webp",
            "d.png",
        ]

    def test_what_is_named_is_taken_as_it_is(self):
        assert batch.find(["gone.xyz"]) == [pathlib.Path("gone.xyz")]

    def test_a_name_like_a_glob_is_a_name(self, folder):
        odd = folder / "a[1].png"
        shutil.copy(folder / "a.png", odd)
        assert batch.find([str(odd)]) == [odd]

    @pytest.mark.parametrize("name", ["empty", "*.tif"])
    def test_nothing_raises(self, tmp_path, name):
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match="no pictures"):
            batch.find([str(tmp_path / name)])


class TestPlan:
    def test_keeps_names_and_endings_that_it_can_write(self, tmp_path):
        names = ["a.png", "b.JPG", "c.webp", "d.mp4", "e"]
        jobs = batch.plan([pathlib.Path(name) for name in names], tmp_path)
        assert [job.target.name for job in jobs] == [
            "a.png",
            "b.JPG",
            "c.png",
            "d.mp4",
            "e.png",
        ]

    def test_two_for_one_name_raise(self, tmp_path):
        paths = [pathlib.Path("x/a.png"), pathlib.Path("y/a.webp")]
        with pytest.raises(ValueError, match=r"both be .*a\.png"):
            batch.plan(paths, tmp_path)

    def test_an_original_is_not_written_over(self, folder):
        with pytest.raises(ValueError, match="written over"):
            batch.plan([folder / "a.png"], folder)


def as_jpeg(pixels):
    """Returns what JPEG leaves of pixels, by Pillow."""
    file = io.BytesIO()
    picture = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=95)
    return np.asarray(Image.open(file)).astype(int)


def test_many_pictures_of_which_one_fails(command, folder, paint, tmp_path):
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:300])
    out = tmp_path / "out"
    done = command(
        "--json", "--concurrency=3", folder, f"{folder}/*/*", "-o", out
    )
    assert done.returncode == 2
    *each, summary = rows(done)
    assert summary["pictures"] == 5
    assert summary["failed"] == 1
    by_name = {pathlib.Path(row["file"]).name: row for row in each}
    bad = by_name.pop("broken.png")
    assert bad["output"] is None
    assert bad["size"] is None
    assert "broken.png: broken picture" in bad["error"]
    first, last = done.stderr.strip().split("\n")
    assert first == f"Failed: {bad['error']}"
    assert last == "serving.client: error: 1 of 5 failed."
    assert {path.name for path in out.iterdir()} == {
        "a.png",
        "b.jpg",
        "c.png",
        "d.png",
    }
    for row in by_name.values():
        assert row["size"] == [64, 40]
        assert row["error"] is None
        assert row["seconds"] > 0
        answer = images.read(row["output"]).astype(int)
        expected = paint(images.read(row["file"]))
        if row["output"].endswith("jpg"):
            expected = as_jpeg(expected)
        assert np.abs(answer - expected).mean() < 1


def test_what_is_stored_stays(command, tmp_path, photographs):
    photo = images.to_uint8(photographs[0])
    out, rgba = tmp_path / "out", Image.fromarray(photo).convert("RGBA")
    rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
    rgba.save(tmp_path / "alpha.png")
    Image.fromarray(photo).convert("L").save(tmp_path / "gray.jpg")
    deep = tf.cast(photographs[0] * 65535, tf.uint16)
    tf.io.write_file(str(tmp_path / "deep.png"), tf.io.encode_png(deep))
    done = command(f"{tmp_path}/*.png", tmp_path / "gray.jpg", "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    with Image.open(out / "alpha.png") as answer:
        assert answer.mode == "RGBA"
        np.testing.assert_array_equal(answer.getchannel(3), rgba.getchannel(3))
    with Image.open(out / "gray.jpg") as answer:
        assert (answer.format, answer.mode) == ("JPEG", "L")
    content = (out / "deep.png").read_bytes()
    painted = tf.io.decode_png(content, dtype=tf.uint16).numpy()
    assert np.mean(painted % 257 > 0) > 0.9  # Not made of 8 bits.
    done = command(tmp_path / "gray.jpg", "--nokeep_gray", "-o", out / "c.png")
    assert done.returncode == 0, done.stderr
    with Image.open(out / "c.png") as answer:
        assert answer.mode == "RGB"


def test_tiles_by_a_flag(command, folder, tmp_path):
    for name, flag in (("whole", "--json"), ("tiles", "--tile=64")):
        out = tmp_path / f"{name}.png"
        done = command(folder / "a.png", "-o", out, flag, model="x4")
        assert done.returncode == 0, done.stderr
    whole, parts = (
        images.read(tmp_path / f"{x}.png") for x in ("whole", "tiles")
    )
    assert whole.shape == (160, 256, 3)
    difference = np.subtract(whole, parts, dtype=int)
    assert np.abs(difference).max() <= 1


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="needs ffmpeg")
def test_films(command, tmp_path, run):
    from test_video import make

    make(tmp_path / "film.mp4", rate="4")
    done = command("--json", tmp_path / "film.mp4", "-o", tmp_path / "x.mp4")
    assert done.returncode == 0, done.stderr
    assert rows(done)[0]["size"] == [64, 48]
    assert (tmp_path / "x.mp4").exists()


class TestNews:
    def test_status(self, command):
        assert command("--status").stdout == "version 1: AVAILABLE\n"
        (told,) = rows(command("--status", "--json"))
        assert told["status"][0]["state"] == "AVAILABLE"

    def test_of_no_model(self, refused, address):
        flags = [f"--server={address}", "--model=nope", "--status"]
        message = refused("serving.client", *flags)
        assert "NOT_FOUND: Could not find any versions of model nope" in message


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["a.png", "b.png", "-o", "c.png"], "should be a folder for 2"),
        (["a.png"], "Expected pictures, and --out"),
        (["a.mp4", "-o", "b.png"], "should end in .mp4"),
        (["--status", "a.png"], "send no picture"),
        (["a.png", "-o", "b.png", "--tls_ca=gone.pem"], "gone.pem"),
        (["a.png", "-o", "b.png", "--tls_key=x"], "its key together"),
        (["a.png", "-o", "b.png", "--jpeg_quality=101"], "jpeg_quality"),
        (["a.png", "-o", "b.png", "--version=1", "--label=x"], "not both"),
    ],
)
def test_the_command_refuses(refused, flags, reason):
    assert reason in refused("serving.client", "--model=m", *flags)


def test_help_names_its_flags(run):
    done = run("serving.client", "--help")
    for flag in ("tile", "token", "keep_gray", "status", "style_weights"):
        assert f"--{flag}" in done.stdout or f"--[no]{flag}" in done.stdout
