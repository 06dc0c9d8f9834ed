r"""Paper B's variational autoencoder: are pictures of drawn codes natural?

Trains it by squared error and by DeePSiM, draws pictures, and says how far they
are, as a set, from crops of photographs nobody trained on.

Example:
    python -m benchmarks.vae --photographs='photos/*.jpg' \
        --held_out='others/*.jpg' --alexnet=alexnet.npz \
        --squeezenet=squeezenet.h5 --output=benchmarks/results/vae.md

Trainings are kept in --folder and gone on with. --full takes paper B's size and
steps.
"""

from collections.abc import Callable

import keras
import numpy as np
from absl import flags

from benchmarks import experiment
from benchmarks import parts
from benchmarks import report
from percgen import command
from percgen import comparators
from percgen import data
from percgen import losses
from percgen import metrics
from percgen import tasks

_PHOTOGRAPHS = flags.DEFINE_string(
    "photographs", None, "Glob to train on.", required=True
)
_HELD_OUT = flags.DEFINE_string(
    "held_out", None, "Glob to compare with.", required=True
)
_ALEXNET = flags.DEFINE_string(
    "alexnet", None, "Weights of it, the encoder.", required=True
)
_SQUEEZENET = flags.DEFINE_string(
    "squeezenet", None, "Weights of it, the judge.", required=True
)
_DRAWN = flags.DEFINE_integer(
    "drawn", 2000, "Pictures to draw, and crops to compare with.", 10
)
_LAYER = flags.DEFINE_string("layer", "relu5", "Of AlexNet, that is encoded.")
flags.set_default(experiment.LOSSES, ["squared_error", "alexnet", "compact"])

# Layers that DeePSiM compares.
_COMPARED = {"alexnet": "relu5", "compact": "relu2_2"}
_JUDGED, _SHOWN = ("fire5", "fire9"), 10
_LIKE = 1000  # Photographs whose codes tell a Gaussian.
# In few steps codes only come to carry pictures if that costs nothing at first,
# and if pixels alone lead until they do. What it costs then is chosen by hand,
# as in paper B: DeePSiM's terms are larger than that of pixels alone.
_KL = "--kl_weight=0@0/2e-4@400"
_STAGES = (
    "--kl_weight=0@0/1e-3@400",
    "--feature_weight=0@100/1@300",
    "--adversarial_weight=0@200/0.3@500",
    "--spectral",
)
_PAPER = (*experiment.ADAM, *experiment.DISCRIMINATOR)
_TEXT = """Frechet distances of {count} pictures of {side} x {side} to as many
crops of held-out photographs, in means over positions of SqueezeNet's features,
over the variance of the crops'; SqueezeNet has trained nobody. Codes are drawn
as those of {like} photographs of the training lie together, by one Gaussian; or
from the standard one, the prior, to which so short a training does not bring
them. MS-SSIM: of {restored} held-out photographs that are restored, windows cut
at the border. Mean and, after ±, the standard deviation over {seeds} trainings
from different seeds. The encoder is {layer} of {provenance}{learns}."""
_CLAIM = """Paper B shows samples and gives no number (seen): those of DeePSiM
look more natural than those of squared error, which are over-smoothed."""


def main() -> None:
    for loss in experiment.LOSSES.value:
        _own_flags(loss)  # Refuses what is none.
    held_out = data.Files(_HELD_OUT.value)
    panel = held_out.panel(len(held_out.paths), _side())
    look = _judge()
    crops, others = (look(_crops(held_out, seed)) for seed in (0, 1))

    def distance(features: dict[str, np.ndarray], layer: str) -> float:
        variance = np.var(crops[layer], axis=0, ddof=1).sum()
        found = metrics.frechet_distance(features[layer], crops[layer])
        return found / float(variance)

    learnt = data.Files(_PHOTOGRAPHS.value).panel(_LIKE, _side())

    def measure(network: keras.Model) -> experiment.Scores:
        found = {}
        for which, codes in _codes(network, learnt, _DRAWN.value).items():
            drawn = look(_draw(network, codes))
            for layer in _JUDGED:
                found[f"{layer}, {which}"] = distance(drawn, layer)
        restored = np.clip(parts.apply(network, panel), 0.0, 1.0)
        similar = losses.ms_ssim(panel, restored, "wang", "same", None)
        return {**found, "MS-SSIM": float(np.mean(similar))}

    scores, sheets = {}, []
    for loss in experiment.LOSSES.value:
        trainings = [
            _training(loss, seed) for seed in range(experiment.SEEDS.value)
        ]
        by = f"{_HELD_OUT.value} {_DRAWN.value} {_SQUEEZENET.value}"
        scores[loss] = [one.scores(measure, by) for one in trainings]
        network = trainings[0].generator()
        restored = np.clip(parts.apply(network, panel[:_SHOWN]), 0.0, 1.0)
        drawn = [
            row
            for codes in _codes(network, learnt, 3 * _SHOWN).values()
            for row in np.split(_draw(network, codes), 3)
        ]
        sheets += [
            f"{loss}: held-out photographs, restored; three rows drawn as "
            "photographs' codes, three from the prior.",
            experiment.write_sheet(
                f"vae_{loss}.png", [panel[:_SHOWN], restored, *drawn]
            ),
        ]
    names = list(scores[experiment.LOSSES.value[0]][0])
    floor = [f"{distance(others, layer):.2f}" for layer in _JUDGED]
    rows = [["other crops of them", *floor, *floor, ""]]
    rows += [
        [loss]
        + [
            report.spread(
                [one[name] for one in runs], 4 if name == "MS-SSIM" else 2
            )
            for name in names
        ]
        for loss, runs in scores.items()
    ]
    encoder = comparators.AlexNet([_LAYER.value], _ALEXNET.value)
    report.write(
        "Variational autoencoders by squared error and by DeePSiM",
        experiment.line("benchmarks.vae"),
        _TEXT.format(
            count=_DRAWN.value,
            side=_side(),
            like=len(learnt),
            restored=len(panel),
            seeds=experiment.SEEDS.value,
            layer=_LAYER.value,
            provenance=report.provenance(encoder, _ALEXNET.value),
            learns="; it learns, too" if experiment.FULL.value else "",
        ),
        _CLAIM,
        report.table(["loss", *names], rows),
        *sheets,
    )


