"""A COCO detector as soft teacher: what YOLOX-nano sees on every training picture, computed once.

Each picture is shown whole and as four overlapping quarters, so that small objects count too. The
result is a cache of boxes with scores; weights are not touched. `apply` turns them into labels:
sure boxes that nobody labelled are learned with the teacher's score as the target, doubtful ones
become ignore regions, and riders and drivers inside a labelled vehicle are no pedestrians.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from .dataset import CLASSES, Labels, Picture, read_frames, read_training

COCO_IDS = (0, 1, 2, 3, 5, 7)
"""COCO's index of each of CLASSES."""
SIDE = 416
SURE, DOUBTFUL = 0.45, 0.10


class Yolox:
    """YOLOX raw grid: BGR 0 to 255, top-left letterbox on 114, class-wise suppression."""

    def __init__(self, path: Path, threads: int = 1):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        grids = []
        for stride in (8, 16, 32):
            n = SIDE // stride
            ys, xs = np.mgrid[:n, :n]
            grids.append(np.stack([xs.ravel(), ys.ravel(), np.full(n * n, stride)], 1))
        self.grid = np.concatenate(grids).astype(np.float32)

    def __call__(self, image: np.ndarray, floor: float) -> np.ndarray:
        """Rows of `x1, y1, x2, y2, class, score` in pixels of the RGB `image`, classes ours."""
        height, width = image.shape[:2]
        scale = min(SIDE / width, SIDE / height)
        w, h = round(width * scale), round(height * scale)
        canvas = np.full((SIDE, SIDE, 3), 114, np.uint8)
        canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
        tensor = canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        output = self.session.run(None, {self.session.get_inputs()[0].name: tensor})[0][0]
        scores = output[:, 4:5] * output[:, [5 + c for c in COCO_IDS]]
        keep = scores.max(1) >= floor
        output, scores, grid = output[keep], scores[keep], self.grid[keep]
        stride = grid[:, 2:]
        centre = (output[:, :2] + grid[:, :2]) * stride
        size = np.exp(output[:, 2:4]) * stride
        corners = np.concatenate([centre - size / 2, centre + size / 2], 1) / scale
        corners[:, 0::2] = corners[:, 0::2].clip(0, width)
        corners[:, 1::2] = corners[:, 1::2].clip(0, height)
        rows, columns = np.nonzero(scores >= floor)
        found = np.concatenate([corners[rows], columns[:, None], scores[rows, columns][:, None]], 1)
        return suppress(found.astype(np.float32), 0.45)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n, m] intersection over union of corner boxes."""
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    inter = (hi - lo).clip(0).prod(2)
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])
    return inter / (area(a)[:, None] + area(b)[None] - inter + 1e-9)


def inside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[n, m] share of each box of `a` that lies in each box of `b`."""
    lo = np.maximum(a[:, None, :2], b[None, :, :2])
    hi = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    area = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    return (hi - lo).clip(0).prod(2) / (area[:, None] + 1e-9)


def suppress(found: np.ndarray, threshold: float) -> np.ndarray:
    """Greedy class-wise non-maximum suppression of `x1, y1, x2, y2, class, score` rows."""
    found = found[np.argsort(-found[:, 5], kind="stable")]
    if not len(found):
        return found
    overlap = (iou(found, found) > threshold) & (found[:, None, 4] == found[None, :, 4])
    keep = np.ones(len(found), bool)
    for i in range(len(found)):
        if keep[i]:
            keep[i + 1 :] &= ~overlap[i, i + 1 :]
    return found[keep]


