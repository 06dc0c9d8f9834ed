import numpy as np
import pytest
from PIL import Image

from percgen import images

PAD = {"symmetric": "symmetric", "replicate": "edge"}


def pillow(image, height, width):
    """Resizes by Pillow in float32: the same cubic, but for its borders."""
    planes = [
        Image.fromarray(plane.astype(np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for plane in np.moveaxis(image, -1, 0)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def reference(image, numerator, denominator, border):
    """Resizes a padded picture by Pillow, and cuts the padding off."""
    edge = 12 * denominator
    margins = [(edge, edge), (edge, edge), (0, 0)]
    padded = np.pad(image, margins, PAD[border])
    height, width = (
        side * numerator // denominator for side in padded.shape[:2]
    )
    cut = edge * numerator // denominator
    return pillow(padded, height, width)[cut:-cut, cut:-cut]


@pytest.fixture
def photo(photographs):
    return photographs[0, :48, :60]


@pytest.mark.parametrize("border", PAD)
@pytest.mark.parametrize(
    ("numerator", "denominator"),
    [(1, 2), (1, 3), (1, 4), (2, 1), (3, 1), (4, 1), (3, 4), (4, 3)],
)
def test_resize_is_bicubic_to_the_border(photo, border, numerator, denominator):
    height, width = (s * numerator // denominator for s in photo.shape[:2])
    actual = images.resize(photo, height, width, border=border)
    expected = reference(photo, numerator, denominator, border)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=2e-6)


def test_sides_shrink_each_by_its_own_factor(photo):
    actual = images.resize(photo, 12, 120)
    rows = images.resize(photo, 12, 60)
    np.testing.assert_allclose(actual, images.resize(rows, 12, 120), atol=1e-6)


def test_8_bits_are_rounded_once_or_twice(photo):
    photo = images.to_uint8(photo)
    once = images.resize(photo, 12, 15)
    assert once.dtype == np.uint8
    exact = images.resize(photo.astype(np.float64), 12, 15)
    np.testing.assert_array_equal(once, np.clip(np.floor(exact + 0.5), 0, 255))
    rows = images.resize(photo.astype(np.float64), 12, 60)
    rows = np.clip(np.floor(rows + 0.5), 0, 255)
    exact = images.resize(rows, 12, 15)
    twice = images.resize(photo, 12, 15, round_between_passes=True)
    np.testing.assert_array_equal(twice, np.clip(np.floor(exact + 0.5), 0, 255))
    assert np.any(once != twice)


def test_the_same_size_is_the_same_picture(photo):
    np.testing.assert_allclose(images.resize(photo, 48, 60), photo, atol=1e-7)


def test_one_pixel_can_be_resized():
    pixel = np.full([1, 1, 3], 0.25)
    for border in PAD:
        np.testing.assert_allclose(
            images.resize(pixel, 9, 7, border=border), 0.25
        )


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros([4, 4]), {}, r"\[H, W, C\]. Received: shape=\(4, 4\)"),
        (np.zeros([0, 4, 3]), {}, "Received: shape"),
        (np.zeros([4, 4, 3], np.int64), {}, "dtype=int64"),
        (np.zeros([4, 4, 3]), {"border": "wrap"}, "border='wrap'"),
        (np.zeros([4, 4, 3]), {"round_between_passes": True}, "for uint8"),
        (np.zeros([4, 4, 3]), {"height": 0}, "height=0"),
    ],
)
def test_what_cannot_be_resized_raises(image, options, message):
    with pytest.raises(ValueError, match=message):
        images.resize(image, **{"height": 2, "width": 2, **options})
