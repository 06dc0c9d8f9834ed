r"""Judges by VGG-19 what was trained through Compact, and through VGG-19.

A style network and x4 super-resolution are trained through each of the two, for
the same number of steps; then VGG-19 itself says, on photographs nobody has
seen, how far each came. Steps are timed in turns in one process. Trainings are
kept in --folder, and go on where they were stopped.

Example:
    python -m benchmarks.compact --vgg19=vgg19.npz --style_image=starry.jpg \
        --photographs='photos/*.jpg' --held_out='BSD100/*.png' \
        --output=benchmarks/results/compact.md

The style network's flags are train/settings/starry_night.flags. Compact's
features are scaled so that weights of style mean what they mean for VGG-19;
those of content are then multiplied by a factor that the report tells.
"""

import concurrent.futures
import multiprocessing
import pathlib
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks import report
from benchmarks import timing
from percgen import command
from percgen import comparators
from percgen import data
from percgen import images
from percgen import losses
from percgen import networks
from percgen import tasks

_VGG19 = flags.DEFINE_string("vgg19", None, "Its weights.", required=True)
_STYLE_IMAGE = flags.DEFINE_string(
    "style_image", None, "Picture whose style to learn.", required=True
)
_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_HELD_OUT = flags.DEFINE_string(
    "held_out", None, "Glob to judge on.", required=True
)
_FOLDER = flags.DEFINE_string("folder", "runs/compact", "Where trainings are.")
_STYLE_STEPS = flags.DEFINE_integer("style_steps", 1000, "Of each network.")
_UPSCALE_STEPS = flags.DEFINE_integer("upscale_steps", 1000, "Likewise.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each step timed.")

_SCALE, _CROP, _BATCH = 4, 128, 4
_JUDGED, _SIDE, _SHOWN = 24, 256, 3
# As train/settings/starry_night.flags.
_CONTENT = {"relu2_2": 0.25, "relu3_1": 1.0}
_STYLE = {"relu1_2": 0.5, "relu2_2": 1.0, "relu3_1": 1.0}
_STYLE_WEIGHT, _STYLE_SIZE, _STYLE_SCALES = 8.0, 512, 2
_STEP_SIZE = 192
_TERMS = ("feature", "style")
# Johnson et al. 2016, section 4.2: super-resolution compares relu2_2.
_UPSCALE = {"relu2_2": 1.0}
Comparator = comparators.comparator.Comparator


def main() -> None:
    held_out = data.photographs(_HELD_OUT.value, None).panel(_JUDGED, _SIDE)
    vgg19, compact = (_comparator(name) for name in ("vgg19", "compact"))
    factor = _content_factor(vgg19, compact)
    style = _judge_style(vgg19, held_out, factor)
    upscaled = _judge_upscale(vgg19, compact, held_out)
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as pool:
        times = pool.submit(
            _times, _VGG19.value, _style_image(), _REPEATS.value
        ).result()
    report.write(
        "Compact, judged by VGG-19",
        "python -m benchmarks.compact",
        f"VGG-19's own losses on {_JUDGED} photographs that neither Compact "
        "nor the networks have seen, whichever they were trained through. "
        f"Compact's weights of content are multiplied by {factor:.2f}.",
        _objectives(style, upscaled),
        "A training step, one thread, taking turns, the least of "
        f"{_REPEATS.value}:",
        _time_table(times),
    )


def _comparator(name: str, vgg19: str | None = None) -> Comparator:
    if name == "compact":
        return comparators.Compact(list(_STYLE))
    return comparators.VGG19(list(_STYLE), vgg19 or _VGG19.value)


def _content_factor(vgg19: Comparator, compact: Comparator) -> float:
    """Returns how much further apart in content VGG-19 finds photographs."""
    photographs = data.photographs(_PHOTOGRAPHS.value, None).panel(16, _CROP)
    others = np.roll(photographs, 1, axis=0)
    there, here = (
        np.mean(losses.FeatureLoss(c, _CONTENT).call(photographs, others))
        for c in (vgg19, compact)
    )
    return float(there / here)


def _style_image() -> np.ndarray:
    image = images.shrink(images.open_rgb(_STYLE_IMAGE.value), _STYLE_SIZE)
    return np.asarray(image, np.float32)[None] / 255.0


