"""Which cells answer for which box: task-aligned assignment (Feng et al., "TOOD", 2021).

A cell may answer for a box when its centre lies in it; a box smaller than 12 pixels also gets the
stride-8 cells around its centre, or far motorbikes would have none. Of these the ten with the highest
`score^alpha * iou^beta` answer, and the target score is that measure scaled to the best IoU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dataset import ANY

TOP, ALPHA, BETA = 10, 0.5, 6.0
SMALL, REACH = 12.0, 6.0
"""Boxes with a side below `SMALL` pixels get the stride-8 cells within `REACH` pixels of their centre."""


@dataclass
class Truth:
    """Labels of a batch, padded to the longest."""

    boxes: Tensor  # [B, M, 4] corners in pixels
    classes: Tensor  # [B, M] int64
    trust: Tensor  # [B, M]; 0 is padding
    ignore: Tensor  # [B, K, 4]
    ignore_class: Tensor  # [B, K] int64; ANY for all classes, -2 is padding


@dataclass
class Assigned:
    """What every cell should say."""

    scores: Tensor  # [B, N, C] target scores
    boxes: Tensor  # [B, N, 4] target corners; meaningless where `positive` is false
    positive: Tensor  # [B, N] bool
    heard: Tensor  # [B, N, C] bool: false where there is no truth


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """[B, M, N] IoU of corner boxes [B, M, 4] and [B, N, 4]."""
    ax0, ay0, ax1, ay1 = a.unsqueeze(2).unbind(-1)
    bx0, by0, bx1, by1 = b.unsqueeze(1).unbind(-1)
    width = (torch.minimum(ax1, bx1) - torch.maximum(ax0, bx0)).clamp_(min=0)
    inter = width.mul_((torch.minimum(ay1, by1) - torch.maximum(ay0, by0)).clamp_(min=0))
    area_a, area_b = (ax1 - ax0) * (ay1 - ay0), (bx1 - bx0) * (by1 - by0)
    return inter / (area_a + area_b - inter + 1e-9)


def _contains(boxes: Tensor, points: Tensor) -> Tensor:
    """[B, M, N] bool: is the point in the box."""
    x, y = points[:, 0], points[:, 1]
    x0, y0, x1, y1 = boxes.unsqueeze(2).unbind(-1)
    return (x > x0) & (x < x1) & (y > y0) & (y < y1)


@torch.no_grad()
def assign(scores: Tensor, corners: Tensor, points: Tensor, strides: Tensor, truth: Truth) -> Assigned:
    """`scores` [B, N, C] from 0 to 1 and `corners` [B, N, 4] are what the network says now."""
    batch, cells, classes = scores.shape
    heard = _heard(points, truth, classes)
    many = truth.boxes.shape[1]
    if many == 0:
        nothing = torch.zeros_like(scores)
        return Assigned(nothing, corners, torch.zeros(batch, cells, dtype=torch.bool), heard)

    real = (truth.trust > 0).unsqueeze(2)
    candidate = _contains(truth.boxes, points)
    size = truth.boxes[..., 2:] - truth.boxes[..., :2]
    middle = (truth.boxes[..., 2:] + truth.boxes[..., :2]) / 2
    distance = (middle.unsqueeze(2) - points).abs().amax(-1)
    small = (size.amin(-1) < SMALL).unsqueeze(2) & (strides == strides.min())
    candidate = (candidate | (small & (distance < REACH))) & real

    overlap = pairwise_iou(truth.boxes, corners)
    said = scores.transpose(1, 2).gather(1, truth.classes.unsqueeze(2).expand(-1, -1, cells))
    measure = said.pow(ALPHA) * overlap.pow(BETA)
    # While boxes are still random the measure is nothing but noise: nearness breaks ties.
    order = (measure + 1e-9 / (1 + distance / strides)).masked_fill(~candidate, 0)
    best = order.topk(min(TOP, cells), dim=2)
    chosen = torch.zeros_like(candidate).scatter_(2, best.indices, best.values > 0)

    # A cell that several boxes want goes to the one it overlaps most.
    wanted = torch.where(chosen, overlap + 1e-6 * order, overlap.new_tensor(-1.0))
    value, owner = wanted.max(1)
    positive = value >= 0
    mine = torch.zeros_like(chosen).scatter_(1, owner.unsqueeze(1), positive.unsqueeze(1))

    measure = measure * mine
    top = measure.amax(2, keepdim=True)
    reach = (overlap * mine).amax(2, keepdim=True)
    value = (measure / (top + 1e-12) * reach).sum(1)
    value = value * truth.trust.gather(1, owner)
    label = truth.classes.gather(1, owner)
    target = torch.zeros_like(scores).scatter_(2, label.unsqueeze(2), (value * positive).unsqueeze(2))
    boxes = truth.boxes.gather(1, owner.unsqueeze(2).expand(-1, -1, 4))
    heard = heard | positive.unsqueeze(2)
    return Assigned(target, boxes, positive, heard)


def _heard(points: Tensor, truth: Truth, classes: int) -> Tensor:
    batch, cells = truth.boxes.shape[0], points.shape[0]
    if truth.ignore.shape[1] == 0:
        return torch.ones(batch, cells, classes, dtype=torch.bool)
    covered = _contains(truth.ignore, points)
    result = torch.empty(batch, cells, classes, dtype=torch.bool)
    for c in range(classes):
        of_class = ((truth.ignore_class == c) | (truth.ignore_class == ANY)).unsqueeze(2)
        result[..., c] = ~(covered & of_class).any(1)
    return result
