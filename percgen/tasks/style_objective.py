"""What a painting should be: the objective of style transfer.

References:
    Gatys, Ecker and Bethge, "Image style transfer using convolutional neural
    networks", CVPR 2016.
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, section 3.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from percgen import losses
from percgen import ops
from percgen.tasks.task import Terms
from percgen.tasks.task import refuse_weights

Features = losses.feature.Features
_TERMS = ("feature", "style", "total_variation")


class StyleObjective:
    """Judges paintings by what they keep of photographs and take of a style.

    The same for a network that learns to paint (`Stylize`) and for a painting
    that is looked for by itself. The terms are `feature` (the painting's
    features against the photograph's), `style` (its Gram matrices against the
    style picture's) and `total_variation`. Features of the painting are
    computed once for both losses, those of the style picture once for all.

    Args:
        feature: The feature loss.
        style: The style loss, over the same comparator.
        style_image: `[1, H, W, 3]`, RGB in [0, 1]; or several such, of any
            sizes, of which paintings take on mixtures.
        weights: Of `feature`, `style` and `total_variation`.
        scales: Sizes at which style is compared, each half the one before. The
            second and later ones reach strokes larger than the comparator's
            deepest layer sees.

    Raises:
        ValueError: If the losses' comparators differ, a weight is missing,
            unknown or negative, all are 0, or the style picture is too small
            for that many scales.
    """

    def __init__(
        self,
        feature: losses.FeatureLoss,
        style: losses.StyleLoss,
        style_image: np.ndarray | Sequence[np.ndarray],
        weights: Mapping[str, float],
        scales: int = 1,
    ):
        if set(weights) != set(_TERMS):
            raise ValueError(
                f"`weights` should name {sorted(_TERMS)}. "
                f"Received: weights={dict(weights)}."
            )
        refuse_weights(weights)
        if feature.comparator is not style.comparator:
            raise ValueError("`feature` and `style` should share a comparator.")
        if isinstance(style_image, np.ndarray):
            style_image = [style_image]
        least = min(min(image.shape[1:3]) for image in style_image)
        if scales < 1 or least < 16 * 2**scales:
            raise ValueError(
                "`scales` should be at least 1, and leave the style picture 32 "
                f"pixels. Received: scales={scales}, a style picture of shape "
                f"{[image.shape for image in style_image]}."
            )
        self.feature, self.style = feature, style
        self.weights = dict(weights)
        # Unchecked: a painting of Johnson et al.'s network may leave [0, 1].
        self.roughness = losses.TotalVariationLoss(check=False)
        self.comparator: Any = feature.comparator
        self.styles = len(style_image)
        each = [self._styles(tf.constant(x), scales) for x in style_image]
        # At each scale Gram matrices by layer, `[styles, C, C]`.
        self.targets = [
            {
                layer: np.concatenate([grams[layer] for grams in at_scale])
                for layer in at_scale[0]
            }
            for at_scale in zip(*each, strict=True)
        ]

    def describe(self, photographs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what paintings should keep of photographs `[B, H, W, 3]`."""
        return self.feature.describe(self.comparator(photographs))

    def terms(
        self,
        content: Features,
        paintings: tf.Tensor,
        style_weights: tf.Tensor | None = None,
    ) -> Terms:
        """Returns each term, unweighted: `[B]`.

        Args:
            content: Of the photographs, by `describe`.
            paintings: `[B, H, W, 3]`, of the photographs' size.
            style_weights: How much of each style a painting should take,
                `[B, styles]` or `[1, styles]`, of sum 1; by default of all
                alike.
        """
        if style_weights is None:
            style_weights = tf.fill([1, self.styles], 1.0 / self.styles)
        features = self.comparator(paintings)
        return {
            "feature": self.feature.compare(
                content, self.feature.describe(features)
            ),
            "style": self._style(paintings, features, style_weights),
            "total_variation": self.roughness.call(None, paintings),
        }

    def total(self, content: Features, paintings: tf.Tensor) -> tf.Tensor:
        """Returns the weighted sum of the terms: `[B]`; the less the better."""
        return tf.add_n(
            [
                self.weights[name] * values
                for name, values in self.terms(content, paintings).items()
                if self.weights[name]  # Or it would cost its gradient.
            ]
        )

    def _style(
        self,
        paintings: tf.Tensor,
        features: Features,
        style_weights: tf.Tensor,
    ) -> tf.Tensor:
        grams = self._styles(paintings, len(self.targets), features)
        wanted = [
            {
                layer: tf.einsum("bs,scd->bcd", style_weights, gram)
                for layer, gram in target.items()
            }
            for target in self.targets
        ]
        pairs = zip(wanted, grams, strict=True)
        return tf.add_n([self.style.compare(*pair) for pair in pairs])

    def _styles(
        self,
        pictures: tf.Tensor,
        scales: int,
        features: Features | None = None,
    ) -> list[dict[str, tf.Tensor]]:
        """Returns the Gram matrices at each size, the features at the first."""
        grams = [self.style.describe(features or self.comparator(pictures))]
        for _ in range(1, scales):
            pictures = ops.halve(pictures)
            grams.append(self.style.describe(self.comparator(pictures)))
        return grams
