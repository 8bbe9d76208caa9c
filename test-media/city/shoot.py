"""Films a scenario: renders every frame, encodes the clip, writes the truth beside it."""
import hashlib
import json
import os
import subprocess
import time

import cv2
import numpy as np

from . import film, incidents, pictures, render, scenarios
from .actor import Actor

MODEL_SEED = 8
LEAST_PX = 8          # objects lower than this in the picture are left out of the truth
MOT_CLASS = {"person": 1, "car": 3, "bus": 3, "truck": 3, "bicycle": 4, "motorcycle": 5}
COLUMNS = ["id", "x0", "y0", "x1", "y1", "ax0", "ay0", "ax1", "ay1", "occlusion", "gx", "gy", "speed"]


SCENES = {**scenarios.ALL, **incidents.ALL, **scenarios.MEASURED}


def names():
    return [*scenarios.ALL, *incidents.ALL]


class Encoder:
    """ffmpeg's x264 fed with raw pictures; one thread and no stamps, so that the bytes repeat."""

    def __init__(self, path, size, fps, seconds):
        kbit = min(900, int(2.85 * 8 * 1024 * 1024 / seconds / 1000))
        self.p = subprocess.Popen(["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-",
                                   "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-c:v", "libx264", "-preset", "medium", "-crf", "24", "-maxrate", f"{kbit}k", "-bufsize", f"{2 * kbit}k",
                                   "-pix_fmt", "yuv420p", "-g", str(2 * fps), "-bf", "0", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
                                   "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1", "-movflags", "+faststart", path], stdin=subprocess.PIPE)

    def write(self, rgb):
        self.p.stdin.write(np.ascontiguousarray(rgb).tobytes())

    def close(self):
        self.p.stdin.close()
        if self.p.wait():
            raise RuntimeError("ffmpeg failed")


def clip_polygon(pts, w, h):
    """Sutherland-Hodgman against the picture."""
    p = [np.asarray(q, float) for q in pts]
    for axis, bound, sign in ((0, 0, 1), (0, w, -1), (1, 0, 1), (1, h, -1)):
        out = []
        for a, b in zip(p, p[1:] + p[:1]):
            da, db = sign * (a[axis] - bound), sign * (b[axis] - bound)
            if da >= 0:
                out.append(a)
            if (da >= 0) != (db >= 0):
                out.append(a + (b - a) * da / (da - db))
        p = out
        if not p:
            return []
    return p


def ground_to_px(cam, pts):
    uv, z = cam.project([(x, y, 0.0) for x, y in pts])
    return uv if (z > .5).all() else None


def clip_segment(cam, a, b):
    """The part of a ground segment that the picture shows, as two pixels; None when none."""
    t = np.linspace(0, 1, 401)
    pts = np.asarray(a) + (np.asarray(b) - np.asarray(a)) * t[:, None]
    uv, z = cam.project(np.column_stack([pts, np.zeros(len(pts))]))
    w, h = cam.size
    ok = np.flatnonzero((z > .5) & (uv[:, 0] >= 0) & (uv[:, 0] <= w) & (uv[:, 1] >= 0) & (uv[:, 1] <= h))
    return None if len(ok) < 2 else (uv[ok[0]], uv[ok[-1]], len(ok) / len(t))


def geometry(scene):
    cam = scene.camera
    w, h = cam.size
    r = lambda pts: [[round(float(x), 1), round(float(y), 1)] for x, y in pts]
    g = lambda pts: [[round(float(x), 2), round(float(y), 2)] for x, y in pts]
    zones, lanes, lines = [], [], []
    for k, poly in scene.zones.items():
        px = ground_to_px(cam, poly)
        px = clip_polygon(px, w, h) if px is not None else []
        if len(px) >= 3:
            zones.append({"id": k, "polygon": r(px), "ground": g(poly)})
    for k, (poly, a, b) in scene.lanes.items():
        px = clip_polygon(ground_to_px(cam, poly), w, h)
        d = ground_to_px(cam, [a, b])
        lanes.append({"id": k, "polygon": r(px), "direction": {"from": r(d)[0], "to": r(d)[1]}, "ground": g(poly)})
    for k, (a, b) in scene.lines.items():
        s = clip_segment(cam, a, b)
        if s is not None and s[2] > .6:
            lines.append({"id": k, "from": r([s[0]])[0], "to": r([s[1]])[0], "ground": g([a, b]), "shown": round(s[2], 2)})
    return zones, lanes, lines


