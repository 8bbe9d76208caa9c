"""Muon for the matrices, AdamW for the rest.

Muon (Jordan et al., 2024) takes the momentum of a weight matrix to the nearest orthogonal one by five
Newton-Schulz steps; it needs fewer samples than AdamW, and samples are what a CPU has too few of.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def orthogonal(g: Tensor) -> Tensor:
    """The orthogonal matrix nearest to `g`, roughly (quintic Newton-Schulz iteration)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    for _ in range(5):
        s = x @ x.t()
        x = a * x + (b * s + c * (s @ s)) @ x
    return x.t() if tall else x


class Muon(torch.optim.Optimizer):
    """For dense convolutions; each update has the size that AdamW's typically has at the same rate."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["momentum"])
                update = p.grad.lerp(momentum, group["momentum"]).flatten(1)
                update = orthogonal(update) * (0.2 * math.sqrt(max(update.shape)))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update.view_as(p), alpha=-group["lr"])


def optimisers(model: nn.Module, rate: float, muon: bool) -> list[torch.optim.Optimizer]:
    """Both optimisers; every group has its own `base` rate, which the schedule scales."""
    matrices, plain, undecayed = [], [], []
    outputs = {id(p) for name, p in model.named_parameters() if "_out." in name}
    for p in model.parameters():
        if p.ndim < 2:
            undecayed.append(p)
        elif muon and p.shape[1] > 3 and id(p) not in outputs:
            matrices.append(p)
        else:
            plain.append(p)
    adam = torch.optim.AdamW(
        [{"params": plain, "weight_decay": 0.03}, {"params": undecayed, "weight_decay": 0.0}],
        lr=rate,
        betas=(0.9, 0.99),
    )
    result = [adam]
    if matrices:
        result.append(Muon([{"params": matrices}], lr=2 * rate, weight_decay=0.03))
    for optimiser in result:
        for group in optimiser.param_groups:
            group["base"] = group["lr"]
    return result
