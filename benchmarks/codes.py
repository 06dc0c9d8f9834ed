r"""What autoencoders' codes remember of a face: whose it is, and its light.

Trains the convolutional autoencoder on faces by MSE, MAE and MS-SSIM, without
their labels; then linear models read identity and the light's azimuth and
elevation out of the code, on faces that they were not fitted to.

Example:
    python -m benchmarks.codes --faces=yaleB.npz \
        --output=benchmarks/results/codes.md

--faces is an .npz file (Extended Yale B) with images, uint8 [N, H, W], subject,
azimuth and elevation, [N]. Trainings are kept in --folder and gone on with.
"""

from collections.abc import Callable

import keras
import numpy as np
from absl import flags
from sklearn import linear_model
from sklearn import model_selection
from sklearn import pipeline
from sklearn import preprocessing

from benchmarks import experiment
from benchmarks import report
from percgen import archives
from percgen import command
from percgen import data

_FACES = flags.DEFINE_string("faces", None, "Labelled faces.", required=True)
_FOLDS = flags.DEFINE_integer("folds", 5, "Of cross-validation.", lower_bound=2)
_SIDE, _PART, _SHOWN = 80, 100, 10
_LABELS = ("subject", "azimuth", "elevation")
_STRENGTHS = np.logspace(-2, 5, 15)
_TEXT = """{faces} faces in squares of {side} x {side}, {folds}-fold
cross-validation with light and person mixed; the autoencoder saw all faces, but
no label. Identity: the share that a ridge classifier gets right, of {people}
people. Azimuth and elevation: the mean absolute error of ridge regression, in
degrees; always guessing the median would err by {azimuth:.1f} and
{elevation:.1f}. After ±: the standard deviation over folds and trainings. The
last row reads the pixels themselves, shrunk to 16 x 16."""
_CLAIM = """Paper A tells under which conditions codes that were learnt
perceptually do better (seen, abstract: so not always); its figures, classifier
and split were not found. Ours are our choice."""


def read(
    what: np.ndarray, label: str, target: np.ndarray, folds: int
) -> list[float]:
    """Reads a label out of codes by a linear model, fold by fold.

    Args:
        what: Codes `[N, C]`.
        label: `"subject"`, which is told apart; others are estimated.
        target: `[N]`.
        folds: Of cross-validation.

    Returns:
        For each fold the share that is right or, of others, the mean absolute
        error.
    """
    classes = label == "subject"
    kind = linear_model.RidgeClassifierCV if classes else linear_model.RidgeCV
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(), kind(_STRENGTHS)
    )
    splitter = (
        model_selection.StratifiedKFold if classes else model_selection.KFold
    )
    found = model_selection.cross_val_score(
        model,
        what,
        target,
        cv=splitter(folds, shuffle=True, random_state=0),
        scoring="accuracy" if classes else "neg_mean_absolute_error",
    )
    return [abs(float(value)) for value in found]


def main() -> None:
    source = data.Arrays(_FACES.value)
    faces = source.panel(len(source.pictures), _SIDE)
    labels = _labels(len(faces))
    scores, shown = {}, [faces[:: len(faces) // _SHOWN][:_SHOWN]]
    for loss in experiment.LOSSES.value:
        trainings = [
            _training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        measure, by = _measurer(faces, labels), f"{_FOLDS.value} folds"
        scores[loss] = [one.scores(measure, by) for one in trainings]
        shown.append(trainings[0].generator()(shown[0], training=False))
    small = faces.reshape([len(faces), 16, _SIDE // 16, 16, _SIDE // 16, 3])
    pixels = small.mean(axis=(2, 4, 5)).reshape([len(faces), -1])
    scores["pixels"] = [_read_all(pixels, labels)]
    report.write(
        "What the code remembers",
        experiment.line("benchmarks.codes"),
        _TEXT.format(
            faces=len(faces),
            side=_SIDE,
            folds=_FOLDS.value,
            people=len(np.unique(labels["subject"])),
            **{name: _blind(labels[name]) for name in _LABELS[1:]},
        ),
        _CLAIM,
        _table(scores),
        experiment.write_sheet("codes.png", list(map(np.asarray, shown))),
        "Faces; then what is left of them in the codes learnt by "
        f"{', '.join(experiment.LOSSES.value)}.",
    )


def _labels(count: int) -> dict[str, np.ndarray]:
    found = archives.read(_FACES.value, _LABELS)
    for name, label in zip(_LABELS, found, strict=True):
        if label.shape != (count,):
            raise ValueError(
                f"{_FACES.value} should hold {name} for each of {count} faces. "
                f"Received: {list(label.shape)}."
            )
    return dict(zip(_LABELS, found, strict=True))


def _training(loss: str, seed: int) -> experiment.Training:
    full = experiment.FULL.value
    steps = experiment.STEPS.value or (60_000 if full else 3000)
    return experiment.Training(
        "codes",
        f"{loss}_{seed}",
        "train.reconstruct",
        [
            "--network=conv_autoencoder",
            f"--images={_FACES.value}",
            f"--image_size={_SIDE}",
            f"--width={128 if full else 16}",
            "--learning_rate=3e-4",
            f"--steps={steps}",
            *(["--exponents=wang"] if loss == "ms_ssim" else []),
            f"--loss={loss}",
            f"--seed={seed}",
        ],
    )


def _measurer(
    faces: np.ndarray, labels: dict[str, np.ndarray]
) -> Callable[[keras.Model], experiment.Scores]:
    def measure(network: keras.Model) -> experiment.Scores:
        parts = np.array_split(faces, len(faces) // _PART or 1)
        codes = np.concatenate([network.encode(part) for part in parts])
        return _read_all(codes, labels)

    return measure


def _read_all(
    what: np.ndarray, labels: dict[str, np.ndarray]
) -> experiment.Scores:
    """Returns what each fold reads of each label."""
    return {
        f"{label} {fold}": value
        for label, target in labels.items()
        for fold, value in enumerate(read(what, label, target, _FOLDS.value))
    }


def _blind(target: np.ndarray) -> float:
    return float(np.abs(target - np.median(target)).mean())


def _table(scores: dict[str, list[experiment.Scores]]) -> str:
    rows = []
    for name, runs in scores.items():
        row = [name]
        for label in _LABELS:
            values = [
                value
                for run in runs
                for key, value in run.items()
                if key.startswith(label)
            ]
            row.append(report.spread(values, 3 if label == "subject" else 1))
        rows.append(row)
    header = ["learnt by", "identity, right", "azimuth, °", "elevation, °"]
    return report.table(header, rows)


if __name__ == "__main__":
    command.run(main)
