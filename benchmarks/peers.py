"""Other libraries' metrics, those that are installed, behind one signature.

`benchmarks/requirements.txt` names them. Each takes and gives PyTorch tensors,
NCHW, in [0, 1]; a similarity of one pair or the mean of a batch.
"""

import contextlib
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Similarity = Callable[[Any, Any], Any]


def find(name: str) -> ModuleType | None:
    """Returns a module, or None if it is not installed."""
    if name in ("piq", "lpips"):
        _declare_torchvision()
    with contextlib.suppress(ImportError):
        return importlib.import_module(name)
    return None


def _declare_torchvision() -> None:
    """Lets torchvision's wheel, made for CUDA, import beside a CPU PyTorch."""
    torch = find("torch")
    if torch is None or hasattr(torch.ops.torchvision, "nms"):
        return
    schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", schema)


def to_torch(images: np.ndarray) -> Any:
    """Returns NHWC pictures as PyTorch wants them."""
    torch = importlib.import_module("torch")
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def ms_ssim() -> dict[str, Similarity]:
    """Returns the MS-SSIMs at hand by library."""
    found: dict[str, Similarity] = {}
    if peer := find("pytorch_msssim"):
        found["pytorch-msssim"] = lambda x, y: peer.ms_ssim(x, y, 1.0)
    if piq := find("piq"):
        found["piq"] = lambda x, y: piq.multi_scale_ssim(x, y, data_range=1.0)
    if torchmetrics := find("torchmetrics.functional.image"):
        measure = torchmetrics.multiscale_structural_similarity_index_measure
        found["torchmetrics"] = lambda x, y: measure(x, y, data_range=1.0)
    return found


def ssim() -> dict[str, Similarity]:
    """Returns the SSIMs at hand by library."""
    found: dict[str, Similarity] = {}
    if peer := find("pytorch_msssim"):
        found["pytorch-msssim"] = lambda x, y: peer.ssim(x, y, 1.0)
    if piq := find("piq"):
        found["piq, downsample=False"] = lambda x, y: piq.ssim(
            x, y, data_range=1.0, downsample=False
        )
    if torchmetrics := find("torchmetrics.functional.image"):
        measure = torchmetrics.structural_similarity_index_measure
        found["torchmetrics"] = lambda x, y: measure(x, y, data_range=1.0)
    return found


def psnr() -> dict[str, Similarity]:
    """Returns the PSNRs at hand by library; of one pair."""
    found: dict[str, Similarity] = {}
    if piq := find("piq"):
        found["piq"] = lambda x, y: piq.psnr(x, y, data_range=1.0)
    if torchmetrics := find("torchmetrics.functional.image"):
        measure = torchmetrics.peak_signal_noise_ratio
        found["torchmetrics"] = lambda x, y: measure(x, y, data_range=1.0)
    return found
