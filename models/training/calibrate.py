"""Makes scores mean something: after it, of detections with score 0.4 about four in ten are right, in every class.

    python -m training.calibrate RUN/half.pt --shared DIR --teacher FILE --city DIR

Training for aligned scores (`assign.py`) leaves them low, and differently low for each class, so that one threshold
cannot suit all classes and a tracker's thresholds suit no such model. Platt scaling (Platt, "Probabilities for SV
machines", 1999) mends both: for each class the logit `z` becomes `a z + b`, fitted by logistic regression on which
detections are right. Order within a class stays as it was, so AP does too. The pair goes into the checkpoint, and
from there into the weights of the last convolution at export: it costs nothing at run time.

What is fitted on: the held-out views of the synthetic city, and pictures that teach, as the camera gave them (no crop,
no damage); the two halves count alike. Pictures that only measure are not looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from . import dataset, teacher
from .checkpoint import save
from .dataset import ANY, CLASSES, Picture
from .evaluate import Detect, match, torch_street

LEAST = 30
"""Right detections that a class needs for a pair of its own; with fewer it gets that of all classes."""
PULL = 8.0
"""How strongly the pair of a class is held to that of all: as much as so many detections."""


def outcomes(detect: Detect, pictures: list[Picture]) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each class, logits of the detections that count, and which of them are right."""
    scores = [[np.zeros(0)] for _ in CLASSES]
    hits = [[np.zeros(0, bool)] for _ in CLASSES]
    for picture in pictures:
        found, labels = detect(picture.image), picture.labels
        for class_ in range(len(CLASSES)):
            truth = labels.boxes[labels.classes == class_]
            ignore = labels.ignore[(labels.ignore_class == class_) | (labels.ignore_class == ANY)]
            hit, score = match(found[found[:, 4] == class_], truth, ignore)
            hits[class_].append(hit)
            scores[class_].append(score)
    result = []
    for class_ in range(len(CLASSES)):
        score = np.concatenate(scores[class_]).astype(np.float64).clip(1e-6, 1 - 1e-6)
        result.append((np.log(score / (1 - score)), np.concatenate(hits[class_])))
    return result


def fit(logits: np.ndarray, right: np.ndarray, weight: np.ndarray, towards: np.ndarray, pull: float) -> np.ndarray:
    """`a, b` of the likeliest `sigmoid(a z + b)`, held to `towards`; Newton's method."""
    design = np.stack([logits, np.ones_like(logits)], 1)
    # What "right" is for a logistic regression that is not to be over-sure (Platt's own targets).
    many, few = right.sum(), len(right) - right.sum()
    target = np.where(right, (many + 1) / (many + 2), 1 / (few + 2))
    pair = towards.copy()
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ pair))
        slope = design.T @ (weight * (chance - target)) + pull * (pair - towards)
        curve = (design * (weight * chance * (1 - chance))[:, None]).T @ design + pull * np.eye(2)
        # Whole steps overshoot far from the end.
        step = np.linalg.solve(curve, slope).clip(-1, 1)
        pair = pair - step
        if np.abs(step).max() < 1e-9:
            break
    return pair


def calibrate(groups: list[list[tuple[np.ndarray, np.ndarray]]]) -> np.ndarray:
    """`[classes, 2]`; each group of outcomes weighs the same in all."""
    total = sum(len(z) for group in groups for z, _ in group)
    weight_of = [total / (len(groups) * max(1, sum(len(z) for z, _ in group))) for group in groups]
    by_class = []
    for class_ in range(len(CLASSES)):
        z = np.concatenate([group[class_][0] for group in groups])
        right = np.concatenate([group[class_][1] for group in groups])
        weight = np.concatenate([np.full(len(group[class_][0]), w) for group, w in zip(groups, weight_of)])
        by_class.append((z, right, weight))
    together = fit(*(np.concatenate(part) for part in zip(*by_class)), np.array([1.0, 0.0]), 1e-6)
    if together[0] <= 0:
        print("higher scores are not more often right: scores are left as they are; train for longer")
        return np.tile([1.0, 0.0], (len(CLASSES), 1))
    pairs = []
    for z, right, weight in by_class:
        own = fit(z, right, weight, together, PULL) if right.sum() >= LEAST else together
        pairs.append(own if own[0] > 0 else together)
    return np.array(pairs)


def pictures(arguments: argparse.Namespace, every: int = 5) -> list[list[Picture]]:
    """What to fit on, of the folders that the arguments of the training name; every n-th of the teaching pictures."""
    real = dataset.read_training(arguments.shared)[::every] if arguments.shared else []
    teacher.advise(real, arguments.teacher)
    if arguments.frames:
        real += dataset.read_frames(arguments.frames)
    city = dataset.read_city(arguments.city, held_out=True) if arguments.city else []
    return [group for group in (real, city) if group]


def write(checkpoint: Path, groups: list[list[Picture]]) -> None:
    """Fits, writes the pairs into the checkpoint, and prints them."""
    detect = torch_street(checkpoint, calibrated=False)
    pairs = calibrate([outcomes(detect, group) for group in groups])
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    save(checkpoint, {**content, "calibration": pairs.tolist()})
    for name, (slope, shift) in zip(CLASSES, pairs):
        print(f"{name:12} logit x {slope:.3f} {shift:+.3f}")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint", type=Path, help="half.pt; the pairs are written into it")
    p.add_argument("--shared", type=Path, help="folder of the shared training set")
    p.add_argument("--teacher", type=Path, help="cache made by `python -m training.teacher`")
    p.add_argument("--city", type=Path, help="folder of rendered pictures: those held out")
    p.add_argument("--frames", type=Path, help="folder of a site's own labelled frames")
    arguments = p.parse_args()
    groups = pictures(arguments)
    if not groups:
        raise SystemExit("nothing to calibrate on: give --shared, --city or --frames")
    write(arguments.checkpoint, groups)


if __name__ == "__main__":
    main()
