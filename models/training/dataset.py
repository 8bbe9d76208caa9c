"""Pictures with boxes, from the shared training set, the synthetic city and a site's own frames.

Everything is decoded once and kept in memory as 8-bit RGB (about 1 GiB for 2,500 pictures), because on
two cores decoding again would cost as much as a third of the training.

The split rule lives here and nowhere else: `may_teach` decides what weights that ship may learn from.
`read_training` cannot be told otherwise.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
"""In the order of the model's outputs. A motorcycle or bicycle box includes its riders."""

ANY = -1
"""Class of an ignore region that covers every class."""

VEHICLES = (2, 3, 4, 5)
"""car, motorcycle, bus, truck."""

_TEACHING_SOURCES = {"dhaka": None, "toll": None, "atl": frozenset("ABCD")}
"""Source of the shared set to the scenes that may teach; None is all of them."""

TRAIN_TARS = ("train-fixed-cameras.tar", "train-streets-1.tar", "train-streets-2.tar")
MEASURE_TARS = {"val": "val.tar", "test": "test-hcmc.tar"}


@dataclass
class Labels:
    """Boxes of one picture, `x1, y1, x2, y2` in its pixels."""

    boxes: np.ndarray  # [n, 4] float32
    classes: np.ndarray  # [n] int64, index into CLASSES
    trust: np.ndarray  # [n] float32: 1 for a person's label, a teacher's score for its own
    ignore: np.ndarray  # [m, 4] float32: regions without truth
    ignore_class: np.ndarray  # [m] int64: class without truth there, or ANY

    @staticmethod
    def empty() -> "Labels":
        return Labels(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.int64),
        )


@dataclass
class Picture:
    """One decoded picture."""

    name: str
    source: str
    scene: str
    image: np.ndarray  # [h, w, 3] uint8 RGB
    labels: Labels = field(default_factory=Labels.empty)


class SplitError(ValueError):
    """A picture that may only measure was about to teach."""


def may_teach(record: dict) -> bool:
    """Whether weights that ship may learn from this picture of the shared set (its README says why)."""
    source = record["source"]
    if record["split"] != "train" or source not in _TEACHING_SOURCES:
        return False
    scenes = _TEACHING_SOURCES[source]
    return scenes is None or record["scene"] in scenes


