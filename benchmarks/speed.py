r"""Times MS-SSIM against other libraries, one thread each.

Example:
    python -m benchmarks.speed ms_ssim
    python -m benchmarks.speed ms_ssim --output=benchmarks/results/speed.md \
        --chart=benchmarks/results/speed.png

All libraries take turns in one process; the least of --repeats is taken. Peak
memory is measured in a process of its own for each library and size.

What each lever gave in turn, forward and backward at 8 x 256 x 256 x 3 unless
said otherwise, as a share of compiled tf.image, on the machine of the committed
results:

- Sum and difference instead of the two pictures (four maps are blurred, and
  equal pictures give exactly 1), a separable window by two depthwise
  convolutions, and a gradient written out (three maps): 0.44.
- The window as banded matrix products in blocks of 48, planes first: 0.47, and
  0.55 at 1080 x 1920. Left out.
- Maps laid out as [1, H, W, B C], so that convolutions are vectorized over all
  channels of all pictures: 0.18.
- The maps one by one rather than stacked: 0.16, and a third less memory.
- Pictures kept as they came, and laid out anew at each scale: 0.22, and a
  fifth less memory, which so is not above that of tf.image.
- Down the columns, a row taken for channels where there are few: nothing here,
  and 0.46 to 0.36 at 1080 x 1920.
- That picture cut into overlapping strips, taken for channels: 0.30, for forty
  lines more. Left out.
"""

import concurrent.futures
import ctypes
import gc
import multiprocessing
import os
import pathlib
import re
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm
from absl import flags

from benchmarks import peers
from benchmarks import report
from percgen import command
from percgen import losses

_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each.", lower_bound=5)
_SIZES = flags.DEFINE_list(
    "sizes",
    ["64x176x176x3", "8x256x256x3", "1x1080x1920x3"],
    "Batches to measure, BxHxWxC.",
)
_CHART = flags.DEFINE_string("chart", None, "PNG of a bar chart to write.")

_OURS, _TENSORFLOW = "percgen", "tf.image"
_STATUS = pathlib.Path("/proc/self/status")  # Of Linux.
Calls = dict[str, Callable[[], Any]]  # "forward", "both".


