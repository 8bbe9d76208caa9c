"""The network: a small anchor-free detector for one processor core.

Cross-stage-partial stages (Wang et al., "CSPNet", 2020) of depthwise-separable blocks, a pooling pyramid
(SPPF), a path-aggregation neck (Liu et al., "PANet", 2018) and separate branches for classes and boxes at
strides 8, 16 and 32. No anchors and no objectness (Tian et al., "FCOS", 2019): each cell gives one score
per class and the distances from its centre to the four sides.

Training reads `forward`; the exported graph is `Deployed`, which takes pixels and gives pixels.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .dataset import CLASSES

STRIDES = (8, 16, 32)
TARGET = (320, 544)
"""Height and width that the finished detector is exported at."""
DEVIATION = 60.0
"""Of pixels from 0 to 255. Their mean is left to the first batch norm, and at export this factor goes into
the first convolution, so that the finished graph spends no pass over the picture on it."""


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, unless told otherwise, ReLU."""

    def __init__(self, inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True):
        layers = [
            nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outside, eps=1e-3, momentum=0.03),
        ]
        super().__init__(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def separable(inside: int, outside: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Depthwise, then pointwise; ReLU only after the pointwise half, which saves a pass over memory."""
    return nn.Sequential(
        ConvNorm(inside, inside, kernel, stride, groups=inside, relu=False), ConvNorm(inside, outside, relu=relu)
    )


class Block(nn.Module):
    """Pointwise, then depthwise-separable 3x3, with a shortcut. The sum goes before the last ReLU: the
    runtime then folds both into the convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.expand = ConvNorm(channels, channels)
        self.mix = separable(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.mix(self.expand(x)), inplace=True)


class Stage(nn.Module):
    """Half of the channels go through the blocks, half around them. Two convolutions make the halves: one
    that is cut in two would have its result copied out of the runtime's blocked layout and back."""

    def __init__(self, inside: int, outside: int, blocks: int):
        super().__init__()
        half = outside // 2
        self.around, self.through = ConvNorm(inside, half), ConvNorm(inside, half)
        self.blocks = nn.Sequential(*(Block(half) for _ in range(blocks)))
        self.join = ConvNorm(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([self.around(x), self.blocks(self.through(x))], 1))


class Pyramid(nn.Module):
    """Three 5x5 maxima in a row: fields of 5, 9 and 13 cells for the price of three."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.before = ConvNorm(channels, half)
        self.after = ConvNorm(4 * half, channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = [self.before(x)]
        for _ in range(3):
            seen.append(F.max_pool2d(seen[-1], 5, 1, 2))
        return self.after(torch.cat(seen, 1))


class Detector(nn.Module):
    """Pixels in; per cell the class logits and the four distances in pixels."""

    def __init__(
        self,
        classes: int = len(CLASSES),
        widths: tuple[int, ...] = (16, 32, 64, 128, 256),
        depths: tuple[int, ...] = (1, 2, 4, 2),
        neck: int = 56,
    ):
        super().__init__()
        self.classes = classes
        self.config = {"classes": classes, "widths": list(widths), "depths": list(depths), "neck": neck}
        self.scale = 1 / DEVIATION
        stem, c4, c8, c16, c32 = widths
        self.stem = ConvNorm(3, stem, 3, 2)
        self.down4 = ConvNorm(stem, c4, 3, 2)
        self.stage4 = Stage(c4, c4, depths[0])
        self.down8 = ConvNorm(c4, c8, 3, 2)
        self.stage8 = Stage(c8, c8, depths[1])
        self.down16 = separable(c8, c16, 3, 2)
        self.stage16 = Stage(c16, c16, depths[2])
        self.down32 = separable(c16, c32, 3, 2)
        self.stage32 = nn.Sequential(Stage(c32, c32, depths[3]), Pyramid(c32))
        self.side8, self.side16, self.side32 = ConvNorm(c8, neck), ConvNorm(c16, neck), ConvNorm(c32, neck)
        self.up16, self.up8 = Stage(2 * neck, neck, 1), Stage(2 * neck, neck, 1)
        self.shrink8, self.shrink16 = separable(neck, neck, 5, 2), separable(neck, neck, 5, 2)
        self.out16, self.out32 = Stage(2 * neck, neck, 1), Stage(2 * neck, neck, 1)
        self.class_branch = nn.ModuleList(nn.Sequential(separable(neck, neck, 5), separable(neck, neck, 5)) for _ in STRIDES)
        self.box_branch = nn.ModuleList(nn.Sequential(separable(neck, neck, 5), separable(neck, neck, 5)) for _ in STRIDES)
        self.class_out = nn.ModuleList(nn.Conv2d(neck, classes, 1) for _ in STRIDES)
        self.box_out = nn.ModuleList(nn.Conv2d(neck, 4, 1) for _ in STRIDES)
        self.twice = nn.Upsample(scale_factor=2.0)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        for block in self.modules():
            if isinstance(block, Block):
                # Near the identity, so that depth costs nothing at first.
                nn.init.constant_(block.mix[1][1].weight, 0.5)
        for classes, boxes in zip(self.class_out, self.box_out):
            nn.init.normal_(classes.weight, std=0.01)
            nn.init.constant_(classes.bias, -math.log((1 - 0.01) / 0.01))
            nn.init.normal_(boxes.weight, std=0.01)
            nn.init.constant_(boxes.bias, 1.0)

    def features(self, x: Tensor) -> list[Tensor]:
        x = self.stage4(self.down4(self.stem(x)))
        c8 = self.stage8(self.down8(x))
        c16 = self.stage16(self.down16(c8))
        c32 = self.side32(self.stage32(self.down32(c16)))
        c16 = self.up16(torch.cat([self.side16(c16), self.twice(c32)], 1))
        c8 = self.up8(torch.cat([self.side8(c8), self.twice(c16)], 1))
        c16 = self.out16(torch.cat([c16, self.shrink8(c8)], 1))
        return [c8, c16, self.out32(torch.cat([c32, self.shrink16(c16)], 1))]

    def maps(self, pixels: Tensor) -> list[tuple[Tensor, Tensor, int]]:
        """Per level: class logits, distances in pixels (left, top, right, bottom), stride."""
        levels = self.features(pixels if self.scale == 1 else pixels * self.scale)
        result = []
        for i, (x, stride) in enumerate(zip(levels, STRIDES)):
            logits = self.class_out[i](self.class_branch[i](x))
            distances = F.softplus(self.box_out[i](self.box_branch[i](x))) * stride
            result.append((logits, distances, stride))
        return result

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits [B, cells, C] and distances [B, cells, 4] in pixels, stride 8 first, row-major."""
        maps = self.maps(pixels)
        logits = torch.cat([m[0].flatten(2) for m in maps], 2).transpose(1, 2)
        distances = torch.cat([m[1].flatten(2) for m in maps], 2).transpose(1, 2)
        return logits, distances


def centres(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Cell centres [cells, 2] in pixels and strides [cells], in the order of `Detector.forward`."""
    points, strides = [], []
    for stride in STRIDES:
        rows, columns = height // stride, width // stride
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        points.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(points), torch.cat(strides)


class Deployed(nn.Module):
    """What is exported: RGB pixels 0 to 255 [B, 3, H, W] to [B, 4 + C, cells].

    Rows are `cx, cy, w, h` in input pixels, then class scores from 0 to 1. `calibration` (`calibrate.py`) is a pair
    for each class, by which its logit is multiplied and moved.
    """

    def __init__(self, detector: Detector, height: int, width: int, calibration: list[list[float]] | None = None):
        super().__init__()
        detector = copy.deepcopy(detector).eval()
        detector.stem[0].weight.data *= detector.scale
        detector.scale = 1
        if calibration is not None:
            slope, shift = torch.tensor(calibration).t()
            for out in detector.class_out:
                out.weight.data *= slope[:, None, None, None]
                out.bias.data = out.bias.data * slope + shift
        self.detector = detector
        points, _ = centres(height, width)
        self.register_buffer("points", points.t()[None].contiguous())

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.detector.maps(pixels)
        logits = torch.cat([m[0].flatten(2) for m in maps], 2)
        d = torch.cat([m[1].flatten(2) for m in maps], 2)
        near, far = d[:, :2], d[:, 2:]
        return torch.cat([self.points + (far - near) * 0.5, near + far, logits.sigmoid()], 1)
