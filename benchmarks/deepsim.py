r"""Paper B's autoencoder: squared error, L1, DeePSiM, and DeePSiM's terms.

Trains the up-convolutional autoencoder by each loss and from several seeds, and
asks on unseen pictures how far restored ones are, and how much a linear support
vector machine reads out of the code.

Example:
    python -m benchmarks.deepsim --labelled=cifar10.npz \
        --photographs='photos/*.jpg' --held_out='others/*.jpg' \
        --alexnet=alexnet.npz --exemplar=runs/exemplar/comparator.npz \
        --squeezenet=squeezenet.h5 --output=benchmarks/results/deepsim.md

Trainings are kept in --folder and gone on with. --full takes paper B's size and
steps; with --tfds=stl10 it is paper B's experiment, but for the folds: STL-10's
own are not in TensorFlow Datasets, so ten are drawn, as large as those, of all
classes alike.
"""

import pathlib
from collections.abc import Callable

import numpy as np
from absl import flags

from benchmarks import deepsim_measures
from benchmarks import deepsim_report
from benchmarks import experiment
from benchmarks import report
from percgen import command
from percgen import comparators
from percgen import data

_PHOTOGRAPHS = flags.DEFINE_string("photographs", None, "Glob to train on.")
_HELD_OUT = flags.DEFINE_string("held_out", None, "Glob to restore.")
_LABELLED = flags.DEFINE_string(
    "labelled",
    None,
    "Pictures to read codes of: an .npz file with x_train, y_train, x_test and "
    "y_test.",
)
_TFDS = flags.DEFINE_string(
    "tfds",
    None,
    "TensorFlow Datasets name in place of these three, stl10 for paper B's: "
    "split unlabelled trains, test is restored and read.",
)
_WEIGHTS = {
    name: flags.DEFINE_string(name, None, f"Weights of {name}.", required=True)
    for name in ("alexnet", "exemplar", "squeezenet")
}
flags.set_default(
    experiment.LOSSES,
    [
        "squared_error",
        "l1",
        "alexnet",
        "exemplar",
        "compact",
        "compact_without_feature",
        "compact_without_adversarial",
        "compact_without_image",
    ],
)

_SIDE, _SHOWN = 64, 10
_FOLDS, _RESTORED = 10, 1000  # With --tfds.
# Features are compared at these layers; SqueezeNet's train nobody.
_LAYERS = {
    "compact": "relu3_1",
    "alexnet": "relu5",
    "exemplar": "relu3",
    "squeezenet": "fire5",
}
_PIXELS = {"squared_error": "mse", "l1": "mae"}


