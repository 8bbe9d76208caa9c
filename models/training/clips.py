"""Recall of detectors on the synthetic city's clips, whose truth is exact: by class, clip, height and light.

    python -m training.clips --clips ../test-media street/street.onnx yolox:yolox_nano_416.onnx --curves curves.svg

Protocol: an object must be found when its visible part is at least 24 pixels high and at most half of it is hidden;
every other one is an ignore region, in which a spare detection counts neither way. The best-scored detection takes the
free box of its class that it overlaps most, from IoU 0.5; detections from score 0.01. `recall` is the highest at which
precision is still at least 0.95: over all classes with one threshold (as the product has one), or of a class alone.
Clips of camera faults are left out, and persons inside vehicles, as in evaluate.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from .curves import Line, Panel, draw
from .dataset import CLASSES, VEHICLES
from .evaluate import NMS, Detect, open_model
from .teacher import inside, iou, suppress

LEAST_HEIGHT, MOST_HIDDEN, PRECISION = 24, 0.5, 0.95
FAULTS = ("camera_", "picture_")
BANDS = ((24, 32), (32, 48), (48, 80), (80, 10_000))
"""Heights in pixels of the clip, lower bound within."""


@dataclass
class Truth:
    """Objects of one frame: corners in pixels, classes, and which of them must be found."""

    boxes: np.ndarray  # [n, 4] float32
    classes: np.ndarray  # [n] int64
    required: np.ndarray  # [n] bool


def read_truth(path: Path) -> dict | None:
    """The parsed truth.json; nothing when its clip is about faults of the camera."""
    content = json.loads(path.read_text())
    return None if any(e["kind"].startswith(FAULTS) for e in content["events"]) else content


def frames(content: dict, folder: Path, every: int) -> Iterator[tuple[np.ndarray, Truth]]:
    """RGB pictures with their truth. A clip that does not fit its truth is refused."""
    column = {name: i for i, name in enumerate(content["frame_columns"])}
    class_of = {o["id"]: CLASSES.index(o["class"]) for o in content["objects"]}
    capture = cv2.VideoCapture(str(folder / content["clip"]))
    for number, rows in enumerate(content["frames_data"]):
        good, image = capture.read()
        if not good or image.shape[:2] != (content["height"], content["width"]):
            raise ValueError(f"{folder}: frame {number} of the clip does not fit truth.json")
        if number % every:
            continue
        boxes = np.array([r[column["x0"] : column["x0"] + 4] for r in rows], np.float32).reshape(-1, 4)
        hidden = np.array([r[column["occlusion"]] for r in rows], np.float32)
        classes = np.array([class_of[r[0]] for r in rows], np.int64)
        required = (boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT) & (hidden <= MOST_HIDDEN)
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB), Truth(boxes, classes, required)


@dataclass
class Found:
    """Every box that had to be found, with the score of what found it (0: nothing), and every false detection."""

    truth: list[tuple] = field(default_factory=list)  # (clip, class, height, score)
    false: list[tuple] = field(default_factory=list)  # (clip, class, score)

    def add(self, clip: str, found: np.ndarray, truth: Truth) -> None:
        """One frame."""
        hopeless = truth.boxes[~truth.required]
        vehicles = truth.boxes[np.isin(truth.classes, VEHICLES)]
        for class_ in range(len(CLASSES)):
            mine = found[found[:, 4] == class_]
            mine = mine[np.argsort(-mine[:, 5], kind="stable")]
            if class_ == 0 and len(mine) and len(vehicles):
                mine = mine[inside(mine, vehicles).max(1) < 0.7]
            wanted = truth.boxes[truth.required & (truth.classes == class_)]
            score = np.zeros(len(wanted))
            overlaps = iou(mine, wanted) if len(mine) and len(wanted) else np.zeros((len(mine), len(wanted)))
            for row, detection in zip(overlaps, mine):
                row = np.where(score > 0, -1, row)
                if len(row) and row.max() >= 0.5:
                    score[int(row.argmax())] = detection[5]
                elif not len(hopeless) or (
                    inside(detection[None], hopeless).max() <= 0.5 and iou(detection[None], hopeless).max() < 0.5
                ):
                    self.false.append((clip, class_, float(detection[5])))
            heights = wanted[:, 3] - wanted[:, 1]
            self.truth += [(clip, class_, float(h), float(s)) for h, s in zip(heights, score)]

    def line(self, model: str, clip: str | None = None, class_: int | None = None, threshold: float | None = None) -> Line:
        """Scores and hits of one clip, one class, or all."""
        mine = lambda row: (clip is None or row[0] == clip) and (class_ is None or row[1] == class_)
        truth = np.array([row[3] for row in self.truth if mine(row)])
        false = np.array([row[2] for row in self.false if mine(row)])
        hits = truth[truth > 0]
        return Line(model, np.concatenate([hits, false]), np.concatenate([np.ones(len(hits)), np.zeros(len(false))]).astype(bool),
                    len(truth), threshold)


def at_precision(line: Line, least: float = PRECISION) -> tuple[float, float]:
    """Highest recall at which precision is still `least`, from 0 to 1, and the score from which to take detections."""
    order = np.argsort(-line.score, kind="stable")
    hits = np.cumsum(line.hit[order])
    good = np.flatnonzero(hits >= least * np.arange(1, len(hits) + 1) - 1e-9)
    return (float(hits[good[-1]] / max(line.truths, 1)), float(line.score[order][good[-1]])) if len(good) else (0.0, 1.0)


def at_score(line: Line, threshold: float) -> tuple[float, float]:
    """Precision and recall when detections are taken from `threshold` up."""
    taken = line.score >= threshold
    hits = int(line.hit[taken].sum())
    return hits / max(int(taken.sum()), 1), hits / max(line.truths, 1)


def any_class(found: np.ndarray, truth: Truth) -> tuple[np.ndarray, Truth]:
    """The same with vehicles of one class: what is lost to confusion of car, bus and truck, motorcycle and bicycle?"""
    found = found.copy()
    found[found[:, 4] != 0, 4] = 2
    return suppress(found, NMS), Truth(truth.boxes, np.where(truth.classes == 0, 0, 2), truth.required)


def measure(detect: Detect, folders: list[Path], every: int) -> tuple[Found, Found]:
    """As classes are, and with all vehicles and cycles as one class."""
    strict, loose = Found(), Found()
    for folder in folders:
        content = read_truth(folder / "truth.json")
        if content is None:
            continue
        for image, truth in frames(content, folder, every):
            found = detect(image)
            strict.add(folder.name, found, truth)
            loose.add(folder.name, *any_class(found, truth))
    return strict, loose


def report(name: str, strict: Found, loose: Found, threshold: float | None) -> str:
    """Markdown: what each part of the clips gives at the one threshold that all of them together allow."""
    whole = strict.line(name)
    recall, score = at_precision(whole)
    used = score if threshold is None else threshold
    lines = [
        f"\n**{name}**: recall {100 * recall:.1f} at precision {100 * PRECISION:.0f} (score from {score:.2f}); "
        f"vehicles of any class {100 * at_precision(loose.line(name, class_=2))[0]:.1f}.\n",
        f"| part | boxes | recall at precision {100 * PRECISION:.0f} | from score {used:.2f}: precision | recall |\n|---|---|---|---|---|",
    ]
    parts = [("all", whole)]
    parts += [(label, strict.line(name, class_=c)) for c, label in enumerate(CLASSES)]
    parts += [(clip, strict.line(name, clip=clip)) for clip in sorted({row[0] for row in strict.truth + strict.false})]
    for label, line in parts:
        if line.truths:
            precision, there = at_score(line, used)
            lines.append(f"| {label} | {line.truths} | {100 * at_precision(line)[0]:.1f} | {100 * precision:.1f} | {100 * there:.1f} |")
        else:
            lines.append(f"| {label} | 0 | | {int((line.score >= used).sum())} false | |")
    for low, high in BANDS:
        scores = np.array([row[3] for row in strict.truth if low <= row[2] < high])
        label = f"{low} to {high - 1} px high" if high < 10_000 else f"{low} px high and more"
        if len(scores):
            lines.append(f"| {label} | {len(scores)} | | | {100 * float((scores >= used).mean()):.1f} |")
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", help="[yolox:|nanodet:]FILE.onnx, or a checkpoint FILE.pt")
    p.add_argument("--clips", type=Path, required=True, help="folder with a folder for each clip (clip.mp4, truth.json)")
    p.add_argument("--every", type=int, default=5, help="take every n-th frame")
    p.add_argument("--score", type=float, help="threshold for the last two columns; otherwise the one found")
    p.add_argument("--curves", type=Path, help="draw precision over recall here, as SVG")
    a = p.parse_args()
    folders = sorted(path.parent for path in a.clips.glob("*/truth.json"))
    if not folders:
        raise SystemExit(f"no truth.json in the folders of {a.clips}")
    results = []
    for given in a.models:
        name, _, detect = open_model(given)
        strict, loose = measure(detect, folders, a.every)
        results.append((name, strict))
        print(report(name, strict, loose, a.score), flush=True)
    if a.curves:
        panels = [
            Panel(label, [found.line(name, class_=c, threshold=a.score if number == 0 else None) for number, (name, found) in enumerate(results)])
            for c, label in enumerate(CLASSES)
        ]
        subtitle = f"Objects {LEAST_HEIGHT} px high or more and at most half hidden, IoU 0.5. Shaded: the aim."
        draw(panels, "On the synthetic clips", subtitle, a.curves, columns=3, goal=PRECISION)


if __name__ == "__main__":
    main()
