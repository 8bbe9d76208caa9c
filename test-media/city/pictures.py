"""Training pictures: random cameras, lights and traffic, with exact boxes.

Written beside the JPEGs: `annotations-SEED.json`, COCO style. Categories: 1 person, 2 bicycle, 3 car,
4 motorcycle, 5 bus, 6 truck; riders belong to the box of their motorcycle or bicycle. `bbox` is the
visible extent [x, y, width, height] in pixels, `visible` the visible share of the silhouette within the
picture; `iscrowd` 1 marks what is too small or too hidden to ask for.
"""
import json
import os

import cv2
import numpy as np

from . import film, people, render, street, things, vehicles
from .actor import Actor
from .camera import Camera

CLASSES = ["person", "bicycle", "car", "motorcycle", "bus", "truck"]


def all_models(seed):
    rng = np.random.default_rng(seed)
    return vehicles.build(rng) + people.build(rng) + things.build()


def corners(xy, yaw, length, width):
    c, s = np.cos(yaw), np.sin(yaw)
    l, w = length / 2, width / 2
    return np.array([[l, w], [l, -w], [-l, -w], [-l, w]]) @ np.array([[c, s], [-s, c]]) + xy


def overlap(a, b):
    """Separating axes of two rectangles given by their corners."""
    for r in (a, b):
        for e in (r[1] - r[0], r[2] - r[1]):
            n = np.array([-e[1], e[0]])
            pa, pb = a @ n, b @ n
            if pa.max() < pb.min() or pb.max() < pa.min():
                return False
    return True


def random_camera(rng, size):
    leg = int(rng.integers(4))
    base = (0.0, 90.0, 180.0, 270.0)[leg]
    half = street.WA if leg % 2 == 0 else street.WB
    along = rng.uniform(-30, 60)
    lat = rng.uniform(-half + 1.5, half - 1.5)
    y = np.radians(base)
    pos = np.array([np.cos(y) * along - np.sin(y) * lat, np.sin(y) * along + np.cos(y) * lat, rng.uniform(4.0, 10.0)])
    focal = size[0] / 640 * float(np.exp(rng.uniform(np.log(380), np.log(950))))
    lowest = np.degrees(np.arctan(size[1] / 2 / focal))
    pitch = rng.uniform(.35, 1.15) * lowest if rng.random() < .8 else rng.uniform(lowest, lowest + 18)
    return Camera(pos, base + rng.normal(0, 9) - np.sign(lat) * rng.uniform(0, 8), max(6.0, pitch), focal, size)


USUAL, SELDOM, WALKERS = "usual", "seldom", "walkers"
"""Mixes of pictures: a street as it is, one with more of what a street shows seldom and a detector needs as often, and
one with people on foot everywhere."""

TRAFFIC_SHARE = {USUAL: [1.6, .7, 3.2, 5.5, .9, 1.6], SELDOM: [2.4, 2.4, 2.6, 4.0, 2.6, 2.2], WALKERS: [7.0, 1.6, 2.4, 3.2, 1.0, 1.4]}
"""Weights of CLASSES on the road."""


def scatter(rng, models, cam, density, jam, mix=USUAL):
    """Actors placed without touching, more of them where the camera sees them large."""
    kinds = {k: [i for i, m in enumerate(models) if m.label == k and not m.name.endswith("parked")] for k in CLASSES}
    parked = [i for i, m in enumerate(models) if m.name.endswith("parked")]
    share = rng.dirichlet(np.array(TRAFFIC_SHARE[mix]) * 1.6)
    y = np.radians(cam.yaw)
    fwd, left = np.array([np.cos(y), np.sin(y)]), np.array([-np.sin(y), np.cos(y)])
    reach = cam.pos[2] / np.tan(np.radians(cam.pitch) + np.arctan(cam.size[1] / 2 / cam.focal)) if cam.pitch < 80 else 2
    actors, boxes = [], []
    for _ in range(density * 9):
        if len(actors) >= density:
            break
        d = max(reach * .85, 4) * np.exp(rng.uniform(0, 2.4))
        if d > 110:
            continue
        side = rng.uniform(-1, 1) * d * cam.size[0] / 2 / cam.focal * 1.1
        p = cam.pos[:2] + fwd * d + left * side
        ax, ay = abs(p[0]), abs(p[1])
        on_a, on_b = ay < street.WA - .3, ax < street.WB - .3
        if not on_a and not on_b:
            deep = min(ay - street.WA, ax - street.WB)
            if deep > street.WALK - 1.6 or deep < .4 or rng.random() < .4:
                continue
            label = "person" if rng.random() < .7 else "parked"
        else:
            label = CLASSES[int(rng.choice(6, p=share))]
        i = int(rng.choice(parked if label == "parked" else kinds[label]))
        m = models[i]
        a = Actor(0, i, m, rng)
        junction = on_a and on_b
        along_a = on_a if not junction else rng.random() < .5
        if label == "person":
            yaw = rng.uniform(0, 2 * np.pi) if not (on_a or on_b) or rng.random() < .4 else (np.pi / 2 if along_a else 0) + rng.choice([0, np.pi])
        elif label == "parked":
            yaw = rng.uniform(0, 2 * np.pi)
        else:
            if along_a:
                yaw = 0.0 if p[1] < 0 else np.pi
                lane, half = street.LANE_A, street.WA
                lat = p[1]
            else:
                yaw = np.pi / 2 if p[0] > 0 else -np.pi / 2
                lane, half = street.LANE_B, street.WB
                lat = p[0]
            if m.label in ("car", "bus", "truck"):   # four wheels keep to lanes
                lat = np.sign(lat) * lane * (.5 if abs(lat) < lane else 1.5) + rng.normal(0, .25)
                p = np.array([p[0], lat]) if along_a else np.array([lat, p[1]])
            yaw += rng.normal(0, .05) + (rng.normal(0, .6) if junction else 0) + (np.pi if rng.random() < .02 else 0) + (rng.normal(0, .25) if rng.random() < .12 else 0)
            a.roll = float(rng.normal(0, .05)) if m.label == "motorcycle" else 0.0
        l, w, _ = m.size
        gap = .25 if jam or label in ("person", "parked", "motorcycle", "bicycle") else .9
        r = corners(p, yaw, l + gap, w + gap * .6)
        if any(np.hypot(*(p - q[0])) < 14 and overlap(r, q[1]) for q in boxes):
            continue
        boxes.append((p, r))
        a.move_to(p, yaw, 0.0 if jam and rng.random() < .6 else rng.uniform(.3, 1.6) if label == "person" else rng.uniform(0, 12), .1)
        a.travel, a.brake, a.lamps_on = float(rng.uniform(0, 9)), float(rng.random() < .3), label != "parked" and rng.random() < .97
        a.uid = len(actors) + 1
        actors.append(a)
    return actors


