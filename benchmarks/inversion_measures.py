"""What is asked of pictures that come back from a layer's features."""

import pathlib
from collections.abc import Callable
from collections.abc import Sequence

import keras
import numpy as np

from benchmarks import parts
from percgen import comparators
from percgen import metrics
from percgen import tasks

HEADER = ("pixels, %", "features, %", "right, %", "among five, %")


class Sight:
    """A layer's features of pictures, and how far others are from them.

    Args:
        encoder: A comparator of one layer.
        pictures: `[N, H, W, 3]` in [0, 1].
    """

    def __init__(self, encoder: keras.Model, pictures: np.ndarray):
        self.encoder, self.pictures = encoder, pictures
        self.features = self.see(pictures)
        self._far = [
            metrics.mean_pair_distance(x) for x in (pictures, self.features)
        ]

    def see(self, pictures: np.ndarray) -> np.ndarray:
        """Returns features."""
        return parts.apply(
            lambda part: tasks.invert.describe(self.encoder, part), pictures
        )

    def restore(self, network: keras.Model, features: np.ndarray) -> np.ndarray:
        """Returns what a network makes of features, in [0, 1]."""
        return np.clip(parts.apply(network, features), 0.0, 1.0)

    def errors(self, found: np.ndarray) -> list[float]:
        """Returns how far pictures are, in pixels and in features, percent."""
        pairs = (
            (found, self.pictures),
            (self.see(found), self.features),
        )
        return [
            100.0 * float(parts.norms(one - other).mean() / far)
            for (one, other), far in zip(pairs, self._far, strict=True)
        ]

    def drift(
        self, network: keras.Model, times: Sequence[int]
    ) -> list[list[float]]:
        """Returns errors after pictures went to features and back so often."""
        found, features = [], self.features
        for time in range(1, max(times) + 1):
            pictures = self.restore(network, features)
            if time in times:
                found.append(self.errors(pictures))
            features = self.see(pictures)
        return found

    def between(self, network: keras.Model, count: int) -> np.ndarray:
        """Returns pictures of features between those of the first two."""
        one, other = self.features[:2]
        shares = np.linspace(0.0, 1.0, count, dtype=np.float32)
        mixed = [(1.0 - share) * one + share * other for share in shares]
        return self.restore(network, np.stack(mixed))


def scorer(
    weights: str | None, labels: str | None, names: Sequence[str]
) -> Callable[[np.ndarray], list[float]]:
    """Returns a function from pictures to how many of them are named right.

    In percent: the class first, and among five; nothing without weights.

    Args:
        weights: Of ResNet-50.
        labels: Path of a table of file names and ImageNet classes, 0 to 999.
        names: Of the pictures' files.

    Raises:
        ValueError: If a picture has no class.
    """
    if weights is None:
        return lambda _: []
    if labels is None:
        raise ValueError("--resnet50 needs --labels to be judged by.")
    lines = pathlib.Path(labels).read_text().splitlines()
    classes = dict(line.split("\t")[:2] for line in lines if "\t" in line)
    if unknown := [name for name in names if name not in classes]:
        raise ValueError(
            f"{labels} tells of {len(classes)} files, and not of {unknown[0]}."
        )
    true = np.array([int(classes[name]) for name in names])
    judge = comparators.ResNet50Scorer(weights)

    def score(pictures: np.ndarray) -> list[float]:
        order = np.argsort(-parts.apply(judge, pictures), axis=-1)
        right = order == true[:, None]
        return [100.0 * float(right[:, :n].any(1).mean()) for n in (1, 5)]

    return score
