#!/usr/bin/env python3
"""Does a detector that has only seen photographs recognise the city's road users?

    realism.py --model yolox_nano_416.onnx FOLDER...     folders of `make.py pictures`
    realism.py --model yolox_nano_416.onnx CLIP/...      scenario folders (clip.mp4 and truth.json)
    realism.py --model yolox_nano_416.onnx --lineup      every vehicle by itself before a camera 6 m high,
                                                         from the front, the rear and the side (needs moderngl)

Counted: objects visible to at least 90 %, at least 40 px high, not cut by the picture's edge by more
than 5 %. Found: a detection with score >= 0.3 and IoU >= 0.5. Right kind: car, bus and truck count as
one kind (they are boxes on four wheels to a COCO model), motorcycle as its own; "any user" takes a
rider found as a person, too; a motorcycle's box holds
the rider, so COCO's motorcycle and rider boxes that overlap are joined first. The strict figure wants
the very class. The model is YOLOX in its raw-grid export (input BGR 0..255, padded with 114).
"""
import argparse
import glob
import json
import os

import cv2
import numpy as np

COCO = {0: "person", 1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
KIND = {"car": "vehicle", "bus": "vehicle", "truck": "vehicle"}


def iou(a, b):
    """IoU of one box with many, x0 y0 x1 y1."""
    lt, rb = np.maximum(a[:2], b[:, :2]), np.minimum(a[2:], b[:, 2:])
    inter = np.prod(np.clip(rb - lt, 0, None), 1)
    return inter / (np.prod(a[2:] - a[:2]) + np.prod(b[:, 2:] - b[:, :2], 1) - inter + 1e-9)


class Yolox:
    def __init__(self, path, edge=416):
        import onnxruntime as ort
        o = ort.SessionOptions()
        o.intra_op_num_threads = 1
        self.s, self.edge = ort.InferenceSession(path, o, providers=["CPUExecutionProvider"]), edge
        g = []
        for st in (8, 16, 32):
            n = edge // st
            y, x = np.mgrid[:n, :n]
            g.append(np.stack([x.ravel(), y.ravel(), np.full(n * n, st)], 1))
        self.g = np.concatenate(g).astype(np.float32)

    def __call__(self, bgr, score=.05):
        h, w = bgr.shape[:2]
        k = self.edge / max(h, w)
        pad = np.full((self.edge, self.edge, 3), 114, np.uint8)
        small = cv2.resize(bgr, (round(w * k), round(h * k)))
        pad[:small.shape[0], :small.shape[1]] = small
        o = self.s.run(None, {self.s.get_inputs()[0].name: pad.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        c, wh = (o[:, :2] + self.g[:, :2]) * self.g[:, 2:], np.exp(o[:, 2:4]) * self.g[:, 2:]
        p = o[:, 4:5] * o[:, 5:]
        cls = p.argmax(1)
        sc = p[np.arange(len(p)), cls]
        m = (sc > score) & np.isin(cls, list(COCO))
        box = np.concatenate([c - wh / 2, c + wh / 2], 1)[m] / k
        cls, sc = cls[m], sc[m]
        if not len(box):
            return []
        keep = cv2.dnn.NMSBoxesBatched([[float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])] for b in box], sc.tolist(), cls.tolist(), score, .45)
        return [(COCO[int(cls[i])], float(sc[i]), box[i]) for i in np.array(keep).ravel()]


def join_riders(det):
    """COCO's motorcycle + person on it -> one box, so that it can be compared with ours."""
    people = [d for d in det if d[0] == "person"]
    out, used = [], set()
    for d in det:
        if d[0] not in ("motorcycle", "bicycle"):
            continue
        b = d[2].copy()
        for j, p in enumerate(people):
            q = p[2]
            ix = min(b[2], q[2]) - max(b[0], q[0])
            iy = min(b[3], q[3]) - max(b[1], q[1])
            if ix > .4 * min(b[2] - b[0], q[2] - q[0]) and iy > .25 * (q[3] - q[1]) and (q[3] + q[1]) < (d[2][1] + d[2][3]) + .2 * (q[3] - q[1]):
                b = np.array([min(b[0], q[0]), min(b[1], q[1]), max(b[2], q[2]), max(b[3], q[3])])
                used.add(j)
        out.append((d[0], d[1], b))
        out.append(d)
    return out + [d for d in det if d[0] not in ("motorcycle", "bicycle")]


def samples(folder, every):
    """(picture, [(class, box, visible share, cut share)])."""
    if os.path.exists(os.path.join(folder, "truth.json")):
        t = json.load(open(os.path.join(folder, "truth.json")))
        cap = cv2.VideoCapture(os.path.join(folder, t["clip"]))
        col = {c: i for i, c in enumerate(t["frame_columns"])}
        objs = {o["id"]: o["class"] for o in t["objects"]}
        for i, rows in enumerate(t["frames_data"]):
            ok, img = cap.read()
            if not ok:
                break
            if i % every:
                continue
            gt = []
            for r in rows:
                v, a = np.array(r[col["x0"]:col["x0"] + 4], float), np.array(r[col["ax0"]:col["ax0"] + 4], float)
                inside = np.prod(np.clip(np.minimum(a[2:], [t["width"], t["height"]]) - np.maximum(a[:2], 0), 0, None)) / max(np.prod(a[2:] - a[:2]), 1)
                gt.append((objs[r[0]], v, 1 - r[col["occlusion"]], 1 - inside))
            yield img, gt
        return
    for f in sorted(glob.glob(os.path.join(folder, "annotations-*.json"))):
        d = json.load(open(f))
        names = {c["id"]: c["name"] for c in d["categories"]}
        by = {}
        for a in d["annotations"]:
            by.setdefault(a["image_id"], []).append(a)
        for im in d["images"][::every]:
            gt = []
            for a in by.get(im["id"], []):
                x, y, w, h = a["bbox"]
                edge = x < 1 or y < 1 or x + w > im["width"] - 1 or y + h > im["height"] - 1
                gt.append((names[a["category_id"]], np.array([x, y, x + w, y + h]), a["visible"], .5 if edge else 0.0))
            yield cv2.imread(os.path.join(folder, im["file_name"])), gt, im["scene"]


def lineup():
    """Pictures of four lone vehicles each, near to far, in sun and under cloud."""
    import sys
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from city import film, pictures, render
    from city.actor import Actor
    from city.camera import Camera
    rng = np.random.default_rng(7)
    models = pictures.all_models(8)
    r = render.Renderer(models, (640, 360), 5)
    cam = Camera((10, -4, 6), 3, 15, 600, (640, 360))
    cast = {k: [i for i, m in enumerate(models) if m.label == k and not m.name.endswith("parked")] for k in ("car", "bus", "truck", "motorcycle")}
    for light in ("day", "overcast"):
        sky = render.Light(**render.LIGHTS[light])
        r.look(cam, sky, 1.0)
        for k in range(60):
            label = ("motorcycle", "car", "motorcycle", "truck", "motorcycle", "bus")[k % 6]
            small = label == "motorcycle"
            actors = []
            for j in range(4 if small else 2):
                i = int(rng.choice(cast[label]))
                view = ("front", "rear", "side")[int(rng.integers(3))]
                x = (21 + 5 * (j // 2) + rng.uniform(0, 3)) if small else 30 + rng.uniform(0, 16)
                y = (2.6 if j % 2 else -5.4) + rng.uniform(-1, 1) * (1.2 if small else .3)
                yaw = {"front": np.pi, "rear": 0.0, "side": (np.pi / 2) * rng.choice([-1, 1])}[view] + rng.normal(0, .2)
                if not small and view == "side":
                    yaw = rng.choice([.7, -.7, 2.5, -2.5])
                a = Actor(j, i, models[i], rng)
                a.move_to((x, y), yaw, 8, .1)
                actors.append(a)
            linear, seen = r.frame(actors)
            img = np.ascontiguousarray(film.develop(linear, sky, rng)[..., ::-1])
            gt = []
            for a, m in zip(actors, seen):
                if m is not None and m[0] is not None:
                    b, w = m[1], np.clip(m[1], 0, [640, 360, 640, 360])
                    cut = 1 - np.prod(w[2:] - w[:2]) / np.prod(b[2:] - b[:2])
                    gt.append((a.label, m[0], min(1.0, m[2] / max(m[3], 1)), cut))
            yield img, gt, f"lineup-{light}"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--every", type=int, default=1, help="take every n-th picture or frame")
    ap.add_argument("--by", choices=["folder", "light"], default="folder")
    ap.add_argument("--misses", help="folder for pictures with what was missed")
    ap.add_argument("--lineup", action="store_true")
    ap.add_argument("folders", nargs="*")
    a = ap.parse_args()
    net = Yolox(a.model)
    table = {}
    n = 0
    for folder in a.folders + (["lineup"] if a.lineup else []):
        for s in lineup() if folder == "lineup" else samples(folder, a.every):
            img, gt = s[0], s[1]
            group = s[2].split("-")[-1] if a.by == "light" and len(s) > 2 else os.path.basename(folder.rstrip("/"))
            det = [d for d in join_riders(net(img)) if d[1] >= .3]
            boxes = np.array([d[2] for d in det]).reshape(-1, 4)
            shown = img.copy()
            for cls, b, visible, cut in gt:
                if visible < .9 or cut > .05 or b[3] - b[1] < 40:
                    continue
                hit = iou(b, boxes) >= .5 if len(boxes) else np.zeros(0, bool)
                names = [det[i][0] for i in np.flatnonzero(hit)]
                kind = any(KIND.get(x, x) == KIND.get(cls, cls) for x in names)
                for g in (group, "ALL"):
                    row = table.setdefault((g, cls), [0, 0, 0, 0])
                    row[0] += 1
                    row[1] += kind
                    row[2] += cls in names
                    row[3] += bool(names)
                if not kind:
                    cv2.rectangle(shown, tuple(int(v) for v in b[:2]), tuple(int(v) for v in b[2:]), (0, 0, 255), 1)
            if a.misses:
                os.makedirs(a.misses, exist_ok=True)
                for d in det:
                    cv2.rectangle(shown, tuple(int(v) for v in d[2][:2]), tuple(int(v) for v in d[2][2:]), (0, 255, 0), 1)
                    cv2.putText(shown, f"{d[0][:5]} {d[1]:.2f}", (int(d[2][0]), int(d[2][1]) - 2), cv2.FONT_HERSHEY_PLAIN, .7, (0, 255, 0))
                cv2.imwrite(os.path.join(a.misses, f"{n:04d}.png"), shown)
            n += 1
    share = lambda k, r, v, a: f"{k:8d} {100 * a / k:8.1f}% {100 * r / k:9.1f}% {100 * v / k:9.1f}%"
    print(f"{'group':24s} {'class':11s} {'objects':>8s} {'any user':>9s} {'right kind':>10s} {'very class':>10s}")
    for (g, c), row in sorted(table.items()):
        print(f"{g:24s} {c:11s} {share(*row)}")
    for g in sorted({g for g, _ in table}):
        rows = [table[k] for k in table if k[0] == g and k[1] in ("car", "bus", "truck", "motorcycle")]
        if rows:
            print(f"{g:24s} {'vehicles':11s} {share(*np.sum(rows, 0))}")


if __name__ == "__main__":
    main()
