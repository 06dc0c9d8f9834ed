"""Every command of ours in README.md, docs/ and the cards runs, as it stands.

It runs in a folder with the files that it names. What makes it short is added
behind it: few steps, small pictures, random weights in place of ImageNet's.
Every set of TensorFlow Datasets is one of four pictures. What a command takes
from another is made by that one first.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import commands
import numpy as np
import pytest
import small
import tensorflow as tf
import tensorflow_datasets as tfds
import test_readme as pages
import test_video
from PIL import Image

from percgen import images

ROOT = pathlib.Path(__file__).parents[1]
TRAINED = "--steps=2 --batch_size=2"
SMALL = {
    "serving.export": "",
    "train.comparator": "--steps=2 --batch_size=8",
    "train.deepsim": TRAINED,
    "train.evaluate": "",
    "train.invert": f"{TRAINED} --image_size=64",
    "train.launch": f"{TRAINED} --image_size=32 --style_size=64",
    "train.optimize": "--iterations=2 --image_size=64 --style_size=64",
    "train.pack": "--shards=2",
    "train.reconstruct": TRAINED,
    "train.sample": "",
    "train.ship": "",
    "train.stylize": f"{TRAINED} --image_size=96 --style_size=64",
    "train.upscale": f"{TRAINED} --image_size=96",
    "train.vae": f"{TRAINED} --image_size=64",
}
FOLDERS = {
    **dict.fromkeys(["photos", "others"], "jpg"),
    **dict.fromkeys(["bsds500_train", "imagenet_sample_256"], "jpg"),
    **dict.fromkeys(["more/and", "T91", "Set5", "Set14", "results"], "png"),
}
PAINTINGS = ("painting", "starry_night", "wave", "composition_vii", "scream")
PAINTINGS += ("udnie", "wreck", "photo")


def ours(text):
    """Returns the commands of a page that are of our programs."""
    return {
        words
        for words in pages.whole(text)
        if words[:2] == ("python", "-m")
        and words[2].split(".")[0] in pages.HOUSE
        and "$token" not in " ".join(words)
    }


ALL = sorted({words for page in pages.PAGES for words in ours(page)})


def made(words):
    """Returns what a command makes that others may take, if anything."""
    for flag in ("output", "model_dir", "workdir"):
        for word in words:
            if word.startswith(f"--{flag}=") and words[2] != "serving.server":
                return word.partition("=")[2]
    return None


def taken(words):
    """Returns the commands whose work a command takes."""
    line = " ".join(words)
    for other in ALL:
        work = made(other)
        if not work or work == made(words):
            continue
        if re.search(rf"={re.escape(work)}(?![\w.])", line):
            yield other


@pytest.fixture(scope="module")
def world(tmp_path_factory, photographs):
    """Returns a folder with all that pages name."""
    world = tmp_path_factory.mktemp("world")
    (world / "train").mkdir()
    (world / "train/settings").symlink_to(ROOT / "train/settings")
    (world / "percgen/pretrained").mkdir(parents=True)
    large = images.to_uint8(np.tile(np.hstack(photographs), [4, 1, 1]))
    for folder, ending in FOLDERS.items():
        (world / folder).mkdir(parents=True)
        for number in range(4):
            shown = Image.fromarray(np.roll(large, 32 * number, 1))
            shown.save(world / folder / f"{number}.{ending}")
    _keep_set(world / "set", large)
    for name in PAINTINGS:
        Image.fromarray(large).save(world / f"{name}.jpg")
    Image.fromarray(large).resize((700, 600)).save(world / "large.tif")
    random = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "test"):
        arrays[f"y_{part}"] = np.arange(40) % 4
        drawn = random.integers(0, 256, [40, 32, 32, 3])
        arrays[f"x_{part}"] = drawn.astype(np.uint8)
    np.savez(world / "cifar10.npz", **arrays)
    if shutil.which("ffmpeg"):
        test_video.make(world / "film.mp4")
    return world


def _keep_set(folder, picture):
    """Keeps a data set of a picture, alone and as high resolution."""
    kind = tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg")
    records = {name: np.stack([picture] * 4) for name in ("image", "hr")}
    tfds.dataset_builders.store_as_tfds_dataset(
        name="set",
        version="1.0.0",
        data_dir=folder,
        split_datasets={
            split: tf.data.Dataset.from_tensor_slices(records)
            for split in ("train", "unlabelled")
        },
        features=tfds.features.FeaturesDict(dict.fromkeys(records, kind)),
    )


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def give_own_set():
    """Lets every data set of TensorFlow Datasets be that of `world`."""
    tfds.builder = lambda name: tfds.builder_from_directory("set/set/1.0.0")


@pytest.fixture(scope="module")
def have(world):
    """Returns a function that runs a command once, after what it takes."""
    done = {}

    def have(words):
        if words in done:
            return done[words]
        for other in taken(words):
            assert have(other).returncode == 0, have(other).stderr
        module, *arguments = words[2:]
        line = " ".join(words)
        short = SMALL[module].split()
        if re.search("alexnet|vgg|flagfile", line):
            kind = "teacher" if module == "train.comparator" else "comparator"
            short.append(f"--{kind}_weights=random")
        if module.startswith("train.") and made(words):
            _remove(world / made(words))  # Of another command.
        before = give_own_set if "--tfds" in line else None
        done[words] = commands.run(
            module, *arguments, *short, before=before, cwd=world
        )
        return done[words]

    return have


def of(*modules):
    """Returns the commands of some modules, for parameters."""
    found = [words for words in ALL if words[2] in modules]
    return pytest.mark.parametrize(
        "words", found, ids=lambda words: " ".join(words[2:])
    )


@of(*SMALL)
def test_it_runs(words, have, world):
    done = have(words)
    assert done.returncode == 0, done.stderr
    if made(words):
        assert list(world.glob(f"{made(words)}*"))


def test_what_is_no_painter_is_not_exported(have, world):
    have(next(words for words in ALL if words[2] == "train.vae"))
    line = ("--workdir=runs/vae", "--model_dir=models/vae")
    done = commands.run("serving.export", *line, cwd=world)
    assert done.returncode == 2
    assert "does not take pictures of any size" in done.stderr
    assert not (world / "models/vae").exists()


@pytest.fixture(scope="module")
def served(world, have):
    """Returns where a server has the models that pages export."""
    for words in ALL:
        if words[2] == "serving.export":
            assert have(words).returncode == 0, have(words).stderr
    with small.serving((world / "models").iterdir()) as address:
        yield address


@of("serving.client")
def test_it_asks(words, served, world):
    if "film.mp4" in words and not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    line = [*words[2:], f"--server={served}"]
    if "-o" not in words:
        assert commands.run(*line, cwd=world).returncode == 0
        return
    out = world / words[words.index("-o") + 1]
    _remove(out)  # Of another command.
    done = commands.run(*line, cwd=world)
    assert done.returncode == 0, done.stderr
    assert out.exists()


@of("serving.server")
def test_it_serves(words, served, world):
    line = [sys.executable, *words[1:], "--port=0"]
    if "--rest_api_port=8501" in words:
        line.append("--rest_api_port=0")
    with subprocess.Popen(
        line,
        cwd=world,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **commands.ANYWHERE},
    ) as process:
        first = process.stdout.readline()
        process.terminate()
    assert re.match(r"Serving \w+, version 1, on localhost:\d+", first)
