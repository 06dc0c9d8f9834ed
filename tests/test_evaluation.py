"""The evaluation protocol, held to published tables and to scikit-image."""

import numpy as np
import pytest
import skimage
from PIL import Image
from skimage import color
from skimage import metrics as skimage_metrics
from test_resizing import reference

from benchmarks import evaluation as tables
from percgen import evaluation
from percgen import images
from percgen.evaluation import Protocol


@pytest.fixture
def photo():
    """Returns a photograph, uint8 `[296, 448, 3]`."""
    return evaluation.crop_to_multiple(skimage.data.chelsea(), 8)


@pytest.fixture
def data(shared):
    return shared / "data"


@pytest.mark.parametrize(("test_set", "factor"), tables.SELFEXSR)
def test_selfexsrs_table(data, test_set, factor):
    published = tables.SELFEXSR[test_set, factor]
    digits = 5 if factor == 4 else 4
    actual = tables.bicubic(data, test_set, factor)
    assert actual == pytest.approx(published, abs=1.01 * 10**-digits)


@pytest.mark.parametrize("name", tables.BASICSR)
def test_basicsrs_table(data, name):
    # Of 22.441898 for baboon we have 22.441899: the last of eight digits.
    actual = tables.basicsr(data, name)
    assert actual == pytest.approx(tables.BASICSR[name], abs=1.5e-6)


def test_rounding_between_passes_misses_basicsrs_table(data):
    psnr, ssim, *_ = tables.basicsr(data, "baboon", round_between_passes=True)
    assert (psnr, ssim) == pytest.approx((20.419144, 0.391777), abs=5e-5)


def test_what_each_deviation_costs(data):
    actual = tables.deviations(data)
    assert {name: round(value, 2) for name, value in actual.items()} == {
        name: round(value, 2) for name, value in tables.DEVIATIONS.items()
    }


@pytest.mark.parametrize("rounded", [True, False])
def test_the_protocol_of_luma_end_to_end(photo, rounded):
    # Everything by others: Pillow's cubic, scikit-image's luma and scores.
    small = np.clip(np.floor(reference(photo, 1, 4, "symmetric") + 0.5), 0, 255)
    large = np.clip(np.floor(reference(small, 4, 1, "symmetric") + 0.5), 0, 255)
    a, b = (
        color.rgb2ycbcr(x.astype(np.uint8))[4:-4, 4:-4, 0]
        for x in (photo, large)
    )
    if rounded:
        a, b = np.floor(a + 0.5), np.floor(b + 0.5)
    pred = images.resize(images.resize(photo, 74, 112), 296, 448)
    protocol = Protocol("y", 4, rounded)
    assert evaluation.psnr(photo, pred, protocol) == pytest.approx(
        skimage_metrics.peak_signal_noise_ratio(a, b, data_range=255), abs=2e-4
    )
    options = {"gaussian_weights": True, "use_sample_covariance": False}
    assert evaluation.ssim(photo, pred, protocol) == pytest.approx(
        skimage_metrics.structural_similarity(a, b, data_range=255, **options),
        abs=2e-5,
    )


def test_rgb_takes_all_channels(photo):
    pred = photo.copy()
    pred[..., 2] = 255 - pred[..., 2]
    expected = skimage_metrics.peak_signal_noise_ratio(photo, pred)
    protocol = Protocol("rgb", shave=0)
    assert evaluation.psnr(photo, pred, protocol) == pytest.approx(expected)


def test_luma_is_exact():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8)
    np.testing.assert_allclose(
        evaluation.luma(colours, rounded=False)[0, :, 0], [16, 235, 81.481]
    )
    np.testing.assert_array_equal(
        evaluation.luma(colours)[0, :, 0], [16, 235, 81]
    )


def test_gray_is_scored_on_its_gray_values(photo):
    gray = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
    pred = np.clip(gray + 8.0, 0, 255).astype(np.uint8)
    as_rgb = [np.repeat(x, 3, axis=2) for x in (gray, pred)]
    protocol = Protocol("y", 0, round_luma=False)
    exact = evaluation.psnr(gray, pred, protocol)
    assert exact == pytest.approx(10 * np.log10(255**2 / 64), abs=0.01)
    # Y of RGB has 219 levels for the 255 of gray.
    assert evaluation.psnr(*as_rgb, protocol) == pytest.approx(
        exact + 20 * np.log10(255 / 219), abs=1e-6
    )


def test_what_is_shaved_does_not_count(photo):
    pred = photo.copy()
    pred[:4] = pred[-4:] = 0
    pred[:, :4] = pred[:, -4:] = 0
    assert evaluation.psnr(photo, pred, Protocol(shave=4)) == float("inf")
    assert evaluation.ssim(photo, pred, Protocol(shave=4)) == 1.0
    assert evaluation.psnr(photo, pred, Protocol(shave=3)) < 40


def test_a_protocol_says_itself():
    assert "Y (BT.601, unrounded), border of 3 px" in str(
        Protocol("y", 3, round_luma=False)
    )
    assert str(Protocol("rgb", 0)).startswith("RGB, border of 0 px")


def test_what_cannot_be_compared_raises(photo):
    protocol = Protocol("y", 4)
    with pytest.raises(ValueError, match="at least 19 x 19 with shave=4"):
        evaluation.psnr(photo[:18], photo[:18], protocol)
    with pytest.raises(ValueError, match="the same shape"):
        evaluation.ssim(photo, photo[:50], protocol)
    with pytest.raises(ValueError, match="uint8.*float64"):
        evaluation.psnr(photo / 255, photo / 255, protocol)
    with pytest.raises(ValueError, match="color='lab'"):
        Protocol("lab")
    with pytest.raises(ValueError, match="shave=-1"):
        Protocol(shave=-1)
