"""Puts our values beside those of other libraries.

Example:
    python -m benchmarks.conformance

Compares with what is installed (`make peers` installs all) and leaves out the
rest. Ends with status 1 if a difference is larger than its tolerance.
"""

import sys
import tempfile
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np
import skimage
import tensorflow as tf
from skimage import metrics as skimage_metrics

from benchmarks import peers
from benchmarks import report
from percgen import command
from percgen import comparators
from percgen import losses

_ODD = (161, 175)
# Of MS-SSIM on sides that divide by 16: libraries halve odd sides differently,
# and torchmetrics lets windows reach over the border.
_TOLERANCES = {
    "tf.image": 1e-5,
    "scikit-image": 1e-5,
    "pytorch-msssim": 1e-4,
    "piq": 1e-4,
    "piq, downsample=False": 1e-4,
    "torchmetrics": 2e-3,
    "lpips": 1e-5,
}


class Row(NamedTuple):
    """One comparison."""

    measure: str
    peer: str
    ours: float
    theirs: float

    @property
    def difference(self) -> float:
        """How far apart."""
        return abs(self.ours - self.theirs)

    @property
    def tolerance(self) -> float:
        """How far apart they may be."""
        return _TOLERANCES[self.peer]


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a photograph and the same with noise, `[1, H, W, 3]`."""
    photo = skimage.data.astronaut()[None, :height, :width] / np.float32(255)
    noise = np.random.default_rng(0).normal(0.0, 0.1, photo.shape)
    return photo, np.clip(photo + noise, 0, 1).astype(np.float32)


def structural() -> list[Row]:
    """Compares SSIM and MS-SSIM."""
    x, y = pair(256, 256)
    odd_x, odd_y = pair(*_ODD)
    ours, odd = losses.ms_ssim(x, y), losses.ms_ssim(odd_x, odd_y)
    theirs = tf.image.ssim_multiscale(odd_x, odd_y, 1.0)
    name = f"MS-SSIM, {_ODD[0]} x {_ODD[1]}"
    rows = [
        _row("MS-SSIM", "tf.image", ours, tf.image.ssim_multiscale(x, y, 1.0)),
        _row(name, "tf.image", odd, theirs),
        *_with_peers("MS-SSIM", ours, peers.ms_ssim(), x, y),
    ]
    ours = losses.ssim(x, y)
    theirs = skimage_metrics.structural_similarity(
        x[0].astype(np.float64),
        y[0].astype(np.float64),
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
        channel_axis=2,
    )
    return [
        *rows,
        _row("SSIM", "tf.image", ours, tf.image.ssim(x, y, 1.0)),
        _row("SSIM", "scikit-image", ours, theirs),
        *_with_peers("SSIM", ours, peers.ssim(), x, y),
    ]


def pixels() -> list[Row]:
    """Compares PSNR and total variation."""
    x, y = pair(256, 256)
    ours = losses.psnr(x, y)
    theirs = skimage_metrics.peak_signal_noise_ratio(x, y, data_range=1.0)
    # Theirs is a sum over all pairs of neighbours, ours a mean.
    roughness = tf.image.total_variation(tf.constant(x)) / (255 * 256 * 3)
    return [
        _row("PSNR", "tf.image", ours, tf.image.psnr(x, y, 1.0)),
        _row("PSNR", "scikit-image", ours, theirs),
        *_with_peers("PSNR", ours, peers.psnr(), x, y),
        _row(
            "total variation",
            "tf.image",
            losses.total_variation(x, exponent=1),
            roughness,
        ),
    ]


def learned() -> list[Row]:
    """Compares LPIPS, over a random trunk copied into ours."""
    lpips, torch = peers.find("lpips"), peers.find("torch")
    if lpips is None or torch is None:
        return []
    torch.manual_seed(0)
    theirs = lpips.LPIPS(
        net="vgg", pretrained=False, pnet_rand=True, verbose=False
    ).eval()
    for lin in theirs.lins:  # As drawn they are of both signs, and cancel.
        torch.nn.init.uniform_(lin.model[-1].weight)
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, allow_pickle=False, **_trunk(theirs, torch))
        file.flush()
        vgg = comparators.VGG16(
            losses.lpips.LAYERS["vgg"], file.name, preprocessing="torch"
        )
    heads = [
        lin.model[-1].weight.detach().numpy().ravel() for lin in theirs.lins
    ]
    ours = losses.LPIPSLoss(vgg, heads, published=True)
    x, y = pair(128, 96)
    with torch.no_grad():
        expected = theirs(peers.to_torch(x), peers.to_torch(y), normalize=True)
    return [_row("LPIPS (VGG-16)", "lpips", ours.call(x, y), expected)]


# How predictions are made of targets `[15, 192, 192, 3]`.
PREDICTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "image + noise .1": lambda x: np.clip(x + 0.1 * _noise(x), 0, 1),
    "uniform noise": lambda x: np.random.default_rng(1).random(
        x.shape, np.float32
    ),
    "unrelated image": lambda x: np.roll(x, 7, axis=0),
    "inverted": lambda x: 1 - x,
    "gray + noise .01": lambda x: np.clip(0.5 + 0.01 * _noise(x), 0, 1),
    "identical": lambda x: x,
}


def _noise(x: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(size=x.shape).astype(np.float32)


def gradients() -> list[list[object]]:
    """Counts pictures and channels whose gradient of 1 - MS-SSIM is dead.

    Returns:
        For each way to make a prediction, and each library, how many of 15
        pictures have a gradient that is not finite, how many of 45 channels one
        that is zero throughout, and how many pictures one that points away
        from the target.
    """
    photos = crops()
    rows: list[list[object]] = []
    for name, predict in PREDICTIONS.items():
        pred = predict(photos)
        for library, slope in _slopes(photos, pred).items():
            towards = np.sum(-slope * (photos - pred), axis=(1, 2, 3))
            rows.append(
                [
                    name,
                    library,
                    np.sum(~np.isfinite(slope).all(axis=(1, 2, 3))),
                    np.sum(np.all(slope == 0, axis=(1, 2))),
                    np.sum(towards < 0),
                ]
            )
    return rows


def crops() -> np.ndarray:
    """Returns 15 crops of photographs, `[15, 192, 192, 3]`."""
    return np.stack(
        [
            photo[top : top + 192, left : left + 192]
            for photo in (skimage.data.astronaut(), skimage.data.coffee())
            for top in range(0, photo.shape[0] - 192, 128)
            for left in range(0, photo.shape[1] - 192, 128)
        ][:15]
    ) / np.float32(255)


def _slopes(true: np.ndarray, pred: np.ndarray) -> dict[str, np.ndarray]:
    ours = losses.MSSSIMLoss()
    slopes = {}
    for name, loss in (
        ("percgen", lambda y: ours.call(true, y)),
        ("tf.image", lambda y: 1 - tf.image.ssim_multiscale(true, y, 1.0)),
    ):
        y = tf.constant(pred)
        with tf.GradientTape() as tape:
            tape.watch(y)
            value = loss(y)
        slopes[name] = tape.gradient(value, y).numpy()
    if peer := peers.find("pytorch_msssim"):
        x, z = peers.to_torch(true), peers.to_torch(pred).requires_grad_()
        (1 - peer.ms_ssim(x, z, 1.0, size_average=False)).sum().backward()
        slopes["pytorch-msssim"] = z.grad.numpy().transpose(0, 2, 3, 1)
    return slopes


def _trunk(theirs: Any, torch: Any) -> dict[str, np.ndarray]:
    """Returns the weights of their VGG-16 as our `.npz` names them."""
    convolutions = [
        module
        for module in theirs.net.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    names = [
        f"block{block}_conv{n}"
        for block, count in enumerate((2, 2, 3, 3, 3), 1)
        for n in range(1, count + 1)
    ]
    arrays = {}
    for name, layer in zip(names, convolutions, strict=True):
        kernel = layer.weight.detach().numpy()
        arrays[f"{name}_kernel"] = kernel.transpose(2, 3, 1, 0)
        arrays[f"{name}_bias"] = layer.bias.detach().numpy()
    return arrays


def _with_peers(
    measure: str,
    ours: Any,
    found: dict[str, Callable],
    x: np.ndarray,
    y: np.ndarray,
) -> list[Row]:
    return [
        _row(measure, name, ours, peer(peers.to_torch(x), peers.to_torch(y)))
        for name, peer in found.items()
    ]


def _row(measure: str, peer: str, ours: Any, theirs: Any) -> Row:
    return Row(measure, peer, *(np.ravel(v)[0].item() for v in (ours, theirs)))


def main() -> None:
    rows = [*structural(), *pixels(), *learned()]
    failed = [row for row in rows if row.difference > row.tolerance]
    report.write(
        "Conformance",
        "python -m benchmarks.conformance",
        "A photograph, 256 x 256 unless said otherwise, and the same with "
        "noise. LPIPS: one random trunk in both.",
        report.table(
            ["measure", "peer", "ours", "theirs", "difference", "tolerance"],
            [
                [
                    row.measure,
                    row.peer,
                    f"{row.ours:.7f}",
                    f"{row.theirs:.7f}",
                    f"{row.difference:.1e}",
                    f"{row.tolerance:.0e}",
                ]
                for row in rows
            ],
        ),
        "Gradients of 1 - MS-SSIM: 15 crops of photographs, 192 x 192, against "
        "predictions made in six ways. `identical` has no gradient to have.",
        report.table(
            [
                "prediction",
                "library",
                "not finite, of 15 pictures",
                "zero, of 45 channels",
                "away from the target, of 15",
            ],
            gradients(),
        ),
    )
    if failed:
        names = ", ".join(f"{row.measure} of {row.peer}" for row in failed)
        sys.exit(f"Larger than the tolerance: {names}.")


if __name__ == "__main__":
    command.run(main)
