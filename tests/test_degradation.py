import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from percgen import data
from percgen import degradation
from percgen import images
from percgen import pairs


@pytest.fixture
def photo(photographs):
    return images.to_uint8(photographs[0, :48, :60])


def test_bicubic_is_that_of_the_tables(photo):
    np.testing.assert_array_equal(
        degradation.bicubic(photo, 4), images.resize(photo, 12, 15)
    )


def test_aliased_takes_the_four_nearest_pixels(photo):
    # Between pixels 4i + 1 and 4i + 2, where Keys's cubic is known.
    cubic = np.array([-1, 9, 9, -1]) / 16
    whole = photo.astype(float)
    for axis in (0, 1):
        whole = ndimage.correlate1d(
            whole, np.append(cubic, 0), axis, mode="reflect"
        )
        whole = whole.take(range(2, whole.shape[axis], 4), axis)
    expected = np.clip(np.floor(whole + 0.5), 0, 255)
    np.testing.assert_array_equal(degradation.aliased(photo, 4), expected)


def test_blurred_is_blurred_before(photo):
    # Pillow's Gaussian is not one but nearly; its border lies elsewhere.
    found = degradation.blurred(photo, 4).astype(float)
    sharp, soft = (
        f(photo, 4).astype(float)
        for f in (degradation.aliased, degradation.bicubic)
    )
    blurry = ndimage.gaussian_filter(photo.astype(float), (1, 1, 0))
    expected = degradation.aliased(images.to_uint8(blurry / 255), 4)
    np.testing.assert_allclose(found, expected, atol=1)
    assert np.std(soft) < np.std(sharp)
    assert np.abs(found - soft).mean() < np.abs(sharp - soft).mean()


def test_each_patch_has_one_at_random(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "x.png")
    kinds = list(degradation.DEGRADATIONS.values())
    files = data.Files(f"{tmp_path}/*.png")
    both = pairs.Pairs(files, 4, degradations=kinds)
    (found,) = both.batches(16, 30, 0, 0, 1)
    alone = [
        next(
            iter(
                pairs.Pairs(files, 4, degradations=[kind]).batches(
                    16, 30, 0, 0, 1
                )
            )
        )
        for kind in kinds
    ]
    for _, large in alone:
        np.testing.assert_array_equal(found[1], large)
    which = [
        [np.array_equal(found[0][i], small[i]) for small, _ in alone]
        for i in range(30)
    ]
    assert np.all(np.sum(which, axis=1) == 1)
    assert np.min(np.sum(which, axis=0)) >= 4


def test_panels_have_the_first(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "x.png")
    files = data.Files(f"{tmp_path}/*.png")
    both = [degradation.blurred, degradation.bicubic]
    small, _ = pairs.Pairs(files, 4, degradations=both).panel(1, 48)
    expected = degradation.blurred(photo, 4)[:, 1:13]
    np.testing.assert_array_equal(images.to_uint8(small[0]), expected)
