import logging
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from percgen import crops
from percgen import data
from percgen import images
from percgen import pairs
from percgen import records as records_lib


def batches(source, start, stop, seed=0, size=48):
    dataset = source.batches(size, 3, seed, start, stop)
    return np.stack(list(dataset.as_numpy_iterator()))


@pytest.fixture
def files(photo_folder):
    return data.Files(f"{photo_folder}/*.png")


@pytest.fixture
def records(tmp_path, photo_folder):
    """Returns the photographs in the layout of tfds.ImageFolder."""
    folder = tmp_path / "pictures" / "train" / "all"
    folder.mkdir(parents=True)
    for path in photo_folder.iterdir():
        with Image.open(path) as image:
            image.save(folder / f"{path.stem}.jpg", quality=95)
    return data.Records(str(tmp_path / "pictures"))


@pytest.fixture
def packed(tmp_path, run, photo_folder):
    (photo_folder / "broken.jpg").write_bytes(b"no picture")
    done = run(
        "train.pack",
        f"--images={photo_folder}/*.*",
        f"--output={tmp_path}/packs/photos",
        "--shards=3",
    )
    (photo_folder / "broken.jpg").unlink()
    assert done.returncode == 0, done.stderr
    assert "Packed 8 pictures" in done.stdout
    assert "into 3 files" in done.stdout
    assert "; 1 could not be read" in done.stdout
    assert "broken.jpg: not a picture" in done.stderr
    return data.photographs(f"{tmp_path}/packs/photos-*.tfrecord", None)


@pytest.mark.parametrize("kind", ["files", "records", "packed"])
class TestEverySource:
    @pytest.fixture
    def source(self, kind, request):
        return request.getfixturevalue(kind)

    def test_gives_float_crops_in_range(self, source):
        found = batches(source, 0, 4)
        assert found.shape == (4, 3, 48, 48, 3)
        assert found.dtype == np.float32
        assert 0.0 <= found.min() < 0.2
        assert 0.8 < found.max() <= 1.0

    def test_goes_on_at_any_step(self, source):
        straight = batches(source, 0, 9)
        np.testing.assert_array_equal(batches(source, 4, 9), straight[4:])

    def test_the_seed_tells_the_order(self, source):
        assert np.any(batches(source, 0, 3) != batches(source, 0, 3, seed=1))

    def test_shuffles_and_crops_anew(self, source):
        found = batches(source, 0, 16).reshape(48, -1)
        assert len(np.unique(found, axis=0)) == 48

    def test_a_machine_loads_its_part_alone(self, source):
        whole = batches(source, 2, 6)
        for index in range(3):
            with crops.part(index, 3):
                found = batches(source, 2, 6)
            np.testing.assert_array_equal(found[:, index], whole[:, index])
            assert not np.delete(found, index, axis=1).any()

    def test_the_panel_is_fixed(self, source):
        panel = source.panel(4, 40)
        assert panel.shape == (4, 40, 40, 3)
        np.testing.assert_array_equal(panel, source.panel(4, 40))


def test_small_photographs_are_enlarged(files):
    assert batches(files, 0, 1, size=200).shape == (1, 3, 200, 200, 3)


def test_every_photograph_is_seen_once_an_epoch(tmp_path):
    for value in range(6):
        Image.new("RGB", (40, 40), (value * 40,) * 3).save(
            tmp_path / f"{value}.png"
        )
    source = data.Files(f"{tmp_path}/*.png")
    values = batches(source, 0, 4).mean(axis=(2, 3, 4)).ravel() * 255 / 40
    for epoch in (values[:6], values[6:]):
        np.testing.assert_allclose(sorted(epoch), range(6), atol=0.01)


