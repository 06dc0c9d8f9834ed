"""How Compact is taught: it predicts VGG-19's features through linear heads.

Reference:
    Romero et al., "FitNets: hints for thin deep nets", ICLR 2015, section 2.2:
    a student that predicts its teacher's features. Folding the heads into the
    student is ours.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from percgen import ops as house_ops
from percgen.comparators import compact
from percgen.comparators import weights as weights_lib

Features = dict[str, Any]


class Pupil(keras.Model):
    """Compact with a linear head for each of its layers, to be trained.

    From pictures `[B, H, W, 3]`, H and W multiples of 4, to predictions of
    VGG-19's features, divided by their standard deviation over photographs.

    Args:
        seed: Of the initial weights.
        name: Of the model.
    """

    def __init__(self, seed: int = 0, name: str = "pupil"):
        super().__init__(name=name)
        self.compact = compact.Compact(
            list(compact.TEACHES), weights="random", seed=seed, trainable=True
        )
        self.heads, self.deviations = {}, {}
        for number, (layer, (channels, side)) in enumerate(
            compact.TEACHES.items()
        ):
            # No bias, which a turn of the features could not carry: the
            # features' own has to do.
            self.heads[layer] = keras.layers.Dense(
                channels * side**2,
                use_bias=False,
                kernel_initializer=keras.initializers.GlorotUniform(
                    seed * 100 + number
                ),
                name=f"head_{layer}",
            )
            self.heads[layer].build(self.compact.output[layer].shape)
            self.deviations[layer] = self.add_weight(
                name=f"deviation_{layer}", initializer="ones", trainable=False
            )
        self.built = True

    def call(self, images: Any, training: Any = None) -> Features:
        features = self.compact(images, training=training)
        return {
            layer: head(features[layer]) for layer, head in self.heads.items()
        }

    def targets(self, features: Mapping[str, Any]) -> Features:
        """Returns VGG-19's features as they are to be predicted."""
        return {
            layer: house_ops.space_to_depth(features[layer], side)
            / self.deviations[layer]
            for layer, (_, side) in compact.TEACHES.items()
        }

    def measure(self, features: Mapping[str, Any]) -> None:
        """Takes the deviations from VGG-19's features of some photographs."""
        for layer, deviation in self.deviations.items():
            variance = ops.mean(ops.var(features[layer], axis=(0, 1, 2)))
            deviation.assign(ops.sqrt(variance))

    def fold(
        self, photographs: Any, features: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Returns weights of a Compact that needs no heads, by name.

        A head of a layer with k features is L Q', with Q's columns orthonormal
        and L k x k. Distances after the head are distances after L, so L goes
        into the layer and Q is thrown away. What is left to choose is one
        factor for each layer: such that photographs are as far apart in style,
        on average and as `StyleLoss` counts, as VGG-19 finds them.

        Args:
            photographs: Two or more, `[B, H, W, 3]`.
            features: VGG-19's of them.
        """
        arrays = weights_lib.arrays(self.compact)
        seen = self.compact(photographs)
        for layer, head in self.heads.items():
            turn = np.linalg.qr(ops.convert_to_numpy(head.kernel).T)[1].T
            ours = _spread(ops.matmul(seen[layer], turn))
            turn *= (_spread(features[layer]) / ours) ** 0.25
            for kind in ("kernel", "bias"):
                arrays[f"{layer}_{kind}"] = arrays[f"{layer}_{kind}"] @ turn
        return arrays


def _spread(features: Any) -> float:
    """Returns the mean square between Gram matrices of neighbours."""
    grams = house_ops.gram(features)
    return float(ops.mean(ops.square(grams - ops.roll(grams, 1, axis=0))))