def crossings(scene, seen):
    """(line, track, frame, forward?) of ground points while the picture shows the object."""
    out = []
    for name, (a, b) in scene.lines.items():
        a, b = np.asarray(a, float), np.asarray(b, float)
        d = b - a
        nrm = np.array([-d[1], d[0]])
        for t in scene.tracks:
            side = (t.xy - a) @ nrm
            along = (t.xy - a) @ d / (d @ d)
            for k in np.flatnonzero(np.sign(side[1:]) != np.sign(side[:-1])):
                f = t.first + int(k) + 1
                if -.02 <= along[k + 1] <= 1.02 and f < scene.frames and (t.uid, f) in seen and side[k] != 0:
                    out.append((name, t, f, bool(side[k] > 0)))
    return out


def counts(scene, models, seen, line_ids):
    by_line, where = {}, {}
    for name, t, f, forward in sorted(crossings(scene, seen), key=lambda c: c[2]):
        if name not in line_ids:
            continue
        row = by_line.setdefault(name, {"forward": {}, "backward": {}})["forward" if forward else "backward"]
        label = models[t.model].label
        row[label] = row.get(label, 0) + 1
        where.setdefault(t.uid, []).append((name, f, forward))
    turning = {}
    for t in scene.tracks:
        c = where.get(t.uid, [])
        for o, (entry, _) in scene.gates.items():
            for q, (_, exit_) in scene.gates.items():
                fi = [f for n, f, fw in c if n == entry and fw]
                fo = [f for n, f, fw in c if n == exit_ and fw]
                if fi and fo and fo[-1] > fi[0]:
                    row = turning.setdefault(f"{o}>{q}", {})
                    label = models[t.model].label
                    row[label] = row.get(label, 0) + 1
    return {"lines": {k: by_line.get(k, {"forward": {}, "backward": {}}) for k in line_ids}, "turning": turning}


def actors_of(scene, models):
    out = {}
    for t in scene.tracks:
        a = Actor(t.uid, t.model, models[t.model], np.random.default_rng([scene.seed, t.uid]))
        if t.scripted == "stander":
            a.lamps_on = False
        out[t.uid] = a
    return out


def advance(scene, actors, f):
    """Moves the actors of frame f; returns them."""
    dt, live = 1 / scene.fps, []
    for t in scene.tracks:
        k = t.at(f)
        if k is None or np.hypot(*(t.xy[k] - scene.camera.pos[:2])) > 150:
            continue
        a = actors[t.uid]
        a.move_to(t.xy[k], t.yaw[k], t.speed[k], dt)
        if a.label in ("motorcycle", "bicycle") and len(t.yaw) > 2:
            rate = (t.yaw[min(k + 1, len(t.yaw) - 1)] - t.yaw[max(k - 1, 0)]) / (2 * dt)
            a.roll = float(np.clip(-np.arctan(t.speed[k] * rate / 9.81), -.45, .45))
            a.steer = float(np.clip(1.3 * rate / max(t.speed[k], 2.0), -.4, .4))
            if f >= t.extra.get("falls_at", scene.frames):
                a.roll = 1.35 * min(1.0, (f - t.extra["falls_at"]) / (.5 * scene.fps))
        elif a.label != "person" and len(t.yaw) > 2:
            rate = (t.yaw[min(k + 1, len(t.yaw) - 1)] - t.yaw[max(k - 1, 0)]) / (2 * dt)
            a.steer = float(np.clip(2.8 * rate / max(t.speed[k], 2.0), -.5, .5))
        live.append(a)
    return live


