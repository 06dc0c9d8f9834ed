import itertools
import logging

import numpy as np
import pytest

from percgen import data
from percgen import evaluation
from percgen import images
from percgen import memory
from percgen import pairs

SCALE, SIDE = 3, 4
SIZE = SCALE * SIDE


def noise(number, height, width):
    random = np.random.default_rng(number)
    return random.integers(256, size=[height, width, 3], dtype=np.uint8)


def write(folder, pictures):
    for number, picture in enumerate(pictures):
        images.write(folder / f"{number}.png", picture)
    return data.Files(f"{folder}/*.png")


@pytest.fixture(scope="module")
def pictures():
    """Returns pictures whose sides leave each remainder of the scale."""
    return [noise(0, 29, 31), noise(1, 27, 33), noise(2, 40, 28)]


@pytest.fixture(scope="module")
def files(pictures, tmp_path_factory):
    return write(tmp_path_factory.mktemp("noise"), pictures)


def batches(source, start, stop, seed=0, size=SIZE):
    """Returns small and large patches of 4 a batch, `[N, S, S, 3]`, uint8."""
    dataset = source.batches(size, 4, seed, start, stop)
    found = list(dataset.as_numpy_iterator())
    assert all(x.dtype == np.float32 for pair in found for x in pair)
    small, large = (np.concatenate(x) for x in zip(*found, strict=True))
    return images.to_uint8(small), images.to_uint8(large)


def orientations(patch):
    """Yields a patch in all ways to lay it down, as it is at first."""
    for across in (patch, patch.transpose(1, 0, 2)):
        for rows, columns in itertools.product((1, -1), repeat=2):
            yield across[::rows, ::columns]