def batch(size: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns random pictures and the same with noise."""
    shape = tuple(map(int, size.split("x")))
    random = np.random.default_rng(0)
    x = random.random(shape, np.float32)
    noise = random.standard_normal(shape, np.float32)
    return x, np.clip(x + np.float32(0.1) * noise, 0, 1)


def contestants(size: str) -> dict[str, Calls]:
    """Returns what is timed, by library: forward, and forward and backward.

    Args:
        size: Of the batch, BxHxWxC.
    """
    x, y = batch(size)
    found = {
        _OURS: _tensorflow_calls(losses.ms_ssim, x, y),
        _TENSORFLOW: _tensorflow_calls(
            lambda a, b: tf.image.ssim_multiscale(a, b, 1.0), x, y
        ),
    }
    for name, peer in peers.ms_ssim().items():
        found[name] = _torch_calls(peer, x, y)
    return found


def _tensorflow_calls(measure: Callable, x: Any, y: Any) -> Calls:
    x, y = tf.constant(x), tf.constant(y)

    @tf.function
    def both(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(y)
            value = 1.0 - tf.reduce_mean(measure(x, y))
        return tape.gradient(value, y)

    forward = tf.function(measure)
    return {"forward": lambda: forward(x, y), "both": lambda: both(x, y)}


def _torch_calls(measure: Callable, x: np.ndarray, y: np.ndarray) -> Calls:
    a, b = peers.to_torch(x), peers.to_torch(y)
    moving = b.clone().requires_grad_()

    def forward() -> None:
        measure(a, b)

    def both() -> None:
        moving.grad = None
        (1.0 - measure(a, moving)).backward()

    return {"forward": forward, "both": both}


def milliseconds(
    found: dict[str, Calls], repeats: int, bar: tqdm.tqdm
) -> dict[str, dict[str, float]]:
    """Returns the least time of each call, all taking turns."""
    times: dict[str, dict[str, list[float]]] = {
        name: {kind: [] for kind in calls} for name, calls in found.items()
    }
    for turn in range(repeats + 2):  # The first two warm up.
        for name, calls in found.items():
            for kind, call in calls.items():
                start = time.perf_counter()
                call()
                if turn >= 2:
                    seconds = time.perf_counter() - start
                    times[name][kind].append(seconds * 1e3)
        bar.update()
    return {
        name: {kind: min(values) for kind, values in kinds.items()}
        for name, kinds in times.items()
    }


def peak_memory(size: str, name: str) -> float:
    """Returns how much memory forward and backward hold at most, in MiB.

    What TensorFlow's allocator counts, or where none counts, as of PyTorch, how
    far the peak of the process grows. Runs in a new process.
    """
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"  # What is freed is gone.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_peak_memory, size, name).result()


def _peak_memory(size: str, name: str) -> float:
    single_thread()
    ours = name in (_OURS, _TENSORFLOW)
    measure = _allocator_peak if ours and _counts() else _process_peak
    # Compiled anew each time, for TensorFlow then orders its steps anew.
    return max(measure(contestants(size)[name]["both"]) for _ in range(3))


def _counts() -> bool:
    """Tells whether TensorFlow's allocator counts; only oneDNN's does."""
    try:
        tf.config.experimental.get_memory_info("CPU:0")
    except ValueError:
        return False
    return True


def _allocator_peak(call: Callable[[], Any]) -> float:
    call()
    tf.config.experimental.reset_memory_stats("CPU:0")
    before = tf.config.experimental.get_memory_info("CPU:0")["current"]
    call()
    after = tf.config.experimental.get_memory_info("CPU:0")["peak"]
    return (after - before) / 2**20


def _process_peak(call: Callable[[], Any]) -> float:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    _STATUS.with_name("clear_refs").write_text("5")  # The peak starts anew.
    before = _high_water()
    call()
    return _high_water() - before


def _high_water() -> float:
    lines = _STATUS.read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def single_thread() -> None:
    """Allows each library one thread."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if torch := peers.find("torch"):
        torch.set_num_threads(1)


def draw(path: str, ratios: dict[str, dict[str, float]]) -> None:
    """Draws the times of all libraries as shares of compiled tf.image's.

    Args:
        path: Of the PNG.
        ratios: By size, then by library.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = list(next(iter(ratios.values())))
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    height = 0.8 / len(names)
    for row, name in enumerate(names):
        values = [shares[name] for shares in ratios.values()]
        places = np.arange(len(ratios)) + row * height
        color = "#c0392b" if name == _OURS else plt.cm.Greys(0.3 + 0.12 * row)
        bars = axes.barh(places, values, 0.9 * height, label=name, color=color)
        axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.set_yticks(np.arange(len(ratios)) + 0.4 - height / 2, list(ratios))
    axes.invert_yaxis()
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("forward + backward, as a share of compiled tf.image")
    axes.set_title("MS-SSIM, one thread each: shorter is faster")
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(arguments: Sequence[str]) -> None:
    if arguments != ["ms_ssim"]:
        raise ValueError(
            "Say what to time: python -m benchmarks.speed ms_ssim. "
            f"Received: {arguments}."
        )
    for size in _SIZES.value:
        if not re.fullmatch(r"\d+x\d+x\d+x\d+", size):
            raise ValueError(f"--sizes: expected BxHxWxC. Received: {size}.")
    single_thread()
    rows, ratios = [], {}
    bar = tqdm.tqdm(total=len(_SIZES.value) * (_REPEATS.value + 2), leave=False)
    for size in _SIZES.value:
        found = contestants(size)
        times = milliseconds(found, _REPEATS.value, bar)
        del found
        base = times[_TENSORFLOW]
        ratios[size] = {n: t["both"] / base["both"] for n, t in times.items()}
        for name, kinds in times.items():
            shares = [kinds[kind] / base[kind] for kind in kinds]
            memory = peak_memory(size, name)
            rows.append(
                [
                    size,
                    name,
                    *[f"{kinds[kind]:.1f}" for kind in ("forward", "both")],
                    *[f"{share:.2f}" for share in shares],
                    f"{memory:.0f}",
                ]
            )
    bar.close()
    if _CHART.value:
        draw(_CHART.value, ratios)
    report.write(
        "Speed of MS-SSIM",
        "python -m benchmarks.speed ms_ssim",
        f"One thread each, in turns, the least of {_REPEATS.value}. Ratios are "
        "to compiled tf.image. Memory is the most that forward and backward "
        "hold beside the pictures, the largest of three compilations: as "
        "TensorFlow's allocator counts it, or, of PyTorch, how far the peak of "
        "the process grows.",
        report.table(
            [
                "batch",
                "library",
                "forward, ms",
                "forward + backward, ms",
                "ratio of forward",
                "ratio of both",
                "peak memory, MiB",
            ],
            rows,
        ),
    )


if __name__ == "__main__":
    command.run(main, takes_arguments=True)
