r"""What layers of AlexNet keep of a picture: paper B's inversion, measured.

Trains networks that turn features back into pictures, by DeePSiM and by pixels
alone, and looks for pictures without a network. Asks of pictures nobody has
trained on how far what comes back is, in pixels and in the layer's own
features, and whether ResNet-50 still knows what it shows.

Example:
    python -m benchmarks.inversion --photographs='photos/*.jpg' \
        --held_out='others/*.jpg' --labels=labels.tsv --alexnet=alexnet.npz \
        --exemplar=exemplar.npz --video=video.npz --resnet50=resnet50.npz \
        --output=benchmarks/results/inversion.md

What was trained or found is kept in --folder. --full takes paper B's size and
steps.
"""

import io
import pathlib

import numpy as np
import tqdm
from absl import flags

from benchmarks import experiment
from benchmarks import inversion_measures
from benchmarks import inversion_report
from benchmarks import report
from percgen import command
from percgen import comparators
from percgen import data
from percgen import images
from percgen import inversion
from percgen import tasks

_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_HELD_OUT = flags.DEFINE_string(
    "held_out", None, "Glob to turn to features and back.", required=True
)
_WEIGHTS = {
    name: flags.DEFINE_string(name, None, f"Weights of {name}.")
    for name in ("alexnet", "exemplar", "video")
}
_RESNET50 = flags.DEFINE_string(
    "resnet50", None, "Weights of ResNet-50, to ask it, too."
)
_LABELS = flags.DEFINE_string(
    "labels",
    None,
    "Table of what --held_out shows, for it: file names, tabs, classes.",
)
flags.mark_flag_as_required("alexnet")
_LAYERS = flags.DEFINE_list(
    "layers", ["relu3", "relu4", "pool5"], "Of AlexNet."
)
_JUDGES = flags.DEFINE_list(
    "judges",
    ["compact", "exemplar", "video", "random"],
    "Comparators beside AlexNet, to train the last layer's network by.",
)
_PICTURES = flags.DEFINE_integer(
    "pictures", 32, "Of --held_out, which are asked of.", lower_bound=8
)

# Layers that DeePSiM compares.
_COMPARED = {
    "alexnet": "relu5",
    "compact": "relu2_2",
    "exemplar": "relu2",
    "video": "relu5",
    "random": "relu5",
}
_METHODS = ("alexnet", "pixels", "optimized")
_REPEATED = ("alexnet", "pixels")  # There and back several times.
_SHOWN, _TIMES, _BETWEEN = 8, (1, 2, 4, 8), 8
_FOUND_IN = 200  # Steps of looking for a picture.
# In few steps pictures only appear if the discriminator is not heard at first.
_LATE = "0@500/0.07@800"
_PAPER = (*experiment.ADAM, *experiment.DISCRIMINATOR)


