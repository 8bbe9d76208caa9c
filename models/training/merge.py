"""Averages the weights of runs that parted from one state: steadier than either, for the price of one.

    python -m training.merge RUN/full.pt OTHER/full.pt --out merged.pt

Copy the run's folder where they are to part, and go on in both with another `--seed`. Wortsman et al., "Model
soups" (2022): weights near one another in one valley of the loss may be averaged, others may not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import half, save
from .network import Detector


def merge(paths: list[Path]) -> dict:
    """The half-precision checkpoint of the mean of the runs' averages; seconds and samples are sums."""
    runs = [torch.load(path, map_location="cpu", weights_only=True) for path in paths]
    if any(run["config"] != runs[0]["config"] for run in runs):
        raise SystemExit("the runs are of different networks: " + ", ".join(map(str, paths)))
    weights = {
        name: sum(run["average"][name] for run in runs) / len(runs) if value.dtype.is_floating_point else value
        for name, value in runs[0]["average"].items()
    }
    model = Detector(**runs[0]["config"]).eval()
    model.load_state_dict(weights)
    return half(model, model.config, sum(run["seconds"] for run in runs), sum(run["samples"] for run in runs))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", type=Path, nargs="+", help="full.pt of each run")
    p.add_argument("--out", type=Path, required=True, help="checkpoint for `training.calibrate` and `training.export`")
    arguments = p.parse_args()
    save(arguments.out, merge(arguments.runs))


if __name__ == "__main__":
    main()