@pytest.fixture(scope="module")
def all_pairs(pictures):
    """Returns from small patches to large ones, orientations and places."""
    known = {}
    for number, picture in enumerate(pictures):
        rows, columns = (side // SCALE for side in picture.shape[:2])
        picture = picture[: rows * SCALE, : columns * SCALE]
        small = images.resize(picture, rows, columns)
        for top in range(rows - SIDE + 1):
            for left in range(columns - SIDE + 1):
                y, x = top * SCALE, left * SCALE
                both = zip(
                    orientations(small[top : top + SIDE, left : left + SIDE]),
                    orientations(picture[y : y + SIZE, x : x + SIZE]),
                    strict=True,
                )
                for way, (lower, upper) in enumerate(both):
                    place = number, way, (top, left)
                    known[lower.tobytes()] = upper, place
    return known


def test_each_small_patch_is_of_its_whole_picture_shrunk(
    files, all_pairs, pictures
):
    small, large = batches(pairs.Pairs(files, SCALE), 0, 150)
    places = []
    for lower, upper in zip(small, large, strict=True):
        expected, place = all_pairs[lower.tobytes()]
        np.testing.assert_array_equal(upper, expected)
        places.append(place)
    numbers, ways, corners = zip(*places, strict=True)
    assert np.bincount(numbers).tolist() == [200, 200, 200]
    assert np.bincount(ways, minlength=8).min() > 45  # Of 75.
    for number, picture in enumerate(pictures):
        seen = [c for c, n in zip(corners, numbers, strict=True) if n == number]
        last = np.array(picture.shape[:2]) // SCALE - SIDE
        np.testing.assert_array_equal(np.min(seen, axis=0), [0, 0])
        np.testing.assert_array_equal(np.max(seen, axis=0), last)


def test_values_are_of_8_bits_in_0_to_1(files):
    ((small, large),) = pairs.Pairs(files, 2).batches(8, 4, 0, 0, 1)
    assert small.shape == (4, 4, 4, 3)
    assert large.shape == (4, 8, 8, 3)
    for patches in (small, large):
        np.testing.assert_array_equal(
            patches, images.to_uint8(patches) / np.float32(255)
        )


def test_scale_1_leaves_patches_as_they_are(files):
    small, large = batches(pairs.Pairs(files, 1), 0, 2)
    np.testing.assert_array_equal(small, large)


def test_goes_on_at_any_step(files):
    straight = batches(pairs.Pairs(files, SCALE, flattest=0.1), 0, 8)
    late = batches(pairs.Pairs(files, SCALE, flattest=0.1), 5, 8)
    for one, other in zip(straight, late, strict=True):
        np.testing.assert_array_equal(one[5 * 4 :], other)


def test_the_seed_tells_the_patches(files):
    source = pairs.Pairs(files, SCALE)
    one, other = (batches(source, 0, 8, seed) for seed in (0, 1))
    again = batches(source, 0, 8, 0)
    assert np.any(one[0] != other[0])
    for first, second in zip(one, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_what_is_remembered_changes_nothing(files, monkeypatch):
    expected = batches(pairs.Pairs(files, SCALE), 0, 8)
    monkeypatch.setattr(pairs, "_REMEMBERED", 3000)  # One picture or none.
    for one, other in zip(
        expected, batches(pairs.Pairs(files, SCALE), 0, 8), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def deviations(patches):
    luma = patches @ np.array([0.299, 0.587, 0.114]) / 255
    return luma.std(axis=(1, 2))


@pytest.fixture
def half_flat(tmp_path):
    """Returns a picture of gray on the left and of noise on the right."""
    picture = noise(0, 36, 72)
    picture[:, :40] = 128
    return write(tmp_path, [picture])


def test_flat_patches_are_drawn_anew(half_flat):
    _, large = batches(pairs.Pairs(half_flat, SCALE), 0, 50)
    assert np.mean(deviations(large) < 0.01) > 0.3
    _, large = batches(pairs.Pairs(half_flat, SCALE, 0.1), 0, 50)
    assert deviations(large).min() >= 0.1


def test_deviations_are_of_luma_from_0_to_1(tmp_path):
    """Of black and white that takes turns it is .5."""
    picture = np.full([36, 72, 3], 128, np.uint8)
    picture[:, 36:] = np.add.outer(np.arange(36), np.arange(36))[..., None] % 2
    picture[:, 36:] *= 255
    files = write(tmp_path, [picture])
    _, large = batches(pairs.Pairs(files, SCALE, 0.499), 0, 25)
    assert np.mean(deviations(large) > 0.499) > 0.9
    _, large = batches(pairs.Pairs(files, SCALE, 0.4), 0, 25)
    found = np.unique(deviations(large).round(6))
    # Of 9 columns in 12: 8 would do, but corners lie at multiples of 3.
    assert found.min() == pytest.approx(0.5 * 0.75**0.5, abs=0.005)


def test_a_flat_picture_is_taken_as_it_is(tmp_path):
    files = write(tmp_path, [np.full([30, 30, 3], 90, np.uint8)])
    small, large = batches(pairs.Pairs(files, SCALE, 0.1), 0, 2)
    assert np.all(small == 90)
    assert np.all(large == 90)


def skipped(folder, files, caplog):
    """Returns what is logged while all patches come from the first file."""
    whole = images.read(folder / "0.png")
    rows, columns = (side // SCALE for side in whole.shape[:2])
    whole = evaluation.crop_to_multiple(whole, SCALE)
    shrunk = images.resize(whole, rows, columns)
    colours = {tuple(pixel) for pixel in shrunk.reshape(-1, 3)}
    with caplog.at_level(logging.WARNING, logger="absl"):
        small, _ = batches(pairs.Pairs(files, SCALE), 0, 8)
    assert {tuple(pixel) for pixel in small.reshape(-1, 3)} <= colours
    return [record.getMessage() for record in caplog.records]


def test_pictures_smaller_than_a_patch_are_skipped(tmp_path, caplog):
    files = write(
        tmp_path, [noise(0, 30, 30), noise(1, 11, 60), noise(2, 2, 2)]
    )
    messages = skipped(tmp_path, files, caplog)
    for number in (1, 2):
        assert any(f"{number}.png: below 12 x 12" in m for m in messages)


def test_corrupt_files_are_skipped(tmp_path, caplog):
    files = write(tmp_path, [noise(0, 30, 30), noise(1, 30, 30)])
    cut(tmp_path / "1.png")
    messages = skipped(tmp_path, files, caplog)
    assert any("1.png: broken picture" in message for message in messages)


def cut(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def test_only_small_pictures_raise(tmp_path, caplog):
    files = write(
        tmp_path, [noise(0, 20, 17), noise(1, 11, 60), noise(2, 8, 8)]
    )
    source = pairs.Pairs(files, SCALE)
    reason = "3 pictures none has a patch of 18 x 18.*largest has 17 x 20"
    with pytest.raises(ValueError, match=reason):
        source.batches(18, 4, 0, 0, 1)
    with pytest.raises(ValueError, match=reason):
        source.panel(2, 18)
    assert not caplog.records
    assert batches(source, 0, 1, size=15)[1].shape == (4, 15, 15, 3)


def test_only_a_corrupt_picture_of_the_size_raises(tmp_path):
    files = write(tmp_path, [noise(0, 10, 10), noise(1, 30, 30)])
    cut(tmp_path / "1.png")
    with pytest.raises(ValueError, match="none has a patch of 12 x 12"):
        pairs.Pairs(files, SCALE).batches(SIZE, 4, 0, 0, 1)


@pytest.mark.parametrize("size", [13, 2, 0, -3])
def test_a_size_that_does_not_divide_raises(files, size):
    source = pairs.Pairs(files, SCALE)
    with pytest.raises(ValueError, match=f"divide by 3.*: size={size}"):
        source.batches(size, 4, 0, 0, 1)
    with pytest.raises(ValueError, match=f"divide by 3.*: size={size}"):
        source.panel(1, size)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"scale": 0}, "scale=0"),
        ({"flattest": -0.1}, "flattest=-0.1"),
        ({"flattest": 0.5}, "flattest=0.5"),
        ({"photographs": object()}, "files or packs. Received: object"),
    ],
)
def test_wrong_arguments_raise(files, arguments, reason):
    with pytest.raises(ValueError, match=reason):
        pairs.Pairs(**{"photographs": files, "scale": SCALE, **arguments})


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_panel_is_of_middles(files, pictures, count):
    small, large = pairs.Pairs(files, SCALE).panel(count, SIZE)
    assert small.dtype == large.dtype == np.float32
    assert small.shape == (count, SIDE, SIDE, 3)
    for place in range(count):
        picture = evaluation.crop_to_multiple(pictures[place % 3], SCALE)
        rows, columns = (side // SCALE for side in picture.shape[:2])
        top, left = (rows - SIDE) // 2, (columns - SIDE) // 2
        shrunk = images.resize(picture, rows, columns)
        np.testing.assert_array_equal(
            images.to_uint8(small[place]),
            shrunk[top : top + SIDE, left : left + SIDE],
        )
        top, left = top * SCALE, left * SCALE
        np.testing.assert_array_equal(
            images.to_uint8(large[place]),
            picture[top : top + SIZE, left : left + SIZE],
        )


def test_memory_forgets_what_was_used_longest_ago():
    made = []

    def make(name):
        made.append(name)
        return None if name == "none" else (np.zeros(40, "u1"), np.zeros(60))

    remembered = memory.Memory(make, most=2 * (40 + 60 * 8))
    for name in ("a", "b", "a", "c", "a", "b", "none", "none"):
        found = remembered(name)
        assert (found is None) == (name == "none")
    assert made == ["a", "b", "c", "b", "none", "none"]
    assert memory.Memory(make, most=10)("too large") is not None
