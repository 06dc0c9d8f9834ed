import commands
import numpy as np
import pytest

from percgen import comparators
from percgen import images
from train import probe

KINDS = {
    "exemplar": ["--image_size=32", "--batch_size=4", "--classes=4"],
    "video": ["--image_size=67", "--batch_size=8", "--motion=tracked"],
    "compact": ["--image_size=32", "--batch_size=8"],
}


@pytest.fixture(scope="session")
def teacher(tmp_path_factory):
    """Returns a file of VGG-19 as deep as Compact needs, random."""
    layers = list(comparators.compact.TEACHES)
    vgg = comparators.VGG19(layers, weights="random")
    arrays = {}
    for layer in vgg.layers:
        if hasattr(layer, "kernel"):
            block, number = layer.name.removeprefix("conv").split("_")
            name = f"block{block}_conv{number}"
            arrays[f"{name}_kernel"] = np.asarray(layer.kernel)
            arrays[f"{name}_bias"] = np.asarray(layer.bias)
    path = tmp_path_factory.mktemp("teacher") / "vgg19.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    """Returns a file of pictures whose colour tells their class."""
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 60), ("test", 30)):
        y = np.arange(count) % 3
        x = random.integers(0, 120, [count, 32, 32, 3])
        x[range(count), :, :, y] += 100
        arrays[f"x_{part}"], arrays[f"y_{part}"] = x.astype(np.uint8), y
    path = tmp_path_factory.mktemp("labelled") / "colours.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def flags(photo_folder, teacher):
    """Returns a function from a kind to the flags of a small run."""

    def flags(kind):
        return [
            f"--kind={kind}",
            f"--images={photo_folder}/*.png",
            f"--teacher_weights={teacher}",
            *KINDS[kind],
            "--steps=4",
            "--checkpoint_every=2",
        ]

    return flags


@pytest.fixture(scope="session")
def finished(tmp_path_factory, flags, labelled):
    """Returns a function from a kind to a run that was not interrupted."""
    runs = {}

    def finished(kind):
        if kind not in runs:
            workdir = tmp_path_factory.mktemp("runs") / kind
            line = [f"--workdir={workdir}", *flags(kind)]
            if kind == "exemplar":
                line.append(f"--labelled={labelled}")
            runs[kind] = workdir, commands.run("train.comparator", *line)
        workdir, done = runs[kind]
        assert done.returncode == 0, done.stderr
        return workdir, done

    return finished


def weights(workdir):
    with np.load(workdir / "comparator.npz") as file:
        return dict(file)


def assert_same_weights(workdir, other):
    expected = weights(other)
    assert expected
    for name, value in weights(workdir).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_leaves_its_results(self, kind, finished):
        workdir, done = finished(kind)
        names = {path.name for path in workdir.iterdir()} - {"probe.txt"}
        assert names == {
            "checkpoints",
            "comparator.npz",
            "flags.txt",
            "logs",
            "samples.png",
            "used.txt",
        }
        assert "4/4" in done.stdout
        assert (workdir / "used.txt").read_text().startswith(f"{kind}: ")
        assert images.read(workdir / "samples.png").std() > 10
        assert list((workdir / "logs").glob("events.out.tfevents.*"))

    def test_leaves_a_comparator_that_loads(self, kind, finished, photographs):
        workdir, _ = finished(kind)
        cls = comparators.COMPARATORS[kind]
        trained = cls(
            list(cls.style_layers), weights=f"{workdir}/comparator.npz"
        )
        untrained = cls(list(cls.style_layers), weights="random")
        pictures = np.concatenate([photographs, photographs], axis=1)
        pictures = np.concatenate([pictures, pictures], axis=2)
        features, before = trained(pictures), untrained(pictures)
        for layer in cls.style_layers:
            assert np.all(np.isfinite(features[layer]))
            assert np.any(features[layer] != before[layer])


@pytest.mark.parametrize("kind", ["exemplar", "compact"])
def test_goes_on_to_the_same_weights(kind, finished, run, stopped):
    """From the checkpoint in the middle, with the flags of flags.txt alone."""
    whole, _ = finished(kind)
    workdir = stopped(whole, 2)
    done = run(
        "train.comparator",
        f"--flagfile={whole}/flags.txt",
        f"--workdir={workdir}",
    )
    assert done.returncode == 0, done.stderr
    assert "Going on from step 2" in done.stdout
    assert_same_weights(workdir, whole)


def test_flags_that_are_not_given_are_the_kinds_own(finished):
    text = (finished("video")[0] / "flags.txt").read_text()
    assert "--learning_rate=0.0001" in text
    assert "--batch_size=8" in text


def test_the_probe_tells_colours_apart(finished, run, labelled):
    workdir, done = finished("exemplar")
    table = (workdir / "probe.txt").read_text()
    assert table in done.stdout
    rows = [line.split() for line in table.splitlines()[1:]]
    assert " ".join(row[0] for row in rows) == "relu1 relu2 relu3 relu4 all"
    assert all(float(right) > 80 for row in rows for right in row[1:3])


def test_the_probe_compares_weights_with_random_ones(
    finished, run, labelled, tmp_path
):
    learnt = weights(finished("exemplar")[0])
    blind = {name: 0 * x for name, x in learnt.items()}
    np.savez(tmp_path / "blind.npz", **blind)
    done = run(
        "train.probe",
        "--comparator=exemplar",
        f"--comparator_weights={tmp_path}/blind.npz",
        f"--labelled={labelled}",
        "--probe_layers=relu2",
    )
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    assert header.split()[:4] == ["layer", "trained", "random", "gain"]
    layer, trained, random, gain = row.split()
    assert layer == "relu2"
    assert float(trained) < 40  # Of three classes.
    assert float(random) > 80
    assert float(gain) < -40


class TestRefuses:
    @pytest.fixture
    def train(self, refused, flags, tmp_path):
        def train(kind, *changes):
            workdir = tmp_path / "run"
            message = refused(
                "train.comparator",
                f"--workdir={workdir}",
                *flags(kind),
                *changes,
            )
            assert not workdir.exists(), "nothing half-written"
            return message

        return train

    def test_a_size_that_does_not_divide(self, train):
        message = train("compact", "--image_size=34")
        assert "divides by 4. Received: 34." in message

    def test_a_small_batch(self, train):
        message = train("compact", "--batch_size=7")
        assert "--batch_size of at least 8 on 1 device(s)" in message

    def test_no_images(self, train):
        assert "No file matches" in train("exemplar", "--images=none/*.png")

    def test_a_single_frame(self, train, photo_folder):
        message = train("video", f"--images={photo_folder}/0.png")
        assert "two frames at least. Received: 1." in message

    def test_labelled_pictures_that_are_none(self, train):
        message = train("exemplar", "--labelled=LICENSE")
        assert "Cannot read LICENSE" in message


PICTURES = np.zeros([4, 8, 8, 3], np.uint8)
GOOD = {
    "x_train": PICTURES,
    "y_train": np.arange(4),
    "x_test": PICTURES,
    "y_test": np.arange(4),
}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Cannot read"),
        (b"PK\x03\x04 and no more", "Cannot read"),
        ({"x_train": PICTURES}, "Cannot read"),
        ({**GOOD, "x_test": PICTURES / 255.0}, "float64"),
        ({**GOOD, "x_train": PICTURES[..., 0]}, r"\(4, 8, 8\)"),
        ({**GOOD, "y_test": np.arange(3)}, r"\(3,\)"),
        ({**GOOD, "y_train": np.zeros(4)}, "two classes"),
        ({**GOOD, "x_test": PICTURES[:0], "y_test": np.arange(0)}, "and 0"),
    ],
)
def test_labelled_pictures_that_do_not_serve(content, reason, tmp_path):
    file = tmp_path / "labelled.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.savez(file, **content)
    with pytest.raises(ValueError, match=reason):
        probe.read(str(file))
