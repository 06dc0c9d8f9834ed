"""Pictures as they are stored, against Pillow, TensorFlow and NumPy."""

import io
import struct

import numpy as np
import pytest
import pyvips
import tensorflow as tf
from PIL import Image
from PIL import ImageCms
from skimage import color

from percgen import color_profiles
from percgen import images
from percgen import picture_forms
from percgen import stored_pictures

# From linear P3 to linear sRGB, both of D65 (CSS Color 4, section 18).
P3_TO_SRGB = np.array(
    [
        [1.2249401, -0.2249404, 0.0],
        [-0.0420569, 1.0420571, 0.0],
        [-0.0196376, -0.0786361, 1.0982735],
    ]
)


@pytest.fixture
def photo(photographs):
    return images.to_uint8(photographs[0, :48])  # 48 x 64.


@pytest.fixture
def deep(photographs):
    """Returns a photograph of 16 bits that 8 bits cannot hold."""
    noise = np.random.default_rng(0).integers(-128, 128, [48, 64, 3])
    pixels = np.rint(photographs[0, :48] * 65535) + noise
    return np.clip(pixels, 0, 65535).astype(np.uint16)


@pytest.fixture(scope="module")
def p3():
    return bytes(pyvips.Operation.call("profile_load", "p3"))


@pytest.fixture(scope="module")
def gamma_gray():
    """Returns a gray profile of gamma 1.8, written by hand."""
    white = struct.pack(">4s4xiii", b"XYZ ", 63190, 65536, 54061)
    curve = struct.pack(">4s4xIH2x", b"curv", 1, int(1.8 * 256))
    text = b"text" + bytes(4) + b"none\0\0\0\0"
    name = b"desc" + bytes(4) + struct.pack(">I", 5) + b"gray\0" + bytes(79)
    tags, data, start = b"", b"", 128 + 4 + 4 * 12
    for key, content in (
        (b"desc", name),
        (b"cprt", text),
        (b"wtpt", white),
        (b"kTRC", curve),
    ):
        place = start + len(data)
        tags += key + struct.pack(">II", place, len(content))
        data += content + bytes(-len(content) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s24x4xiii48x",
        start + len(data),
        b"lcms",
        0x02400000,
        b"mntr",
        b"GRAY",
        b"XYZ ",
        b"acsp",
        63190,
        65536,
        54061,
    )
    return header + struct.pack(">I", 4) + tags + data


def coded(image, kind="PNG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def there_and_back(content, kind="PNG"):
    """Returns what an unchanging network makes of a file."""
    stored = stored_pictures.read(content)
    pixels = stored.form.to_network(stored.pixels)
    return stored_pictures.encode(pixels, stored.form, kind)


def linear(pixels):
    """Returns sRGB's light, by the standard's formula."""
    x = pixels / np.iinfo(pixels.dtype).max
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def of_light(light):
    light = np.clip(light, 0.0, 1.0)
    return np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_what_is_stored_comes_back(photo, mode):
    picture = Image.fromarray(photo).convert(mode)
    answer = Image.open(io.BytesIO(there_and_back(coded(picture))))
    assert answer.mode == mode
    np.testing.assert_array_equal(answer, picture)


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "L"), ("P", "RGB"), ("CMYK", "RGB")]
)
def test_other_modes_become_gray_or_rgb(photo, mode, expected):
    picture = Image.fromarray(photo).convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    answer = Image.open(io.BytesIO(there_and_back(coded(picture, kind))))
    assert answer.mode == expected
    np.testing.assert_array_equal(answer, picture.convert(expected))