def main() -> None:
    if unknown := set(_JUDGES.value) - set(_COMPARED):
        raise ValueError(
            f"--judges should be of {', '.join(_COMPARED)}. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    pictures, names = _read()
    score = inversion_measures.scorer(_RESNET50.value, _LABELS.value, names)
    known = inversion_report.digits(score(pictures))
    rows = [["", "the pictures", "", "", *known]]
    errors: dict[str, dict[str, list[float]]] = {}
    drift, sheets = {}, []
    for layer in _LAYERS.value:
        encoder = comparators.AlexNet([layer], _WEIGHTS["alexnet"].value)
        sight = inversion_measures.Sight(encoder, pictures)
        others = _JUDGES.value if layer == _LAYERS.value[-1] else []
        sheet, errors[layer] = [pictures[:_SHOWN]], {}
        for method in (*_METHODS, *others):
            found = _bring_back(layer, method, sight)
            errors[layer][method] = sight.errors(found)
            cells = [*errors[layer][method], *score(found)]
            rows.append([layer, method, *inversion_report.digits(cells)])
            sheet.append(found[:_SHOWN])
        networks = {x: _training(layer, x).generator() for x in _REPEATED}
        drift[layer] = {
            method: sight.drift(network, _TIMES)
            for method, network in networks.items()
        }
        sheet.append(sight.between(networks["alexnet"], _BETWEEN))
        sheets.append(experiment.write_sheet(f"inversion_{layer}.jpg", sheet))
    header = ["layer", "by", *inversion_measures.HEADER][: len(rows[0])]
    report.write(
        "What layers of AlexNet keep of a picture",
        experiment.line("benchmarks.inversion"),
        inversion_report.TEXT.format(
            count=len(pictures),
            side=_side(),
            provenance=report.provenance(encoder, _WEIGHTS["alexnet"].value),
        ),
        inversion_report.CLAIM,
        report.table(header, rows),
        inversion_report.claims(errors),
        "Turned to features and back several times, pixels / features, %:",
        inversion_report.drift("inversion_drift.png", _TIMES, drift),
        *sheets,
        inversion_report.SHEETS,
    )


def _read() -> tuple[np.ndarray, list[str]]:
    """Returns held-out pictures, and names of their files."""
    files = data.Files(_HELD_OUT.value)
    files.paths = files.paths[: _PICTURES.value]
    names = [pathlib.Path(path).name for path in files.paths]
    return files.panel(len(names), _side()), names


def _bring_back(
    layer: str, method: str, sight: inversion_measures.Sight
) -> np.ndarray:
    """Returns pictures for the features of a layer."""
    if method == "optimized":
        return _find(layer, sight)
    return sight.restore(_training(layer, method).generator(), sight.features)


def _training(layer: str, method: str) -> experiment.Training:
    full = experiment.FULL.value
    judge = "alexnet" if method == "pixels" else method
    own = [f"--feature_layers={_COMPARED[judge]}"]
    if judge == "random":  # AlexNet's layers, of which only weights differ.
        own += ["--comparator=alexnet", "--comparator_weights=random"]
    else:
        own.append(f"--comparator={judge}")
    if judge in _WEIGHTS:
        own.append(f"--comparator_weights={_WEIGHTS[judge].value}")
    if method == "pixels":
        own += ["--feature_weight=0", "--adversarial_weight=0"]
    elif not full:
        own.append(f"--adversarial_weight={_LATE}")
    steps = experiment.STEPS.value or (500_000 if full else 2000)
    return experiment.Training(
        "inversion",
        f"{layer}_{method}",
        "train.invert",
        [
            "--encoder=alexnet",
            f"--encoder_weights={_WEIGHTS['alexnet'].value}",
            f"--layer={layer}",
            f"--images={_PHOTOGRAPHS.value}",
            f"--image_size={_side()}",
            f"--width={32 if full else 16}",
            *(_PAPER if full else ()),
            f"--batch_size={64 if full else 8}",
            f"--steps={steps}",
            *own,
        ],
    )


def _find(layer: str, sight: inversion_measures.Sight) -> np.ndarray:
    """Returns pictures that are looked for, once, without a network."""
    steps = experiment.STEPS.value or _FOUND_IN
    key = f"{_HELD_OUT.value} {_WEIGHTS['alexnet'].value} {steps} {_side()}"
    path = experiment.folder("inversion") / f"{layer}_optimized.npz"
    if path.exists():
        with np.load(path) as kept:
            if kept["key"] == key and len(kept["found"]) == len(sight.features):
                return kept["found"]
    found = [
        inversion.invert(
            lambda x: tasks.invert.describe(sight.encoder, x),
            features[None],
            _side(),
            steps=steps,
        )
        for features in tqdm.tqdm(sight.features, layer, leave=False)
    ]
    pictures, buffer = np.concatenate(found), io.BytesIO()
    np.savez(buffer, key=key, found=pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write_bytes(path, buffer.getvalue())
    return pictures


def _side() -> int:
    return 227 if experiment.FULL.value else 128


if __name__ == "__main__":
    command.run(main)
