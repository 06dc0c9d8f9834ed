"""What a loss promises, and which pictures it refuses.

Pictures are RGB in [0, 1]. Given in another range a loss would still return a
number, and a training would run on it; so the values are looked at, eagerly
and inside a compiled step.
"""

import functools
import importlib
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import keras
import numpy as np
from keras import ops

from percgen.ops import Tensor

Promised = TypeVar("Promised", bound=Callable)

INFINITY = float("inf")
# To raise inside a compiled step is the one thing that keras.ops has no word
# for. This is the backend that Keras has imported already.
_BACKEND = keras.config.backend()
_NATIVE = importlib.import_module(_BACKEND)
# How far outside [0, 1] is let pass: half a step of an 8-bit picture.
_TOLERANCE = 0.5 / 255
_SLIGHT = 1 / 64
_EXPECTED = "expected pictures in [0, 1]"


def promises(
    direction: str,
    value_range: tuple[float, float],
    color_space: str,
    border: str = "whole picture",
    smallest_image: int = 1,
) -> Callable[[Promised], Promised]:
    """Writes a contract on a function or a class, as attributes.

    Args:
        direction: `"lower"` or `"higher"`: which is better.
        value_range: Least and largest value, on pictures in [0, 1].
        color_space: What is compared.
        border: Which positions are counted.
        smallest_image: Least height and width, by the default arguments.
    """

    def write(promised: Promised) -> Promised:
        promised.direction = direction  # type: ignore[attr-defined]
        promised.value_range = value_range  # type: ignore[attr-defined]
        promised.color_space = color_space  # type: ignore[attr-defined]
        promised.border = border  # type: ignore[attr-defined]
        promised.smallest_image = smallest_image  # type: ignore[attr-defined]
        return promised

    return write


class Contract:
    """What `promises` writes on every loss and metric."""

    direction: str
    value_range: tuple[float, float]
    color_space: str
    border: str
    smallest_image: int


class PictureLoss(Contract, keras.losses.Loss):
    """What losses of pictures share.

    Args:
        name: Of the term.
        check: Whether pictures outside [0, 1] are refused.
        **kwargs: `reduction` of `keras.losses.Loss`.
    """

    def __init__(self, name: str, check: bool = True, **kwargs: Any):
        # Whatever the precision of the networks and of Keras's defaults.
        super().__init__(name=name, dtype="float32", **kwargs)
        self.check = check

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None
    ) -> Tensor:
        # Before Keras makes floats of everything.
        _refuse_integers("y_true", y_true)
        _refuse_integers("y_pred", y_pred)
        return super().__call__(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "check": self.check}