def clip(name, out, frames=None, again=False, dry=False):
    folder = os.path.join(out, name)
    done = os.path.join(folder, "truth.json")
    if os.path.exists(done) and not again:
        return
    begin = time.time()
    models = pictures.all_models(MODEL_SEED)
    scene = SCENES[name](models)
    n = min(frames or scene.frames, scene.frames)
    print(f"{name}: {len(scene.tracks)} tracks, {n} frames, events {scene.events}", flush=True)
    if dry:
        return scene, models
    os.makedirs(folder, exist_ok=True)
    light = render.Light(**render.LIGHTS[scene.light])
    r = render.Renderer(models, scene.size, scene.street_seed)
    r.look(scene.camera, light, float(scene.seed))
    actors = actors_of(scene, models)
    rng = np.random.default_rng(scene.seed)
    path = os.path.join(folder, "clip.mp4")
    enc = Encoder(path, scene.size, scene.fps, n / scene.fps)
    data, mot, seen = [], [], set()
    cpu = time.process_time()
    for f in range(n):
        live = advance(scene, actors, f)
        linear, measured = r.frame(live, t=f / scene.fps, sun_scale=scene.sun(f) if scene.sun else 1.0)
        rgb = film.develop(linear, light, rng, gain=scene.gain(f) if scene.gain else 1.0)
        if scene.paint:
            rgb = scene.paint(rgb, f, rng)
        enc.write(rgb)
        rows = []
        for a, m in zip(live, measured):
            if m is None or m[0] is None or a.label == "thing":      # no road user: the event tells of it
                continue
            box, amodal, visible, whole = m
            share = min(1.0, visible / max(whole, .25))
            if box[3] - box[1] < LEAST_PX or visible < 12:
                continue
            seen.add((a.uid, f))
            clean = lambda v: int(v) if float(v).is_integer() else float(v)
            rows.append([a.uid] + [clean(v) for v in box] + [int(round(v)) for v in amodal] + [clean(round(1 - share, 2)), round(float(a.xy[0]), 2), round(float(a.xy[1]), 2), round(a.speed, 1)])
            need = int(share >= .3 and box[3] - box[1] >= 12)
            mot.append(f"{f + 1},{a.uid},{box[0]:g},{box[1]:g},{box[2] - box[0]:g},{box[3] - box[1]:g},{need},{MOT_CLASS[a.label]},{share:.2f}")
        data.append(rows)
        if f % 50 == 0:
            print(f"  frame {f} of {n}, {time.time() - begin:.0f} s", flush=True)
    cpu = time.process_time() - cpu
    enc.close()
    used = {row[0] for rows in data for row in rows}
    objects = []
    for t in scene.tracks:
        if t.uid in used:
            fs = [f for f in range(n) if (t.uid, f) in seen]
            m = models[t.model]
            o = {"id": t.uid, "class": m.label, "model": m.name, "size_m": [round(v, 2) for v in m.size], "first_frame": fs[0], "last_frame": fs[-1]}
            if t.route[0]:
                o["route"] = list(t.route)
            if t.scripted:
                o["role"] = t.scripted
            objects.append(o)
    truth = {"schema": 1, "scenario": name, "description": scene.text, "clip": "clip.mp4", "sha256": sha256(path), "width": scene.size[0], "height": scene.size[1], "fps": scene.fps, "frames": n,
             "seconds": n / scene.fps, "seed": scene.seed, "light": scene.light, "camera": scene.camera.calibration(), **told(scene, models, seen, n), "objects": objects, "frame_columns": COLUMNS}
    write_truth(done, truth, data)
    with open(os.path.join(folder, "gt.txt"), "w") as h:
        h.write("\n".join(mot) + ("\n" if mot else ""))
    r.ctx.release()
    print(f"{name}: {os.path.getsize(path) / 2**20:.2f} MiB, truth {os.path.getsize(done) / 2**20:.2f} MiB, {time.time() - begin:.0f} s, {cpu / n:.3f} CPU s a frame", flush=True)


def told(scene, models, seen, frames):
    """What the scenario knows beyond the pictures: shapes, events, counts."""
    zones, lanes, lines = geometry(scene)
    events = []
    for e in scene.events:
        if e["onset_frame"] < frames:
            e = dict(e)
            e["onset_s"] = e["onset_frame"] / scene.fps
            e["end_s"] = None if e["end_frame"] is None else e["end_frame"] / scene.fps
            events.append(e)
    return {"zones": zones, "lines": lines, "lanes": lanes, "events": events, "counts": counts(scene, models, seen, [q["id"] for q in lines]), **scene.extra}


def retell(name, out):
    """Shapes, events and counts again, for a clip that is already made: after a change of lines, say."""
    path = os.path.join(out, name, "truth.json")
    truth = json.load(open(path))
    data = truth.pop("frames_data")
    models = pictures.all_models(MODEL_SEED)
    scene = SCENES[name](models)
    truth.update(told(scene, models, {(r[0], f) for f, rows in enumerate(data) for r in rows}, truth["frames"]))
    for t in scene.tracks:        # the traffic must be the filmed one
        for f in (truth["frames"] // 3, truth["frames"] // 2):
            k = t.at(f)
            for r in data[f]:
                if r[0] == t.uid and (k is None or np.hypot(*(t.xy[k] - [r[10], r[11]])) > .02):
                    raise RuntimeError(f"{name}: the simulated traffic is not the filmed one; make the clip again")
    write_truth(path, truth, data)
    print(f"{name}: told again", flush=True)


def write_truth(path, truth, data):
    """Readable head, one line a frame."""
    head = json.dumps(truth, indent=1, ensure_ascii=False)
    import re
    head = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", head)
    head = re.sub(r'\{\s+("id": [^{}]*?)\s+\}', lambda m: "{" + re.sub(r"\s*\n\s*", " ", m[1]) + "}", head)
    lines = ",\n".join(json.dumps(rows, separators=(",", ":")) for rows in data)
    with open(path, "w") as h:
        h.write(head.rstrip()[:-1].rstrip() + ',\n "frames_data": [\n' + lines + "\n]}\n")


def sha256(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()