def decode(data: bytes, longest_side: int | None = None) -> np.ndarray:
    """JPEG or PNG bytes to RGB, shrunk so that the longest side is at most `longest_side`."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a picture")
    height, width = image.shape[:2]
    if longest_side and max(height, width) > longest_side:
        scale = longest_side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _labels_of(annotations: list[dict]) -> Labels:
    labels = Labels.empty()
    kept, classes, ignore, ignore_class = [], [], [], []
    for a in annotations:
        x, y, w, h = a["bbox"]
        box = (x, y, x + w, y + h)
        category = a["category_id"]
        if a.get("iscrowd") or category > len(CLASSES):
            ignore.append(box)
            ignore_class.append(category - 1 if category <= len(CLASSES) else ANY)
        elif w > 1 and h > 1:
            kept.append(box)
            classes.append(category - 1)
    if kept:
        labels.boxes = np.array(kept, np.float32)
        labels.classes = np.array(classes, np.int64)
        labels.trust = np.ones(len(kept), np.float32)
    if ignore:
        labels.ignore = np.array(ignore, np.float32)
        labels.ignore_class = np.array(ignore_class, np.int64)
    return labels


def index(folder: Path) -> list[tuple[dict, Labels]]:
    """Image records and labels of the shared set, nothing decoded."""
    with gzip.open(folder / "annotations.json.gz") as file:
        content = json.load(file)
    by_image: dict[int, list[dict]] = {}
    for annotation in content["annotations"]:
        by_image.setdefault(annotation["image_id"], []).append(annotation)
    return [(record, _labels_of(by_image.get(record["id"], []))) for record in content["images"]]


def _read(folder: Path, tars, wanted: dict[str, tuple[dict, Labels]]) -> list[Picture]:
    pictures = []
    for tar in tars:
        with tarfile.open(folder / tar) as archive:
            for member in archive:
                found = wanted.get(Path(member.name).name)
                if not member.isfile() or found is None:
                    continue
                record, labels = found
                data = archive.extractfile(member).read()
                pictures.append(
                    Picture(record["file_name"], record["source"], record["scene"], decode(data), labels)
                )
    return pictures


def read_training(folder: Path, limit: int | None = None) -> list[Picture]:
    """The pictures of the shared set that may teach weights that ship."""
    wanted = {r["file_name"]: (r, labels) for r, labels in index(folder) if may_teach(r)}
    if limit is not None:
        wanted = dict(list(wanted.items())[:limit])
    pictures = _read(folder, TRAIN_TARS, wanted)
    check_teaching(pictures)
    return pictures


def check_teaching(pictures: list[Picture]) -> None:
    """Refuses pictures that may only measure. Training calls it on everything that it was given."""
    for picture in pictures:
        if picture.source in ("city", "frames"):
            continue
        scenes = _TEACHING_SOURCES.get(picture.source, frozenset())
        if scenes is not None and picture.scene not in scenes:
            raise SplitError(f"{picture.name} ({picture.source}, scene {picture.scene}) may only measure")


def read_measuring(folder: Path, split: str) -> list[Picture]:
    """`val` or `test`: pictures to measure with, never to learn from."""
    wanted = {r["file_name"]: (r, labels) for r, labels in index(folder) if r["split"] == split}
    return _read(folder, [MEASURE_TARS[split]], wanted)


def read_frames(folder: Path, source: str = "frames", longest_side: int = 640) -> list[Picture]:
    """A site's own frames: pictures, each with a text file of the same name beside it, or in `labels/`.

    A line is `class cx cy w h`, relative to the picture, class as an index into CLASSES; class 6 is an
    ignore region. An empty file says that the picture shows no road user; a picture without a file is skipped.
    """
    pictures = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        beside = path.with_suffix(".txt")
        apart = path.parent.parent / "labels" / f"{path.stem}.txt"
        text = next((p for p in (beside, apart) if p.is_file()), None)
        if text is None:
            continue
        image = decode(path.read_bytes(), longest_side)
        height, width = image.shape[:2]
        rows = []
        for number, line in enumerate(text.read_text().splitlines(), 1):
            fields = line.split()
            if not fields:
                continue
            try:
                category, (cx, cy, w, h) = int(fields[0]), map(float, fields[1:5])
                assert 0 <= category <= len(CLASSES) and len(fields) >= 5
            except (ValueError, AssertionError):
                raise ValueError(f"{text}:{number}: `class cx cy w h` expected, got {line!r}") from None
            rows.append(
                {
                    "bbox": ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height),
                    "category_id": category + 1,
                    "iscrowd": category == len(CLASSES),
                }
            )
        name = str(path.relative_to(folder))
        pictures.append(Picture(name, source, path.parent.name, image, _labels_of(rows)))
    return pictures


def as_tar(files: dict[str, bytes], path: Path) -> None:
    """Writes a tar laid out as those of the shared set (for tests)."""
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"images/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


HELD_OUT = 20
"""One view in so many of the synthetic city is not learned from."""


def read_city(folder: Path, held_out: bool = False) -> list[Picture]:
    """Rendered pictures of the synthetic city with their `annotations-*.json`: those to learn from, or those
    held out to measure with. Pictures of one camera view are never on both sides."""
    pictures = []
    for path in sorted(folder.glob("annotations-*.json")):
        content = json.loads(path.read_text())
        by_image: dict[int, list[dict]] = {}
        for annotation in content["annotations"]:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
        for record in content["images"]:
            if (record["view"] % HELD_OUT == HELD_OUT - 1) == held_out:
                image = decode((folder / record["file_name"]).read_bytes())
                labels = _labels_of(by_image.get(record["id"], []))
                pictures.append(Picture(record["file_name"], "city", record["scene"], image, labels))
    return pictures
