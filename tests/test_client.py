import contextlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from percgen import images
from serving import client
from serving import descriptors


@pytest.fixture
def photo(tmp_path, photographs):
    path = tmp_path / "photo.png"
    images.write(path, images.to_uint8(photographs[0, :51]))
    return path


def test_a_photo_goes_in_a_painting_comes_out(
    run, address, paint, photo, tmp_path
):
    out = tmp_path / "out.png"
    done = run(
        "serving.client",
        f"--server={address}",
        "--model=style",
        photo,
        "-o",
        out,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    painting = images.read(out)
    np.testing.assert_allclose(painting, paint(images.read(photo)), atol=1)


def test_a_jpeg_by_its_ending(run, address, photo, tmp_path):
    out = tmp_path / "out.jpg"
    line = [f"--server={address}", "--model=style", str(photo), f"--out={out}"]
    assert run("serving.client", *line).returncode == 0
    with Image.open(out) as painting:
        assert painting.format == "JPEG"


def test_wishes_go_along(run, address, paint, photo, tmp_path):
    out = tmp_path / "out.png"
    line = [f"--server={address}", "--model=style", str(photo), f"--out={out}"]
    assert run("serving.client", *line, "--strength=0").returncode == 0
    before = images.read(photo).astype(float)
    np.testing.assert_array_equal(images.read(out), before)
    wishes = ["--strength=0.5", "--preserve_color", "--style_weights=2"]
    assert run("serving.client", *line, *wishes).returncode == 0
    luma = np.array([0.299, 0.587, 0.114])
    lighter = (paint(images.read(photo)) - before) @ luma
    expected = np.clip(before + 0.5 * lighter[..., None], 0, 255)
    np.testing.assert_allclose(images.read(out), expected, atol=1)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ("--style_weights=1,0", "INVALID_ARGUMENT: "),
        ("--style_weights=-1", "style_weights should be at least 0"),
        ("--style_weights=much", "should be numbers. Received: much"),
        ("--strength=1.5", "--strength"),
    ],
)
def test_wishes_that_cannot_be(refused, address, photo, tmp_path, wish, reason):
    out = tmp_path / "out.png"
    message = refused(
        "serving.client",
        f"--server={address}",
        "--model=style",
        photo,
        f"--out={out}",
        wish,
    )
    assert reason in message
    assert not out.exists()


def test_a_turned_photo_is_sent_upright(address, paint, photo, tmp_path):
    upright = images.read(photo)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "turned.png", exif=exif)
    with client.Client(address, "style") as painter:
        painting = painter.generate(tmp_path / "turned.png")
    np.testing.assert_allclose(painting.pixels(), paint(upright), atol=1)


def test_answers_above_4_megabytes_pass(address, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [1000, 1000, 3])
    content = images.to_png(Image.fromarray(noise.astype(np.uint8)))
    with client.Client(address, "style") as painter:
        assert painter.generate(content).size == (1000, 1000)
    with (
        client.Client(address, "style", max_megabytes=1) as painter,
        pytest.raises(client.ServerError, match="RESOURCE_EXHAUSTED"),
    ):
        painter.generate(content)


class TestBadInput:
    @pytest.fixture
    def bomb(self, tmp_path):
        path = tmp_path / "bomb.png"
        Image.new("1", (20_000, 20_000)).save(path)
        return path

    @pytest.fixture
    def large(self, tmp_path):
        path = tmp_path / "large.png"
        Image.new("L", (2000, 2000)).save(path)
        return path

    @pytest.fixture
    def text(self, tmp_path):
        path = tmp_path / "text.png"
        path.write_text("some text")
        return path

    @pytest.fixture
    def turn(self, refused, address, tmp_path):
        def turn(*arguments, model="style", server=address):
            out = tmp_path / "out.png"
            message = refused(
                "serving.client",
                f"--server={server}",
                f"--model={model}",
                f"--out={out}",
                *arguments,
            )
            assert not list(tmp_path.glob("*out*"))
            return message

        return turn

    def test_a_text_file(self, turn, text):
        assert "text.png: not a picture" in turn(text)

    def test_a_bomb(self, turn, bomb):
        assert "bomb.png: too large" in turn(bomb)

    def test_a_picture_larger_than_the_server_takes(self, turn, large):
        message = turn(large)
        assert "INVALID_ARGUMENT: image too large: at most 1000000" in message
        assert message.endswith("(--tile sends a picture in parts)")

    def test_no_such_file(self, turn, tmp_path):
        assert "gone.png: no such file" in turn(tmp_path / "gone.png")

    def test_no_server(self, turn, photo):
        assert "UNAVAILABLE" in turn(photo, server="localhost:1")

    def test_no_such_model(self, turn, photo):
        assert "NOT_FOUND: Servable not found" in turn(photo, model="nope")

    def test_too_short_a_time(self, turn, photo):
        assert "DEADLINE_EXCEEDED" in turn(photo, "--timeout=0.001")

    def test_no_photo(self, turn):
        assert "Expected pictures" in turn()

    def test_another_ending(self, turn, photo):
        assert "end in .png or .jpg" in turn(photo, "--out=a.gif")

    def test_no_folder(self, turn, photo):
        assert "no folder nowhere" in turn(photo, "--out=nowhere/a.png")


def test_one_server_answers_many_clients(address, photo):
    answers = []

    def ask():
        with client.Client(address, "style") as painter:
            answers.append(painter.generate(photo).content)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_the_server_command_serves_until_it_is_told(
    served_style, run, photo, tmp_path
):
    line = [
        sys.executable,
        "-m",
        "serving.server",
        f"--model_dir={served_style}",
    ]
    process = subprocess.Popen(
        [*line, "--port=0"], stdout=subprocess.PIPE, text=True
    )
    with contextlib.closing(process.stdout):
        first = process.stdout.readline()
        port = re.search(r"Serving style, version 1, on localhost:(\d+)", first)
        done = run(
            "serving.client",
            f"--server=localhost:{port[1]}",
            "--model=style",
            f"--out={tmp_path / 'out.png'}",
            photo,
        )
        process.terminate()
        assert process.wait(timeout=20) != 0
    assert done.returncode == 0, done.stderr


def test_the_descriptors_are_those_of_the_package():
    assert descriptors.FILE.read_bytes() == descriptors.collect()
