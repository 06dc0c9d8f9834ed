import pathlib

import numpy as np
import pytest
import skimage
from PIL import Image

from percgen import data
from percgen import film
from percgen import patches
from percgen import tracks

SIZE = 32


@pytest.fixture(scope="module")
def files(photo_folder):
    return data.Files(f"{photo_folder}/*.png")


@pytest.fixture(scope="module")
def exemplars(files):
    return patches.Exemplars(files, classes=6, size=SIZE, seed=0)


def pan(folder, velocity, frames=12, size=(200, 160), scale=1):
    """Writes a film of a camera that moves over a photograph.

    Args:
        folder: Where to.
        velocity: Rows and columns a frame.
        frames: How many.
        size: Width and height of the frames.
        scale: How much larger they are written.
    """
    path = pathlib.Path(skimage.__file__).parent / "data" / "astronaut.png"
    with Image.open(path) as photo:
        for number in range(frames):
            top, left = (round(60 + number * x) for x in velocity)
            frame = photo.crop((left, top, left + size[0], top + size[1]))
            frame = frame.resize([side * scale for side in size])
            frame.save(folder / f"{number:03}.png")
    return data.Files(f"{folder}/*.png")


@pytest.fixture(scope="module")
def panned(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("film"), (3, 5))


def exemplar_batches(request, seed, start, stop):
    source = request.getfixturevalue("exemplars")
    found = list(source.batches(4, seed, start, stop).as_numpy_iterator())
    return [np.stack(each) for each in zip(*found, strict=True)]


def synthetic_batches(request, seed, start, stop):
    source = tracks.SyntheticTracks(request.getfixturevalue("files"), SIZE)
    return [stack(source.batches(4, seed, start, stop))]


def tracked_batches(request, seed, start, stop):
    source = tracks.VideoTracks(request.getfixturevalue("panned"), SIZE)
    return [stack(source.batches(4, seed, start, stop))]


def disturbed_batches(request, seed, start, stop):
    files = request.getfixturevalue("files")
    return [stack(patches.disturbed(files, SIZE, 4, seed, start, stop))]


def stack(dataset):
    return np.stack(list(dataset.as_numpy_iterator()))


@pytest.mark.parametrize(
    ("batches", "shape"),
    [
        (exemplar_batches, (4, SIZE, SIZE, 3)),
        (synthetic_batches, (4, 2, SIZE, SIZE, 3)),
        (tracked_batches, (4, 2, SIZE, SIZE, 3)),
        (disturbed_batches, (4, SIZE, SIZE, 3)),
    ],
    ids=["exemplars", "synthetic", "tracked", "disturbed"],
)
class TestEverySource:
    def test_gives_floats_in_range(self, batches, shape, request):
        pictures = batches(request, 0, 0, 3)[0]
        assert pictures.shape == (3, *shape)
        assert pictures.dtype == np.float32
        assert 0.0 <= pictures.min() < 0.2
        assert 0.8 < pictures.max() <= 1.0

    def test_goes_on_at_any_step(self, batches, shape, request):
        straight = batches(request, 0, 0, 5)
        for late, whole in zip(
            batches(request, 0, 3, 5), straight, strict=True
        ):
            np.testing.assert_array_equal(late, whole[3:])

    def test_the_seed_tells_the_pictures(self, batches, shape, request):
        one, other = (batches(request, seed, 0, 2)[0] for seed in (0, 1))
        assert np.any(one != other)

    def test_no_two_pictures_are_alike(self, batches, shape, request):
        pictures = batches(request, 0, 0, 3)[0].reshape(12, -1)
        assert len(np.unique(pictures, axis=0)) == 12


class TestExemplars:
    def test_the_number_tells_the_class(self, exemplars, request):
        pictures, classes = exemplar_batches(request, 0, 0, 16)
        assert pictures.shape[:2] == classes.shape
        assert classes.dtype == np.int32
        assert set(classes.ravel()) == set(range(6))

    def test_a_class_looks_like_itself(self, exemplars):
        """By correlation of blurred luma, which colour and light leave be."""
        random = np.random.default_rng(0)
        versions = np.stack(
            [
                [exemplars.patch(number, random) for _ in range(12)]
                for number in range(6)
            ]
        )
        coarse = versions.mean(axis=-1).reshape(72, 8, 4, 8, 4).mean((2, 4))
        alike = np.corrcoef(coarse.reshape(72, -1)).reshape(6, 12, 6, 12)
        alike = alike.sum(axis=(1, 3))
        same = np.diag(alike - 12 * np.eye(6)) / (12 * 11)
        other = alike[~np.eye(6, dtype=bool)] / 12**2
        assert same.mean() > other.mean() + 0.2

    def test_the_flattest_crops_are_left_out(self, tmp_path, photographs):
        for number, photo in enumerate(photographs):
            Image.new("RGB", (80, 80), (90 + number,) * 3).save(
                tmp_path / f"{number}_flat.png"
            )
            photo = Image.fromarray((photo * 255).astype(np.uint8))
            photo.resize((80, 80)).save(tmp_path / f"{number}_photo.png")
        files = data.Files(f"{tmp_path}/*.png")
        chosen = patches.Exemplars(files, classes=4, size=SIZE, seed=0)
        assert chosen.crops.std(axis=(1, 2)).min() > 5.0


def test_a_synthetic_camera_stays_within_the_photograph(tmp_path):
    """What lies outside would be black."""
    Image.new("RGB", (200, 200), "white").save(tmp_path / "white.png")
    source = tracks.SyntheticTracks(data.Files(f"{tmp_path}/*.png"), SIZE)
    pairs = stack(source.batches(32, 0, 0, 4))
    # The least that light does to white: a factor of .7 * .7^.5, and less .1.
    assert pairs.min() > 0.7**1.5 - 0.1 - 0.02


