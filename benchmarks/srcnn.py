r"""Paper A's super-resolution: SRCNN by MSE, MAE and MS-SSIM, x4.

Example:
    python -m benchmarks.srcnn --photographs='T91/*.png' \
        --test_sets=Set5,Set14,BSD100,bsds500_train \
        --output=benchmarks/results/srcnn.md

Each test set is a folder of pictures, none of them trained on. Trainings are
kept in --folder and gone on with. Judged by the protocol of published tables:
Y of BT.601, rounded, a border of the scale left out, small pictures made by
MATLAB's bicubic, 8 bits.
"""

import functools
import pathlib

from absl import flags

from benchmarks import experiment
from benchmarks import report
from benchmarks import upscaling_measures
from percgen import command
from percgen import networks

_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_TEST_SETS = flags.DEFINE_list(
    "test_sets", None, "Folders of pictures to judge on.", required=True
)
_SCALE = flags.DEFINE_integer("scale", 4, "2, 3 or 4.")
_MIDDLE = flags.DEFINE_integer("middle", 5, "Side of the second kernels.")
_PATCH, _BATCH = 48, 8
_CLAIM = """Paper A claims "superiority of perceptually-optimized networks for
super-resolution" (seen, abstract); its table was not found. Here: does MS-SSIM
win SSIM and MS-SSIM on every set? Published for Set5 x4, PSNR / SSIM: bicubic
28.42 / .8104 (seen), SRCNN trained on these 91 pictures 30.08 / .8525 (seen),
SRCNN of the paper 30.48 / .8628 (seen)."""
_TEXT = """{network}, trained on {photographs} pictures, {steps} steps of
{batch} patches of {patch} x {patch}, in bfloat16. Mean over pictures and, after
±, the standard deviation over {seeds} trainings from different seeds. PSNR and
SSIM by the protocol of published tables, MS-SSIM of the same luma (pictures
below 161 pixels with fewer scales). Bicubic here mirrors the border and does
not round between its passes, as today's MATLAB."""


def main() -> None:
    sets = {pathlib.Path(path).name: path for path in _TEST_SETS.value}
    scale = _SCALE.value
    pictures = {
        name: upscaling_measures.read(path, scale)
        for name, path in sets.items()
    }
    measure = functools.partial(upscaling_measures.measure, pictures, scale)
    scores = {"bicubic": [measure(networks.BicubicEnlarge(scale))]}
    for loss in experiment.LOSSES.value:
        trainings = [
            training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        by = ",".join(f"{name}:{len(x)}" for name, x in pictures.items())
        scores[loss] = [one.scores(measure, by) for one in trainings]
    report.write(
        f"SRCNN x{_SCALE.value} by MSE, MAE and MS-SSIM",
        experiment.line("benchmarks.srcnn"),
        _TEXT.format(
            network=f"SRCNN 9-{_MIDDLE.value}-5 on luma",
            photographs=len(upscaling_measures.files(_PHOTOGRAPHS.value)),
            steps=_steps(),
            batch=_BATCH,
            patch=_PATCH,
            seeds=experiment.SEEDS.value,
        ),
        _CLAIM,
        *(_table(name, scores) for name in sets),
        _sheet(pictures),
    )


def training(loss: str, seed: int) -> experiment.Training:
    """Returns the training by a loss, from a seed."""
    return experiment.Training(
        "srcnn",
        f"x{_SCALE.value}_9{_MIDDLE.value}5_{loss}_{seed}",
        "train.upscale",
        [
            "--network=srcnn",
            f"--scale={_SCALE.value}",
            f"--middle={_MIDDLE.value}",
            f"--images={_PHOTOGRAPHS.value}",
            f"--image_size={_PATCH}",
            f"--batch_size={_BATCH}",
            "--flattest=0.02",
            "--learning_rate=3e-4",
            "--mixed_precision=bfloat16",
            f"--steps={_steps()}",
            f"--loss={loss}",
            f"--seed={seed}",
        ],
    )


def _steps() -> int:
    return experiment.STEPS.value or (
        400_000 if experiment.FULL.value else 20_000
    )


def _table(name: str, scores: dict[str, list[experiment.Scores]]) -> str:
    def of(measure: str) -> dict[str, list[float]]:
        return {
            loss: [one[f"{name} {measure}"] for one in runs]
            for loss, runs in scores.items()
        }

    rows = [
        [loss]
        + [
            report.spread(of(measure)[loss], digits)
            for measure, digits in upscaling_measures.MEASURES
        ]
        for loss in scores
    ]
    verdicts = [
        report.verdict(of(measure), "ms_ssim", higher=True)
        for measure, _ in upscaling_measures.MEASURES
    ]
    rows.append(["**ms_ssim wins**", *verdicts])
    return report.table(
        [name, *(x for x, _ in upscaling_measures.MEASURES)], rows
    )


def _sheet(pictures: upscaling_measures.Sets) -> str:
    makers = [networks.BicubicEnlarge(_SCALE.value)] + [
        training(loss, 0).generator() for loss in experiment.LOSSES.value
    ]
    shown = experiment.write_sheet(
        f"srcnn_x{_SCALE.value}.png",
        upscaling_measures.rows(pictures, _SCALE.value, makers),
    )
    names = ", ".join(["bicubic", *experiment.LOSSES.value])
    return f"{shown}\n\nThe picture; then {names}."


if __name__ == "__main__":
    command.run(main)
