"""The training step of style transfer as PyTorch's users know it.

Written anew by the description of the loop in pytorch/examples,
`fast_neural_style`: its network, a VGG-16 to relu4_3, the sum of squared
differences' means at relu2_2 and of Gram matrices at four layers, Adam. Weights
are random, which time does not depend on. Imports PyTorch, which percgen does
not need.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Filters of VGG-16's convolutions, to the deepest layer compared; 0 pools.
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512)
_COMPARED = (1, 3, 6, 9)  # relu1_2, relu2_2, relu3_3, relu4_3.
_CONTENT = 1  # Of those: relu2_2.
_CONTENT_WEIGHT, _STYLE_WEIGHT = 1e5, 1e10
_BLOCKS, _RATE = 5, 1e-3


class _Block(nn.Module):
    """Reflected border, convolution, instance normalization, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        stride: int = 1,
        grow: int = 1,
        active: bool = True,
    ):
        super().__init__()
        steps = [nn.Upsample(scale_factor=grow)] if grow > 1 else []
        steps += [
            nn.ReflectionPad2d(size // 2),
            nn.Conv2d(inputs, outputs, size, stride),
            nn.InstanceNorm2d(outputs, affine=True),
        ]
        self.steps = nn.Sequential(*steps, *[nn.ReLU()] * active)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.steps(x)


class _Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.steps = nn.Sequential(
            _Block(width, width, 3), _Block(width, width, 3, active=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.steps(x)


class _VGG16(nn.Module):
    """From pictures to the features compared."""

    def __init__(self) -> None:
        super().__init__()
        steps, inputs = [], 3
        for filters in _VGG:
            if not filters:
                steps.append(nn.MaxPool2d(2, 2))
                continue
            conv = nn.Conv2d(inputs, filters, 3, padding=1)
            steps.append(nn.Sequential(conv, nn.ReLU(inplace=True)))
            inputs = filters
        self.steps = nn.ModuleList(steps).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = []
        for step in self.steps:
            x = step(x)
            if not isinstance(step, nn.MaxPool2d):
                features.append(x)
        return [features[number] for number in _COMPARED]


def network(width: int) -> nn.Module:
    """Returns the network that paints, with `width` filters in the first."""
    return nn.Sequential(
        _Block(3, width, 9),
        _Block(width, 2 * width, 3, stride=2),
        _Block(2 * width, 4 * width, 3, stride=2),
        *[_Residual(4 * width) for _ in range(_BLOCKS)],
        _Block(4 * width, 2 * width, 3, grow=2),
        _Block(2 * width, width, 3, grow=2),
        nn.ReflectionPad2d(4),
        nn.Conv2d(width, 3, 9),
    )


def step(width: int, photographs: np.ndarray) -> Callable[[], float]:
    """Returns a step of training on a batch, which gives its loss.

    Args:
        width: Filters of the network's first layer.
        photographs: `[B, H, W, 3]` in [0, 1]; the first is the style, too.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    painter, vgg = network(width), _VGG16()
    adam = torch.optim.Adam(painter.parameters(), _RATE)
    batch = torch.from_numpy(photographs.transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        style = [_gram(x) for x in vgg(batch[:1])]

    def run() -> float:
        adam.zero_grad()
        paintings = painter(batch)
        features, wanted = vgg(paintings), vgg(batch)
        loss = _CONTENT_WEIGHT * functional.mse_loss(
            features[_CONTENT], wanted[_CONTENT]
        )
        for x, gram in zip(features, style, strict=True):
            loss = loss + _STYLE_WEIGHT * functional.mse_loss(
                _gram(x), gram.expand(len(x), -1, -1)
            )
        loss.backward()
        adam.step()
        return loss.item()

    return run


def _gram(x: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = x.shape
    flat = x.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)
