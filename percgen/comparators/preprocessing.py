"""What published networks want to be fed, from RGB in [0, 1]."""

from collections.abc import Callable
from typing import Any

from keras import ops

# Means of ImageNet. The Oxford group's: blue, green, red in [0, 255].
_OXFORD_MEAN = (103.939, 116.779, 123.68)
# PyTorch's: red, green, blue in [0, 1], and standard deviations.
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def caffe(images: Any) -> Any:
    """Returns BGR in [0, 255] less the mean, as the Oxford group's VGG."""
    return ops.flip(images * 255.0, axis=-1) - ops.array(
        _OXFORD_MEAN, "float32"
    )


def torch(images: Any) -> Any:
    """Returns RGB less the mean over the deviation, as torchvision."""
    mean = ops.array(_TORCH_MEAN, "float32")
    return (images - mean) / ops.array(_TORCH_DEVIATION, "float32")


PREPROCESSING: dict[str, Callable[[Any], Any]] = {
    "caffe": caffe,
    "torch": torch,
}
