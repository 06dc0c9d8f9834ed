"""Losses of codes rather than of pictures."""

from keras import ops

from percgen.losses import contract
from percgen.ops import Tensor


@contract.promises("lower", (0.0, contract.INFINITY), "codes of an encoder")
def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Returns how far a diagonal Gaussian is from the standard one, in nats.

    Args:
        mean: `[B, ...]`.
        log_variance: Natural logarithm of the variance, of the same shape.

    Returns:
        `[B]` at least 0, float32: the sum over the code's numbers.

    Raises:
        ValueError: If the shapes differ.

    Reference:
        Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014,
        appendix B.
    """
    mean = ops.cast(ops.convert_to_tensor(mean), "float32")
    log_variance = ops.cast(ops.convert_to_tensor(log_variance), "float32")
    if tuple(mean.shape) != tuple(log_variance.shape):
        raise ValueError(
            "`mean` and `log_variance` should have the same shape. Received: "
            f"{tuple(mean.shape)} and {tuple(log_variance.shape)}."
        )
    # expm1(v) - v is what exp(v) - 1 - v is, without its loss of digits.
    terms = ops.square(mean) + ops.expm1(log_variance) - log_variance
    flat = ops.reshape(terms, [ops.shape(terms)[0], -1])
    return 0.5 * ops.sum(flat, axis=1)
