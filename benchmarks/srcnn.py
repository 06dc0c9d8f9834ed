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
import glob
import pathlib
from collections.abc import Callable

import numpy as np
import tqdm
from absl import flags

from benchmarks import experiment
from benchmarks import report
from percgen import command
from percgen import evaluation
from percgen import images
from percgen import losses
from percgen import networks

_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_TEST_SETS = flags.DEFINE_list(
    "test_sets", None, "Folders of pictures to judge on.", required=True
)
_SCALE = flags.DEFINE_integer("scale", 4, "2, 3 or 4.")
_MIDDLE = flags.DEFINE_integer("middle", 5, "Side of the second kernels.")
_PATCH, _BATCH, _WINDOW = 48, 8, 160
_MEASURES = (("PSNR", 2), ("SSIM", 4), ("MS-SSIM", 4))
_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
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
    pictures = {name: read(path) for name, path in sets.items()}
    scores = {
        "bicubic": [_measure(pictures, networks.BicubicEnlarge(_SCALE.value))]
    }
    for loss in experiment.LOSSES.value:
        trainings = [
            training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        measure = functools.partial(_measure, pictures)
        by = ",".join(f"{name}:{len(x)}" for name, x in pictures.items())
        scores[loss] = [one.scores(measure, by) for one in trainings]
    report.write(
        f"SRCNN x{_SCALE.value} by MSE, MAE and MS-SSIM",
        experiment.line("benchmarks.srcnn"),
        _TEXT.format(
            network=f"SRCNN 9-{_MIDDLE.value}-5 on luma",
            photographs=len(list(_files(_PHOTOGRAPHS.value))),
            steps=_steps(),
            batch=_BATCH,
            patch=_PATCH,
            seeds=experiment.SEEDS.value,
        ),
        _CLAIM,
        *(_table(name, scores) for name in sets),
        _sheet(pictures),
    )


def read(folder: str) -> list[np.ndarray]:
    """Returns the pictures of a test set, uint8, cut to multiples of --scale.

    Raises:
        ValueError: If there are none.
    """
    paths = sorted(_files(f"{folder}/*"))
    if not paths:
        raise ValueError(f"{folder}: no pictures there; see --test_sets.")
    return [
        evaluation.crop_to_multiple(images.read_as_is(path), _SCALE.value)
        for path in paths
    ]


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


def enlarge(network: Callable, true: np.ndarray) -> np.ndarray:
    """Returns what a network makes of a picture that was shrunk, uint8."""
    height, width = (side // _SCALE.value for side in true.shape[:2])
    small = images.resize(true, height, width)
    small = np.broadcast_to(small, [height, width, 3])
    answer = network(small[None].astype(np.float32) / np.float32(255))[0]
    answer = images.to_uint8(np.asarray(answer))
    return answer[..., : true.shape[2]]  # All channels of a gray one are alike.


def _steps() -> int:
    return experiment.STEPS.value or (
        400_000 if experiment.FULL.value else 20_000
    )


def _measure(
    pictures: dict[str, list[np.ndarray]], network: Callable
) -> experiment.Scores:
    """Returns the mean of each measure over each set."""
    found = {}
    for name, all_true in pictures.items():
        bar = tqdm.tqdm(all_true, desc=name, leave=False)
        means = np.mean(
            [_score(true, enlarge(network, true)) for true in bar], axis=0
        )
        for (measure, _), mean in zip(_MEASURES, means, strict=True):
            found[f"{name} {measure}"] = float(mean)
    return found


def _score(true: np.ndarray, pred: np.ndarray) -> tuple[float, float, float]:
    protocol = evaluation.Protocol("y", _SCALE.value)
    x, y = (
        protocol.prepare(image)[None].astype(np.float32) / np.float32(255)
        for image in (true, pred)
    )
    return (
        evaluation.psnr(true, pred, protocol),
        evaluation.ssim(true, pred, protocol),
        float(losses.ms_ssim(x, y, scales=None)[0]),
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
            for measure, digits in _MEASURES
        ]
        for loss in scores
    ]
    verdicts = [
        report.verdict(of(measure), "ms_ssim", higher=True)
        for measure, _ in _MEASURES
    ]
    rows.append(["**ms_ssim wins**", *verdicts])
    return report.table([name, *(x for x, _ in _MEASURES)], rows)


def _sheet(pictures: dict[str, list[np.ndarray]]) -> str:
    """Shows the middle of a few pictures: true, bicubic, by each loss."""
    some = [x for all_true in pictures.values() for x in all_true[:2]]
    some = [x for x in some if min(x.shape[:2]) >= _WINDOW and x.shape[2] == 3]
    makers = [networks.BicubicEnlarge(_SCALE.value)] + [
        training(loss, 0).generator() for loss in experiment.LOSSES.value
    ]
    rows = [np.stack([_middle(x) for x in some])]
    for network in makers:
        made = [_middle(enlarge(network, x)) for x in some]
        rows.append(np.stack(made))
    shown = experiment.write_sheet(
        f"srcnn_x{_SCALE.value}.png", [row / 255.0 for row in rows]
    )
    names = ", ".join(["bicubic", *experiment.LOSSES.value])
    return f"{shown}\n\nThe picture; then {names}."


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = ((side - _WINDOW) // 2 for side in image.shape[:2])
    return image[top : top + _WINDOW, left : left + _WINDOW]


def _files(pattern: str) -> list[str]:
    return [
        path
        for part in pattern.split(",")
        for path in glob.glob(part)
        if path.lower().endswith(_ENDINGS)
    ]


if __name__ == "__main__":
    command.run(main)
