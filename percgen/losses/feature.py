"""Distances in the feature space of a comparator.

Reference:
    Johnson, Alahi and Fei-Fei, "Perceptual losses for real-time style transfer
    and super-resolution", ECCV 2016, section 3.2.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import NoReturn
from typing import Self

import keras

from percgen import ops
from percgen.losses import contract

Features = Mapping[str, ops.Tensor]
Comparator = Callable[[ops.Tensor], Features]


@contract.promises(
    "lower", (0.0, contract.INFINITY), "RGB, as the comparator takes it"
)
class FeatureLoss(contract.PictureLoss):
    """Computes the mean squared distance of features: what is in the picture.

    Lower is better and 0 means equal features; there is no upper bound. The
    pictures are RGB in [0, 1], of at least the size that the comparator's
    deepest layer needs. One number per picture: the weighted sum over layers of
    ||phi(y_pred) - phi(y_true)||^2 / (C H W).

    A caller that compares one picture by several losses computes its features
    once and gives them to `describe`, `compare` and `locate`; `call` and `map`
    are those on pictures.

    Args:
        comparator: From pictures `[B, H, W, 3]` to features by layer name.
        weights: Weight of each layer, by name.
        name: Of the term.
        check: Whether `call` refuses pictures outside [0, 1].
        **kwargs: `reduction` of `keras.losses.Loss`.

    Raises:
        ValueError: If `weights` is empty.
    """

    same_size = True  # Whether a target must have its prediction's size.

    def __init__(
        self,
        comparator: Comparator,
        weights: Mapping[str, float],
        name: str = "feature",
        check: bool = True,
        **kwargs: Any,
    ):
        if not weights:
            raise ValueError(
                "`weights` should name at least one layer. Received: {}."
            )
        super().__init__(name=name, check=check, **kwargs)
        self.comparator = comparator
        self.weights = dict(weights)
        self.smallest_image = getattr(comparator, "smallest_image", 1)

    @classmethod
    def balanced(
        cls,
        comparator: Comparator,
        weights: Mapping[str, float],
        pictures: ops.Tensor,
        **kwargs: Any,
    ) -> Self:
        """Returns a loss in which unlike pictures are as far as weights say.

        Features of some comparators are a hundred thousand times as far apart
        as those of others. Here each layer's weight is divided by the mean
        distance in that layer, so that one choice does for all comparators.

        Args:
            comparator: As of the class.
            weights: Likewise.
            pictures: At least two unlike ones, `[B, H, W, 3]` in [0, 1]. Each
                is compared with the next.
            **kwargs: Other arguments of the class.

        Raises:
            ValueError: If a layer sees no difference between the pictures.
        """
        loss = cls(comparator, dict.fromkeys(weights, 1.0), **kwargs)
        features = loss.describe(comparator(pictures))
        others = {k: keras.ops.roll(v, 1, axis=0) for k, v in features.items()}
        for layer, values in loss.differences(features, others).items():
            mean = keras.ops.mean(values)
            distance = float(keras.ops.convert_to_numpy(mean))
            if distance <= 0.0:
                raise ValueError(
                    f"{layer} sees no difference between these pictures. "
                    f"Received: pictures of shape {tuple(pictures.shape)}."
                )
            loss.weights[layer] = weights[layer] / distance
        return loss

    def call(self, y_true: ops.Tensor, y_pred: ops.Tensor) -> ops.Tensor:
        """Returns `[B]` for pictures `[B, H, W, 3]`, or `[1, ...]` targets."""
        y_true, y_pred, verdict = self._fit(y_true, y_pred)
        return self.distance(y_true, y_pred) + verdict

    def map(self, y_true: ops.Tensor, y_pred: ops.Tensor) -> ops.Tensor:
        """Returns where the pictures differ, in the comparator's eyes.

        At each position of each layer the squared difference, averaged over
        channels, is enlarged to the picture's size by bilinear interpolation;
        layers are summed by their weights. So the mean over pixels is `call`:
        exactly for layers of the picture's own size, nearly for others.

        Args:
            y_true: `[B, H, W, 3]` or `[1, H, W, 3]`, in [0, 1].
            y_pred: `[B, H, W, 3]`, likewise; H and W known when compiled.

        Returns:
            `[B, H, W]` in float32, 0 or more.

        Raises:
            ValueError: As `call`.
        """
        y_true, y_pred, verdict = self._fit(y_true, y_pred)
        true = self.describe(self.comparator(y_true))
        pred = self.describe(self.comparator(y_pred))
        return self.locate(true, pred, y_pred.shape[1:3]) + verdict

    def distance(self, y_true: ops.Tensor, y_pred: ops.Tensor) -> ops.Tensor:
        """Returns `call` of pictures in float32 that were looked at already."""
        return self.compare(
            self.describe(self.comparator(y_true)),
            self.describe(self.comparator(y_pred)),
        )

    def describe(self, features: Features) -> dict[str, ops.Tensor]:
        """Returns what is compared, by layer: here the features themselves."""
        return {
            layer: keras.ops.cast(features[layer], "float32")
            for layer in self.weights
        }

    def compare(self, true: Features, pred: Features) -> ops.Tensor:
        """Returns `[B]` for two results of `describe`; `true` may be `[1]`."""
        return sum(
            _mean(values) for values in self.differences(true, pred).values()
        )

    def locate(
        self, true: Features, pred: Features, size: tuple[int, int]
    ) -> ops.Tensor:
        """Returns `map`, `[B, *size]`, for two results of `describe`."""
        return sum(
            _enlarge(values, size)
            for values in self.differences(true, pred).values()
        )

    def differences(self, true: Features, pred: Features) -> Features:
        """Returns what each position of each layer adds, weighted: `[B, h, w]`.

        The mean over positions, summed over layers, is `compare`. (Of Gram
        matrices, `[B, C]`: what each row adds.)
        """
        return {
            layer: weight
            * keras.ops.mean(
                keras.ops.square(pred[layer] - true[layer]), axis=-1
            )
            for layer, weight in self.weights.items()
        }

    def _fit(
        self, y_true: ops.Tensor, y_pred: ops.Tensor
    ) -> tuple[ops.Tensor, ops.Tensor, ops.Tensor]:
        """Returns both in float32 and their verdict, if they are fit."""
        y_true, verdict = contract.float_pictures(
            "y_true", y_true, self.smallest_image, self.check
        )
        y_pred, other = contract.float_pictures(
            "y_pred", y_pred, self.smallest_image, self.check
        )
        if self.same_size:
            contract.refuse_other_shapes(y_true.shape[1:], y_pred.shape[1:])
        return y_true, y_pred, verdict + other


@contract.promises(
    "lower", (0.0, contract.INFINITY), "RGB, as the comparator takes it"
)
class StyleLoss(FeatureLoss):
    """Computes the same distance of Gram matrices: texture without place.

    The squared Frobenius norm is averaged over the C x C entries, as in the
    authors' code (seen); the paper's text (a reading of it, seen second-hand)
    sums, which differs by the constant C^2 of each layer.

    Pictures and targets may differ in size. Arguments are `FeatureLoss`'s.
    """

    same_size = False

    def __init__(
        self,
        comparator: Comparator,
        weights: Mapping[str, float],
        name: str = "style",
        check: bool = True,
        **kwargs: Any,
    ):
        super().__init__(comparator, weights, name, check, **kwargs)

    def describe(self, features: Features) -> dict[str, ops.Tensor]:
        """Returns the Gram matrix of each layer, `[B, C, C]`."""
        return {layer: ops.gram(features[layer]) for layer in self.weights}

    def locate(
        self, true: Features, pred: Features, size: tuple[int, int]
    ) -> NoReturn:
        """Raises `ValueError`: there is no place left to show."""
        raise ValueError(
            f"`{self.name}` compares Gram matrices, which have lost place: it "
            "has no map. A FeatureLoss of the same layers has one."
        )


def _mean(values: ops.Tensor) -> ops.Tensor:
    return keras.ops.mean(values, axis=list(range(1, len(values.shape))))


def _enlarge(values: ops.Tensor, size: tuple[int, int]) -> ops.Tensor:
    enlarged = keras.ops.image.resize(
        values[..., None], size, "bilinear", data_format="channels_last"
    )
    return enlarged[..., 0]
