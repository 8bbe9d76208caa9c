"""AP50 of detectors on pictures that never teach, all models measured alike in one run.

    python -m training.evaluate --shared DIR --footage DIR --mot DIR models/street/street.onnx \\
        yolox:yolox_nano_416.onnx nanodet:nanodet_m_416.onnx

Protocol: detections from score 0.01, class-wise suppression at IoU 0.45; the best-scored detection takes
the box it overlaps most, from IoU 0.5; a spare detection half inside an ignore region of its class (or of
all) counts neither way. AP is the area under the precision envelope, the mean goes over the classes that
the pictures have boxes of. A COCO model boxes the machine alone and the rider as a person: its rider boxes
are merged into the motorcycle or bicycle first, and persons inside vehicles are dropped for every model.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from . import curves, dataset, timing
from .dataset import ANY, CLASSES, VEHICLES, Labels, Picture
from .teacher import COCO_IDS, Yolox, inside, iou, suppress

FLOOR = 0.01
NMS = 0.45

Detect = Callable[[np.ndarray], np.ndarray]
"""RGB picture to rows of `x1, y1, x2, y2, class, score` in its pixels."""


def session(path: Path, threads: int = 1):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # As the product runs INT8: the faster mode saturates on processors without VNNI instructions.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def letterbox(image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, float, int, int]:
    """Centred on 114; also scale, left and top."""
    h, w = image.shape[:2]
    scale = min(height / h, width / w)
    new_w, new_h = round(w * scale), round(h * scale)
    left, top = (width - new_w) // 2, (height - new_h) // 2
    canvas = np.full((height, width, 3), 114, np.uint8)
    interpolation = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
    canvas[top : top + new_h, left : left + new_w] = cv2.resize(image, (new_w, new_h), interpolation=interpolation)
    return canvas, scale, left, top


def read_output(output: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """`[4 + C, cells]` of our own graph to rows of corners, class, score; suppressed."""
    scores = output[4:].T
    boxes = output[:4].T
    rows, columns = np.nonzero(scores >= floor)
    centre, size = boxes[rows, :2], boxes[rows, 2:]
    score = scores[rows, columns]
    found = np.concatenate([centre - size / 2, centre + size / 2, columns[:, None], score[:, None]], 1)
    best = np.argsort(-score, kind="stable")[:1000]
    return suppress(found[best].astype(np.float32), NMS)


class Street:
    """Our own export, or any network that gives the same output for a batch."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], height: int, width: int):
        self.run, self.height, self.width = run, height, width

    @staticmethod
    def load(path: Path) -> "Street":
        s = session(path)
        port = s.get_inputs()[0]
        return Street(lambda x: s.run(None, {port.name: x})[0], port.shape[2], port.shape[3])

    def __call__(self, image: np.ndarray) -> np.ndarray:
        canvas, scale, left, top = letterbox(image, self.height, self.width)
        found = read_output(self.run(canvas.transpose(2, 0, 1)[None].astype(np.float32))[0])
        found[:, :4] = (found[:, :4] - np.array([left, top, left, top], np.float32)) / scale
        return clip(found, image)


class Nanodet:
    """NanoDet-m, six outputs: BGR stretched, four distances as distributions over eight bins."""

    def __init__(self, path: Path, side: int = 416):
        self.session, self.side = session(path), side

    def __call__(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        x = cv2.resize(image, (self.side, self.side))[:, :, ::-1].astype(np.float32)
        x = (x - np.array([103.53, 116.28, 123.675])) / np.array([57.375, 57.12, 58.395])
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: x.transpose(2, 0, 1)[None].astype(np.float32)})
        named = {o.name: v.reshape(-1, v.shape[-1]) for o, v in zip(self.session.get_outputs(), outputs)}
        parts = []
        for stride in (8, 16, 32):
            scores = named[f"cls_pred_stride_{stride}"][:, list(COCO_IDS)]
            bins = named[f"dis_pred_stride_{stride}"].reshape(-1, 4, 8)
            chance = np.exp(bins - bins.max(2, keepdims=True))
            distance = (chance / chance.sum(2, keepdims=True)) @ np.arange(8, dtype=np.float32) * stride
            n = self.side // stride
            ys, xs = np.mgrid[:n, :n]
            centre = (np.stack([xs.ravel(), ys.ravel()], 1) + 0.5) * stride
            rows, columns = np.nonzero(scores >= FLOOR)
            corners = np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1)[rows]
            parts.append(np.concatenate([corners, columns[:, None], scores[rows, columns][:, None]], 1))
        found = np.concatenate(parts).astype(np.float32)
        found[:, [0, 2]] *= width / self.side
        found[:, [1, 3]] *= height / self.side
        found = found[np.argsort(-found[:, 5], kind="stable")[:1000]]
        return merge_riders(clip(suppress(found, NMS), image))


