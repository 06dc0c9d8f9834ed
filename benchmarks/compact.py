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

from benchmarks import compact_tasks
from benchmarks import report
from percgen import command
from percgen import data
from percgen import images
from percgen import losses
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
_STYLE_STEPS = flags.DEFINE_integer("style_steps", 500, "Of each network.")
_UPSCALE_STEPS = flags.DEFINE_integer("upscale_steps", 500, "Likewise.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Of each step timed.")

_JUDGED, _SIDE, _CROP, _SHOWN = 24, 256, 128, 3
_TERMS = ("feature", "style")
Found = dict[str, dict[str, float]]  # By comparator, then by term.


def main() -> None:
    held_out = data.photographs(_HELD_OUT.value, None).panel(_JUDGED, _SIDE)
    vgg19, compact = (
        compact_tasks.comparator(name, _VGG19.value)
        for name in ("vgg19", "compact")
    )
    factor = _content_factor(vgg19, compact)
    style = _judge_style(vgg19, held_out, factor)
    upscaled = _judge_upscale(vgg19, compact, held_out)
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as pool:
        times = pool.submit(
            compact_tasks.step_milliseconds,
            _VGG19.value,
            compact_tasks.read_style(_STYLE_IMAGE.value),
            _REPEATS.value,
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


def _content_factor(
    vgg19: compact_tasks.Comparator, compact: compact_tasks.Comparator
) -> float:
    """Returns how much further apart in content VGG-19 finds photographs."""
    photographs = data.photographs(_PHOTOGRAPHS.value, None).panel(16, _CROP)
    others = np.roll(photographs, 1, axis=0)
    there, here = (
        np.mean(
            losses.FeatureLoss(each, compact_tasks.CONTENT).call(
                photographs, others
            )
        )
        for each in (vgg19, compact)
    )
    return float(there / here)


def _judge_style(
    vgg19: compact_tasks.Comparator, held_out: np.ndarray, factor: float
) -> Found:
    """Returns VGG-19's terms of paintings learnt through each."""
    style_image = compact_tasks.read_style(_STYLE_IMAGE.value)
    task = compact_tasks.style_task(vgg19, style_image)
    found, rows = {}, [list(images.to_uint8(held_out[:_SHOWN]))]
    for name, weight in (("vgg19", 1.0), ("compact", factor)):
        task.generator = _train_style(name, weight)
        found[name] = _style_terms(task, held_out)
        paintings = np.asarray(task(held_out[:_SHOWN]))
        rows.append(list(images.to_uint8(paintings)))
    _write_sheet("compact_style.jpg", rows)
    return found


def _style_terms(task: tasks.Task, pictures: np.ndarray) -> dict[str, float]:
    terms = [task.terms(some, False) for (some,) in _in_parts(pictures)]
    return {
        name: float(np.mean([each[name] for each in terms])) for name in _TERMS
    }


def _in_parts(*batches: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Returns a few pictures of each batch at a time."""
    return [
        tuple(batch[i : i + 4] for batch in batches)
        for i in range(0, _JUDGED, 4)
    ]


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
    vgg19: compact_tasks.Comparator,
    compact: compact_tasks.Comparator,
    held_out: np.ndarray,
) -> Found:
    """Returns VGG-19's feature loss of enlarged pictures, and their PSNR."""
    small = compact_tasks.shrink(held_out)
    bicubic = np.stack([images.resize(x, _SIDE, _SIDE) for x in small])
    answers = {"bicubic": np.clip(bicubic, 0.0, 1.0)}
    for name, through in (("vgg19", vgg19), ("compact", compact)):
        network = _train_upscaler(name, through)
        answers[name] = np.clip(network.predict(small, 4, verbose=0), 0.0, 1.0)
    loss = losses.FeatureLoss(vgg19, compact_tasks.UPSCALE)
    window = np.s_[:_SHOWN, 64:192, 64:192]
    rows = [x[window] for x in (*answers.values(), held_out)]
    _write_sheet(
        "compact_upscale.png", [list(images.to_uint8(x)) for x in rows]
    )
    return {
        name: {
            "feature": _mean(loss.call, held_out, answer),
            "psnr": _mean(losses.psnr, held_out, answer),
        }
        for name, answer in answers.items()
    }


def _mean(
    loss: Callable[..., tf.Tensor], true: np.ndarray, pred: np.ndarray
) -> float:
    return float(np.mean([loss(*some) for some in _in_parts(true, pred)]))


def _train_upscaler(
    name: str, through: compact_tasks.Comparator
) -> keras.Model:
    path = (
        pathlib.Path(_FOLDER.value) / f"x4_{name}_{_UPSCALE_STEPS.value}.keras"
    )
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    keras.utils.set_random_seed(0)
    network = compact_tasks.upscaler(through)
    crops = data.photographs(_PHOTOGRAPHS.value, None).batches(
        _CROP, compact_tasks.BATCH, 0, 0, _UPSCALE_STEPS.value
    )
    network.fit(crops.map(_pair, tf.data.AUTOTUNE), verbose=2, shuffle=False)
    network.save(path)
    return network


def _pair(crops: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    small = tf.numpy_function(compact_tasks.shrink, [crops], tf.float32)
    side = _CROP // compact_tasks.SCALE
    return tf.ensure_shape(small, [crops.shape[0], side, side, 3]), crops


def _objectives(style: Found, upscaled: Found) -> str:
    for terms in style.values():
        terms["total"] = (
            terms["feature"] + compact_tasks.STYLE_WEIGHT * terms["style"]
        )
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


def _row(label: str, found: Found, term: str) -> list[str]:
    there, here = (found[name][term] for name in ("vgg19", "compact"))
    return [label, f"{there:.4g}", f"{here:.4g}", f"{here / there:.3f}"]


def _time_table(times: Found) -> str:
    return report.table(
        ["step", "through VGG-19", "through Compact", "times faster"],
        [
            [
                step,
                *(f"{found[name]:.0f} ms" for name in ("vgg19", "compact")),
                f"{found['vgg19'] / found['compact']:.2f}",
            ]
            for step, found in times.items()
        ],
    )


def _write_sheet(name: str, rows: list[list[np.ndarray]]) -> None:
    if report.OUTPUT.value:
        folder = pathlib.Path(report.OUTPUT.value).parent
        folder.mkdir(parents=True, exist_ok=True)
        images.write(folder / name, images.contact_sheet(rows))


if __name__ == "__main__":
    command.run(main)