LIGHTS = ["day", "noon", "morning", "overcast", "rain", "dusk", "wet_dusk", "night"]
LIGHT_SHARE = {USUAL: [.26, .10, .12, .16, .10, .06, .12, .08], SELDOM: [.14, .06, .07, .11, .13, .11, .16, .22]}
LIGHT_SHARE[WALKERS] = LIGHT_SHARE[SELDOM]


def random_light(rng, mix=USUAL):
    name = str(rng.choice(LIGHTS, p=LIGHT_SHARE[mix]))
    d = dict(render.LIGHTS[name])
    d["azimuth"] = d.get("azimuth", 200) + rng.normal(0, 25) + 180 * (rng.random() < .3)
    d["elevation"] = float(np.clip(d.get("elevation", 48) + rng.normal(0, 7), 6, 80))
    d["exposure"] = d.get("exposure", .62) * float(np.exp(rng.normal(0, .16)))
    d["haze_density"] = d.get("haze_density", .0032) * float(np.exp(rng.normal(0, .5)))
    d["cloud"] = float(rng.uniform(.2, .9)) if name in ("day", "noon", "morning") else d.get("cloud", .9)
    d["noise"] = d.get("noise", 1.6) * float(np.exp(rng.normal(0, .4)))
    return name, render.Light(**d)


def make(count, seed, out, size=(640, 360), per_view=6, quality=(70, 92), mix=USUAL):
    os.makedirs(out, exist_ok=True)
    rng = np.random.default_rng(seed)
    models = all_models(seed * 7 + 1)
    r = render.Renderer(models, size, seed)
    doc = {"categories": [{"id": i + 1, "name": c} for i, c in enumerate(CLASSES)], "images": [], "annotations": []}
    name = cam = None
    for k in range(count):
        if k % per_view == 0:
            cam = random_camera(rng, size)
            name, light = random_light(rng, mix)
            r.look(cam, light, float(rng.uniform(0, 50)))
        jam = rng.random() < .3
        actors = scatter(rng, models, cam, int(rng.integers(4, 46)), jam, mix)
        linear, seen = r.frame(actors, t=float(rng.uniform(0, 7)))
        rgb = film.develop(linear, light, rng, blur=float(rng.uniform(.3, .9)))
        file = f"city-{seed:03d}-{k:04d}.jpg"
        cv2.imwrite(os.path.join(out, file), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*quality))])
        doc["images"].append({"id": k + 1, "file_name": file, "width": size[0], "height": size[1], "source": "city", "scene": f"city-{seed}-{name}", "view": k // per_view})
        for a, m in zip(actors, seen):
            if m is None or m[0] is None:
                continue
            b, whole = m[0], max(m[3], .25)
            share = float(min(1.0, m[2] / whole))
            w, h = b[2] - b[0], b[3] - b[1]
            if m[2] < 6 or h < 4:
                continue
            doc["annotations"].append({"id": len(doc["annotations"]) + 1, "image_id": k + 1, "category_id": CLASSES.index(a.label) + 1,
                                       "bbox": [round(float(v), 1) for v in (b[0], b[1], w, h)], "area": round(float(w * h), 1), "visible": round(share, 2),
                                       "iscrowd": int(share < .25 or h < 8 or m[2] < 30), "label": "synthetic"})
    with open(os.path.join(out, f"annotations-{seed:03d}.json"), "w") as f:
        json.dump(doc, f, separators=(",", ":"))
    r.ctx.release()
    return doc
