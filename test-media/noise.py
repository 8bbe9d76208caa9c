#!/usr/bin/env python3
"""Measures how a detector errs on the rendered clips, whose truth is exact; tests/hours plays that noise back.

    python test-media/make.py clip people people-night people-rain --out MORE         # people on foot, dozens of them
    vantage bench CLIPS/CLIP/clip.mp4 --model MODEL --detections DIR/CLIP.txt          # for each clip of LIGHTS
    python test-media/noise.py DIR --more MORE --model NAME --out tests/hours/NAME.json

Everything is measured against what a player of trajectories knows as well: the whole box of each object (*amodal*),
and how much of it the whole boxes of nearer objects cover (*cover*), on a grid of 16 x 16 cells. Lengths are in heights
of the amodal box within the picture. Whoever trees or posts hide is left out: a player knows none. Three things are
written for each light:

- score: the share of misses, and quantiles of the score of the rest, by sort of object, height and cover; whoever is
  cut by the picture's edge has a table of his own.
- edges: the error of left, top, right and bottom against a box between the visible part and the whole one
  (`towards_visible`: 1 is the visible part), for moving and for standing objects: quantiles of each object's own median
  (`offset`), and by cover of what differs from it (`residual`).
- in time: errors persist. The normal scores of each quantity are taken as the sum of a part that an object keeps for
  life, one that fades with e^(-t/tau), and one that is new in each frame; the shares are fitted to the measured
  correlation, for moving and for standing objects. For misses it is the tetrachoric correlation of being missed now and
  being missed later (Pearson, Phil. Trans. A 195, 1900).

Besides: classes taken for others; second boxes of one object (a rider found as a person as well, a reflection); boxes where
nothing is, by size, class, score and life, and whether on the road: foliage that is taken for somebody stands beside it.
"""
import argparse
import json
import math
import os
import statistics

import numpy as np

from city import street

HERE = os.path.dirname(os.path.abspath(__file__))
LIGHTS = {"day": ["junction", "stopped-lorry", "stopped-lorry-queue", "wrong-way", "pedestrian", "empty-road", "illegal-parking", "congestion", "near-miss", "people"],
          "night": ["junction-night", "people-night"], "rain": ["junction-rain", "people-rain"]}
LABELS = ["person", "bicycle", "car", "motorcycle", "bus", "truck"]
COCO = {0: 0, 1: 1, 2: 2, 3: 3, 5: 4, 7: 5}          # class of COCO's 80 -> LABELS
SORTS = {"person": ["person"], "two_wheeler": ["bicycle", "motorcycle"], "vehicle": ["car", "bus", "truck"]}
HEIGHTS = [0, 12, 16, 20, 26, 36, 56]                # lower bounds, pixels of a picture 360 lines high
COVERS = [0, .1, .25, .45, .65, .85]                 # lower bounds
CUTS = [.12, .35, .6]                                # lower bounds of the share that the picture's edge takes
CUT = CUTS[0]
SCENERY = .3                                         # who is hidden so much more than others hide him stands behind a tree
LEAST_ROWS = 150                                     # a cell with fewer rows borrows from its neighbours
EDGE_PX = 16                                         # edges of lower objects say little: a pixel is much of them
CELLS = 16
SHARES = np.linspace(0, 1, 21)
LAGS = [1, 2, 3, 5, 10, 20, 40, 80, 150]
NORMAL = statistics.NormalDist()


def truth_of(clip, more):
    """The clip's truth, beside this file or among those made to measure on."""
    own = os.path.join(HERE, clip, "truth.json")
    path = own if os.path.exists(own) else os.path.join(more, clip, "truth.json")
    with open(path) as f:
        return json.load(f)


