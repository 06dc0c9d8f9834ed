"""Two logical CPUs for every test, and pictures to test on."""

import pathlib
import shutil

from percgen import command

command.import_tensorflow()

import commands  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import skimage  # noqa: E402
import small  # noqa: E402
import tensorflow as tf  # noqa: E402
from PIL import Image  # noqa: E402
from tensorboard.backend.event_processing import event_accumulator  # noqa: E402

from percgen import export  # noqa: E402
from percgen import images  # noqa: E402
from percgen import networks  # noqa: E402
from percgen import shipped  # noqa: E402
from percgen import signatures  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
# Long ones: begun last, they would leave the other process waiting.
LONG = (
    "test_benchmarks.py",
    "test_paper_a.py",
    "test_paper_b.py",
    "test_paper_c.py",
    "test_train.py",
    "test_train_comparator.py",
    "test_train_pairs.py",
)

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


def logged(workdir):
    """Returns what TensorBoard shows of a run: by tag, by step."""
    events = event_accumulator.EventAccumulator(
        str(workdir / "logs"), {"tensors": 0}
    )
    events.Reload()
    found = {}
    for tag in events.Tags()["tensors"]:
        for event in events.Tensors(tag):
            value = tf.make_ndarray(event.tensor_proto)
            shown = value if value.ndim else float(value)
            found.setdefault(tag, {})[event.step] = shown
    return found


@pytest.fixture(scope="session")
def photographs():
    """Returns crops of real photographs, float32 `[4, 64, 64, 3]`."""
    folder = pathlib.Path(skimage.__file__).parent / "data"
    crops = []
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
        with Image.open(folder / name) as image:
            square = image.convert("RGB").crop((100, 50, 356, 306))
            crops.append(np.asarray(square.resize((64, 64))) / np.float32(255))
    return np.stack(crops)


@pytest.fixture
def two_photographs(tmp_path, photographs):
    """Returns a folder of two photographs, 180 x 180."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(images.to_uint8(photographs[:2])):
        square = Image.fromarray(photo).resize((180, 180), Image.LANCZOS)
        square.save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory, photographs):
    """Returns a folder of eight real photographs, 96 x 72."""
    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate([*photographs, *photographs[:, ::-1]]):
        image = Image.fromarray((photo * 255).astype(np.uint8))
        image.resize((96, 72)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def generator():
    """Returns an untrained network."""
    keras.utils.set_random_seed(0)
    return networks.StyleGenerator(width=4)


@pytest.fixture(scope="session")
def served_style(generator, tmp_path_factory):
    """Returns a folder with version 1 of the network."""
    home = tmp_path_factory.mktemp("models") / "style"
    export.export(generator, home, limits=signatures.Limits(1_000_000))
    return home


@pytest.fixture(scope="session")
def address(served_style, tmp_path_factory):
    """Returns where a server has it, `style`, and our `x4` of the package."""
    x4 = tmp_path_factory.mktemp("models") / "x4"
    limits = signatures.Limits(1_000_000)
    export.export(shipped.load("fidelity_x4"), x4, limits=limits)
    with small.serving([served_style, x4]) as address:
        yield address


@pytest.fixture
def paint(generator):
    """Returns a function from uint8 `[H, W, 3]` to the network's own answer."""

    def paint(photo):
        output = generator(photo[None] / np.float32(255))[0]
        return np.round(np.asarray(output) * 255)

    return paint


@pytest.fixture(scope="session")
def flags(tmp_path_factory, photo_folder, photographs):
    """Returns the flags of a small run, all but --workdir."""
    style = tmp_path_factory.mktemp("style") / "style.png"
    picture = Image.fromarray(images.to_uint8(photographs[0]))
    picture.resize((80, 90)).save(style)
    return [
        f"--style_image={style}",
        f"--images={photo_folder}/*.png",
        "--style_size=64",
        "--image_size=32",
        "--batch_size=2",
        "--steps=8",
        "--checkpoint_every=2",
        "--width=4",
        "--comparator=vgg16",
        "--comparator_weights=random",
        "--feature_layers=relu2_1",
        "--style_layers=relu1_2,relu2_1:0.5",
    ]


@pytest.fixture
def run():
    """Returns a function that runs a command of ours to its end."""
    return commands.run


@pytest.fixture
def refused(run):
    """Returns a function that runs a command which must refuse its input.

    It must say why in one line on standard error, with exit status 2.
    """

    def refused(module, *arguments):
        done = run(module, *arguments)
        assert done.returncode == 2, done.stderr
        lines = done.stderr.strip().split("\n")
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith(f"{module}: error: ")
        return lines[0]

    return refused


@pytest.fixture
def stopped(tmp_path):
    """Returns a function that copies a run, as it stood at a checkpoint."""

    def stopped(whole, step):
        workdir = tmp_path / "stopped"
        for path in ("flags.txt", f"checkpoints/ckpt-{step}*"):
            for file in whole.glob(path):
                copy = workdir / file.relative_to(whole)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)
        newest = workdir / "checkpoints" / "checkpoint"
        newest.write_text(f'model_checkpoint_path: "ckpt-{step}"')
        return workdir

    return stopped


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """Returns a folder of versions 1 to 3, whose factor is their number."""
    home = tmp_path_factory.mktemp("versions")
    for number in (1, 2, 3):
        small.write_scale(home / str(number), number)
    return home


@pytest.fixture
def home(tmp_path, versions):
    """Returns a folder with version 1 alone."""
    home = tmp_path / "m"
    home.mkdir()
    small.copy_version(versions / "1", home / "1")
    return home


@pytest.fixture
def shared():
    """Returns the folder of shared data, or skips."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder of shared data beside the project")
    return SHARED
