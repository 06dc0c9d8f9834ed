import io

import numpy as np
import pytest
from PIL import Image

from percgen import images


def coded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def photo(photographs):
    return Image.fromarray(images.to_uint8(photographs[0, :48]))


def test_reads_what_it_writes(tmp_path, photo):
    images.write(tmp_path / "a.png", np.asarray(photo))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), photo)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reads_upright(photo, orientation):
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo
    if orientation in turned:
        stored = photo.transpose(turned[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = coded(stored, exif=exif)
    np.testing.assert_array_equal(images.read(content), photo)


def test_lays_transparent_pixels_over_white(photo):
    rgba = photo.convert("RGBA")
    rgba.putalpha(64)
    expected = np.asarray(photo) * (64 / 255) + 255 * (1 - 64 / 255)
    np.testing.assert_allclose(images.read(coded(rgba)), expected, atol=1)


def test_reads_gray_palette_and_cmyk(photo):
    gray = photo.convert("L")
    for channel in range(3):
        np.testing.assert_array_equal(
            images.read(coded(gray))[..., channel], gray
        )
    palette = photo.convert("P")
    np.testing.assert_array_equal(
        images.read(coded(palette)), palette.convert("RGB")
    )
    cmyk = coded(photo.convert("CMYK"), "TIFF")
    np.testing.assert_allclose(images.read(cmyk), photo, atol=1)


def test_scales_16_bit_gray(photo):
    gray = np.asarray(photo.convert("L"))
    deep = Image.fromarray(gray.astype(np.uint16) * 257)
    np.testing.assert_array_equal(images.read(coded(deep))[..., 0], gray)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"some text", "not a picture of a known kind"),
        (b"", "not a picture of a known kind"),
    ],
)
def test_what_is_no_picture_raises(content, reason):
    with pytest.raises(images.ImageError, match=reason):
        images.open_rgb(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_picture_raises(tmp_path, photo, kind):
    content = coded(photo, kind)
    (tmp_path / "half").write_bytes(content[: len(content) // 2])
    with pytest.raises(images.ImageError, match="half: broken picture"):
        images.open_rgb(tmp_path / "half")


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(images.ImageError, match="gone.png: no such file"):
        images.open_rgb(tmp_path / "gone.png")


def test_a_bomb_raises_before_it_is_decoded(tmp_path):
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(images.ImageError, match="too large"):
        images.open_rgb(tmp_path / "bomb.png")


def test_floating_point_raises(tmp_path):
    content = coded(Image.fromarray(np.zeros([8, 8], np.float32)), "TIFF")
    with pytest.raises(images.ImageError, match="floating-point"):
        images.open_rgb(content)


def test_rounds_and_clips():
    values = np.array([-0.5, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 2.0])
    np.testing.assert_array_equal(
        images.to_uint8(values), [0, 0, 0, 1, 255, 255]
    )


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no space")

    monkeypatch.setattr(images.os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        images.write_bytes(tmp_path / "a.png", b"content")
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_raises(tmp_path):
    with pytest.raises(images.ImageError, match="unknown kind"):
        images.write(tmp_path / "a.xyz", np.zeros([4, 4, 3], np.uint8))


def test_a_contact_sheet_holds_its_pictures(photo):
    picture = np.asarray(photo)
    sheet = images.contact_sheet([[picture, picture], [picture]], gap=2)
    assert sheet.shape == (48 * 2 + 6, 64 * 2 + 6, 3)
    np.testing.assert_array_equal(sheet[2:50, 68:132], picture)
    np.testing.assert_array_equal(sheet[52:100, 2:66], picture)
    assert (sheet[52:100, 68:] == 255).all()