def _judge() -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Returns a function from pictures to features of each layer, `[N, C]`."""
    squeezenet = comparators.SqueezeNet(_JUDGED, _SQUEEZENET.value)

    def means(pictures: np.ndarray) -> np.ndarray:
        features = squeezenet(pictures)
        found = [np.mean(features[layer], (1, 2)) for layer in _JUDGED]
        return np.concatenate(found, axis=1)

    def look(pictures: np.ndarray) -> dict[str, np.ndarray]:
        width = squeezenet.output[_JUDGED[0]].shape[-1]
        both = np.split(parts.apply(means, pictures), [width], axis=1)
        return dict(zip(_JUDGED, both, strict=True))

    return look


def _crops(photographs: data.Files, seed: int) -> np.ndarray:
    found = photographs.batches(_side(), 10, seed, 0, _DRAWN.value // 10)
    return np.concatenate(list(found.as_numpy_iterator()))


def _codes(
    network: keras.Model, learnt: np.ndarray, count: int
) -> dict[str, np.ndarray]:
    """Returns codes: drawn as photographs' codes lie, and from the prior."""
    features = parts.apply(network.encoder, learnt)
    mean, covariance = tasks.vae.aggregated_posterior(
        *map(np.asarray, network.bottleneck(features))
    )
    standard = np.random.default_rng(0).normal(size=[count, network.code])
    alike = mean + standard @ np.linalg.cholesky(covariance).T
    return {"alike": alike, "prior": standard}


def _draw(network: keras.Model, codes: np.ndarray) -> np.ndarray:
    drawn = parts.apply(network.decoder, codes.astype(np.float32))
    return np.clip(drawn, 0.0, 1.0)


def _training(loss: str, seed: int) -> experiment.Training:
    full = experiment.FULL.value
    steps = experiment.STEPS.value or (500_000 if full else 2000)
    shared = [
        "--encoder=alexnet",
        f"--encoder_weights={_ALEXNET.value}",
        f"--layer={_LAYER.value}",
        f"--images={_PHOTOGRAPHS.value}",
        f"--image_size={_side()}",
        f"--width={32 if full else 16}",
        f"--code={4096 if full else 64}",
        f"--dense={3 if full else 1}",
        *(_PAPER if full else ()),
        f"--batch_size={64 if full else 16}",
        f"--steps={steps}",
        f"--seed={seed}",
        *(() if full else ("--notrain_encoder",)),
    ]
    return experiment.Training(
        "vae", f"{loss}_{seed}", "train.vae", [*shared, *_own_flags(loss)]
    )


def _own_flags(loss: str) -> list[str]:
    if loss == "squared_error":
        return [_KL, "--feature_weight=0", "--adversarial_weight=0"]
    if loss not in _COMPARED:
        raise ValueError(
            f"--losses should be of squared_error, {', '.join(_COMPARED)}. "
            f"Received: {loss}."
        )
    own = [f"--comparator={loss}", f"--feature_layers={_COMPARED[loss]}"]
    own += [_KL] if experiment.FULL.value else _STAGES
    if loss == "alexnet":
        own.append(f"--comparator_weights={_ALEXNET.value}")
    return own


def _side() -> int:
    return 227 if experiment.FULL.value else 64


if __name__ == "__main__":
    command.run(main)
