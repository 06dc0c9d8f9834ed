"""What every comparator is: frozen, from pictures to named features."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import ClassVar

import keras

from percgen.comparators import geometry
from percgen.comparators import weights as weights_lib

Step = Callable[[Any], Any]  # A layer, or a function that applies several.


@dataclasses.dataclass
class Aside:
    """A step that is looked at, while the next goes on from the one before."""

    step: Step

    def __call__(self, x: Any) -> Any:
        return self.step(x)


class Comparator(keras.Model):
    """A frozen network: what a picture looks like to somebody else.

    Takes RGB in [0, 1], `[B, H, W, 3]`, and does the network's own
    preprocessing. Gives a dict with the features of every layer asked for, and
    is built only as deep as asked. Computes in float32 under any precision
    policy unless `dtype` says otherwise: a comparator measures.

    Args:
        layers: Names of the layers to return.
        weights: `"imagenet"` (Keras's own file, downloaded to Keras's cache and
            checked by its hash; where Keras has the network), `"random"`
            (orthogonal), `"zeros"` (to look at the layers and not through
            them), or the path of a file that
            `percgen.comparators.weight_files` reads: `.h5`, `.npz` or
            `.caffemodel`. A file that stops early serves if it reaches the
            deepest layer asked for. None is the class's own, if it has one.
        preprocess: From RGB in [0, 1] to what the network takes.
        steps: All layers of the network by name, in order.
        file_names: Names in weight files, where they differ, of layers.
        trainable: Leaves the network to be trained; random weights then need no
            warning.
        name: Of the model; by default its class's.

    Attributes:
        smallest_image: Least height and width of a picture.
        provenance: One line on the weights, for the record of a run.

    Raises:
        ValueError: If a layer is unknown, or, when called, if a picture is too
            small.
        WeightsError: If the weights cannot be had or do not reach a layer.
    """

    application: ClassVar[Callable[..., keras.Model] | None] = None
    # What a style network compares unless told otherwise.
    content_layers: ClassVar[tuple[str, ...]]
    style_layers: ClassVar[tuple[str, ...]]
    # Who made the weights, and on what terms they are given.
    origin: ClassVar[str]

    def __init__(
        self,
        layers: Sequence[str],
        weights: str | None,
        preprocess: Step,
        steps: Mapping[str, Step],
        file_names: Mapping[str, str] | None = None,
        trainable: bool = False,
        name: str | None = None,
    ):
        images = keras.Input([None, None, 3], name="images", dtype="float32")
        outputs = _draw(preprocess(images), steps, layers)
        name = name or type(self).__name__.lower()
        super().__init__(images, outputs, name=name)
        self.layer_names = list(steps)
        self.smallest_image = geometry.smallest_image(self)
        self.provenance = weights_lib.load(
            self, weights, self.application, file_names or {}, not trainable
        )
        self.trainable = trainable

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        for size in inputs.shape[1:3]:
            if size is not None and size < self.smallest_image:
                raise ValueError(
                    f"{self.name} needs pictures of at least "
                    f"{self.smallest_image} x {self.smallest_image} for "
                    f"{', '.join(self.output_names)}. "
                    f"Received: shape={tuple(inputs.shape)}."
                )
        return super().call(inputs, training=training, mask=mask)


def _draw(
    x: Any, steps: Mapping[str, Step], wanted: Sequence[str]
) -> dict[str, Any]:
    """Draws the layers up to the deepest one wanted; returns those wanted."""
    unknown = sorted(set(wanted) - set(steps))
    if unknown or not wanted:
        raise ValueError(
            f"`layers` should be of {', '.join(steps)}. "
            f"Received: layers={list(wanted)}."
        )
    outputs = {}
    for name, step in steps.items():
        y = step(x)
        if name in wanted:
            outputs[name] = y
        if not isinstance(step, Aside):
            x = y
        if len(outputs) == len(set(wanted)):
            break
    return outputs


def orthogonal(seed: int | None, number: int) -> keras.Initializer:
    """Returns the initializer of the `number`-th layer's random weights.

    Orthogonal with the ReLU's gain, so that untrained features neither die nor
    grow with depth; each layer has a seed of its own. Without a seed it gives
    zeros, to be replaced: large orthogonal kernels take seconds.
    """
    if seed is None:
        return keras.initializers.Zeros()
    return keras.initializers.Orthogonal(2**0.5, seed * 100 + number)