def _style_task(
    comparator: Comparator, style_image: np.ndarray, scales: int
) -> tasks.Stylize:
    return tasks.Stylize(
        networks.StyleGenerator(),
        losses.FeatureLoss(comparator, _CONTENT, check=False),
        losses.StyleLoss(comparator, _STYLE, check=False),
        style_image,
        {"feature": 1.0, "style": _STYLE_WEIGHT, "total_variation": 0.0},
        scales,
    )


def _judge_style(
    vgg19: Comparator, held_out: np.ndarray, factor: float
) -> dict[str, dict[str, float]]:
    """Returns VGG-19's terms of paintings learnt through each."""
    task = _style_task(vgg19, _style_image(), _STYLE_SCALES)
    found, rows = {}, [list(images.to_uint8(held_out[:_SHOWN]))]
    for name, weight in (("vgg19", 1.0), ("compact", factor)):
        task.generator = _train_style(name, weight)
        found[name] = _terms(task, held_out)
        paintings = np.asarray(task(held_out[:_SHOWN]))
        rows.append(list(images.to_uint8(paintings)))
    _write_sheet("compact_style.jpg", rows)
    return found


def _terms(task: tasks.Task, pictures: np.ndarray) -> dict[str, float]:
    """Returns means over pictures, a few at a time."""
    found = [
        task.terms(pictures[i : i + 4], False) for i in range(0, _JUDGED, 4)
    ]
    return {
        name: float(np.mean([terms[name] for terms in found]))
        for name in _TERMS
    }


def _train_style(name: str, weight: float) -> keras.Model:
    workdir = pathlib.Path(_FOLDER.value) / f"style_{name}"
    arguments = [
        "--flagfile=train/settings/starry_night.flags",
        f"--style_image={_STYLE_IMAGE.value}",
        f"--images={_PHOTOGRAPHS.value}",
        f"--workdir={workdir}",
        f"--steps={_STYLE_STEPS.value}",
        f"--comparator={name}",
        f"--feature_weight={weight}",
    ]
    if name == "vgg19":
        arguments.append(f"--comparator_weights={_VGG19.value}")
    subprocess.run(
        [sys.executable, "-m", "train.stylize", *arguments], check=True
    )
    return keras.saving.load_model(workdir / "generator.keras")


def _judge_upscale(
    vgg19: Comparator, compact: Comparator, held_out: np.ndarray
) -> dict[str, dict[str, float]]:
    """Returns VGG-19's feature loss of enlarged pictures, and their PSNR."""
    small = np.stack([_shrunk(image) for image in held_out])
    bicubic = np.stack([images.resize(x, _SIDE, _SIDE) for x in small])
    answers = {"bicubic": np.clip(bicubic, 0.0, 1.0)}
    for name, comparator in (("vgg19", vgg19), ("compact", compact)):
        network = _train_upscaler(name, comparator)
        answers[name] = np.clip(network.predict(small, 4, verbose=0), 0.0, 1.0)
    loss = losses.FeatureLoss(vgg19, _UPSCALE)
    window = np.s_[:_SHOWN, 64:192, 64:192]
    rows = [x[window] for x in (*answers.values(), held_out)]
    _write_sheet(
        "compact_upscale.png", [list(images.to_uint8(x)) for x in rows]
    )
    return {
        name: {
            "feature": float(np.mean(_by_parts(loss, held_out, answer))),
            "psnr": float(np.mean(losses.psnr(held_out, answer))),
        }
        for name, answer in answers.items()
    }


def _by_parts(
    loss: losses.FeatureLoss, true: np.ndarray, pred: np.ndarray
) -> list[np.ndarray]:
    return [
        np.asarray(loss.call(true[i : i + 4], pred[i : i + 4]))
        for i in range(0, _JUDGED, 4)
    ]