def rows_of(folder, clip, coco, more):
    """One row per object and frame, with the detection that was matched to it; and what was matched to nothing."""
    truth = truth_of(clip, more)
    eye = truth["camera"]["position_m"]
    w, h = truth["width"], truth["height"]
    label = {o["id"]: o["class"] for o in truth["objects"]}
    found = {}
    for line in open(os.path.join(folder, clip + ".txt")):
        v = line.split(",")
        c = int(v[7])
        c = COCO.get(c) if coco else c
        if c is not None:
            x, y, bw, bh = map(float, v[2:6])
            found.setdefault(int(v[0]) - 1, []).append((x, y, x + bw, y + bh, float(v[6]), c))
    rows, extra, stray = [], [], []
    for f, frame in enumerate(truth["frames_data"]):
        dets = found.get(f, [])
        n = len(frame)
        boxes = np.array([r[5:9] for r in frame], float).reshape(n, 4)
        inside = np.stack([boxes[:, 0].clip(0, w), boxes[:, 1].clip(0, h), boxes[:, 2].clip(0, w), boxes[:, 3].clip(0, h)], 1)
        far = np.array([math.dist((r[10], r[11]), eye[:2]) for r in frame])
        seen = []
        for i, r in enumerate(frame):
            cover, visible = covered(inside[i], inside[far < far[i]])
            area = np.prod(boxes[i, 2:] - boxes[i, :2])
            cut = 1 - np.prod(inside[i, 2:] - inside[i, :2]) / max(area, 1)
            seen.append((cover, visible, cut))
        pairs = match(dets, [(inside[i], np.array(frame[i][1:5], float), label[frame[i][0]]) for i in range(n)])
        for i, r in enumerate(frame):
            cover, visible, cut = seen[i]
            if r[9] - cover > SCENERY:
                continue
            d = dets[pairs[i]] if i in pairs else None
            rows.append(dict(key=(clip, r[0]), frame=f, label=label[r[0]], box=inside[i], visible=visible, cover=cover, cut=cut, speed=r[12], height=inside[i][3] - inside[i][1], det=d))
        used = set(pairs.values())
        for j, d in enumerate(dets):
            if j in used:
                continue
            i = owner(d, inside)
            if i is not None:
                extra.append(dict(key=(clip, frame[i][0]), frame=f, label=label[frame[i][0]], box=inside[i], det=d))
            else:
                stray.append(dict(key=(clip, f), det=d, on_road=on_road(truth["camera"], (d[0] + d[2]) / 2, d[3])))
    return rows, extra, stray, truth["frames"]


def owner(det, boxes):
    """Whose a box is that was matched to nobody: a quarter of it lies on him, or it is his reflection on the wet road.
    Boxes of nobody come wherever they please; these come and go with their object."""
    best = max(range(len(boxes)), key=lambda i: share_of(det, boxes[i]), default=None)
    if best is None or share_of(det, boxes[best]) > .25:
        return best
    return next((i for i, box in enumerate(boxes) if mirrors(det, box)), None)


def on_road(camera, x, y):
    """Whether a pixel shows ground of a carriageway."""
    ground = lambda x, y: np.array(camera["image_to_ground"]) @ (x, y, 1)
    (_, _, cx), (_, _, cy), _ = camera["intrinsics"]
    p, below = ground(x, y), ground(cx, 2 * cy)
    if p[2] * below[2] <= 0:       # above the horizon
        return False
    return bool(abs(p[1] / p[2]) < street.WA or abs(p[0] / p[2]) < street.WB)


def mirrors(det, box):
    """Whether a detection hangs below an object, as wide and as high as its reflection would be."""
    wide, high = box[2] - box[0], box[3] - box[1]
    beside = abs((det[0] + det[2]) - (box[0] + box[2])) / 2
    return beside < .5 * wide and -.3 * high < det[1] - box[3] < .3 * high and .5 * high < det[3] - det[1] < 2 * high


def covered(box, others):
    """Share of the box that others cover, and the bounds of the cells that they do not; on CELLS x CELLS middles."""
    x = box[0] + (np.arange(CELLS) + .5) / CELLS * (box[2] - box[0])
    y = box[1] + (np.arange(CELLS) + .5) / CELLS * (box[3] - box[1])
    hidden = np.zeros((CELLS, CELLS), bool)
    for o in others:
        hidden |= ((y >= o[1]) & (y < o[3]))[:, None] & ((x >= o[0]) & (x < o[2]))[None]
    if hidden.all():
        return 1.0, box
    rows, cols = np.flatnonzero(~hidden.all(1)), np.flatnonzero(~hidden.all(0))
    sx, sy = (box[2] - box[0]) / CELLS, (box[3] - box[1]) / CELLS
    return hidden.mean(), np.array([box[0] + cols[0] * sx, box[1] + rows[0] * sy, box[0] + (cols[-1] + 1) * sx, box[1] + (rows[-1] + 1) * sy])


