"""Checkpoints: `full.pt` to go on exactly where a training stopped, `half.pt` (under 4 MiB) to keep, to
export and to begin another training with."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from .network import Detector


def save(path: Path, content: dict) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    torch.save(content, partial)
    os.replace(partial, path)


def half(average: nn.Module, config: dict, seconds: float, samples: int) -> dict:
    """The checkpoint that may be committed: averaged weights in half precision."""
    weights = {k: v.half() if v.dtype.is_floating_point else v for k, v in average.state_dict().items()}
    return {"config": config, "weights": weights, "seconds": seconds, "samples": samples}


def load_weights(path: Path) -> tuple[Detector, dict]:
    """A network from either kind of checkpoint: its averaged weights."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    model = Detector(**content["config"])
    weights = content["weights"] if "weights" in content else content["average"]
    model.load_state_dict({k: v.float() if v.dtype.is_floating_point else v for k, v in weights.items()})
    return model, content
