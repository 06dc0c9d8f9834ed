"""Pictures row by row, against Pillow and TensorFlow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from percgen import images
from percgen import png_rows
from percgen import strips


@pytest.fixture
def photo(photographs):
    picture = Image.fromarray(images.to_uint8(photographs[0, :48]))
    return picture.resize((150, 200))  # Of several fetches.


def whole(path):
    """Returns a picture, read in pieces of unequal heights."""
    rows = strips.Rows(path)
    parts, left = [], rows.height
    for count in (1, 63, 70, 1000):
        parts.append(rows.read(min(count, left)))
        left -= len(parts[-1])
    return np.concatenate(parts), rows.form


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"),
        ("a.png", "RGBA"),
        ("a.png", "L"),
        ("a.png", "LA"),
        ("a.jpg", "RGB"),
        ("a.jpg", "L"),
        ("a.jpg", "CMYK"),
        ("a.tif", "RGB"),
        ("a.webp", "RGB"),
    ],
)
def test_reads_what_pillow_reads(tmp_path, photo, name, mode):
    options = {"lossless": True} if name.endswith("webp") else {}
    photo.convert(mode).save(tmp_path / name, **options)
    pixels, form = whole(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        np.testing.assert_array_equal(pixels.squeeze(), image)
    assert form.gray == mode.startswith("L")
    assert form.alpha == mode.endswith("A")
    assert form.inks == (mode == "CMYK")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reads_upright(tmp_path, photo, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(tmp_path / "turned.png", exif=exif)
    expected = images.read(tmp_path / "turned.png")
    pixels, _ = whole(tmp_path / "turned.png")
    np.testing.assert_array_equal(pixels, expected)


class TestBadInput:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(images.ImageError, match="gone.png: no such file"):
            strips.Rows(tmp_path / "gone.png")

    def test_no_picture(self, tmp_path):
        (tmp_path / "text.png").write_text("some text")
        with pytest.raises(images.ImageError, match="text.png: broken"):
            strips.Rows(tmp_path / "text.png")

    @pytest.mark.parametrize("name", ["half.png", "half.jpg"])
    def test_a_truncated_picture(self, tmp_path, photo, name):
        photo.save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(images.ImageError, match=f"{name}: broken"):
            whole(tmp_path / name)

    def test_a_bomb_by_its_header(self, tmp_path):
        buffer = io.BytesIO()
        file = png_rows.PngRows(buffer, (40_000, 40_000, 1), np.uint8)
        file.write(np.zeros([10, 40_000, 1], np.uint8))
        file.close()
        (tmp_path / "bomb.png").write_bytes(buffer.getvalue())
        with pytest.raises(images.ImageError, match="bomb.png: too large"):
            strips.Rows(tmp_path / "bomb.png")


class TestPngRows:
    @pytest.mark.parametrize("kind", [np.uint8, np.uint16])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_are_what_tensorflow_reads(self, kind, channels):
        most = np.iinfo(kind).max + 1
        random = np.random.default_rng(0)
        pixels = random.integers(0, most, [37, 23, channels]).astype(kind)
        pixels[20:] = pixels[20]  # That something can be compressed.
        buffer = io.BytesIO()
        file = png_rows.PngRows(buffer, pixels.shape, kind)
        for start in (0, 1, 12):
            file.write(pixels[start : {0: 1, 1: 12, 12: 37}[start]])
        file.close()
        # Asked for two, TensorFlow refuses; asked for four, it repeats gray.
        wanted = 4 if channels == 2 else channels
        decoded = tf.io.decode_png(buffer.getvalue(), wanted, tf.as_dtype(kind))
        if channels == 2:
            decoded = np.asarray(decoded)[..., 2:]
        np.testing.assert_array_equal(decoded, pixels)
        if kind == np.uint8:
            image = Image.open(io.BytesIO(buffer.getvalue()))
            np.testing.assert_array_equal(image, pixels.squeeze())

    def test_keep_a_profile(self):
        buffer = io.BytesIO()
        file = png_rows.PngRows(buffer, (1, 1, 3), np.uint8, b"profile")
        file.write(np.zeros([1, 1, 3], np.uint8))
        file.close()
        image = Image.open(io.BytesIO(buffer.getvalue()))
        assert image.info["icc_profile"] == b"profile"