def area(b):
    return max(b[2] - b[0], 0) * max(b[3] - b[1], 0)


def overlap(a, b):
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def iou(a, b):
    i = overlap(a, b)
    return i / max(area(a) + area(b) - i, 1e-9)


def share_of(det, box):
    """How much of a detection lies on an object's box."""
    return overlap(det, box) / max(area(det), 1e-9)


def sort_of(label):
    return next(k for k, v in SORTS.items() if label in v)


def match(dets, objects):
    """{object: detection}: greedy by IoU with the whole or the visible box, classes of one sort first."""
    pairs = []
    for i, (whole, visible, label) in enumerate(objects):
        for j, d in enumerate(dets):
            q = max(iou(d, whole), iou(d, visible))
            if q >= .35:
                pairs.append((q + .4 * (sort_of(LABELS[d[5]]) == sort_of(label)), i, j))
    out, taken = {}, set()
    for _, i, j in sorted(pairs, reverse=True):
        if i not in out and j not in taken:
            out[i] = j
            taken.add(j)
    return out


def cell(value, bounds):
    return max(k for k, b in enumerate(bounds) if value >= b)


def quantiles(values):
    return [round(float(v), 4) for v in np.quantile(values, SHARES)]


def of_scores(values):
    """The share of misses and the quantiles of the others' scores."""
    values = np.array(values)
    found = values[values > 0]
    return {"missed": round(1 - len(found) / len(values), 4), "scores": quantiles(found) if len(found) else [0.0] * 21}


def score_tables(rows):
    """[sort][height][cover] -> misses and scores; [sort][cut] for whoever is cut."""
    score = lambda r: r["det"][4] if r["det"] else 0.0
    whole, cut, counts = {}, {}, {}
    for sort in SORTS:
        mine = [r for r in rows if sort_of(r["label"]) == sort]
        grid = {}
        for r in mine:
            if r["cut"] < CUT:
                grid.setdefault((cell(r["height"], HEIGHTS), cell(r["cover"], COVERS)), []).append(score(r))
        counts[sort] = [[len(grid.get((a, b), [])) for b in range(len(COVERS))] for a in range(len(HEIGHTS))]
        whole[sort] = [[of_scores(borrow(grid, a, b)) for b in range(len(COVERS))] for a in range(len(HEIGHTS))]
        edge = {}
        for r in mine:
            if r["cut"] >= CUT:
                edge.setdefault((cell(r["cut"], CUTS), 0), []).append(score(r))
        cut[sort] = [of_scores(borrow(edge, a, 0)) for a in range(3)]
    return {"whole": whole, "cut": cut, "rows": counts}


def borrow(grid, a, b):
    """The cell's values, and those of cells around it until there are enough."""
    for reach in range(0, 8):
        got = [v for (x, y), vs in grid.items() if abs(x - a) + 1.5 * abs(y - b) <= reach for v in vs]
        if len(got) >= LEAST_ROWS:
            return got
    return [v for vs in grid.values() for v in vs] or [0.0]