def clip(found: np.ndarray, image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    found[:, 0:4:2] = found[:, 0:4:2].clip(0, width)
    found[:, 1:4:2] = found[:, 1:4:2].clip(0, height)
    return found


def merge_riders(found: np.ndarray, sure: float = 0.15) -> np.ndarray:
    """Gives two-wheelers their riders: the person whose lower half overlaps the machine most."""
    found = found.copy()
    taken = np.zeros(len(found), bool)
    persons = np.flatnonzero((found[:, 4] == 0) & (found[:, 5] >= sure))
    for i in np.flatnonzero(np.isin(found[:, 4], (1, 3))):
        machine = found[i, :4].copy()
        for p in persons:
            person = found[p, :4]
            lower = person.copy()
            lower[1] = (person[1] + person[3]) / 2
            share = inside(lower[None], machine[None])[0, 0]
            above = person[1] < machine[1] + 0.5 * (machine[3] - machine[1])
            sized = 0.3 < (person[2] - person[0]) / max(machine[2] - machine[0], 1) < 2.0
            if share > 0.35 and above and sized:
                found[i, :2] = np.minimum(found[i, :2], person[:2])
                found[i, 2:4] = np.maximum(found[i, 2:4], person[2:])
                taken[p] = True
    return suppress(found[~taken], NMS)


def average_precision(score: np.ndarray, hit: np.ndarray, truths: int) -> float:
    """Area under the precision envelope; NaN without truth."""
    if truths == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(hit[order])
    precision = hits / np.arange(1, len(hits) + 1) if len(hits) else np.zeros(0)
    recall = hits / truths
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * envelope))