def look(model: Yolox, image: np.ndarray, floor: float = 0.05) -> np.ndarray:
    """Detections on the whole picture and on four quarters of 60 percent of each side."""
    height, width = image.shape[:2]
    all_found = [model(image, floor)]
    w, h = int(width * 0.6), int(height * 0.6)
    for x in (0, width - w):
        for y in (0, height - h):
            found = model(image[y : y + h, x : x + w], floor)
            # A box that ends where the quarter ends is half a vehicle.
            cut = (
                ((found[:, 0] < 3) & (x > 0)) | ((found[:, 1] < 3) & (y > 0))
                | ((found[:, 2] > w - 3) & (x + w < width)) | ((found[:, 3] > h - 3) & (y + h < height))
            )
            found = found[~cut]
            found[:, [0, 2]] += x
            found[:, [1, 3]] += y
            all_found.append(found)
    return suppress(np.concatenate(all_found), 0.5)


def advise(pictures: list[Picture], path: Path | None) -> None:
    """Gives those of the pictures that the cache knows the teacher's opinion; without a cache nothing."""
    cache = read_cache(path) if path else {}
    for picture in pictures:
        if picture.name in cache:
            picture.labels = apply(picture, cache[picture.name])


def apply(picture: Picture, found: np.ndarray) -> Labels:
    """The picture's labels with the teacher's opinion about what they leave open."""
    labels = picture.labels
    if not len(found):
        return labels
    vehicles = labels.boxes[np.isin(labels.classes, (1, *_VEHICLES))]
    boxes, classes, scores = found[:, :4], found[:, 4].astype(np.int64), found[:, 5]
    open_ = np.ones(len(found), bool)
    if len(labels.boxes):
        open_ &= iou(boxes, labels.boxes).max(1) < 0.4
    if len(vehicles):
        within = inside(boxes, vehicles).max(1)
        # Riders, drivers, and the machine under a rider.
        open_ &= within < np.where(classes <= 1, 0.5, 0.7)
    if len(labels.ignore):
        covered = inside(boxes, labels.ignore) > 0.5
        open_ &= ~(covered & (labels.ignore_class[None] == _ANY)).any(1)
    # A COCO box of a motorcycle or bicycle leaves its rider out: never a label, only a doubt.
    sure = open_ & (scores >= SURE) & ~np.isin(classes, (1, 3))
    doubt = open_ & ~sure & (scores >= DOUBTFUL)
    doubtful = boxes[doubt].copy()
    two_wheels = np.isin(classes[doubt], (1, 3))
    doubtful[two_wheels, 1] -= 0.8 * (doubtful[two_wheels, 3] - doubtful[two_wheels, 1])
    return Labels(
        np.concatenate([labels.boxes, boxes[sure]]),
        np.concatenate([labels.classes, classes[sure]]),
        np.concatenate([labels.trust, scores[sure]]),
        np.concatenate([labels.ignore, doubtful]),
        np.concatenate([labels.ignore_class, np.where(classes[doubt] >= 2, _ANY, classes[doubt])]),
    )


_VEHICLES = (2, 3, 4, 5)
_ANY = -1


def read_cache(path: Path) -> dict[str, np.ndarray]:
    """Picture name to detections."""
    with np.load(path) as content:
        return {name: content[name] for name in content.files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="yolox_nano_416.onnx")
    parser.add_argument("--shared", type=Path, help="folder of the shared training set")
    parser.add_argument("--frames", type=Path, help="folder of a site's own frames")
    parser.add_argument("--out", type=Path, required=True, help="cache file (.npz)")
    arguments = parser.parse_args()
    pictures = []
    if arguments.shared:
        pictures += read_training(arguments.shared)
    if arguments.frames:
        pictures += read_frames(arguments.frames)
    model, cache, started = Yolox(arguments.model), {}, time.monotonic()
    for number, picture in enumerate(pictures, 1):
        cache[picture.name] = look(model, picture.image)
        if number % 200 == 0 or number == len(pictures):
            print(f"{number} of {len(pictures)} pictures, {time.monotonic() - started:.0f} s", flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(arguments.out, **cache)
    total = sum(len(f) for f in cache.values())
    print(f"{total} detections of {', '.join(CLASSES)} in {arguments.out}")


if __name__ == "__main__":
    main()