def edge_tables(rows):
    """How far each edge is from the reference box, in heights; and what the reference is."""
    hit = [r for r in rows if r["det"] and r["cut"] < CUT]
    moved, off = [], []
    for r in hit:
        for k in range(4):
            d = (r["visible"][k] - r["box"][k]) / r["height"]
            if abs(d) > .1:
                moved.append(d)
                off.append((r["det"][k] - r["box"][k]) / r["height"])
    moved, off = np.array(moved), np.array(off)
    towards = float(np.clip(np.median(off / moved), 0, 1)) if len(moved) > 50 else 0.5
    own = {}
    for r in hit:
        ref = r["box"] + towards * (r["visible"] - r["box"])
        r["errors"] = [(r["det"][k] - ref[k]) / r["height"] for k in range(4)]
        if r["height"] >= EDGE_PX:
            own.setdefault((r["key"], still(r)), []).append(r)
    own = {k: v for k, v in own.items() if len(v) >= 10}
    for mine in own.values():
        middle = np.median([r["errors"] for r in mine], 0)
        for r in mine:
            r["residual"] = [e - m for e, m in zip(r["errors"], middle)]
    offset, residual = {}, {}
    for motion in ("moving", "standing"):
        offset[motion], residual[motion] = {}, {}
        for sort in SORTS:
            of = {k: v for k, v in own.items() if k[1] == (motion == "standing") and sort_of(v[0]["label"]) == sort}
            of = of or {k: v for k, v in own.items() if sort_of(v[0]["label"]) == sort} or own
            middles = [np.median([r["errors"] for r in v], 0) for v in of.values()]
            offset[motion][sort] = [quantiles([m[k] for m in middles]) for k in range(4)]
            by = [[r for v in of.values() for r in v if cell(r["cover"], COVERS) == b] for b in range(len(COVERS))]
            residual[motion][sort] = []
            for b in range(len(COVERS)):
                got, reach = by[b], 1
                while len(got) < LEAST_ROWS and reach < len(COVERS):
                    got = [r for c in range(max(0, b - reach), min(len(COVERS), b + reach + 1)) for r in by[c]]
                    reach += 1
                residual[motion][sort].append([quantiles([r["residual"][k] for r in got]) for k in range(4)])
    hit = [r for r in hit if "residual" in r]
    return {"towards_visible": round(towards, 3), "offset": offset, "residual": residual}, hit


def bivariate(p, q, rho):
    """P(X < Φ⁻¹(p), Y < Φ⁻¹(q)) of a standard bivariate normal with correlation rho."""
    a, b = NORMAL.inv_cdf(p), NORMAL.inv_cdf(q)
    x, w = np.polynomial.legendre.leggauss(24)
    t = (x + 1) / 2 * rho
    f = np.exp(-(a * a - 2 * t * a * b + b * b) / (2 * (1 - t * t))) / np.sqrt(1 - t * t) / (2 * np.pi)
    return p * q + float((w * f).sum() * rho / 2)


def still(r):
    return r["speed"] < .3


def chains(rows):
    out = {}
    for r in rows:
        out.setdefault(r["key"], {})[r["frame"]] = r
    return out


def pairs_at(rows, lag, standing):
    for frames in chains(rows).values():
        for f, r in frames.items():
            s = frames.get(f + lag)
            if s and (still(r) and still(s)) == standing and (standing or not (still(r) or still(s))):
                yield r, s


def miss_correlation(rows, prob, standing):
    """Tetrachoric correlation of misses by lag."""
    out = []
    for lag in LAGS:
        groups, both, n = {}, 0, 0
        for r, s in pairs_at(rows, lag, standing):
            p, q = prob(r), prob(s)
            if not (.03 < p < .97 and .03 < q < .97):
                continue
            groups[round(p, 2), round(q, 2)] = groups.get((round(p, 2), round(q, 2)), 0) + 1
            both += r["det"] is None and s["det"] is None
            n += 1
        if n < 300:
            out.append(None)
            continue
        lo, hi = 0.0, .995
        for _ in range(18):
            mid = (lo + hi) / 2
            want = sum(k * bivariate(p, q, mid) for (p, q), k in groups.items())
            lo, hi = (mid, hi) if want < both else (lo, mid)
        out.append(round((lo + hi) / 2, 3))
    return out


def edge_correlation(hit, standing):
    """Correlation of normal scores of the edges' residuals by lag, all four edges together."""
    for b in range(len(COVERS)):
        for sort in SORTS:
            mine = [r for r in hit if cell(r["cover"], COVERS) == b and sort_of(r["label"]) == sort and still(r) == standing]
            for k in range(4):
                order = np.argsort(np.argsort([r["residual"][k] for r in mine])) if mine else []
                for r, rank in zip(mine, order):
                    r.setdefault("z", [0.0] * 4)[k] = NORMAL.inv_cdf((rank + .5) / len(mine))
    out = []
    for lag in LAGS:
        got = [(r["z"][k], s["z"][k]) for r, s in pairs_at(hit, lag, standing) for k in range(4)]
        out.append(round(float(np.mean([a * b for a, b in got])), 3) if len(got) > 1200 else None)
    return out


