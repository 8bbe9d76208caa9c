#!/usr/bin/env python3
"""Do the truths fit their clips, and does the renderer repeat itself?

    check.py                 every clip and truth of this folder (needs opencv and numpy)
    check.py --render        also renders two small frames twice from one seed (needs moderngl)
    check.py FOLDER...       only these scenario folders

Prints every mistake and ends with status 1 if there is one.
"""
import argparse
import hashlib
import json
import os
import sys

import cv2

HERE = os.path.dirname(os.path.abspath(__file__))
CLASSES = {"person", "bicycle", "car", "motorcycle", "bus", "truck"}
MAX_CLIP, MAX_TRUTH, MAX_ALL = 3 * 2**20, 2**20, 30 * 2**20


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def check_truth(folder, t, frames_in_clip, size):
    """Mistakes of one truth, as sentences. `frames_in_clip` and `size` are what the decoder saw."""
    bad = []
    say = bad.append
    w, h, n = t["width"], t["height"], t["frames"]
    if frames_in_clip != n:
        say(f"clip has {frames_in_clip} frames, truth says {n}")
    if size != (w, h):
        say(f"clip is {size[0]}x{size[1]}, truth says {w}x{h}")
    if len(t["frames_data"]) != n:
        say(f"frames_data has {len(t['frames_data'])} rows for {n} frames")
    col = {c: i for i, c in enumerate(t["frame_columns"])}
    objects = {o["id"]: o for o in t["objects"]}
    if len(objects) != len(t["objects"]):
        say("an object id is given twice")
    for o in t["objects"]:
        if o["class"] not in CLASSES:
            say(f"object {o['id']}: unknown class {o['class']}")
    for f, rows in enumerate(t["frames_data"]):
        ids = [r[0] for r in rows]
        if len(set(ids)) != len(ids):
            say(f"frame {f}: an object stands there twice")
        for r in rows:
            x0, y0, x1, y1 = (r[col[c]] for c in ("x0", "y0", "x1", "y1"))
            a = [r[col[c]] for c in ("ax0", "ay0", "ax1", "ay1")]
            who = f"frame {f}, object {r[0]}"
            if len(r) != len(col):
                say(f"{who}: {len(r)} columns, not {len(col)}")
            if r[0] not in objects:
                say(f"{who}: not among the objects")
            elif not objects[r[0]]["first_frame"] <= f <= objects[r[0]]["last_frame"]:
                say(f"{who}: outside its first and last frame")
            if not (0 <= x0 < x1 <= w and 0 <= y0 < y1 <= h):
                say(f"{who}: box {x0, y0, x1, y1} is not within the picture")
            if x0 < a[0] - 2 or y0 < a[1] - 2 or x1 > a[2] + 2 or y1 > a[3] + 2:
                say(f"{who}: visible box {x0, y0, x1, y1} leaves the whole box {a}")
            if not 0 <= r[col["occlusion"]] <= 1 or r[col["speed"]] < 0:
                say(f"{who}: occlusion or speed out of range")
    for e in t["events"]:
        end = n if e["end_frame"] is None else e["end_frame"]
        if not 0 <= e["onset_frame"] <= end <= n:
            say(f"event {e['kind']}: frames {e['onset_frame']} to {end} are not within the clip")
        if e["object"] is not None and e["object"] not in objects:
            say(f"event {e['kind']}: object {e['object']} is never seen")
    for kind in ("zones", "lanes"):
        for q in t[kind]:
            if len(q["polygon"]) < 3 or any(not (0 <= x <= w and 0 <= y <= h) for x, y in q["polygon"]):
                say(f"{kind} {q['id']}: not a polygon within the picture")
    for q in t["lines"]:
        if any(not (0 <= p[0] <= w and 0 <= p[1] <= h) for p in (q["from"], q["to"])):
            say(f"line {q['id']}: not within the picture")
    # the homography maps ground points of boxes close to where the boxes stand
    m = t["camera"]["ground_to_image"]
    for rows in t["frames_data"][:: max(1, n // 20)]:
        for r in rows:
            gx, gy = r[col["gx"]], r[col["gy"]]
            z = m[2][0] * gx + m[2][1] * gy + m[2][2]
            u, v = ((m[k][0] * gx + m[k][1] * gy + m[k][2]) / z for k in (0, 1))
            a = [r[col[c]] for c in ("ax0", "ay0", "ax1", "ay1")]
            if not (a[0] - 3 <= u <= a[2] + 3 and a[1] - 3 <= v <= a[3] + 8):
                say(f"object {r[0]}: ground point ({gx}, {gy}) maps to ({u:.0f}, {v:.0f}), outside its box {a}")
                break
    return bad


def check_folder(folder):
    bad = []
    with open(os.path.join(folder, "truth.json")) as f:
        t = json.load(f)
    clip = os.path.join(folder, t["clip"])
    if sha256(clip) != t["sha256"]:
        bad.append("the clip's checksum is not the truth's")
    cap = cv2.VideoCapture(clip)
    n, size = 0, None
    while True:
        ok, img = cap.read()
        if not ok:
            break
        n, size = n + 1, (img.shape[1], img.shape[0])
    bad += check_truth(folder, t, n, size)
    if os.path.getsize(clip) > MAX_CLIP:
        bad.append(f"clip is larger than {MAX_CLIP} bytes")
    if os.path.getsize(os.path.join(folder, "truth.json")) > MAX_TRUTH:
        bad.append(f"truth.json is larger than {MAX_TRUTH} bytes")
    seen = {(f + 1, r[0]): r for f, rows in enumerate(t["frames_data"]) for r in rows}
    rows = 0
    with open(os.path.join(folder, "gt.txt")) as f:
        for line in f:
            v = line.strip().split(",")
            r = seen.get((int(v[0]), int(v[1])))
            rows += 1
            if r is None:
                bad.append(f"gt.txt frame {v[0]} object {v[1]} is not in truth.json")
            elif abs(float(v[2]) - r[1]) > .01 or abs(float(v[2]) + float(v[4]) - r[3]) > .01:
                bad.append(f"gt.txt frame {v[0]} object {v[1]}: another box than in truth.json")
    if rows != len(seen):
        bad.append(f"gt.txt has {rows} rows, truth.json {len(seen)}")
    return t, bad


def check_variants(folder):
    bad = []
    doc = json.load(open(os.path.join(folder, "variants.json")))
    for name, v in doc["clips"].items():
        path = os.path.join(folder, name)
        if sha256(path) != v["sha256"]:
            bad.append(f"{name}: checksum")
        if v["frames"]:
            cap, n = cv2.VideoCapture(path), 0
            while cap.read()[0]:
                n += 1
            if n != v["frames"]:
                bad.append(f"{name}: {n} frames, not {v['frames']}")
    return bad


def check_render():
    """Two small frames, each drawn by two renderers from the same seed: the same bytes."""
    sys.path.insert(0, HERE)
    import numpy as np
    from city import film, pictures, render
    from city.camera import Camera

    def once():
        models = pictures.all_models(3)
        r = render.Renderer(models, (160, 96), 2)
        cam = Camera((8, -3, 7), 4, 14, 150, (160, 96))
        light = render.Light(**render.LIGHTS["day"])
        r.look(cam, light, 1.0)
        rng = np.random.default_rng(4)
        out = b""
        for _ in range(2):
            actors = pictures.scatter(rng, models, cam, 8, False)
            linear, measured = r.frame(actors)
            out += film.develop(linear, light, rng).tobytes() + repr([None if m is None else (m[0] is not None and m[0].tolist(), m[2]) for m in measured]).encode()
        r.ctx.release()
        return out

    return [] if once() == once() else ["the same seed gave other pictures"]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--render", action="store_true")
    ap.add_argument("folders", nargs="*")
    a = ap.parse_args()
    failed, total = 0, 0
    folders = a.folders or sorted(os.path.join(HERE, d) for d in os.listdir(HERE) if os.path.exists(os.path.join(HERE, d, "truth.json")))
    for folder in folders:
        t, bad = check_folder(folder)
        total += os.path.getsize(os.path.join(folder, t["clip"]))
        print(f"{'ok  ' if not bad else 'BAD '} {t['scenario']:22s} {t['frames']} frames, {len(t['objects'])} objects, {len(t['events'])} events")
        for b in bad[:20]:
            print("     ", b)
        failed += bool(bad)
    more = []
    if os.path.exists(os.path.join(HERE, "variants", "variants.json")) and not a.folders:
        more.append(("variants", check_variants(os.path.join(HERE, "variants"))))
        total += sum(os.path.getsize(os.path.join(HERE, "variants", f)) for f in os.listdir(os.path.join(HERE, "variants")))
    if a.render:
        more.append(("render twice", check_render()))
    if total > MAX_ALL:
        more.append(("size", [f"the clips take {total} bytes in all, more than {MAX_ALL}"]))
    for name, bad in more:
        print(f"{'ok  ' if not bad else 'BAD '} {name}")
        for b in bad[:20]:
            print("     ", b)
        failed += bool(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
