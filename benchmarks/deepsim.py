r"""Paper B's autoencoder: squared error, L1, DeePSiM, and DeePSiM's terms.

Trains the up-convolutional autoencoder by each loss and from several seeds, and
asks on unseen pictures how far restored ones are, and how much a linear support
vector machine reads out of the code.

Example:
    python -m benchmarks.deepsim --labelled=cifar10.npz \
        --photographs='photos/*.jpg' --held_out='others/*.jpg' \
        --alexnet=alexnet.npz --exemplar=runs/exemplar/comparator.npz \
        --squeezenet=squeezenet.h5 --output=benchmarks/results/deepsim.md

--labelled is an .npz file with x_train, y_train, x_test and y_test. Trainings
are kept in --folder and gone on with. --full takes paper B's size and steps.
"""

from collections.abc import Callable
from collections.abc import Mapping

import keras
import numpy as np
from absl import flags
from sklearn import pipeline
from sklearn import preprocessing
from sklearn import svm

from benchmarks import experiment
from benchmarks import report
from percgen import archives
from percgen import command
from percgen import comparators
from percgen import data
from percgen import losses
from percgen import metrics

_LABELLED = flags.DEFINE_string(
    "labelled", None, "Pictures to read codes of.", required=True
)
_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_HELD_OUT = flags.DEFINE_string(
    "held_out", None, "Glob to restore.", required=True
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

_SIDE, _SHOWN, _PART = 64, 10, 100
# Features are compared at these layers; SqueezeNet's train nobody.
_LAYERS = {
    "compact": "relu2_2",
    "alexnet": "relu5",
    "exemplar": "relu3",
    "squeezenet": "fire5",
}
# Name, digits.
_MEASURES = (
    ("Euclidean, %", 1),
    *((f"{name}, %", 1) for name in _LAYERS),
    ("MS-SSIM", 4),
    ("SVM, % right", 1),
)
_TEXT = """{count} held-out photographs of {side} x {side}; mean and, after ±,
the standard deviation over {seeds} trainings from different seeds. Errors are
paper B's: the Euclidean distance of what is restored from the picture, over
that of two different pictures, in pixels and in features of {layers};
SqueezeNet has trained nobody. MS-SSIM has its windows cut at the border. SVM: a
linear support vector machine (scikit-learn, C = .001) on the code, {train}
pictures of ten classes to learn from, {test} to judge, enlarged to {side} x
{side}."""
_CLAIM = """Paper B (arXiv version, recalled): normalised Euclidean error of
squared error 15.3, L1 15.7, DeePSiM with ExemplarCNN 19.8, with AlexNet 21.9;
linear SVM on STL-10 34.6 ± 0.6, 35.7 ± 0.4, 50.1 ± 0.5, 52.3 ± 0.6. Seen: that
DeePSiM's Euclidean error is worse and its classification significantly
better."""


def main() -> None:
    for loss in experiment.LOSSES.value:
        _own_flags(loss)  # Refuses what is none, before anything is looked at.
    held_out = data.Files(_HELD_OUT.value)
    pictures = held_out.panel(len(held_out.paths), _SIDE)
    labelled = _read_labelled()
    measure = _measurer(pictures, labelled)
    shown, scores = [pictures[:_SHOWN]], {}
    for loss in experiment.LOSSES.value:
        trainings = [
            training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        by = f"{len(pictures)} pictures, {len(labelled['x_test'])} codes"
        scores[loss] = [one.scores(measure, by) for one in trainings]
        shown.append(trainings[0].generator()(shown[0], training=False))
    header = ["loss", *(name for name, _ in _MEASURES)]
    rows = [
        [loss]
        + [
            report.spread([one[name] for one in runs], digits)
            for name, digits in _MEASURES
        ]
        for loss, runs in scores.items()
    ]
    report.write(
        "Autoencoders by squared error, L1 and DeePSiM",
        "python -m benchmarks.deepsim",
        _TEXT.format(
            count=len(pictures),
            side=_SIDE,
            seeds=experiment.SEEDS.value,
            layers=", ".join(f"{k} ({v})" for k, v in _LAYERS.items()),
            train=len(labelled["x_train"]),
            test=len(labelled["x_test"]),
        ),
        _CLAIM,
        report.table(header, rows),
        experiment.write_sheet("deepsim.png", list(map(np.asarray, shown))),
        f"Held-out pictures; then by {', '.join(experiment.LOSSES.value)}.",
    )


def training(loss: str, seed: int) -> experiment.Training:
    """Returns the training by a loss, from a seed.

    Raises:
        ValueError: If there is no such loss.
    """
    full = experiment.FULL.value
    steps = experiment.STEPS.value or (500_000 if full else 3000)
    shared = [
        "--network=upconv_autoencoder",
        f"--images={_PHOTOGRAPHS.value}",
        f"--image_size={_SIDE}",
        f"--width={64 if full else 32}",
        f"--batch_size={64 if full else 16}",
        f"--steps={steps}",
        f"--seed={seed}",
    ]
    module, own = _own_flags(loss)
    return experiment.Training(
        "deepsim", f"{loss}_{seed}", module, [*shared, *own]
    )


def _own_flags(loss: str) -> tuple[str, list[str]]:
    pixels = {"squared_error": "mse", "l1": "mae"}
    if loss in pixels:
        return "train.reconstruct", [f"--loss={pixels[loss]}"]
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
        own += ["--discriminator_width=32", "--learning_rate=2e-4"]
    return "train.deepsim", own


def _read_labelled() -> dict[str, np.ndarray]:
    """Returns pictures, float32 of 64 x 64, and their classes."""
    names = ["x_train", "y_train", "x_test", "y_test"]
    found = dict(zip(names, archives.read(_LABELLED.value, names), strict=True))
    for name in ("x_train", "x_test"):
        pictures = found[name].astype(np.float32) / np.float32(255)
        large = keras.ops.image.resize(
            pictures, [_SIDE, _SIDE], "bicubic", data_format="channels_last"
        )
        found[name] = np.clip(np.asarray(large), 0.0, 1.0)
    return found


def _measurer(
    pictures: np.ndarray, labelled: Mapping[str, np.ndarray]
) -> Callable[[keras.Model], experiment.Scores]:
    """Returns a function from a network to its measures."""
    lookers = {"Euclidean": lambda x: x} | {
        name: _looker(name) for name in _LAYERS
    }
    far = {
        name: metrics.mean_pair_distance(look(pictures))
        for name, look in lookers.items()
    }

    def measure(network: keras.Model) -> experiment.Scores:
        restored = np.clip(_by_parts(network, pictures), 0.0, 1.0)
        found = {
            f"{name}, %": 100.0
            * float(_norms(look(restored) - look(pictures)).mean() / far[name])
            for name, look in lookers.items()
        }
        similar = losses.ms_ssim(pictures, restored, "wang", "same", None)
        found["MS-SSIM"] = float(np.mean(similar))
        found["SVM, % right"] = _classify(network, labelled)
        return found

    return measure


def _looker(name: str) -> Callable[[np.ndarray], np.ndarray]:
    layer = _LAYERS[name]
    weights = _WEIGHTS[name].value if name in _WEIGHTS else None
    comparator = comparators.COMPARATORS[name]([layer], weights=weights)
    return lambda pictures: _by_parts(
        lambda part: comparator(part)[layer], pictures
    )


def _classify(
    network: keras.Model, labelled: Mapping[str, np.ndarray]
) -> float:
    """Returns what share a machine gets right by the code, in percent."""
    train, test = (
        _by_parts(network.encode, labelled[name])
        for name in ("x_train", "x_test")
    )
    machine = pipeline.make_pipeline(
        preprocessing.StandardScaler(), svm.LinearSVC(C=1e-3, random_state=0)
    )
    machine.fit(train, labelled["y_train"].ravel())
    return 100.0 * float(machine.score(test, labelled["y_test"].ravel()))


def _by_parts(
    function: Callable[[np.ndarray], np.ndarray], pictures: np.ndarray
) -> np.ndarray:
    parts = np.array_split(pictures, len(pictures) // _PART or 1)
    return np.concatenate([np.asarray(function(part)) for part in parts])


def _norms(values: np.ndarray) -> np.ndarray:
    return np.linalg.norm(values.reshape([len(values), -1]), axis=1)


if __name__ == "__main__":
    command.run(main)