def match(found: np.ndarray, truth: np.ndarray, ignore: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of one picture and class, best score first: is it a hit, does it count at all."""
    found = found[np.argsort(-found[:, 5], kind="stable")]
    hit, counts = np.zeros(len(found), bool), np.ones(len(found), bool)
    free = np.ones(len(truth), bool)
    overlaps = iou(found, truth) if len(truth) else np.zeros((len(found), 0))
    hidden = (inside(found, ignore) > 0.5).any(1) if len(ignore) else np.zeros(len(found), bool)
    for i in range(len(found)):
        best = int(np.argmax(np.where(free, overlaps[i], -1))) if free.any() else -1
        if best >= 0 and overlaps[i, best] >= 0.5:
            hit[i], free[best] = True, False
        else:
            counts[i] = not hidden[i]
    return hit[counts], found[counts, 5]


class Tally:
    """Hits and scores, by group and class."""

    def __init__(self):
        self.content: dict[tuple[str, int], list] = {}

    def add(self, group: str, class_: int, found: np.ndarray, truth: np.ndarray, ignore: np.ndarray) -> None:
        entry = self.content.setdefault((group, class_), [[], [], 0])
        hit, score = match(found, truth, ignore)
        entry[0].append(hit)
        entry[1].append(score)
        entry[2] += len(truth)

    def ap(self, group: str, class_: int) -> float:
        hit, score, truths = self.content.get((group, class_), ([], [], 0))
        if not hit:
            return float("nan")
        return 100 * average_precision(np.concatenate(score), np.concatenate(hit), truths)

    def line(self, model: str, group: str, class_: int, threshold: float | None = None) -> curves.Line:
        """What the area is drawn from."""
        hit, score, truths = self.content.get((group, class_), ([], [], 0))
        nothing = np.zeros(0)
        return curves.Line(model, np.concatenate([nothing, *score]), np.concatenate([nothing, *hit]).astype(bool), truths, threshold)

    def truths(self, group: str, class_: int) -> int:
        return self.content.get((group, class_), ([], [], 0))[2]

    def best_threshold(self, group: str) -> tuple[float, float, float]:
        """The score with the best F1 over all classes of the group; precision and recall from there up."""
        entries = [entry for (name, _), entry in self.content.items() if name == group and entry[2]]
        score = np.concatenate([s for entry in entries for s in entry[1]])
        hit = np.concatenate([h for entry in entries for h in entry[0]])
        truths = sum(entry[2] for entry in entries)
        order = np.argsort(-score, kind="stable")
        hits = np.cumsum(hit[order])
        if not len(hits):
            return 1.0, 0.0, 0.0
        precision, recall = hits / np.arange(1, len(hits) + 1), hits / truths
        best = int(np.argmax(2 * precision * recall / np.maximum(precision + recall, 1e-9)))
        return float(score[order][best]), float(precision[best]), float(recall[best])


def measure(detect: Detect, pictures: list[Picture], group: Callable[[Picture], list[str]], only=None) -> Tally:
    """Every class on every picture; `only` limits the classes to those that the pictures label."""
    tally = Tally()
    for picture in pictures:
        found, labels = detect(picture.image), picture.labels
        for class_ in only if only is not None else range(len(CLASSES)):
            truth = labels.boxes[labels.classes == class_]
            ignore = labels.ignore[(labels.ignore_class == class_) | (labels.ignore_class == ANY)]
            mine = found[found[:, 4] == class_]
            if class_ == 0 and len(mine):
                vehicles = labels.boxes[labels.classes > 0]
                if len(vehicles):
                    mine = mine[inside(mine, vehicles).max(1) < 0.7]
            for name in group(picture):
                tally.add(name, class_, mine, truth, ignore)
    return tally


def summary(tally: Tally, groups: list[str], least: int = 1) -> dict[str, dict[str, float]]:
    """AP50 in percent by group: `all` is the mean over classes with at least `least` boxes. Also the score
    with the best F1, and precision and recall there: what a threshold should be chosen by (not on test)."""
    table = {}
    for name in groups:
        row = {CLASSES[c]: tally.ap(name, c) for c in range(len(CLASSES)) if tally.truths(name, c) >= least}
        table[name] = {"all": float(np.mean(list(row.values()))) if row else float("nan"), **row}
        if row:
            threshold, precision, recall = tally.best_threshold(name)
            table[name] |= {"best score": threshold, "precision": 100 * precision, "recall": 100 * recall}
    return table


HCMC = {"cam_01": "day", "cam_02": "dusk"}


def test_hcmc(detect: Detect, pictures: list[Picture]) -> tuple[Tally, dict]:
    """The unseen camera: all, day, dusk."""
    tally = measure(detect, pictures, lambda p: ["test-hcmc", HCMC[p.scene]], only=VEHICLES)
    return tally, summary(tally, ["test-hcmc", "day", "dusk"])


def draw_hcmc(tallies: dict[str, Tally], threshold: float | None, path: Path) -> None:
    """Precision over recall of every model on the unseen camera; `threshold` is that of the first one's model.yaml."""
    first = next(iter(tallies))
    panels = [
        curves.Panel(CLASSES[c], [
            tally.line(name, "test-hcmc", c, threshold if name == first else None) for name, tally in tallies.items()
        ])
        for c in VEHICLES
    ]
    ring = "" if threshold is None else f" Ring: {first} at its threshold, {threshold:g}."
    subtitle = f"test-hcmc: one camera in Ho Chi Minh City by day, dusk and in rain; no picture of it taught. IoU 0.5.{ring}"
    curves.draw(panels, "Precision and recall on a camera that nobody trained on", subtitle, path)


def threshold_of(model: Path) -> float | None:
    """`score` of the model.yaml beside the file, if there is one."""
    beside = model.parent / "model.yaml"
    found = re.search(r"^  score: ([0-9.]+)$", beside.read_text(), re.MULTILINE) if beside.is_file() else None
    return float(found.group(1)) if found else None


def markdown(results: dict[str, dict]) -> str:
    """The figures as a table, a column for each model."""
    names = list(results)
    lines = ["| pictures | measure | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for row, values in results[names[0]].items():
        for key in values:
            if key not in ("precision", "recall"):
                shown = [results[name].get(row, {}).get(key) for name in names]
                digits = 2 if key == "best score" or row == "one core" else 1
                lines.append(f"| {row} | {key} | " + " | ".join("" if v is None else f"{v:.{digits}f}" for v in shown) + " |")
    return "\n".join(lines)


def read_mot(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Frame from 1 to required boxes and ignored boxes, corners."""
    frames: dict[int, tuple[list, list]] = {}
    for line in path.read_text().splitlines():
        frame, _, x, y, w, h, required = line.split(",")[:7]
        box = (float(x), float(y), float(x) + float(w), float(y) + float(h))
        frames.setdefault(int(frame), ([], []))[0 if float(required) > 0 else 1].append(box)
    shape = lambda boxes: np.array(boxes, np.float32).reshape(-1, 4)
    return {frame: (shape(a), shape(b)) for frame, (a, b) in frames.items()}


def clip_ap(detect: Detect, clip_path: Path, truth_path: Path, every: int = 1) -> float:
    """Vehicle AP50 of any class on a clip with MOT truth."""
    truth, tally = read_mot(truth_path), Tally()
    capture, frame = cv2.VideoCapture(str(clip_path)), 0
    while True:
        good, image = capture.read()
        if not good:
            break
        frame += 1
        if frame % every or frame not in truth:
            continue
        found = detect(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        found = found[np.isin(found[:, 4], VEHICLES)]
        found[:, 4] = 0
        required, ignored = truth[frame]
        tally.add("clip", 0, suppress(found, NMS), required, ignored)
    return tally.ap("clip", 0)


def open_model(name: str) -> tuple[str, Path, Detect]:
    """`[family:]path`; a half-precision checkpoint (`.pt`) runs in PyTorch."""
    family, _, path = name.rpartition(":")
    path = Path(path)
    if family == "yolox":
        model = Yolox(path)
        return path.stem, path, lambda image: merge_riders(model(image, FLOOR))
    if family == "nanodet":
        return path.stem, path, Nanodet(path)
    if path.suffix == ".pt":
        return path.parent.name, path, torch_street(path)
    return path.stem, path, Street.load(path)


def torch_street(path: Path, calibrated: bool = True) -> Street:
    import torch

    from .checkpoint import load_weights
    from .network import TARGET, Deployed

    height, width = TARGET
    detector, content = load_weights(path)
    network = Deployed(detector, height, width, content.get("calibration") if calibrated else None).eval()

    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return Street(run, height, width)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", help="[yolox:|nanodet:]FILE.onnx, or a checkpoint FILE.pt")
    p.add_argument("--shared", type=Path, help="folder of the shared training set: test-hcmc and val")
    p.add_argument("--footage", type=Path, help="folder with uk_motorway_720p.mp4 and german_junction_truck.mp4")
    p.add_argument("--mot", type=Path, help="folder with their MOT truth")
    p.add_argument("--city", type=Path, help="folder of pictures of the synthetic city: those held out")
    p.add_argument("--frames", type=Path, help="folder of a site's own labelled frames")
    p.add_argument("--quick", action="store_true", help="test-hcmc only")
    p.add_argument("--time", action="store_true", help="also milliseconds on one thread, the models in turns")
    p.add_argument("--curves", type=Path, help="draw precision over recall on test-hcmc here, as SVG")
    p.add_argument("--table", action="store_true", help="print a Markdown table")
    p.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = p.parse_args()
    models = [open_model(name) for name in arguments.models]
    results: dict[str, dict] = {name: {} for name, _, _ in models}
    if arguments.shared:
        test = dataset.read_measuring(arguments.shared, "test")
        val = [] if arguments.quick else dataset.read_measuring(arguments.shared, "val")
        tallies = {}
        for name, _, detect in models:
            tallies[name], table = test_hcmc(detect, test)
            results[name] |= table
            for source in sorted({picture.source for picture in val}):
                chosen = [picture for picture in val if picture.source == source]
                results[name] |= summary(measure(detect, chosen, lambda _: [f"val {source}"]), [f"val {source}"], least=10)
        if arguments.curves:
            draw_hcmc(tallies, threshold_of(models[0][1]), arguments.curves)
    for folder, label, reader in (
        (arguments.city, "city held out", lambda f: dataset.read_city(f, held_out=True)),
        (arguments.frames, "frames", dataset.read_frames),
    ):
        if folder:
            pictures = reader(folder)
            for name, _, detect in models:
                results[name] |= summary(measure(detect, pictures, lambda _: [label]), [label])
    if arguments.footage and arguments.mot and not arguments.quick:
        for clip_name in ("uk_motorway_720p", "german_junction_truck"):
            found = sorted(arguments.footage.rglob(f"{clip_name}.*"))
            truth = arguments.mot / clip_name / "gt" / "gt.txt"
            if found and truth.is_file():
                for name, _, detect in models:
                    results[name][clip_name] = {"vehicle": clip_ap(detect, found[0], truth)}
    if arguments.time:
        times = timing.in_turns([path for _, path, _ in models if path.suffix == ".onnx"])
        for name, path, _ in models:
            if (path, 1) in times:
                results[name]["one core"] = dict(zip(("milliseconds", "processor milliseconds"), times[path, 1]))
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.table:
        print(markdown(results))
        return
    for name, table in results.items():
        print(name)
        for row, values in table.items():
            print(f"  {row:24}" + "  ".join(f"{k} {v:.{2 if k == 'best score' else 1}f}" for k, v in values.items()))


if __name__ == "__main__":
    main()