@pytest.mark.parametrize("mode", ["P", "RGB", "L"])
def test_one_transparent_colour_is_alpha(photo, mode):
    picture = Image.fromarray(photo // 64 * 64).convert(mode)
    place = picture.getpixel((5, 5))
    content = coded(picture, transparency=place)
    expected = Image.open(io.BytesIO(content)).convert("RGBA")
    answer = Image.open(io.BytesIO(there_and_back(content)))
    assert answer.mode == ("LA" if mode == "L" else "RGBA")
    assert 0 < np.mean(np.asarray(answer)[..., -1] == 0) < 1
    expected = np.asarray(expected) * (np.asarray(expected)[..., 3:] > 0)
    np.testing.assert_array_equal(answer.convert("RGBA"), expected)


class TestAlpha:
    @pytest.fixture(params=[np.uint8, np.uint16])
    def rgba(self, request, deep):
        most = np.iinfo(request.param).max
        alpha = np.linspace(0, most, deep[..., 0].size)
        pixels = np.dstack([deep, alpha.reshape(48, 64)])
        if most == 255:
            pixels[..., :3] //= 257
        return pixels.astype(request.param)

    def test_is_multiplied_as_in_floating_point(self, rgba):
        form = picture_forms.Form(alpha=True)
        sent = form.to_network(rgba)
        most = float(np.iinfo(rgba.dtype).max)
        exact = rgba[..., :3] / most * rgba[..., 3:]
        np.testing.assert_array_equal(sent[..., :3], np.rint(exact))
        np.testing.assert_array_equal(sent[..., 3], rgba[..., 3])

    def test_is_divided_as_in_floating_point(self, rgba):
        form = picture_forms.Form(alpha=True)
        painted = rgba.copy()  # Brighter than alpha lets through, in places.
        back = form.from_network(painted)
        most = float(np.iinfo(rgba.dtype).max)
        alpha = np.maximum(rgba[..., 3:], 1).astype(float)
        exact = np.minimum(rgba[..., :3], rgba[..., 3:]) / alpha * most
        np.testing.assert_allclose(back[..., :3], exact, atol=0.5 + 1e-6)
        np.testing.assert_array_equal(back[..., 3], rgba[..., 3])

    def test_on_white_what_comes_back_looks_as_it_did(self, rgba):
        form = picture_forms.Form(alpha=True)
        sent = form.to_network(rgba)
        back = form.from_network(sent)
        most = float(np.iinfo(rgba.dtype).max)
        looks = [
            x[..., :3] * (x[..., 3:] / most) + most - x[..., 3:]
            for x in (rgba, back)
        ]
        np.testing.assert_allclose(*looks, atol=1.0)
        flat = picture_forms.over_white(sent)
        np.testing.assert_allclose(flat, looks[0], atol=0.5 + 1e-6)

    def test_colours_that_are_not_seen_do_not_matter(self, photo):
        form = picture_forms.Form(alpha=True)
        alpha = np.zeros([48, 64, 1], np.uint8)
        one, other = (
            form.to_network(np.concatenate([x, alpha], axis=2))
            for x in (photo, 255 - photo)
        )
        np.testing.assert_array_equal(one, other)

    def test_lies_over_white_in_jpeg(self, photo):
        rgba = Image.fromarray(photo).convert("RGBA")
        rgba.putalpha(Image.linear_gradient("L").resize(rgba.size))
        answer = images.read(there_and_back(coded(rgba), "JPEG"))
        white = Image.new("RGBA", rgba.size, "white")
        expected = Image.alpha_composite(white, rgba).convert("RGB")
        difference = np.subtract(answer, expected, dtype=float)
        assert np.abs(difference).mean() < 2

    def test_is_enlarged_bicubically(self):
        alpha = np.random.default_rng(0).integers(0, 256, [9, 7, 1])
        alpha = alpha.astype(np.uint8)
        larger = picture_forms.enlarged(alpha, 36, 28)
        expected = images.resize(alpha, 36, 28)
        difference = np.subtract(larger, expected, dtype=int)
        # Nearer to the border, one mirrors and the other leaves out.
        assert np.abs(difference[8:-8, 8:-8]).max() <= 1


class TestSixteenBits:
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_come_back_as_tensorflow_reads_them(self, deep, channels):
        planes = [deep, 65535 - deep[..., :1]]
        pixels = np.concatenate(planes, axis=2)[..., [0, 3, 1, 2][:channels]]
        if channels == 4:
            pixels = np.concatenate(planes, axis=2)
        content = tf.io.encode_png(pixels).numpy()
        stored = stored_pictures.read(content)
        np.testing.assert_array_equal(stored.pixels, pixels)
        form = picture_forms.Form()  # Of colours, as a network gives them.
        again = stored_pictures.encode(np.ascontiguousarray(deep), form, "PNG")
        decoded = tf.io.decode_png(again, dtype=tf.uint16)
        np.testing.assert_array_equal(decoded, deep)

    def test_gray_stays_gray(self, deep):
        content = tf.io.encode_png(deep[..., :1]).numpy()
        decoded = tf.io.decode_png(there_and_back(content), dtype=tf.uint16)
        np.testing.assert_array_equal(decoded, deep[..., :1])

    def test_are_rounded_to_eight(self, deep):
        shallow = picture_forms.to_depth(deep, np.uint8)
        np.testing.assert_array_equal(shallow, np.rint(deep / 257.0))
        content = tf.io.encode_png(deep).numpy()
        np.testing.assert_array_equal(images.read(content), shallow)

    def test_of_eight_are_all(self):
        levels = np.arange(256, dtype=np.uint8)
        back = picture_forms.to_depth(
            picture_forms.to_depth(levels, np.uint16), np.uint8
        )
        np.testing.assert_array_equal(back, levels)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_stand_upright(self, photo, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = images.read(coded(photo, exif=exif))
        plain = pyvips.Image.new_from_array(photo.astype(np.uint16) * 257)
        plain = plain.copy(interpretation="rgb16")
        plain.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        stored = stored_pictures.read(plain.pngsave_buffer())
        np.testing.assert_array_equal(stored.pixels // 257, turned)


class TestProfiles:
    def test_display_p3_as_by_its_matrix(self, photo, p3):
        profile = color_profiles.of(p3, 3)
        light = linear(photo) @ P3_TO_SRGB.T
        expected = of_light(light) * 255
        inside = ((light > 0.002) & (light < 1)).all(axis=2)
        assert inside.mean() > 0.5
        actual = profile.to_srgb(photo)
        np.testing.assert_allclose(actual[inside], expected[inside], atol=2.5)
        assert np.abs(actual.astype(int) - photo).max() > 5

    def test_sixteen_bits_as_by_its_matrix(self, deep, p3):
        profile = color_profiles.of(p3, 3)
        light = linear(deep) @ P3_TO_SRGB.T
        inside = ((light > 0.01) & (light < 1)).all(axis=2)
        difference = profile.to_srgb(deep) / 65535 - of_light(light)
        assert np.abs(difference[inside]).max() < 2 / 255
        assert np.abs(difference[inside]).mean() < 1 / 2550
        back = profile.from_srgb(profile.to_srgb(deep))
        assert np.abs(back[inside] / 257.0 - deep[inside] / 257.0).max() < 0.5

    def test_colours_come_back_under_their_profile(self, photo, p3):
        content = there_and_back(coded(photo, icc_profile=p3))
        answer = Image.open(io.BytesIO(content))
        assert answer.info["icc_profile"] == p3
        inside = (linear(photo) @ P3_TO_SRGB.T > 0.01).all(axis=2)
        difference = np.subtract(answer, photo, dtype=int)[inside]
        assert np.abs(difference).max() <= 4
        assert np.abs(difference).mean() < 0.6

    def test_deep_colours_come_back_under_their_profile(self, deep, p3):
        image = pyvips.Image.new_from_array(deep).copy(interpretation="rgb16")
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", p3)
        content = there_and_back(image.pngsave_buffer())
        assert Image.open(io.BytesIO(content)).info["icc_profile"] == p3
        answer = tf.io.decode_png(content, dtype=tf.uint16).numpy()
        inside = (linear(deep) @ P3_TO_SRGB.T > 0.01).all(axis=2)
        difference = np.subtract(answer, deep, dtype=float)[inside]
        assert np.abs(difference).max() < 128

    def test_gray_of_a_gamma(self, photo, gamma_gray):
        gray = np.ascontiguousarray(photo[..., :1])
        profile = color_profiles.of(gamma_gray, 1)
        expected = of_light((gray / 255.0) ** (int(1.8 * 256) / 256)) * 255
        actual = profile.to_srgb(gray)
        np.testing.assert_allclose(actual, expected.repeat(3, 2), atol=1.5)
        content = coded(gray[..., 0], icc_profile=gamma_gray)
        answer = Image.open(io.BytesIO(there_and_back(content)))
        assert answer.mode == "L"
        assert answer.info["icc_profile"] == gamma_gray
        bright = gray[..., 0] > 20
        difference = np.subtract(answer, gray[..., 0], dtype=int)
        assert np.abs(difference[bright]).max() <= 1

    def test_read_as_srgb_by_everything(self, photo, p3):
        content = coded(photo, icc_profile=p3)
        expected = color_profiles.of(p3, 3).to_srgb(photo)
        np.testing.assert_array_equal(images.read(content), expected)

    def test_what_says_nothing_is_none(self, photo):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        assert color_profiles.of(srgb.tobytes(), 3) is None
        assert color_profiles.of(b"no profile", 3) is None
        assert color_profiles.of(None, 3) is None

    def test_one_of_other_channels_is_none(self, gamma_gray):
        assert color_profiles.of(gamma_gray, 3) is None

    def test_inks_become_srgb(self, photo):
        profile = bytes(pyvips.Operation.call("profile_load", "cmyk"))
        inks = Image.fromarray(photo).convert("CMYK")
        content = coded(inks, "TIFF", icc_profile=profile)
        image = pyvips.Image.new_from_buffer(content, "")
        expected = image.icc_transform(
            "srgb",
            embedded=True,
            intent="relative",
            black_point_compensation=True,
        ).numpy()
        answer = Image.open(io.BytesIO(there_and_back(content)))
        assert "icc_profile" not in answer.info
        difference = np.subtract(answer, expected, dtype=int)
        assert np.abs(difference).max() <= 3


def test_gray_is_luma(photo):
    form = picture_forms.Form(gray=True)
    expected = Image.fromarray(photo).convert("L")
    actual = form.from_network(photo)[..., 0]
    difference = np.subtract(actual, expected, dtype=int)
    assert np.abs(difference).max() <= 1  # Pillow's weights are shorter.
    exact = color.rgb2yuv(photo)[..., 0] * 255
    np.testing.assert_allclose(actual, exact, atol=0.51)


@pytest.mark.parametrize(
    ("kind", "mode", "plain"),
    [
        ("PNG", "RGB", True),
        ("JPEG", "RGB", True),
        ("JPEG", "L", True),
        ("PNG", "P", True),
        ("PNG", "RGBA", False),
        ("JPEG", "CMYK", False),
        ("WEBP", "RGB", False),
        ("TIFF", "RGB", False),
    ],
)
def test_plain_files_go_as_they_are(photo, kind, mode, plain):
    content = coded(Image.fromarray(photo).convert(mode), kind)
    found = stored_pictures.plain(content)
    assert (found is not None) == plain
    if found:
        assert found.content == content
        assert found.form.gray == (mode == "L")


def test_turned_deep_and_profiled_files_are_not_plain(photo, deep, p3):
    exif = Image.Exif()
    exif[0x0112] = 6
    for content in (
        coded(photo, exif=exif),
        coded(photo, icc_profile=p3),
        tf.io.encode_png(deep).numpy(),
        tf.io.encode_png(deep[..., :1]).numpy(),
    ):
        assert stored_pictures.plain(content) is None


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros([4, 4, 3], np.float32),
        np.zeros([4, 4, 5], np.uint8),
        np.zeros([4], np.uint8),
    ],
)
def test_what_are_no_pixels_raises(pixels):
    with pytest.raises(images.ImageError, match="should be uint8 or uint16"):
        stored_pictures.read(pixels)
