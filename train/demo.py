"""Shows percgen from end to end, with no network and nothing to prepare.

First exports the network of six paintings that lies in the package, serves it
on a free port of this machine, and sends it a photograph that it has not seen:
demo/paintings.png. Then draws a mosaic, trains a small network to paint in its
style on photographs that come with scikit-image, and does the same with that:
demo/before_after.png.

Example:
    make demo
    make demo ARGS=--steps=1000
    make demo ARGS=--steps=0  # Trains nothing.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np
from absl import flags
from scipy import ndimage
from scipy import spatial
from skimage import data as skimage_data

from percgen import command
from percgen import images
from percgen import shipped

_FOLDER = flags.DEFINE_string(
    "folder", "demo", "Folder to fill; emptied first."
)
_STEPS = flags.DEFINE_integer(
    "steps", 300, "Steps to train; 0 trains nothing.", lower_bound=0
)
_LEARN_FROM = ("astronaut", "coffee", "rocket", "motorcycle_left")
_UNSEEN = "chelsea"
_CELLS = 900
_MIXED = 2  # The style that is mixed with the first.


def main() -> None:
    out = pathlib.Path(_FOLDER.value)
    marker = out / "made_by_percgen"
    if out.exists() and not marker.exists():
        raise ValueError(
            f"{out} exists and is not a demo's; give another --folder."
        )
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    marker.touch()
    clock = Clock()
    images.write(out / "photo.png", _photo(_UNSEEN))
    _show_paintings(out, clock)
    if _STEPS.value:
        _show_training(out, clock)
    clock.report()
    _say_what_next(out)


def _show_paintings(out: pathlib.Path, clock: "Clock") -> None:
    """Paints a photograph in each style of the package, and in two mixed."""
    model_dir = f"--model_dir={out / 'models' / 'paintings'}"
    with clock("export the paintings of the package, and prove"):
        _run("serving.export", "--pretrained=paintings", model_dir)
    each = np.eye(shipped.load("paintings").styles, dtype=int)
    wishes = [*each, each[0] + each[_MIXED]]
    names = [f"painted_{number}.png" for number in range(len(wishes))]
    with clock("serve and paint in all of them"), _server(model_dir) as address:
        for name, weights in zip(names, wishes, strict=True):
            _paint(
                out,
                name,
                f"--server={address}",
                "--model=paintings",
                f"--style_weights={','.join(map(str, weights))}",
            )
    shown = ["photo.png", *names]
    _sheet(out, "paintings.png", [shown[:4], shown[4:]])
    print(f"Look at {out / 'paintings.png'}: the photograph, painted.")


def _show_training(out: pathlib.Path, clock: "Clock") -> None:
    """Teaches a small network a style of its own, and paints by it."""
    with clock("draw the mosaic, gather photographs"):
        _gather(out)
    with clock(f"train {_STEPS.value} steps"):
        _train(out)
    model_dir = f"--model_dir={out / 'models' / 'mosaic'}"
    with clock("export and prove"):
        _run("serving.export", f"--workdir={out / 'run'}", model_dir)
    with clock("serve and paint"), _server(model_dir) as address:
        _paint(out, "painting.png", f"--server={address}", "--model=mosaic")
    shown = ["mosaic.png", "photo.png", "painting.png"]
    _sheet(out, "before_after.png", [shown])


def _paint(out: pathlib.Path, name: str, *call: str) -> None:
    photo, painting = str(out / "photo.png"), f"--out={out / name}"
    _run("serving.client", *call, photo, painting)


def _sheet(
    out: pathlib.Path, name: str, shown: Sequence[Sequence[str]]
) -> None:
    rows = [
        [
            np.asarray(images.shrink(images.open_rgb(out / one), 300))
            for one in row
        ]
        for row in shown
    ]
    images.write(out / name, images.contact_sheet(rows))


class Clock:
    """Announces the parts of the demo and remembers how long each took."""

    def __init__(self) -> None:
        self._times: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        print(f"\n== {part[0].upper()}{part[1:]}", flush=True)
        start = time.monotonic()
        yield
        self._times.append((part, time.monotonic() - start))

    def report(self) -> None:
        """Prints a line for each part and their sum."""
        print("\n== Done")
        total = sum(seconds for _, seconds in self._times)
        for part, seconds in [*self._times, ("in all", total)]:
            print(f"{seconds:7.1f} s  {part}")


def mosaic(photo: np.ndarray, cells: int, seed: int = 0) -> np.ndarray:
    """Draws Voronoi cells, coloured from a photograph, in dark grout.

    Args:
        photo: uint8 `[H, W, 3]`.
        cells: How many.
        seed: Of the cells' places.

    Returns:
        uint8 `[H, W, 3]`.
    """
    height, width = photo.shape[:2]
    places = np.random.default_rng(seed).uniform(0, [height, width], [cells, 2])
    pixels = np.moveaxis(np.mgrid[0:height, 0:width], 0, -1)
    distances, nearest = spatial.cKDTree(places).query(pixels, k=2)
    cell = nearest[..., 0]
    colours = [
        ndimage.mean(photo[..., channel], cell, range(cells))
        for channel in range(3)
    ]
    tiles = np.nan_to_num(np.stack(colours, axis=-1))[cell]
    grout = np.clip((distances[..., 1] - distances[..., 0]) / 4.0, 0.15, 1.0)
    vivid = np.clip((tiles - 128.0) * 1.5 + 160.0, 48.0, 255.0)
    return (vivid * grout[..., None]).astype(np.uint8)


def _gather(out: pathlib.Path) -> None:
    (out / "photos").mkdir()
    for name in _LEARN_FROM:
        images.write(out / "photos" / f"{name}.png", _photo(name))
    images.write(out / "mosaic.png", mosaic(_photo("astronaut"), _CELLS))


def _photo(name: str) -> np.ndarray:
    # By file: some of the package's loaders would download.
    folder = pathlib.Path(skimage_data.__file__).parent
    return images.read(next(folder.glob(f"{name}.*")))


def _train(out: pathlib.Path) -> None:
    _run(
        "train.stylize",
        f"--style_image={out / 'mosaic.png'}",
        f"--images={out / 'photos' / '*.png'}",
        f"--workdir={out / 'run'}",
        f"--steps={_STEPS.value}",
        "--image_size=128",
        "--style_size=384",
        "--style_weight=5",
    )


def _run(module: str, *arguments: str) -> None:
    line = [sys.executable, "-m", module, *arguments]
    print(f"$ python {' '.join(line[1:])}", flush=True)
    done = subprocess.run(line, check=False)
    if done.returncode:
        raise ValueError(f"{module} ended with status {done.returncode}.")


@contextlib.contextmanager
def _server(model_dir: str) -> Iterator[str]:
    line = [sys.executable, "-m", "serving.server", model_dir, "--port=0"]
    print(f"$ python {' '.join(line[1:])} &", flush=True)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        first = process.stdout.readline() if process.stdout else ""
        found = re.search(r"on (localhost:\d+)", first)
        if not found:
            raise ValueError("The server did not start.")
        print(first, end="", flush=True)
        yield found[1]
    finally:
        process.terminate()
        process.wait()


def _say_what_next(out: pathlib.Path) -> None:
    print(f"\nLook at {out / 'paintings.png'}: a photograph, and painted.")
    if _STEPS.value:
        print(f"At {out / 'before_after.png'}: style, photograph, painting.")
    print(
        "Next, your own style and photographs:\n"
        "  .venv/bin/python -m train.stylize --style_image=painting.jpg \\\n"
        "    --images='photos/*.jpg' --workdir=runs/mine\n"
        "  .venv/bin/tensorboard --logdir=runs"
    )


if __name__ == "__main__":
    command.run(main)
