"""The benchmarks run, and what they made is up to date. No time is asserted."""

import re

from conftest import ROOT

from benchmarks import conformance
from benchmarks import contracts
from benchmarks import peers
from benchmarks import speed
from percgen import comparators
from percgen import images


def test_the_page_of_contracts_is_up_to_date():
    page = (ROOT / "docs" / "losses.md").read_text()
    assert page == f"{contracts.page()}\n"


def test_everything_at_hand_conforms():
    rows = [*conformance.structural(), *conformance.pixels()]
    assert len(rows) >= 7
    for row in rows:
        assert row.difference <= row.tolerance, row


def test_conformance_prints_its_tables(run, tmp_path):
    report = tmp_path / "conformance.md"
    done = run("benchmarks.conformance", f"--output={report}")
    assert done.returncode == 0, done.stderr
    assert report.read_text() == done.stdout
    assert re.search(r"\| inverted \| percgen \| 0 \| 0 \| 0 \|", done.stdout)
    assert re.search(r"\| inverted \| tf.image \| 1\d \|", done.stdout)


def test_a_difference_is_an_error(monkeypatch):
    monkeypatch.setitem(conformance._TOLERANCES, "tf.image", -1.0)
    rows = conformance.structural()
    assert any(row.difference > row.tolerance for row in rows)


def test_speed_prints_and_draws(run, tmp_path):
    done = run(
        "benchmarks.speed",
        "ms_ssim",
        "--sizes=1x176x176x3,1x161x170x1",
        "--repeats=5",
        f"--output={tmp_path / 'speed.md'}",
        f"--chart={tmp_path / 'speed.png'}",
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"\| (\S+) \| (percgen|tf.image) \| ([\d.]+) ", done.stdout
    )
    assert [row[:2] for row in rows] == [
        (size, name)
        for size in ("1x176x176x3", "1x161x170x1")
        for name in ("percgen", "tf.image")
    ]
    assert min(images.read(tmp_path / "speed.png").shape[:2]) > 400


def test_speed_refuses_what_it_does_not_know(refused):
    assert "ms_ssim" in refused("benchmarks.speed")
    assert "'lpips'" in refused("benchmarks.speed", "lpips")
    error = refused("benchmarks.speed", "ms_ssim", "--sizes=12x12")
    assert "expected BxHxWxC. Received: 12x12" in error


def test_comparators_prints_its_tables(run, refused, tmp_path):
    report = tmp_path / "comparators.md"
    done = run(
        "benchmarks.comparators",
        "--repeats=1",
        "--size=1x64x64x3",
        f"--output={report}",
    )
    assert done.returncode == 0, done.stderr
    assert report.read_text() == done.stdout
    rows = re.findall(r"\| `(\w+)` \|.*\| [\d.]+ \| ([\d.]+) \|", done.stdout)
    names = [*comparators.COMPARATORS, "vgg16", "vgg19"]
    assert [name for name, _ in rows] == names
    assert rows[-1][1] == "1.00"
    assert "| compact | trunk2_2, relu2_2 | 2 | 14 | 64 |" in done.stdout
    error = refused("benchmarks.comparators", "--size=12x12")
    assert "expected BxHxWx3. Received: 12x12" in error


def test_optimization_prints_and_draws(
    run, refused, flags, generator, tmp_path
):
    style, images_flag = flags[:2]
    network = tmp_path / "generator.keras"
    generator.save(network)
    given = [
        style,
        f"--held_out={images_flag.partition('=')[2]}",
        f"--generator={network}",
        "--pictures=2",
        "--style_size=64",
        "--sizes=64,96",
        "--whole=64",
        "--sampled=2",
        "--judged=64",
        "--iterations=2,4",
        f"--output={tmp_path / 'table.md'}",
    ]
    done = run("benchmarks.optimization", *given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "table.md").read_text() == done.stdout
    times = re.findall(
        r"\| (\d+) x \1 \| [\d.]+ \| (\d) \| (all|2 iter)", done.stdout
    )
    assert times == [
        ("64", "2", "all"),
        ("64", "4", "all"),
        ("96", "2", "all"),
        ("96", "4", "2 iter"),
    ]
    rows = re.findall(r"\| 64 x 64 \| (content|noise) \| (.*) \|", done.stdout)
    assert [start for start, _ in rows] == ["content", "noise"]
    for _, row in rows:
        first, _, early, late = map(float, row.split(" | ")[:4])
        assert first > early > late
    assert "compact.npz, sha256" in done.stdout
    assert str(tmp_path) not in done.stdout
    sheet = images.read(tmp_path / "optimization_paintings.jpg")
    assert sheet.shape == (4 * 72 + 8, 2 * 72 + 8, 3)
    assert min(images.read(tmp_path / "optimization.png").shape[:2]) > 300
    # A network that has learnt by other losses is no match.
    (tmp_path / "flags.txt").write_text("--style_weight=7.0\n")
    error = refused("benchmarks.optimization", *given)
    assert "trained by other losses than --style_weight=5.0" in error
    error = refused("benchmarks.optimization", *given, "--iterations=few")
    assert "--iterations should be whole numbers. Received: few." in error
    error = refused("benchmarks.optimization", *given[:2])
    assert "Give --photographs to train on, or --generator." in error


def test_evaluation_says_what_it_lacks(refused, tmp_path):
    error = refused("benchmarks.evaluation", f"--data={tmp_path}")
    assert "no PNG pictures there; see --data" in error


def test_speed_measures_memory():
    small = speed.peak_memory("1x176x176x3", "percgen")
    large = speed.peak_memory("4x512x512x3", "percgen")
    assert large > small + 50


def test_tiles_run(run, tmp_path):
    flags = ("--width=160", "--sides=64", "--styles=0")
    output = tmp_path / "tiled.md"
    done = run("benchmarks.tiled", *flags, f"--output={output}")
    assert done.returncode == 0, done.stderr
    rows = output.read_text().split("\n\n")[2].split("\n")[2:]
    assert len(rows) == 2 * 3
    names = {row.split(" | ")[0].removeprefix("| 64, ") for row in rows}
    assert len(names) == 3
    assert all(float(row.split(" | ")[2]) > 10 for row in rows)


def test_many_files_are_read_either_way(run):
    done = run("benchmarks.many_files", "--count=1000")
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| (files|packs) \|", done.stdout, re.MULTILINE)
    assert rows == ["files", "packs"]


def test_train_speed_times_a_step(run):
    done = run(
        "benchmarks.train_speed", "--size=64", "--batch_size=1", "--width=4"
    )
    assert done.returncode == 0, done.stderr
    line = r"\| (\w+) \| ([\d.]+) \| [\d.]+ \| ([\d.]+) "
    rows = re.findall(line, done.stdout)
    names = ["percgen", "bfloat16", "XLA"]
    if peers.find("torch"):
        names.insert(0, "PyTorch")
    assert [name for name, *_ in rows] == names
    assert all(float(seconds) > 0.0 for _, seconds, _ in rows)
    assert ("percgen", "1.00") in [(name, ratio) for name, _, ratio in rows]
