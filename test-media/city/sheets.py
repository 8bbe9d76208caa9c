"""Contact sheets: six moments of each clip with the true boxes, lines, lanes and events drawn in."""
import json
import os

import cv2
import numpy as np

COLOUR = {"person": (60, 200, 255), "bicycle": (255, 220, 0), "car": (90, 230, 90), "motorcycle": (255, 120, 60), "bus": (220, 90, 220), "truck": (60, 90, 255)}


def annotate(img, t, f):
    out = img.copy()
    for q in t["zones"] + t["lanes"]:
        cv2.polylines(out, [np.int32(q["polygon"])], True, (255, 200, 60), 1, cv2.LINE_AA)
    for q in t["lines"]:
        cv2.arrowedLine(out, tuple(np.int32(q["from"]).tolist()), tuple(np.int32(q["to"]).tolist()), (0, 240, 255), 1, cv2.LINE_AA, tipLength=.04)
    cls = {o["id"]: o["class"] for o in t["objects"]}
    active = {}
    for e in t["events"]:
        if e["onset_frame"] <= f and (e["end_frame"] is None or f <= e["end_frame"]):
            active[e["object"]] = e["kind"]
    for r in t["frames_data"][f]:
        if r[9] > .75:
            continue
        a, b = (int(r[1]), int(r[2])), (int(r[3]), int(r[4]))
        hot = r[0] in active and r[0] is not None
        cv2.rectangle(out, a, b, (0, 0, 255) if hot else COLOUR[cls[r[0]]], 2 if hot else 1)
    label = f"{f / t['fps']:.1f} s" + "".join("  " + k.replace("_", " ") for k in active.values())
    cv2.putText(out, label, (7, 19), cv2.FONT_HERSHEY_SIMPLEX, .55, (0, 0, 190) if active else (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(out, label, (7, 19), cv2.FONT_HERSHEY_SIMPLEX, .55, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def make(media, names, out):
    os.makedirs(out, exist_ok=True)
    for name in names or sorted(os.listdir(media)):
        path = os.path.join(media, name, "truth.json")
        if not os.path.exists(path):
            continue
        t = json.load(open(path))
        n = t["frames"]
        at = list(np.linspace(n * .06, n * .96, 6).astype(int))
        for i, e in enumerate(t["events"][:4]):      # make sure that the events are seen
            end = n - 1 if e["end_frame"] is None else min(e["end_frame"], n - 1)
            mid = e.get("closest_frame") or int(e["onset_frame"] * .4 + end * .6)
            k = int(np.argmin([abs(mid - a) for a in at]))
            at[k] = mid
        cap = cv2.VideoCapture(os.path.join(media, name, t["clip"]))
        got, f = {}, 0
        while True:
            ok, img = cap.read()
            if not ok:
                break
            if f in at:
                got[f] = cv2.resize(annotate(img, t, f), (480, 270), interpolation=cv2.INTER_AREA)
            f += 1
        cells = [got[f] for f in sorted(set(at))]
        while len(cells) < 6:
            cells.append(np.zeros_like(cells[0]))
        sheet = np.vstack([np.hstack(cells[:3]), np.hstack(cells[3:6])])
        file = os.path.join(out, f"{name}.jpg")
        for q in (82, 76, 70, 62, 54, 46):
            cv2.imwrite(file, sheet, [cv2.IMWRITE_JPEG_QUALITY, q])
            if os.path.getsize(file) <= 150 * 1024:
                break
        print(file, os.path.getsize(file) // 1024, "KiB")