def test_a_synthetic_pair_shows_one_place(files):
    pairs = stack(tracks.SyntheticTracks(files, SIZE).batches(32, 0, 0, 2))
    luma = pairs.reshape(64, 2, 8, 4, 8, 4, 3).mean(axis=(3, 5, 6))
    alike = np.corrcoef(luma[:, 0].reshape(64, -1), luma[:, 1].reshape(64, -1))
    alike = alike[:64, 64:]
    assert np.diag(alike).mean() > alike.mean() + 0.2


def test_some_disturbed_photographs_are_as_they_were(files):
    plain = stack(files.batches(SIZE, 4, 0, 0, 12)).reshape(48, -1)
    spoilt = stack(patches.disturbed(files, SIZE, 4, 0, 0, 12)).reshape(48, -1)
    unchanged = np.all(plain == spoilt, axis=1).mean()
    assert 0.2 < unchanged < 0.6


class TestFollowing:
    @pytest.mark.parametrize("velocity", [(3, 5), (0, 7), (-4, 2), (0.6, 1.4)])
    def test_follows_a_pan(self, tmp_path, velocity):
        frames = film.Film(pan(tmp_path, velocity))
        place = np.array([70, 110])
        patch = frames[0][place[0] :, place[1] :][:SIZE, :SIZE]
        for passed in (1, 4, 11):
            later, found = tracks.follow(
                patch, tuple(place), (frames[k] for k in range(1, passed + 1))
            )
            true = place - np.array(velocity) * passed
            np.testing.assert_allclose(found, true, atol=1)
            top, left = found
            np.testing.assert_array_equal(
                later, frames[passed][top:, left:][:SIZE, :SIZE]
            )

    def test_every_pair_of_a_pan_is_alike(self, panned):
        pairs = stack(tracks.VideoTracks(panned, SIZE).batches(16, 0, 0, 2))
        pairs = pairs.reshape(32, 2, -1)
        exact = np.all(pairs[:, 0] == pairs[:, 1], axis=1)
        assert exact.mean() > 0.6  # The others left the frame.

    def test_gives_up_at_a_cut(self, panned):
        frames = film.Film(panned)
        patch = frames[0][60 : 60 + SIZE, 60 : 60 + SIZE]
        noise = np.random.default_rng(0).integers(256, size=(160, 200, 3))
        cut = [frames[1], noise.astype(np.uint8), frames[2]]
        later, place = tracks.follow(patch, (60, 60), cut)
        assert place == (57, 55)
        np.testing.assert_array_equal(later, patch)

    def test_takes_what_moves(self, tmp_path):
        still = np.random.default_rng(0).integers(256, size=(96, 96, 3))
        for number in range(4):
            frame = still.astype(np.uint8)
            frame[:48] = 60 * number
            Image.fromarray(frame).save(tmp_path / f"{number}.png")
        files = data.Files(f"{tmp_path}/*.png")
        (pairs,) = stack(tracks.VideoTracks(files, 16).batches(16, 0, 0, 1))
        flat = np.ptp(pairs[:, 0, 0], axis=(1, 2)) == 0.0  # First rows.
        assert flat.mean() > 0.8


class TestFilm:
    def test_shrinks_large_frames(self, tmp_path):
        frames = film.Film(pan(tmp_path, (1, 1), 2, scale=3))
        assert frames.size == (450, 360)
        assert frames[1].shape == (360, 450, 3)
        assert frames[1].dtype == np.uint8

    def test_frames_are_in_the_order_of_their_names(self, tmp_path):
        for number in (2, 10, 1):
            Image.new("RGB", (64, 64), (number,) * 3).save(
                tmp_path / f"{number:02}.png"
            )
        frames = film.Film(data.Files(f"{tmp_path}/*.png"))
        assert [int(frames[k].max()) for k in range(3)] == [1, 2, 10]

    def test_a_broken_frame_gives_its_place_to_the_next(self, tmp_path):
        files = pan(tmp_path, (1, 1), 3)
        whole = (tmp_path / "001.png").read_bytes()
        (tmp_path / "001.png").write_bytes(whole[: len(whole) // 2])
        frames = film.Film(files)
        np.testing.assert_array_equal(frames[1], frames[2])

    @pytest.mark.parametrize("frames", [1, 0])
    def test_too_few_frames_raise(self, tmp_path, frames):
        files = pan(tmp_path, (1, 1), 1)
        files.paths = files.paths[:frames]
        with pytest.raises(ValueError, match=f"two frames.*: {frames}"):
            tracks.VideoTracks(files, SIZE)

    def test_frames_of_different_sizes_raise(self, tmp_path):
        pan(tmp_path, (1, 1), 2)
        Image.new("RGB", (64, 48)).save(tmp_path / "larger.png")
        files = data.Files(f"{tmp_path}/*.png")
        with pytest.raises(ValueError, match="64 x 48 and 200 x 160"):
            tracks.VideoTracks(files, SIZE)

    def test_frames_smaller_than_a_patch_raise(self, panned):
        with pytest.raises(ValueError, match="161 x 161. Received: 200 x 160"):
            tracks.VideoTracks(panned, 161)

    def test_no_files_raise(self):
        class Elsewhere:
            pass

        with pytest.raises(ValueError, match="needs --images"):
            tracks.VideoTracks(Elsewhere(), SIZE)
