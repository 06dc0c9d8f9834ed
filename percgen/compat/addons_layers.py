"""Layers of tensorflow-addons that Keras 3 has no equal of."""

from typing import Any

import keras
from keras import layers
from keras import ops


@keras.saving.register_keras_serializable("percgen")
class WeightNormalization(layers.Wrapper):
    """Learns a layer's kernel as magnitudes and directions.

    The kernel is `g * v / |v|`, with one magnitude and one norm for each index
    of its last axis. `v` is the layer's own kernel; of a recurrent layer, the
    recurrent one.

    Differs from tensorflow-addons: magnitudes begin as the norms of the first
    kernel, never by data (`data_init`, section 3 of the paper).

    Args:
        layer: Any layer with a `kernel`, or a recurrent one.
        **kwargs: Of `keras.layers.Layer`.

    Raises:
        ValueError: When built, if the layer has no kernel.

    Reference:
        Salimans and Kingma, "Weight normalization: a simple reparameterization
        to accelerate training of deep neural networks", NIPS 2016, section 2.
    """

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        cell = getattr(self.layer, "cell", None)
        v = getattr(
            cell or self.layer, "recurrent_kernel" if cell else "kernel", None
        )
        if v is None:
            raise ValueError(
                "`layer` should have a `kernel`. Received: "
                f"layer={self.layer.name}, a {type(self.layer).__name__}."
            )
        # The order of old files: magnitudes, directions, the layer's others.
        self.g = self.add_weight(
            shape=(v.shape[-1],),
            initializer=lambda *_, **__: ops.sqrt(_squares(v)),
            name="g",
        )
        self.v = v

    def call(self, inputs: Any) -> Any:
        v, g = (ops.cast(x, self.variable_dtype) for x in (self.v, self.g))
        kernel = v * g * ops.rsqrt(ops.maximum(_squares(v), 1e-12))
        # Read here, where they may be another scope's, as on JAX.
        values = [(x, x.value) for x in self.layer.variables if x is not self.v]
        mapping = [*values, (self.v, kernel)]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            outputs = self.layer(inputs)
        self.add_loss(scope.losses)
        for variable, before in values:
            after = scope.get_current_value(variable)
            if after is not before:
                variable.assign(after)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable("percgen")
class SpectralEmbedding(layers.SpectralNormalization):
    """Divides an embedding's table by its largest singular value.

    Keras's own gives its outputs the type of its inputs, and so would round
    what whole numbers are embedded in to whole numbers.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        return super().call(ops.cast(inputs, "float32"), training=training)


def _squares(kernel: Any) -> Any:
    axes = tuple(range(len(kernel.shape) - 1))
    return ops.sum(ops.square(kernel), axis=axes)