def test_one_colour_is_spread_over_its_rounding_step(tmp_path):
    Image.new("RGB", (64, 64), (90, 0, 255)).save(tmp_path / "flat.png")
    crops = batches(data.Files(f"{tmp_path}/*.png"), 0, 2) * 255
    assert 0.4 < np.abs(crops[..., 0] - 90).max() <= 0.501
    assert crops[..., 0].std() > 0.2
    assert crops.min() >= 0.0
    assert crops.max() <= 255.0


def test_a_corrupt_photograph_is_skipped_and_named(
    tmp_path, photographs, caplog
):
    (tmp_path / "0_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    good = Image.fromarray((photographs[0] * 255).astype(np.uint8))
    good.save(tmp_path / "1_good.png")
    with caplog.at_level(logging.WARNING, logger="absl"):
        source = data.Files(f"{tmp_path}/*")
        found = batches(source, 0, 3)
    assert found.shape[0] == 3
    named = [r for r in caplog.records if "0_broken.jpg" in r.getMessage()]
    assert len(named) == 1


def test_only_corrupt_photographs_raise(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="None of the 1 files"):
        data.Files(f"{tmp_path}/*.jpg")


def test_a_glob_that_matches_nothing_raises(tmp_path):
    with pytest.raises(ValueError, match="No file matches"):
        data.Files(f"{tmp_path}/*.jpg")


def test_globs_add_up(photo_folder):
    source = data.Files(f"{photo_folder}/0.png,{photo_folder}/[1-3].png")
    assert len(source.paths) == 4


def store(folder, records, **features):
    return tfds.dataset_builders.store_as_tfds_dataset(
        name="kept",
        version="1.0.0",
        data_dir=folder,
        split_datasets={"train": tf.data.Dataset.from_tensor_slices(records)},
        features=tfds.features.FeaturesDict(features),
    ).data_path


def test_pairs_of_a_data_set_give_the_large_ones(tmp_path, photographs):
    """As of div2k, whose pictures are lr and hr."""
    large = images.to_uint8(photographs)
    picture = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
    kept = store(
        tmp_path,
        {"lr": large[:, ::2, ::2], "hr": large},
        lr=picture,
        hr=picture,
    )
    source = data.Records(str(kept))
    found = images.to_uint8(source.panel(4, 64))  # In an order of its own.
    assert {x.tobytes() for x in found} == {x.tobytes() for x in large}
    assert batches(source, 0, 1).shape == (1, 3, 48, 48, 3)


def test_a_data_set_without_pictures_raises(tmp_path):
    kept = store(
        tmp_path, {"label": [1, 2]}, label=tfds.features.Scalar(np.int64)
    )
    with pytest.raises(ValueError, match="`hr`. It has: label"):
        data.Records(str(kept))


def test_an_unknown_data_set_raises():
    with pytest.raises(ValueError, match="Cannot get data set 'no_such_set'"):
        data.Records("no_such_set")


def test_labelled_pictures_are_given_whole(tmp_path, photographs):
    for name, photo in zip("bba", images.to_uint8(photographs), strict=False):
        folder = tmp_path / "set" / "test" / name
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(folder / f"{photo.sum()}.png")
    pictures, labels = records_lib.labelled(f"{tmp_path}/set", "test")
    assert pictures.dtype == np.uint8
    assert sorted(labels) == [0, 1, 1]
    found = {x.tobytes(): y for x, y in zip(pictures, labels, strict=True)}
    expected = images.to_uint8(photographs[:3])
    assert [found[x.tobytes()] for x in expected] == [1, 1, 0]


def test_labelled_pictures_of_several_sizes_are_refused(tmp_path):
    folder = tmp_path / "set" / "train" / "a"
    folder.mkdir(parents=True)
    for side in (8, 9):
        Image.new("RGB", (side, 8)).save(folder / f"{side}.png")
    with pytest.raises(ValueError, match="should have one size"):
        records_lib.labelled(f"{tmp_path}/set", "train")


def test_an_empty_folder_raises(tmp_path):
    with pytest.raises(ValueError, match="has no split 'train'"):
        data.Records(str(tmp_path))


@pytest.mark.parametrize("choice", [(None, None), ("a/*.png", "coco")])
def test_one_source_is_given(choice):
    with pytest.raises(ValueError, match="either --images or --tfds"):
        data.photographs(*choice)


class TestPacks:
    def test_hold_the_files_as_they_are(self, packed, photo_folder):
        found = dict(map(packed.read, range(len(packed))))
        assert found == {
            str(path): path.read_bytes() for path in photo_folder.iterdir()
        }
        assert set(packed.shorter_sides()) == {72}

    def test_hold_a_data_set(self, records, run, tmp_path):
        done = run(
            "train.pack",
            f"--tfds={records.name}",
            f"--output={tmp_path}/set",
            "--shards=2",
        )
        assert done.returncode == 0, done.stderr
        assert "Packed 8 pictures" in done.stdout
        packed = data.photographs(f"{tmp_path}/set-*.tfrecord", None)
        kept = pathlib.Path(records.name).rglob("*.jpg")
        assert {packed.read(n)[1] for n in range(8)} == {
            path.read_bytes() for path in kept
        }

    def test_one_source_is_packed(self, refused, tmp_path):
        error = refused("train.pack", f"--output={tmp_path}/x")
        assert "Give either --images or --tfds" in error

    def test_are_cut_in_pairs_as_files_are(self, packed, files):
        found = []
        for source in (packed, files):
            panel = pairs.Pairs(source, 2).panel(len(source), 24)
            names = map(source.name, range(len(source)))
            found.append(dict(zip(names, panel[1], strict=True)))
        assert set(found[0]) == set(found[1])
        for name, large in found[0].items():
            np.testing.assert_array_equal(large, found[1][name])
        dataset = pairs.Pairs(packed, 2).batches(24, 4, 0, 0, 2)
        for small, large in dataset:
            assert small.shape == (4, 12, 12, 3)
            assert large.shape == (4, 24, 24, 3)

    def test_are_read_by_tensorflow(self, packed):
        records = tf.data.TFRecordDataset(packed.paths)
        form = {"image": tf.io.FixedLenFeature([], tf.string)}
        pictures = [
            tf.io.decode_image(tf.io.parse_single_example(x, form)["image"])
            for x in records
        ]
        for number, picture in enumerate(pictures):
            np.testing.assert_array_equal(picture, packed.open(number))

    def test_a_broken_record_is_skipped_and_named(self, packed, caplog):
        place = int(packed._places[0])
        with open(packed.paths[0], "r+b") as file:
            file.seek(place + 40)
            file.write(bytes(200))
        again = data.Packed(",".join(packed.paths))
        with caplog.at_level(logging.WARNING):
            assert again.open(0) is None
            assert again.open(0) is None
        assert caplog.text.count("Skipped") == 1
        assert "(1 so far)" in caplog.text
        assert batches(again, 0, 6).shape[:2] == (6, 3)
        assert next(iter(again.shorter_sides())) == 0

    @pytest.mark.parametrize("content", [b"\xff" * 99, b"short", None])
    def test_what_is_no_pack_is_refused(self, packed, tmp_path, content):
        whole = pathlib.Path(packed.paths[0]).read_bytes()
        path = tmp_path / "x.tfrecord"
        path.write_bytes(whole[:-10] if content is None else content)
        with pytest.raises(ValueError, match="no pack of pictures, or cut off"):
            data.Packed(str(path))

    def test_no_file(self):
        with pytest.raises(ValueError, match="No file matches 'x/"):
            data.photographs("x/*.tfrecord", None)

    def test_fewer_pictures_than_files(self, refused, photo_folder, tmp_path):
        assert "there are 8 pictures" in refused(
            "train.pack",
            f"--images={photo_folder}/*.png",
            f"--output={tmp_path}/x",
        )
        assert not list(tmp_path.glob("x*"))
