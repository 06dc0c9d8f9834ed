"""Where a comparator sees a difference: `train.evaluate --heatmap`."""

import pathlib
from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from absl import flags

from percgen import images
from percgen import losses
from train import comparison

_HEATMAP = flags.DEFINE_bool(
    "heatmap",
    False,
    "Also measure each picture by a comparator's features, and draw where they "
    "differ: heatmaps/NAME.png, as reference, picture and heat. The comparator "
    "sees whole pictures, whatever --shave and --protocol say.",
)
_LAYER = flags.DEFINE_list(
    "layer",
    [],
    "Of --heatmap: layers that are compared, each LAYER or LAYER:WEIGHT; by "
    "default those of the comparator that carry content.",
)
_BRIGHTEST = flags.DEFINE_float(
    "brightest",
    None,
    "Of --heatmap: the squared feature difference that is brightest, so that "
    "the heatmaps of several runs compare. By default the least under which "
    "every picture has 99.5% of its pixels.",
    lower_bound=0.0,
)
flags.adopt_module_key_flags(comparison)


class Heatmaps:
    """Measures pairs of pictures, and then draws them on one scale.

    The maps are computed twice rather than kept: folders may be large.

    Args:
        layers: Weight of each layer, by name.

    Attributes:
        column: Name of the measure.
        most: The squared difference that is brightest, of pairs so far.

    Raises:
        ValueError: If a layer is unknown, or the weights cannot be had.
    """

    def __init__(self, layers: dict[str, float]):
        comparator = comparison.make(list(layers))
        self._loss = losses.FeatureLoss(comparator, layers)
        named = [
            name if weight == 1.0 else f"{name}:{weight:g}"
            for name, weight in layers.items()
        ]
        self.column = " ".join([comparator.name, *named])
        self.most = _BRIGHTEST.value or 0.0

    def measure(self, name: str, true: np.ndarray, pred: np.ndarray) -> float:
        """Returns the feature distance of uint8 pictures `[H, W, 1 or 3]`.

        Raises:
            ValueError: If they are smaller than the comparator needs.
        """
        distance, where = self._compare(name, true, pred)
        if _BRIGHTEST.value is None:
            self.most = max(self.most, images.brightest(where))
        return distance

    def write(
        self,
        pairs: Iterable[tuple[str, np.ndarray, np.ndarray]],
        folder: pathlib.Path,
    ) -> None:
        """Writes a picture for each pair, all on the scale of `most`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, true, pred in pairs:
            _, where = self._compare(name, true, pred)
            row = [_rgb(true), _rgb(pred), images.heat(where, self.most)]
            sheet = images.contact_sheet([row])
            images.write(folder / f"{name}.png", sheet)
        print(
            f"Wrote heatmaps to {folder}: where {self.column} differs. "
            f"Brightest: {self.most:.6g}"
        )

    def _compare(
        self, name: str, true: np.ndarray, pred: np.ndarray
    ) -> tuple[float, np.ndarray]:
        height, width = true.shape[:2]
        least = self._loss.smallest_image
        if min(height, width) < least:
            raise ValueError(
                f"{name}: {self.column} needs pictures of at least {least} x "
                f"{least}. Received: {width} x {height}."
            )
        a, b = self._describe(_batch(true)), self._describe(_batch(pred))
        distance = self._loss.compare(a, b)
        where = self._loss.locate(a, b, (height, width))
        return float(distance[0]), keras.ops.convert_to_numpy(where)[0]

    # Compiled, a layer's features go as soon as the next layer has taken them.
    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3])])
    def _describe(self, picture: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._loss.describe(self._loss.comparator(picture))


def of_flags() -> list[Heatmaps]:
    """Returns what --heatmap asks for: one, or none.

    Raises:
        ValueError: If other flags ask for it and it does not; or as `Heatmaps`.
    """
    if _HEATMAP.value:
        layers = _LAYER.value or comparison.chosen().content_layers
        return [Heatmaps(comparison.parse(layers))]
    for name in ("layer", "brightest", "comparator", "comparator_weights"):
        if flags.FLAGS[name].present:
            raise ValueError(f"--{name} is for --heatmap: give that too.")
    return []


def _rgb(picture: np.ndarray) -> np.ndarray:
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def _batch(picture: np.ndarray) -> np.ndarray:
    return _rgb(picture)[None].astype(np.float32) / np.float32(255)