def _shrunk(image: np.ndarray) -> np.ndarray:
    height, width = (side // _SCALE for side in image.shape[:2])
    return np.clip(images.resize(image, height, width), 0.0, 1.0)


def _train_upscaler(name: str, comparator: Comparator) -> keras.Model:
    path = (
        pathlib.Path(_FOLDER.value) / f"x4_{name}_{_UPSCALE_STEPS.value}.keras"
    )
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    keras.utils.set_random_seed(0)
    network = networks.Upscaler(_SCALE)
    network.compile(
        keras.optimizers.Adam(5e-4),
        losses.FeatureLoss(comparator, _UPSCALE, check=False),
    )
    crops = data.photographs(_PHOTOGRAPHS.value, None).batches(
        _CROP, _BATCH, 0, 0, _UPSCALE_STEPS.value
    )
    network.fit(crops.map(_pair, tf.data.AUTOTUNE), verbose=2, shuffle=False)
    network.save(path)
    return network


def _pair(crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns pictures shrunk by MATLAB's bicubic, and as they were."""
    small = tf.numpy_function(
        lambda batch: np.stack([_shrunk(image) for image in batch]),
        [crops],
        tf.float32,
    )
    side = _CROP // _SCALE
    return tf.ensure_shape(small, [_BATCH, side, side, 3]), crops


def _times(
    vgg19: str, style_image: np.ndarray, repeats: int
) -> dict[str, dict[str, float]]:
    """Returns the milliseconds of a step, by task and comparator."""
    timing.single_thread()
    random = np.random.default_rng(0)
    batch = random.random([_BATCH, _STEP_SIZE, _STEP_SIZE, 3], np.float32)
    steps: dict[str, dict[str, Callable[[], object]]] = {}
    for name in ("vgg19", "compact"):
        comparator = _comparator(name, vgg19)
        for scales in (1, _STYLE_SCALES):
            kind = f"style network, style at {scales} size(s)"
            task = _style_task(comparator, style_image, scales)
            task.compile(keras.optimizers.Adam())
            steps.setdefault(kind, {})[name] = _step(task.train_step, batch)
        network = networks.Upscaler(_SCALE)
        network.compile(
            keras.optimizers.Adam(),
            losses.FeatureLoss(comparator, _UPSCALE, check=False),
        )
        small = np.stack([_shrunk(image) for image in batch])
        network.optimizer.build(network.trainable_variables)
        steps.setdefault("x4 super-resolution", {})[name] = _step(
            network.train_step, (small, batch)
        )
    return {
        kind: timing.least_milliseconds(calls, repeats)
        for kind, calls in steps.items()
    }


def _step(
    train_step: Callable[..., dict[str, tf.Tensor]], batch: object
) -> Callable[[], object]:
    compiled = tf.function(train_step)
    constant = tf.nest.map_structure(tf.constant, batch)
    return lambda: compiled(constant)


def _objectives(
    style: dict[str, dict[str, float]], upscaled: dict[str, dict[str, float]]
) -> str:
    for terms in style.values():
        terms["total"] = terms["feature"] + _STYLE_WEIGHT * terms["style"]
    rows = [
        _row(f"style network, {_STYLE_STEPS.value} steps", style, "total"),
        *(_row(f"- its {term} term", style, term) for term in _TERMS),
        _row(
            f"x4 super-resolution, {_UPSCALE_STEPS.value} steps",
            upscaled,
            "feature",
        ),
    ]
    header = ["VGG-19's objective", "VGG-19", "Compact", "ratio"]
    psnr = ", ".join(f"{n} {x['psnr']:.2f}" for n, x in upscaled.items())
    return (
        f"{report.table(header, rows)}\n\nEnlarged by bicubic, the last would "
        f"be {upscaled['bicubic']['feature']:.4g}. PSNR in dB: {psnr}."
    )


def _row(
    label: str, found: dict[str, dict[str, float]], term: str
) -> list[str]:
    there, here = (found[name][term] for name in ("vgg19", "compact"))
    return [label, f"{there:.4g}", f"{here:.4g}", f"{here / there:.3f}"]


def _time_table(times: dict[str, dict[str, float]]) -> str:
    return report.table(
        ["step", "through VGG-19", "through Compact", "times faster"],
        [
            [
                f"{kind}, {_BATCH} x {_STEP_SIZE} x {_STEP_SIZE}",
                *(f"{found[name]:.0f} ms" for name in ("vgg19", "compact")),
                f"{found['vgg19'] / found['compact']:.2f}",
            ]
            for kind, found in times.items()
        ],
    )


def _write_sheet(name: str, rows: list[list[np.ndarray]]) -> None:
    if report.OUTPUT.value:
        folder = pathlib.Path(report.OUTPUT.value).parent
        folder.mkdir(parents=True, exist_ok=True)
        images.write(folder / name, images.contact_sheet(rows))


if __name__ == "__main__":
    command.run(main)
