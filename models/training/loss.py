"""Binary cross-entropy on aligned scores and 4 x CIoU (Zheng et al., 2020), both per unit of target score."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .assign import Truth, assign

BOX_WEIGHT = 4.0


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU of corner boxes, row by row: overlap less distance less difference of aspect."""
    ax0, ay0, ax1, ay1 = a.unbind(-1)
    bx0, by0, bx1, by1 = b.unbind(-1)
    aw, ah, bw, bh = ax1 - ax0, ay1 - ay0, bx1 - bx0, by1 - by0
    width = (torch.minimum(ax1, bx1) - torch.maximum(ax0, bx0)).clamp(min=0)
    inter = width * (torch.minimum(ay1, by1) - torch.maximum(ay0, by0)).clamp(min=0)
    overlap = inter / (aw * ah + bw * bh - inter + 1e-7)
    hull_w = torch.maximum(ax1, bx1) - torch.minimum(ax0, bx0)
    hull_h = torch.maximum(ay1, by1) - torch.minimum(ay0, by0)
    apart = ((ax0 + ax1 - bx0 - bx1) ** 2 + (ay0 + ay1 - by0 - by1) ** 2) / 4
    shape = (4 / math.pi**2) * (torch.atan(bw / (bh + 1e-7)) - torch.atan(aw / (ah + 1e-7))) ** 2
    with torch.no_grad():
        alpha = shape / (1 - overlap + shape + 1e-7)
    return overlap - apart / (hull_w**2 + hull_h**2 + 1e-7) - alpha * shape


def loss(logits: Tensor, distances: Tensor, points: Tensor, strides: Tensor, truth: Truth) -> tuple[Tensor, dict]:
    """Of the network's output for a batch; also its parts, for the log."""
    corners = torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)
    target = assign(logits.detach().sigmoid(), corners.detach(), points, strides, truth)
    total = target.scores.sum().clamp(min=1.0)
    per_score = F.binary_cross_entropy_with_logits(logits, target.scores, reduction="none")
    class_loss = (per_score * target.heard).sum() / total
    weight = target.scores.amax(-1)[target.positive]
    overlap = ciou(corners[target.positive], target.boxes[target.positive])
    box_loss = ((1 - overlap) * weight).sum() / total
    parts = {
        "class": float(class_loss.detach()),
        "box": float(box_loss.detach()),
        "positives": int(target.positive.sum()),
        "aligned": float(weight.mean()) if len(weight) else 0.0,
    }
    return class_loss + BOX_WEIGHT * box_loss, parts