def main() -> None:
    for loss in experiment.LOSSES.value:
        _own_flags(loss)  # Refuses what is none, before anything is looked at.
    pictures, labelled = _read()
    looks = {name: _look(name) for name in _LAYERS}
    folds = _FOLDS if _TFDS.value else None
    measure = deepsim_measures.measurer(pictures, labelled, looks, folds)
    rounds = deepsim_measures.describe_rounds(labelled, folds)
    c = deepsim_measures.C
    by = f"{len(pictures)} pictures, C = {c}, {rounds}, {_LAYERS}"
    shown, scores, players = [pictures[:_SHOWN]], {}, {}
    for loss in experiment.LOSSES.value:
        trainings = [
            training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        scores[loss] = [one.scores(measure, by) for one in trainings]
        shown.append(trainings[0].generator()(shown[0], training=False))
        if loss not in _PIXELS:
            players[loss] = [
                deepsim_measures.players(one.workdir / "logs")
                for one in trainings
            ]
    report.write(
        "Autoencoders by squared error, L1 and DeePSiM",
        experiment.line("benchmarks.deepsim"),
        deepsim_report.TEXT.format(
            count=len(pictures),
            side=_SIDE,
            seeds=experiment.SEEDS.value,
            layers=", ".join(f"{k} ({v})" for k, v in _LAYERS.items()),
            steps=_steps(),
            c=c,
            rounds=rounds,
        ),
        deepsim_report.CLAIM,
        deepsim_report.table(scores, 4),
        deepsim_report.claims(scores, list(_PIXELS)),
        deepsim_report.table(players, 2),
        experiment.write_sheet(_sheet(), list(map(np.asarray, shown))),
        f"Held-out pictures; then by {', '.join(experiment.LOSSES.value)}.",
    )


def _sheet() -> str:
    return f"{pathlib.Path(report.OUTPUT.value or 'deepsim').stem}.png"


def _read() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns pictures to restore, and labelled ones.

    Raises:
        ValueError: If the flags do not say which, or they cannot be had.
    """
    files = (_PHOTOGRAPHS.value, _HELD_OUT.value, _LABELLED.value)
    if not all(files) if _TFDS.value is None else any(files):
        raise ValueError(
            "Give --photographs, --held_out and --labelled, or --tfds."
        )
    if _TFDS.value:
        records = data.Records(_TFDS.value, "test")
        pictures = records.panel(_RESTORED, _SIDE)
    else:
        held_out = data.Files(_HELD_OUT.value)
        pictures = held_out.panel(len(held_out.paths), _SIDE)
    source = _TFDS.value or _LABELLED.value
    return pictures, deepsim_measures.read_labelled(source, _SIDE)


def _source() -> list[str]:
    if _TFDS.value:
        return [f"--tfds={_TFDS.value}", "--tfds_split=unlabelled"]
    return [f"--images={_PHOTOGRAPHS.value}"]


def training(loss: str, seed: int) -> experiment.Training:
    """Returns the training by a loss, from a seed.

    Raises:
        ValueError: If there is no such loss.
    """
    full = experiment.FULL.value
    shared = [
        "--network=upconv_autoencoder",
        *_source(),
        f"--image_size={_SIDE}",
        f"--width={64 if full else 32}",
        f"--batch_size={64 if full else 16}",
        f"--steps={_steps()}",
        f"--seed={seed}",
        *(experiment.ADAM if full else ("--beta_1=0.5", "--beta_2=0.9")),
    ]
    if not full:
        shared.append("--mixed_precision=bfloat16")
    module, own = _own_flags(loss)
    return experiment.Training(
        "deepsim", f"{loss}_{seed}", module, [*shared, *own]
    )


def _steps() -> int:
    default = 500_000 if experiment.FULL.value else 3000
    return experiment.STEPS.value or default


def _own_flags(loss: str) -> tuple[str, list[str]]:
    if loss in _PIXELS:
        return "train.reconstruct", [f"--loss={_PIXELS[loss]}"]
    name, _, left_out = loss.partition("_without_")
    if name not in _LAYERS or left_out not in {
        "",
        "feature",
        "adversarial",
        "image",
    }:
        raise ValueError(
            "--losses should be of squared_error, l1, or a comparator of "
            f"{', '.join(_LAYERS)}, with or without _without_feature, "
            f"_without_adversarial or _without_image. Received: {loss}."
        )
    own = [f"--comparator={name}", f"--feature_layers={_LAYERS[name]}"]
    if name in _WEIGHTS:
        own.append(f"--comparator_weights={_WEIGHTS[name].value}")
    if left_out:
        own.append(f"--{left_out}_weight=0")
    if experiment.FULL.value:
        own += experiment.DISCRIMINATOR
    else:
        own.append("--comparator_precision=bfloat16")
    return "train.deepsim", own


def _look(name: str) -> Callable[[np.ndarray], np.ndarray]:
    layer = _LAYERS[name]
    weights = _WEIGHTS[name].value if name in _WEIGHTS else None
    comparator = comparators.COMPARATORS[name]([layer], weights=weights)
    return lambda pictures: comparator(pictures)[layer]


if __name__ == "__main__":
    command.run(main)