def shares(correlation, fps=10, most_kept=.95):
    """Parts of the variance: kept for life, fading, new each frame; and the time of fading."""
    known = [(lag / fps, c) for lag, c in zip(LAGS, correlation) if c is not None]
    best = (1e9, None)
    for tau in (.2, .3, .5, .8, 1.2, 2, 3, 5):
        for keep in np.linspace(0, most_kept, 39 if most_kept else 1):
            for fade in np.linspace(0, 1 - keep, 30):
                e = sum((keep + fade * math.exp(-t / tau) - c) ** 2 for t, c in known)
                if e < best[0]:
                    best = (e, (keep, fade, tau))
    keep, fade, tau = best[1]
    return {"object": round(float(keep), 3), "fading": round(float(fade), 3), "fading_seconds": tau, "lags_s": [g / fps for g in LAGS], "measured": correlation}


def confusion(rows):
    """For each true class the share of each found class, and how well the found class keeps in time."""
    table = {}
    for label in LABELS:
        mine = [r for r in rows if r["det"] and r["label"] == label]
        n = [sum(r["det"][5] == c for r in mine) for c in range(len(LABELS))]
        total = sum(n)
        table[label] = [round(v / total, 4) for v in n] if total >= 30 else [float(c == label) for c in LABELS]
    hit = [dict(r, det=None if LABELS[r["det"][5]] != r["label"] else r["det"]) for r in rows if r["det"]]
    wrong = lambda r: min(max(1 - table[r["label"]][LABELS.index(r["label"])], .001), .999)
    return {"found_as": table, "in_time": shares(miss_correlation(hit, wrong, False))}


def second_boxes(rows, extra):
    """Boxes on an object that has its own already: how often by its class, as what, where on it, for how long."""
    out = {}
    for label in LABELS:
        mine = [e for e in extra if e["label"] == label]
        have = sum(r["label"] == label for r in rows)
        if not mine or have < 100:
            continue
        rel = [[(e["det"][0] - e["box"][0]) / max(e["box"][2] - e["box"][0], 1), (e["det"][1] - e["box"][1]) / max(e["box"][3] - e["box"][1], 1),
                (e["det"][2] - e["box"][0]) / max(e["box"][2] - e["box"][0], 1), (e["det"][3] - e["box"][1]) / max(e["box"][3] - e["box"][1], 1)] for e in mine]
        frames = {}
        for e in mine:
            frames.setdefault((e["key"], e["det"][5]), set()).add(e["frame"])
        goes_on = [f + 1 in fs for fs in frames.values() for f in fs]
        as_class = [round(sum(e["det"][5] == c for e in mine) / len(mine), 3) for c in range(len(LABELS))]
        pick = np.linspace(0, len(mine) - 1, min(len(mine), 40)).astype(int)
        order = sorted(range(len(mine)), key=lambda i: (mine[i]["det"][5], mine[i]["det"][4]))
        samples = [[mine[order[i]]["det"][5], round(mine[order[i]]["det"][4], 3)] + [round(float(v), 2) for v in rel[order[i]]] for i in pick]
        out[label] = {"share_of_frames": round(len(mine) / have, 4), "next_frame_too": round(float(np.mean(goes_on)), 3), "found_as": as_class,
                      "samples": samples}
    return out


