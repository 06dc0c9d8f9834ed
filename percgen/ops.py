"""Pure image arithmetic, on any Keras backend.

Images and feature maps are `[B, H, W, C]`.
"""

import functools
from typing import Any

import numpy as np
from keras import ops

Tensor = Any  # Of whichever backend Keras runs on.

# Weights of red, green and blue in ITU-R BT.601, for a luma of 16 to 235.
LUMA = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0


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


def depth_to_space(features: Tensor, side: int) -> Tensor:
    """Lays `side`^2 C channels out as squares of positions.

    Args:
        features: `[B, H, W, side^2 C]`.
        side: Of a square.

    Returns:
        `[B, side H, side W, C]`.
    """
    height, width = ops.shape(features)[1:3]
    channels = features.shape[-1] // side**2
    x = ops.reshape(features, [-1, height, width, side, side, channels])
    x = ops.transpose(x, [0, 1, 3, 2, 4, 5])
    return ops.reshape(x, [-1, height * side, width * side, channels])


def space_to_depth(features: Tensor, side: int) -> Tensor:
    """Lays squares of positions out as channels: `depth_to_space` undone.

    Args:
        features: `[B, H, W, C]`, H and W multiples of `side`.
        side: Of a square.

    Returns:
        `[B, H / side, W / side, side^2 C]`.
    """
    _, height, width, channels = ops.shape(features)
    x = ops.reshape(
        features, [-1, height // side, side, width // side, side, channels]
    )
    x = ops.transpose(x, [0, 1, 3, 2, 4, 5])
    return ops.reshape(
        x, [-1, height // side, width // side, channels * side**2]
    )


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

    This is the down-sampling of MS-SSIM in Wang's script and in `tf.image`:
    symmetric padding, a 2 x 2 mean, every second sample from the first.

    Args:
        images: `[B, H, W, C]`; a last odd row or column is averaged with its
            own copy.

    Returns:
        `[B, ceil(H / 2), ceil(W / 2), C]`.
    """
    return ops.average_pool(images, 2, 2, "same", data_format="channels_last")


def luma(images: Tensor) -> Tensor:
    """Returns how bright pictures are to the eye: Y of BT.601, 16 to 235.

    Args:
        images: `[B, H, W, 3]`, RGB in [0, 1]; one channel is left as it is.

    Returns:
        `[B, H, W, 1]` in [16 / 255, 235 / 255], unrounded.
    """
    if images.shape[-1] == 1:
        return images
    images = ops.cast(images, "float32")
    weights = ops.convert_to_tensor(np.array(LUMA, "float32")[:, None] / 255)
    return ops.matmul(images, weights) + LUMA_OFFSET / 255


def blur(images: Tensor, size: int, sigma: float, border: str) -> Tensor:
    """Returns Gaussian-weighted means of each pixel's neighbourhood.

    Args:
        images: `[B, H, W, C]` float32.
        size: Side of the square window, odd.
        sigma: Of the Gaussian, in pixels.
        border: `"valid"`: only where the window fits, `size - 1` rows and
            columns less. `"same"`: everywhere; a window cut by the border has
            its weights divided by their sum, so the result is a mean still.

    Returns:
        `[B, H', W', C]`.
    """
    taps = gaussian(size, sigma)
    blurred = _slide(_slide(images, taps, 2, border), taps, 1, border)
    return blurred if border == "valid" else blurred / _inside(images, taps)


def spread(maps: Tensor, size: int, sigma: float, border: str) -> Tensor:
    """Returns the transpose of `blur`: the gradient that passes through it.

    Args:
        maps: `[B, H', W', C]` float32, shaped as a result of `blur`.
        size: As of `blur`, as are the others.
        sigma: Likewise.
        border: Likewise.

    Returns:
        `[B, H, W, C]`.
    """
    taps = gaussian(size, sigma)
    if border == "same":
        maps = maps / _inside(maps, taps)
    else:
        margin = [size // 2, size // 2]
        maps = ops.pad(maps, [[0, 0], margin, margin, [0, 0]])
    return _slide(_slide(maps, taps, 2, "same"), taps, 1, "same")


@functools.lru_cache
def gaussian(size: int, sigma: float) -> np.ndarray:
    """Returns the weights of a Gaussian window along one axis; their sum is 1.

    Args:
        size: Number of weights, odd.
        sigma: In pixels.
    """
    distance = np.arange(size) - size // 2
    taps = np.exp(-(distance**2) / (2 * sigma**2))
    return (taps / taps.sum()).astype(np.float32)


def _slide(images: Tensor, taps: np.ndarray, axis: int, border: str) -> Tensor:
    """Convolves along one axis, each channel by itself."""
    kernel = taps.reshape([-1, 1, 1, 1] if axis == 1 else [1, -1, 1, 1])
    if axis == 2 or not _is_narrow(images):
        return _convolve(images, kernel, border)
    # Convolutions are vectorized over channels. Down the columns, a whole row
    # may be taken for channels: where there are 3, in half the time.
    _, height, width, channels = ops.shape(images)
    rows = ops.reshape(images, [-1, height, 1, width * channels])
    rows = _convolve(rows, kernel, border)
    return ops.reshape(rows, [-1, ops.shape(rows)[1], width, channels])


def _convolve(images: Tensor, kernel: np.ndarray, border: str) -> Tensor:
    channels = ops.shape(images)[3]
    kernel = ops.broadcast_to(kernel, [*kernel.shape[:2], channels, 1])
    return ops.depthwise_conv(
        images, kernel, 1, border, data_format="channels_last"
    )


def _is_narrow(images: Tensor) -> bool:
    """Tells whether rows of few channels have a length known by now."""
    width, channels = images.shape[2:]
    return width is not None and channels is not None and channels < 16


def _inside(images: Tensor, taps: np.ndarray) -> Tensor:
    """Returns how much of the window's weight lies inside: `[1, H, W, 1]`."""
    height, width = ops.shape(images)[1:3]
    rows = _slide(ops.ones([1, height, 1, 1]), taps, 1, "same")
    columns = _slide(ops.ones([1, 1, width, 1]), taps, 2, "same")
    return rows * columns
