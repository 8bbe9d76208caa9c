"""Scores MOTChallenge files with TrackEval and py-motmetrics, as the peers of tests/eval_tracks.rs.

    pip install trackeval==1.3.0 motmetrics==1.4.0
    python tests/peers/mot_scores.py TRUTH TRACKS [--protocol ignore|mot15|mot16]

Protocols as `vantage eval tracks --protocol`: with `ignore` boxes that are assigned to a row with a 0 in column 7
(all rows of the frame competing, IoU 0.5) are dropped; `mot15` drops such rows only; `mot16` keeps pedestrians and
drops boxes on distractor classes. IoU 0.5 for CLEAR and identity metrics. Prints one JSON object.
"""

import argparse
import json

import motmetrics
import numpy as np
from scipy.optimize import linear_sum_assignment
from trackeval.metrics.clear import CLEAR
from trackeval.metrics.hota import HOTA
from trackeval.metrics.identity import Identity

EPS = np.finfo(float).eps
DISTRACTORS = [2, 7, 8, 12]


def iou(a, b):
    a, b = a[:, None, :], b[None, :, :]
    overlap = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.prod(np.maximum(overlap, 0), axis=2)
    return inter / (np.prod(a[..., 2:], axis=2) + np.prod(b[..., 2:], axis=2) - inter)


def frames(truth, tracks, protocol):
    """(object ids, track ids, IoU) of each frame, after what is to be ignored is gone."""
    for frame in range(1, int(max(truth[:, 0].max(), tracks[:, 0].max())) + 1):
        g, t = truth[truth[:, 0] == frame], tracks[tracks[:, 0] == frame]
        if protocol != "mot15" and len(g) and len(t):
            score = iou(g[:, 2:6], t[:, 2:6])
            score[score < 0.5 - EPS] = 0
            rows, columns = linear_sum_assignment(-score)
            made = score[rows, columns] > EPS
            rows, columns = rows[made], columns[made]
            drop = g[rows, 6] == 0 if protocol == "ignore" else np.isin(g[rows, 7].astype(int), DISTRACTORS)
            t = np.delete(t, columns[drop], axis=0)
        g = g[g[:, 6] != 0]
        if protocol == "mot16":
            g = g[g[:, 7] == 1]
        both = len(g) and len(t)
        yield g[:, 1].astype(int), t[:, 1].astype(int), iou(g[:, 2:6], t[:, 2:6]) if both else np.zeros((len(g), len(t)))


def trackeval_scores(all_frames):
    index = lambda ids: {v: i for i, v in enumerate(sorted(set(ids)))}
    objects = index(int(i) for f in all_frames for i in f[0])
    tracks = index(int(i) for f in all_frames for i in f[1])
    data = {
        "num_gt_dets": sum(len(f[0]) for f in all_frames),
        "num_tracker_dets": sum(len(f[1]) for f in all_frames),
        "num_gt_ids": len(objects),
        "num_tracker_ids": len(tracks),
        "num_timesteps": len(all_frames),
        "gt_ids": [np.array([objects[int(i)] for i in f[0]], int) for f in all_frames],
        "tracker_ids": [np.array([tracks[int(i)] for i in f[1]], int) for f in all_frames],
        "similarity_scores": [f[2] for f in all_frames],
    }
    hota = HOTA().eval_sequence(data)
    clear = CLEAR({"PRINT_CONFIG": False}).eval_sequence(data)
    identity = Identity({"PRINT_CONFIG": False}).eval_sequence(data)
    scores = {k: 100 * float(np.mean(hota[k])) for k in ["HOTA", "DetA", "AssA", "LocA"]}
    scores |= {k: 100 * float(clear[k]) for k in ["MOTA", "MOTP"]}
    scores |= {k: int(clear[k]) for k in ["IDSW", "Frag", "MT", "ML", "CLR_FN", "CLR_FP"]}
    return scores | {k: 100 * float(identity[k]) for k in ["IDF1", "IDP", "IDR"]}


def motmetrics_scores(all_frames):
    accumulator = motmetrics.MOTAccumulator()
    for number, (objects, tracks, score) in enumerate(all_frames):
        distance = 1 - score
        distance[distance > 0.5] = np.nan
        accumulator.update(list(objects), list(tracks), distance, frameid=number)
    names = ["mota", "motp", "idf1", "num_switches", "num_fragmentations", "mostly_tracked", "mostly_lost"]
    table = motmetrics.metrics.create().compute(accumulator, metrics=names, name="all")
    return {name: float(table[name].iloc[0]) for name in names}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth")
    parser.add_argument("tracks")
    parser.add_argument("--protocol", default="ignore", choices=["ignore", "mot15", "mot16"])
    arguments = parser.parse_args()
    load = lambda path: np.loadtxt(path, delimiter=",", ndmin=2)
    found = list(frames(load(arguments.truth), load(arguments.tracks), arguments.protocol))
    print(json.dumps({"trackeval": trackeval_scores(found), "motmetrics": motmetrics_scores(found)}, indent=1))


if __name__ == "__main__":
    main()
