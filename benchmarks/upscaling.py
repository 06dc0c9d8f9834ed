r"""Paper C's super-resolution: by pixels, by features, and what is in the box.

Trains paper A's SRCNN, and paper C's network by pixels and by VGG's features;
judges them beside bicubic and percgen's own networks, those of
percgen/pretrained.

Example:
    python -m benchmarks.upscaling --photographs='photos/*.jpg' \
        --test_sets=Set5,Set14,BSD100 --vgg16=vgg16.npz \
        --squeezenet=squeezenet.h5 --output=benchmarks/results/upscaling_x4.md

Trainings are kept in --folder and gone on with. Judged by the protocol of
published tables: Y of BT.601, rounded, a border of the scale left out, small
pictures made by MATLAB's bicubic, 8 bits. --full takes the paper's size and
steps.
"""

import functools
import pathlib
from collections.abc import Callable

import numpy as np
from absl import flags

from benchmarks import experiment
from benchmarks import report
from benchmarks import upscaling_measures
from percgen import command
from percgen import comparators
from percgen import degradation
from percgen import losses
from percgen import networks

_PHOTOGRAPHS = flags.DEFINE_string("photographs", None, "Glob to train on.")
_TEST_SETS = flags.DEFINE_list(
    "test_sets", None, "Folders of pictures to judge on.", required=True
)
_VGG16 = flags.DEFINE_string(
    "vgg16", None, "Weights of it, whose features are compared."
)
_SQUEEZENET = flags.DEFINE_string(
    "squeezenet", None, "Weights of it, the judge.", required=True
)
_SCALE = flags.DEFINE_integer("scale", 4, "4 or 8.")
_TRAIN = flags.DEFINE_bool(
    "train", True, "Train the papers' networks, or judge the others alone."
)
_MATCH = flags.DEFINE_bool(
    "match_histograms",
    False,
    "Give paper C's pictures the colours of the small ones, as the paper does.",
)
_LAYER = "fire5"  # Of the judge.
_MEASURES = (*upscaling_measures.MEASURES, ("distance", 3))
_TEXT = """PSNR and SSIM by the protocol of published tables, MS-SSIM of the
same luma; distance: of {layer} of SqueezeNet, which has trained nobody.
Aliased: PSNR on small pictures made without antialiasing. Networks with a name
of their own are in the package, with their cards."""
_TRAININGS = """{srcnn}pixel, feature: paper C's, {width} of its 64 filters,
trained on blurred small pictures as the paper does. Each by {steps} steps on
{photographs} pictures."""
_SRCNN = "srcnn: paper A's network, on luma. "
_CLAIMS = {
    4: """Paper C, x4, PSNR of Set5 / Set14 / BSD100 (recalled): bicubic 28.43
/ 25.99 / 25.96, by pixels 28.40 / 25.75 / 25.91, by features 27.09 / 24.99 /
24.95; its authors do not aim at PSNR (seen). Published (seen second-hand):
EDSR-baseline, 1.5 M parameters, 32.09 / 28.58 / 27.57.""",
    8: """Paper C, x8, PSNR of Set5 / Set14 / BSD100 (recalled): bicubic 23.80
/ 22.37 / 22.11, by pixels 24.77 / 23.02 / 22.54, by features 23.26 / 21.64 /
21.35; its authors do not aim at PSNR (seen). Its bicubic is below the usual
one, so its protocol may differ.""",
}


