#!/usr/bin/env python3
"""Reference boxes of a fully dynamic YOLO11 export, for tests/infer_reference.rs.

    python3 tests/data/yolo11n_reference.py SHARED_DATA_FOLDER > tests/data/yolo11n_reference.json

Needs numpy, opencv-python, onnxruntime. Score 0.25, suppression within a class at IoU 0.45.
"""

import json
import pathlib
import sys

import cv2
import numpy as np
import onnxruntime

MODEL = "models/yolo11n_vn_car_motor_dynamic_int8_agpl.onnx"
SIDE = 640


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def detect(session, picture):
    high, wide = picture.shape[:2]
    ratio = min(SIDE / wide, SIDE / high)
    w, h = round(wide * ratio), round(high * ratio)
    left, top = round((SIDE - w) / 2 - 0.1), round((SIDE - h) / 2 - 0.1)
    padded = np.full((SIDE, SIDE, 3), 114, np.uint8)
    padded[top : top + h, left : left + w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    tensor = padded[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    rows = session.run(None, {"images": tensor})[0][0].T
    classes, scores = rows[:, 4:].argmax(1), rows[:, 4:].max(1)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] < 0.25:
            break
        cx, cy, bw, bh = rows[i, :4]
        box = [cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2]
        if all(k[0] != classes[i] or iou(k[2], box) <= 0.45 for k in kept):
            kept.append((classes[i], scores[i], box))
    limits = [wide, high, wide, high]
    offsets = [left, top, left, top]
    return [
        {
            "class": int(c),
            "score": round(float(s), 4),
            "xyxy": [round(float(np.clip((v - o) / ratio, 0, m)), 1) for v, o, m in zip(box, offsets, limits)],
        }
        for c, s, box in kept
    ]


def main(shared):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(shared / MODEL), options, providers=["CPUExecutionProvider"])
    found = {}
    for file in sorted((shared / "groundtruth/coco_val_traffic/images").glob("*.jpg")):
        boxes = detect(session, cv2.imread(str(file)))
        if len(boxes) >= 2:
            found[file.name] = boxes
        if len(found) == 6:
            break
    json.dump({"detections": found}, sys.stdout, indent=1)
    print()


main(pathlib.Path(sys.argv[1]))
