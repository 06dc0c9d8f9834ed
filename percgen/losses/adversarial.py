"""What a discriminator and its generator are trained with.

Reference:
    Goodfellow et al., "Generative adversarial nets", NIPS 2014, section 3;
    Dosovitskiy and Brox, "Generating images with perceptual similarity metrics
    based on deep networks", NIPS 2016, section 3 (both forms were seen there).
"""

from keras import ops

from percgen.losses import contract
from percgen.ops import Tensor

_LOGITS = "a discriminator's logits"


@contract.promises("lower", (0.0, contract.INFINITY), _LOGITS)
def discriminator_log_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Returns -log D(real) - log(1 - D(fake)): what a discriminator learns by.

    Args:
        real: Logits of real pictures, `[B, ...]`: one for each picture, or one
            for each patch, over which the mean is taken.
        fake: Logits of generated pictures, likewise.

    Returns:
        `[B]` at least 0, float32; 2 log 2 = 1.386 for a discriminator that
        cannot tell.
    """
    # -log sigmoid(x) is softplus(-x), finite for any logit.
    return _each(ops.softplus(-_float(real))) + _each(
        ops.softplus(_float(fake))
    )


@contract.promises("lower", (0.0, contract.INFINITY), _LOGITS)
def generator_log_loss(fake: Tensor) -> Tensor:
    """Returns -log D(fake): what a generator learns by.

    The form that does not saturate: its gradient is strong where the
    discriminator is sure.

    Args:
        fake: Logits of generated pictures, `[B, ...]`.

    Returns:
        `[B]` at least 0, float32.
    """
    return _each(ops.softplus(-_float(fake)))


def _float(logits: Tensor) -> Tensor:
    return ops.cast(ops.convert_to_tensor(logits), "float32")


def _each(values: Tensor) -> Tensor:
    """Returns the mean of each picture's values."""
    return ops.mean(ops.reshape(values, [ops.shape(values)[0], -1]), axis=1)