def main() -> None:
    scale = _SCALE.value
    if scale not in _CLAIMS:
        raise ValueError(f"--scale should be 4 or 8. Received: {scale}.")
    if _TRAIN.value and not (_PHOTOGRAPHS.value and _VGG16.value):
        raise ValueError("Give --photographs and --vgg16, or --notrain.")
    sets = {
        pathlib.Path(path).name: upscaling_measures.read(path, scale)
        for path in _TEST_SETS.value
    }
    measure = functools.partial(
        upscaling_measures.measure, sets, scale, distance=_judge()
    )
    by = ",".join(f"{name}:{len(x)}" for name, x in sets.items())
    enlarged = networks.BicubicEnlarge(scale)
    scores = {"bicubic": _measured(measure, enlarged)}
    makers: list[Callable] = [enlarged]
    for name in _own_flags() if _TRAIN.value else ():
        training = _training(name)
        matched = functools.partial(measure, match=_MATCH.value)
        scores[name] = training.scores(
            functools.partial(_measured, matched),
            f"{by} {_SQUEEZENET.value} {_MATCH.value}",
        )
        makers.append(training.generator())
    for name, network in upscaling_measures.shipped_for(scale).items():
        scores[name] = _measured(measure, network)
        makers.append(network)
    shown = experiment.write_sheet(
        f"upscaling_x{scale}.jpg",
        upscaling_measures.rows(sets, scale, makers),
    )
    report.write(
        f"Super-resolution x{scale} by pixels and by features",
        experiment.line("benchmarks.upscaling", _SCALE, _TRAIN, _MATCH),
        _TEXT.format(layer=_LAYER),
        *_told(),
        _CLAIMS[scale],
        *(_table(name, scores) for name in sets),
        f"{shown}\n\nThe picture; then {', '.join(scores)}.",
    )


def _told() -> list[str]:
    """Returns what is told of the trainings."""
    if not _TRAIN.value:
        return []
    return [
        _TRAININGS.format(
            srcnn=_SRCNN if "srcnn" in _own_flags() else "",
            photographs=len(upscaling_measures.files(_PHOTOGRAPHS.value)),
            steps=_steps(),
            width=_width(),
        )
    ]


def _measured(measure: Callable, network: Callable) -> experiment.Scores:
    """Returns all measures, and PSNR on aliased pictures."""
    aliased = measure(network, shrink=degradation.aliased)
    further = {
        f"{name.removesuffix(' PSNR')} aliased PSNR": value
        for name, value in aliased.items()
        if name.endswith(" PSNR")
    }
    return measure(network) | further


def _judge() -> Callable[[np.ndarray, np.ndarray], float]:
    """Returns a distance of two pictures, uint8, by SqueezeNet's features."""
    squeezenet = comparators.SqueezeNet([_LAYER], _SQUEEZENET.value)
    loss = losses.FeatureLoss(squeezenet, {_LAYER: 1.0})

    def judge(true: np.ndarray, pred: np.ndarray) -> float:
        both = (
            np.broadcast_to(x, [*x.shape[:2], 3])[None] / np.float32(255)
            for x in (true, pred)
        )
        return float(np.asarray(loss.call(*both))[0])

    return judge


def _training(name: str) -> experiment.Training:
    return experiment.Training(
        "upscaling",
        f"x{_SCALE.value}_{name}",
        "train.upscale",
        [
            f"--scale={_SCALE.value}",
            f"--images={_PHOTOGRAPHS.value}",
            *_own_flags()[name],
        ],
    )


def _own_flags() -> dict[str, list[str]]:
    """Returns of each training the flags that the others have not."""
    sizes = [
        f"--image_size={288 if experiment.FULL.value else 96}",
        "--batch_size=4",
        f"--steps={_steps()}",
    ]
    papers = [
        "--network=johnson2016",
        "--color=rgb",
        "--degradation=blurred",
        f"--width={_width()}",
        *sizes,
    ]
    vgg16 = ["--comparator=vgg16", f"--comparator_weights={_VGG16.value}"]
    srcnn = {"srcnn": ["--network=srcnn", *sizes, "--loss=mse"]}
    return {
        **(srcnn if _SCALE.value == 4 else {}),  # Which ends at 4.
        "pixel": [*papers, "--loss=mse"],
        "feature": [
            *papers,
            *vgg16,
            "--loss=feature",
            "--feature_layers=relu2_2",
        ],
    }


def _steps() -> int:
    return experiment.STEPS.value or (
        200_000 if experiment.FULL.value else 3000
    )


def _width() -> int:
    return 64 if experiment.FULL.value else 32


def _table(name: str, scores: dict[str, experiment.Scores]) -> str:
    columns = [*_MEASURES, ("aliased PSNR", 2)]
    rows = [
        [
            network,
            *(f"{one[f'{name} {x}']:.{digits}f}" for x, digits in columns),
        ]
        for network, one in scores.items()
    ]
    return report.table([name, *(x for x, _ in columns)], rows)


if __name__ == "__main__":
    command.run(main)
