"""Pure image arithmetic, on any Keras backend.

Images and feature maps are `[B, H, W, C]`.
"""

from typing import Any

from keras import ops

Tensor = Any  # Of whichever backend Keras runs on.


def gram(features: Tensor) -> Tensor:
    """Returns how strongly each two channels fire together, wherever they do.

    Args:
        features: `[B, H, W, C]`.

    Returns:
        `[B, C, C]`: sums over positions of products of channels, divided by
        C * H * W as in Johnson et al. 2016, section 3.2 (the division was seen
        in the paper and in the authors' code).
    """
    features = ops.cast(features, "float32")
    shape = ops.shape(features)
    height, width, channels = shape[1], shape[2], shape[3]
    flat = ops.reshape(features, [-1, height * width, channels])
    count = ops.cast(channels * height * width, "float32")
    return ops.matmul(ops.transpose(flat, [0, 2, 1]), flat) / count


def total_variation(images: Tensor, exponent: int = 2) -> Tensor:
    """Returns how much neighbouring pixels differ.

    The means over all horizontal and over all vertical pairs of neighbours of
    |difference| ** exponent, added. Being means, they do not change with the
    size of the picture, so one weight serves every size.

    Args:
        images: `[B, H, W, C]`, H and W at least 2.
        exponent: 1 for the anisotropic total variation, 2 for the squared form
            of Johnson et al.'s released code, which sums half of it over all
            pixels in the 0-255 scale (`train/settings/johnson2016.flags`
            derives the factor).

    Returns:
        `[B]`.

    Raises:
        ValueError: If `exponent` is neither 1 nor 2.
    """
    if exponent not in (1, 2):
        raise ValueError(
            f"`exponent` should be 1 or 2. Received: exponent={exponent}."
        )
    images = ops.cast(images, "float32")
    power = ops.abs if exponent == 1 else ops.square
    right = images[:, :, 1:] - images[:, :, :-1]
    down = images[:, 1:] - images[:, :-1]
    return ops.mean(power(right), axis=[1, 2, 3]) + ops.mean(
        power(down), axis=[1, 2, 3]
    )


def halve(images: Tensor) -> Tensor:
    """Returns images of half the size: means of 2 x 2 pixels.

    Args:
        images: `[B, H, W, C]`; a last odd row or column is left out.

    Returns:
        `[B, H // 2, W // 2, C]`.
    """
    return ops.average_pool(images, 2, 2, "valid", data_format="channels_last")