def strays(stray, frames):
    """Boxes where nothing is."""
    lives, open_ = [], {}
    for s in stray:
        clip, f = s["key"]
        prev = next((k for k in open_ if k[0] == clip and 0 < f - open_[k][-1][0] <= 5 and iou(open_[k][-1][1], s["det"]) > .3), None)
        if prev is None:
            prev = (clip, f, len(open_))
            open_[prev] = []
        open_[prev].append((f, s["det"], s["on_road"]))
    lives = [v for v in open_.values()]
    span = [v[-1][0] - v[0][0] + 1 for v in lives]
    sample = []                          # every one of them: the few that stay for long weigh most
    for i in sorted(range(len(lives)), key=lambda i: span[i]):
        v = lives[i]
        d = v[len(v) // 2][1]
        sample.append([d[5], round(float(np.median([q[1][4] for q in v])), 3), span[i], round(len(v) / span[i], 2)] + [round(float(q), 1) for q in d[:4]] + [int(sum(q[2] for q in v) * 2 > len(v))])
    return {"boxes_per_frame": round(len(stray) / frames, 4), "begin_per_frame": round(len(lives) / frames, 5), "life_frames": quantiles(span) if span else [0] * 21,
            "sample_columns": ["class", "score", "life_frames", "share_of_life", "x0", "y0", "x1", "y1", "on_road"], "samples": sample}


def miss_runs(rows, least_height=20, most_cover=.25):
    """Lengths of runs of misses of well visible objects, in frames."""
    runs = []
    for frames in chains([r for r in rows if r["height"] >= least_height and r["cover"] <= most_cover and r["cut"] < CUT]).values():
        n = 0
        for f in range(min(frames), max(frames) + 2):
            r = frames.get(f)
            if r and r["det"] is None:
                n += 1
            elif n:
                runs.append(n)
                n = 0
    return {"runs": len(runs), "p50": float(np.median(runs)), "p90": float(np.quantile(runs, .9)), "max": max(runs)} if runs else {"runs": 0}


def measure(folder, clips, coco, more):
    rows, extra, stray, frames = [], [], [], 0
    for clip in clips:
        a, b, c, n = rows_of(folder, clip, coco, more)
        rows, extra, stray, frames = rows + a, extra + b, stray + c, frames + n
    scores = score_tables(rows)
    edges, hit = edge_tables(rows)
    def missed(r):
        return min(max(scores["whole"][sort_of(r["label"])][cell(r["height"], HEIGHTS)][cell(r["cover"], COVERS)]["missed"], .001), .999)
    whole = [r for r in rows if r["cut"] < CUT]
    scores["in_time"] = {"moving": shares(miss_correlation(whole, missed, False)), "standing": shares(miss_correlation(whole, missed, True))}
    edges["in_time"] = {"moving": shares(edge_correlation(hit, False), most_kept=0), "standing": shares(edge_correlation(hit, True), most_kept=0)}
    good = [r for r in rows if r["height"] >= 24 and r["cover"] <= .25 and r["cut"] < CUT]
    return {"clips": clips, "frames": frames, "objects": len({r["key"] for r in rows}), "rows": len(rows),
            "recall_24px_uncovered": round(float(np.mean([r["det"] is not None for r in good])), 4) if good else None, "miss_runs_20px_uncovered": miss_runs(rows),
            "score": scores, "edges": edges, "class": confusion(rows), "second_boxes": second_boxes(rows, extra), "strays": strays(stray, frames)}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("folder", help="CLIP.txt of each clip, from `vantage bench --detections`")
    ap.add_argument("--more", required=True, help="folder of the clips that the repository does not have")
    ap.add_argument("--model", required=True, help="name for the provenance")
    ap.add_argument("--sha256", default="", help="of the model file")
    ap.add_argument("--score", type=float, help="score threshold that the detections were taken with")
    ap.add_argument("--coco", action="store_true", help="the model has COCO's 80 classes")
    ap.add_argument("--out", required=True)
    a = ap.parse_args()
    out = {"schema": 1, "written_by": "test-media/noise.py", "model": a.model, "model_sha256": a.sha256, "score_threshold": a.score, "picture": [640, 360], "labels": LABELS,
           "sorts": {l: sort_of(l) for l in LABELS}, "heights_px": HEIGHTS, "covers": COVERS, "cuts": CUTS, "cells": CELLS, "road_half_width_m": street.WA,
           "lights": {light: measure(a.folder, clips, a.coco, a.more) for light, clips in LIGHTS.items()}}
    with open(a.out, "w") as f:
        json.dump(out, f, separators=(",", ":"))
        f.write("\n")
    for light, m in out["lights"].items():
        print(light, {k: m[k] for k in ("frames", "rows", "recall_24px_uncovered", "miss_runs_20px_uncovered")}, "misses", m["score"]["in_time"], "edges", m["edges"]["in_time"],
              "towards", m["edges"]["towards_visible"], "strays", m["strays"]["boxes_per_frame"], m["strays"]["begin_per_frame"])


if __name__ == "__main__":
    main()
