import os
import pathlib
import subprocess

import numpy as np

from percgen import images
from train import demo

ROOT = pathlib.Path(__file__).parents[1]


def test_the_demo_shows_itself(run, tmp_path):
    out = tmp_path / "demo"
    done = run("train.demo", f"--folder={out}", "--steps=3")
    assert done.returncode == 0, done.stderr
    sheet = images.read(out / "before_after.png")
    assert sheet.shape[0] == 316
    assert images.read(out / "painting.png").shape == (300, 451, 3)
    paintings = images.read(out / "paintings.png")
    assert paintings.shape == (2 * 308 + 8, 4 * 459 + 8, 3)
    photo, *painted = (
        paintings[y + 8 : y + 308, x + 8 : x + 459].astype(float)
        for y in (0, 308)
        for x in range(0, 4 * 459, 459)
    )
    for one in painted:  # Each is unlike the photograph and all others.
        others = [photo, *(x for x in painted if x is not one)]
        assert min(np.abs(one - x).mean() for x in others) > 8
    for part in ("train 3 steps", "export and prove", "serve and paint"):
        assert part in done.stdout
    assert "Next, your own style" in done.stdout
    # It leaves no process.
    running = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    )
    assert str(out) not in running.stdout


def test_the_demo_spares_other_folders(refused, tmp_path):
    (tmp_path / "precious").touch()
    assert "give another --folder" in refused(
        "train.demo", f"--folder={tmp_path}"
    )
    assert (tmp_path / "precious").exists()


def test_a_mosaic_has_cells_of_the_photographs_colours(photographs):
    photo = images.to_uint8(photographs[0])
    mosaic = demo.mosaic(photo, cells=20)
    assert mosaic.shape == photo.shape
    assert mosaic.dtype == np.uint8
    one = demo.mosaic(np.full_like(photo, 160), cells=1)
    assert len(np.unique(one)) == 1
    np.testing.assert_array_equal(mosaic, demo.mosaic(photo, cells=20))


def test_make_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup", f"PYTHON={old}", f"VENV={tmp_path}/venv"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs Python 3.11" in done.stderr
