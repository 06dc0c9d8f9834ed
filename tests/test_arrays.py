import pickle
import zipfile

import numpy as np
import pytest

from percgen import archives
from percgen import crops
from percgen import data
from percgen import images


def batches(source, start, stop, seed=0, size=24):
    dataset = source.batches(size, 3, seed, start, stop)
    return np.stack(list(dataset.as_numpy_iterator()))


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes arrays and returns the file's path."""

    def write(**arrays):
        np.savez_compressed(tmp_path / "some.npz", **arrays)
        return str(tmp_path / "some.npz")

    return write


@pytest.fixture
def pictures(photographs):
    return images.to_uint8(photographs)


@pytest.fixture
def source(write, pictures):
    return data.photographs(write(x_train=pictures), None)


def test_the_ending_tells_the_kind(source, photo_folder):
    assert isinstance(source, data.Arrays)
    files = data.photographs(f"{photo_folder}/*.png", None)
    assert isinstance(files, data.Files)


def test_gives_float_crops_in_range(source):
    found = batches(source, 0, 4)
    assert found.shape == (4, 3, 24, 24, 3)
    assert found.dtype == np.float32
    assert 0.0 <= found.min() < 0.2
    assert 0.8 < found.max() <= 1.0


def test_gives_what_files_give(source, pictures, tmp_path):
    for number, picture in enumerate(pictures):
        images.write(tmp_path / f"{number}.png", picture)
    files = data.Files(f"{tmp_path}/*.png")
    np.testing.assert_array_equal(batches(source, 0, 5), batches(files, 0, 5))
    np.testing.assert_array_equal(source.panel(3, 20), files.panel(3, 20))


def test_goes_on_at_any_step(source):
    straight = batches(source, 0, 6)
    np.testing.assert_array_equal(batches(source, 4, 6), straight[4:])
    assert np.any(batches(source, 0, 6, seed=1) != straight)


def test_every_picture_is_seen_once_an_epoch(write):
    values = np.arange(6, dtype=np.uint8)[:, None, None, None] * 40
    flat = np.broadcast_to(values, [6, 9, 9, 3])
    source = data.Arrays(write(images=flat))
    found = batches(source, 0, 4).mean(axis=(2, 3, 4)).ravel() * 255 / 40
    for epoch in (found[:6], found[6:]):
        np.testing.assert_allclose(sorted(epoch), range(6), atol=0.02)


@pytest.mark.parametrize("channels", [0, 1])
def test_gray_is_repeated(write, pictures, channels):
    gray = pictures[..., :1] if channels else pictures[..., 0]
    source = data.Arrays(write(images=gray))
    panel = source.panel(4, 64)
    np.testing.assert_array_equal(
        images.to_uint8(panel), pictures[..., :1].repeat(3, axis=-1)
    )
    assert batches(source, 0, 1).shape == (1, 3, 24, 24, 3)


def test_small_pictures_are_enlarged(source):
    assert batches(source, 0, 1, size=100).shape == (1, 3, 100, 100, 3)


def test_the_panel_is_evenly_spaced_and_full(write):
    values = np.arange(10, dtype=np.uint8)[:, None, None] * 20
    source = data.Arrays(write(images=np.broadcast_to(values, [10, 8, 8])))
    for count, expected in ((3, [0, 3, 6]), (12, [*range(10), 0, 1])):
        panel = images.to_uint8(source.panel(count, 8))
        assert panel.shape == (count, 8, 8, 3)
        np.testing.assert_array_equal(panel[:, 0, 0, 0] / 20, expected)


def test_x_train_is_preferred(write, pictures):
    source = data.Arrays(write(images=pictures[:1], x_train=pictures[1:]))
    np.testing.assert_array_equal(source.pictures, pictures[1:])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({}, "x_train or images. It holds: nothing"),
        (
            {"y": [0], "x_test": [1]},
            "x_train or images. It holds: y, x_test",
        ),
        ({"images": np.zeros([2, 8, 8, 3])}, r"float64 \[2, 8, 8, 3\]"),
        ({"x_train": np.zeros([8, 8], "u1")}, r"uint8 \[8, 8\]"),
        ({"x_train": np.zeros([2, 8, 8, 4], "u1")}, r"\[2, 8, 8, 4\]"),
        ({"x_train": np.zeros([0, 8, 8, 3], "u1")}, r"\[0, 8, 8, 3\]"),
        ({"x_train": np.zeros([2, 8, 8, 3, 1], "u1")}, r"\[2, 8, 8, 3, 1\]"),
    ],
)
def test_what_holds_no_pictures_is_refused(write, arrays, reason):
    with pytest.raises(ValueError, match=rf"some\.npz should hold.*{reason}"):
        data.Arrays(write(**arrays))


class Bomb:
    """Goes off if it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("A file of pictures was unpickled.",)


def write_object_array(path):
    np.savez(path, x_train=np.array([Bomb()], object))


def write_pickle(path):
    path.write_bytes(pickle.dumps(Bomb()))


def write_pickle_in_a_zip(path):
    write_member(path, pickle.dumps(Bomb()))


def write_text_in_a_zip(path):
    write_member(path, b"no array")


def write_endless_header(path):
    write_member(path, b"\x93NUMPY\x01\x00\x05\x00{'a':")


def write_vast_shape(path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1" + b"0" * 15
    header += b",)}\n"
    write_member(path, b"\x93NUMPY\x01\x00" + bytes([len(header), 0]) + header)


def write_member(path, content):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x_train.npy", content)


@pytest.mark.parametrize(
    "broken",
    [
        write_object_array,
        write_pickle,
        write_pickle_in_a_zip,
        write_text_in_a_zip,
        write_endless_header,
        write_vast_shape,
        lambda path: path.write_bytes(b""),
        lambda path: None,
    ],
)
def test_broken_files_are_refused_in_one_line(broken, tmp_path):
    broken(tmp_path / "broken.npz")
    refuse(tmp_path / "broken.npz")


def test_files_cut_or_changed_anywhere_are_refused(write, pictures, tmp_path):
    path = tmp_path / "some.npz"
    write(x_train=pictures)
    whole = path.read_bytes()
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.9999):
        path.write_bytes(whole[: int(share * len(whole))])
        refuse(path)
    for share in (0.1, 0.5, 0.9):
        changed = bytearray(whole)
        changed[int(share * len(whole))] ^= 255
        path.write_bytes(changed)
        refuse(path)


def refuse(path):
    with pytest.raises(ValueError, match=r"Cannot read .*\.npz") as error:
        data.photographs(str(path), None)
    assert "\n" not in str(error.value)


def test_archives_tell_and_give_arrays_by_name(write):
    path = write(b=[1], a=[[2]])
    assert sorted(archives.names(path)) == ["a", "b"]
    a, b = archives.read(path, ("a", "b"))
    assert (a.tolist(), b.tolist()) == ([[2]], [1])
    with pytest.raises(ValueError, match=r"Cannot read .*some\.npz: .*no_such"):
        archives.read(path, ["no_such"])


def test_an_order_skips_to_all_others():
    order = crops.Order(5, seed=0)
    for position in (0, 7, 100):
        assert set(order.at(position)) == set(range(5))
        assert next(order.at(position + 1)) == list(order.at(position))[1]