def float_pair(
    y_true: Tensor, y_pred: Tensor, smallest: int, check: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns two batches of pictures in float32, once they are found fit.

    Args:
        y_true: `[B, H, W, 1 or 3]`, in [0, 1].
        y_pred: Likewise, of the same shape.
        smallest: Least height and width.
        check: Whether values are looked at; shapes and dtypes always are.

    Returns:
        The two, and 0.0 to add to the result, or NaN where pictures were
        unfit and the step was compiled by XLA, which cannot raise.

    Raises:
        ValueError: If dtypes, shapes or values are not as they should be.
            Inside a compiled step the backend raises for values, with the
            same words.
    """
    y_true, true_verdict = float_pictures("y_true", y_true, smallest, check)
    y_pred, pred_verdict = float_pictures("y_pred", y_pred, smallest, check)
    refuse_other_shapes(y_true.shape, y_pred.shape)
    return y_true, y_pred, true_verdict + pred_verdict


def float_pictures(
    name: str, pictures: Tensor, smallest: int, check: bool
) -> tuple[Tensor, Tensor]:
    """Returns one batch in float32 and its verdict, as `float_pair` does two.

    Args:
        name: Of the argument, for messages.
        pictures: `[B, H, W, 1 or 3]`, in [0, 1].
        smallest: Least height and width.
        check: Whether values are looked at.
    """
    _refuse_integers(name, pictures)
    pictures = ops.cast(ops.convert_to_tensor(pictures), "float32")
    _refuse_shape(name, tuple(pictures.shape), smallest)
    return pictures, verify(name, pictures) if check else 0.0


def refuse_other_shapes(true: Sequence, pred: Sequence) -> None:
    """Raises `ValueError` unless shapes agree, as far as they are known."""
    if any(
        a is not None and b is not None and a != b
        for a, b in zip(true, pred, strict=True)
    ):
        raise ValueError(
            "`y_true` and `y_pred` should have the same shape. "
            f"Received: {tuple(true)} and {tuple(pred)}."
        )


def _refuse_integers(name: str, pictures: Tensor) -> None:
    if not hasattr(pictures, "dtype"):
        pictures = np.asarray(pictures)
    dtype = keras.backend.standardize_dtype(pictures.dtype)
    if "float" not in dtype:
        raise ValueError(
            f"`{name}`: {_EXPECTED}, of a floating dtype. Received: "
            f"dtype={dtype}; divide 8-bit pictures by 255."
        )


def _refuse_shape(name: str, shape: tuple, smallest: int) -> None:
    if len(shape) != 4 or shape[3] not in (1, 3, None):
        raise ValueError(
            f"`{name}` should be [B, H, W, C] with 3 channels (RGB) or 1. "
            f"Received: shape={shape}."
        )
    if any(side is not None and side < smallest for side in shape[1:3]):
        raise ValueError(
            f"`{name}` should be at least {smallest} x {smallest} pixels. "
            f"Received: shape={shape}."
        )


def verify(name: str, pictures: Tensor) -> Tensor:
    """Refuses pictures outside [0, 1], naming the likely mistake.

    Args:
        name: Of the argument, for the message.
        pictures: float32.

    Returns:
        0.0, or NaN where they are unfit and nothing could be raised.

    Raises:
        ValueError: If they are unfit. Inside a compiled step TensorFlow raises
            `InvalidArgumentError` and JAX its runtime's error instead.
    """
    if isinstance(pictures, keras.KerasTensor):
        return 0.0
    # Where XLA reduces, minimum and maximum pass over NaN; a sum does not.
    nan = 0.0 * ops.sum(pictures)
    low, high = ops.min(pictures) + nan, ops.max(pictures) + nan
    if _BACKEND == "tensorflow" and not _NATIVE.executing_eagerly():
        _refuse_in_graph(name, low, high)
    elif _BACKEND == "jax" and isinstance(low, _NATIVE.core.Tracer):
        refuse = functools.partial(_refuse, name)
        _NATIVE.debug.callback(refuse, low, high)
    else:
        _refuse(name, low, high)
    good = (low >= -_TOLERANCE) & (high <= 1 + _TOLERANCE)
    return ops.where(good, 0.0, float("nan"))


def _mistakes(low: Tensor, high: Tensor) -> list[tuple[Tensor, str]]:
    """Returns every mistake we know, and whether it was made: at most one."""
    nan = (low != low) | (high != high)
    outside = (low < -_TOLERANCE) | (high > 1 + _TOLERANCE)
    wide = high > 2.0
    signed = outside & ~wide & (low < -0.5)
    slight = outside & (low >= -_SLIGHT) & (high <= 1 + _SLIGHT)
    return [
        (nan, "it holds NaN or infinity"),
        (wide, "it looks like 0-255: divide by 255"),
        (signed, "it looks like [-1, 1]: use (x + 1) / 2"),
        (
            slight,
            "so little outside, it looks like rounding in bfloat16 or float16: "
            "let the last layer compute in float32, or clip",
        ),
        (
            outside & ~(wide | signed | slight | nan),
            "bound the last layer (a sigmoid), clip, or, where it is meant, "
            "pass check=False",
        ),
    ]


def _refuse(name: str, low: Tensor, high: Tensor) -> None:
    low, high = (np.float32(ops.convert_to_numpy(x)) for x in (low, high))
    for made, hint in _mistakes(low, high):
        if made:
            raise ValueError(
                f"`{name}`: {_EXPECTED}; {hint}. "
                f"Received: values from {low:.6g} to {high:.6g}."
            )


def _refuse_in_graph(name: str, low: Tensor, high: Tensor) -> None:
    for made, hint in _mistakes(low, high):
        text = f"`{name}`: {_EXPECTED}; {hint}. Received: values from"
        _NATIVE.debugging.Assert(~made, [text, low, "to", high])
