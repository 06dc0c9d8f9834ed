"""What paper B asks of an autoencoder: how far off, and what the code says."""

import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from sklearn import model_selection
from sklearn import pipeline
from sklearn import preprocessing
from sklearn import svm
from tensorboard.backend.event_processing import event_accumulator

from benchmarks import parts
from percgen import archives
from percgen import losses
from percgen import metrics
from percgen import records

C = 1e-4  # Of support vector machines.
_ROUNDS = 5  # In each a fifth of all pictures judges.
_FOLD = 0.2  # Of the training pictures teaches a machine; of STL-10's, 1,000.
_LABELLED = ("x_train", "y_train", "x_test", "y_test")

Look = Callable[[np.ndarray], np.ndarray]  # From pictures to features.


def measurer(
    pictures: np.ndarray,
    labelled: Mapping[str, np.ndarray],
    looks: Mapping[str, Look],
    folds: int | None,
) -> Callable[[keras.Model], dict[str, float]]:
    """Returns a function from an autoencoder to its measures, by name.

    Args:
        pictures: To restore, `[N, H, W, 3]` in [0, 1].
        labelled: As of `read_labelled`, to read codes of.
        looks: Whose features are compared, by name.
        folds: Machines to average over, each taught by a fifth of the training
            pictures and judged by the test's; or None to cross-validate, by all
            of both.
    """
    looks = {"Euclidean": lambda x: x, **looks}
    seen = {name: parts.apply(look, pictures) for name, look in looks.items()}
    far = {name: metrics.mean_pair_distance(x) for name, x in seen.items()}

    def measure(network: keras.Model) -> dict[str, float]:
        restored = np.clip(parts.apply(network, pictures), 0.0, 1.0)
        found = {}
        for name, look in looks.items():
            errors = parts.norms(parts.apply(look, restored) - seen[name])
            found[f"{name}, %"] = 100.0 * float(errors.mean() / far[name])
        similar = losses.ms_ssim(pictures, restored, "wang", "same", None)
        found["MS-SSIM"] = float(np.mean(similar))
        found["SVM, % right"] = _classify(network, labelled, folds)
        return found

    return measure


def read_labelled(source: str, side: int) -> dict[str, np.ndarray]:
    """Returns `x_train`, `y_train`, `x_test` and `y_test`.

    Args:
        source: An .npz file with these, pictures being uint8; or a name as
            `data.Records` takes it, with splits `train` and `test`.
        side: Height and width that pictures are resized to; they are float32.
    """
    if source.endswith(".npz"):
        arrays = archives.read(source, _LABELLED)
    else:
        arrays = [*records.labelled(source, "train")]
        arrays += records.labelled(source, "test")
    found = dict(zip(_LABELLED, arrays, strict=True))
    for name in ("x_train", "x_test"):
        pictures = found[name].astype(np.float32) / np.float32(255)
        resized = keras.ops.image.resize(
            pictures,
            [side, side],
            "bicubic",
            antialias=True,
            data_format="channels_last",
        )
        found[name] = np.clip(np.asarray(resized), 0.0, 1.0)
    return found


def describe_rounds(
    labelled: Mapping[str, np.ndarray], folds: int | None
) -> str:
    """Returns who teaches and judges the support vector machines."""
    train, test = len(labelled["x_train"]), len(labelled["x_test"])
    if folds is None:
        return f"cross-validated over {train + test} pictures, a fifth a round"
    return (
        f"mean of {folds}, each taught by a fifth of {train} pictures and "
        f"judged by {test} others"
    )


def players(logs: pathlib.Path) -> dict[str, float]:
    """Returns how the discriminator and the generator of a run got on.

    r is what the pausing rule goes by, in means of ten steps.

    Args:
        logs: The run's folder of TensorBoard.
    """
    events = event_accumulator.EventAccumulator(
        str(logs), size_guidance={event_accumulator.TENSORS: 0}
    )
    events.Reload()

    def read(name: str) -> np.ndarray:
        found = events.Tensors(f"terms/{name}")
        return np.array([tf.make_ndarray(x.tensor_proto) for x in found])

    ratio = read("ratio")
    learns = {
        f"{name} learns, %": 100.0 * float(read(f"{name}_learns").mean())
        for name in ("discriminator", "generator")
    }
    right = [read(f"{kind}_accuracy") for kind in ("real", "fake")]
    late = np.mean(right, axis=0)[len(ratio) // 2 :]
    return {
        "least r": float(ratio.min()),
        "median r": float(np.median(ratio)),
        "most r": float(ratio.max()),
        "right, %": 100.0 * float(late.mean()),
        **learns,
    }


def _classify(
    network: keras.Model, labelled: Mapping[str, np.ndarray], folds: int | None
) -> float:
    """Returns what share machines get right by the code, in percent."""
    codes, labels = (
        np.concatenate([labelled[f"{name}_train"], labelled[f"{name}_test"]])
        for name in ("x", "y")
    )
    codes, labels = parts.apply(network.encode, codes), labels.ravel()
    machine = pipeline.make_pipeline(
        preprocessing.StandardScaler(), svm.LinearSVC(C=C, random_state=0)
    )
    rounds = _rounds(labels, len(labelled["y_train"]), folds)
    right = model_selection.cross_val_score(machine, codes, labels, cv=rounds)
    return 100.0 * float(np.mean(right))


def _rounds(
    labels: np.ndarray, train: int, folds: int | None
) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yields rows that teach a machine, and rows that judge it."""
    if folds is None:
        splitter = model_selection.StratifiedKFold(
            _ROUNDS, shuffle=True, random_state=0
        )
        yield from splitter.split(labels, labels)
        return
    splitter = model_selection.StratifiedShuffleSplit(
        folds, train_size=_FOLD, random_state=0
    )
    for taught, _ in splitter.split(labels[:train], labels[:train]):
        yield taught, np.arange(train, len(labels))
