"""Scores supervision's ByteTrack on MOT sequences, as the peer of tests/track_scores.rs.

    pip install supervision==0.26.1 motmetrics
    python tests/peers/supervision_bytetrack.py [--stride N] GROUNDTRUTH/mot

Protocol, the same for ours (tests/support/mot.rs): frames from 1, detections of motor vehicles only
where they carry COCO classes, IoU 0.5, hypotheses that match an ignore row (required 0) better than
a required one are dropped before scoring. `--stride N` keeps every Nth frame, a camera analysed at a
lower rate. Every detection that the peer returns with an identity counts as a hypothesis.
"""

import argparse
import configparser
import pathlib

import motmetrics
import numpy as np
import supervision as sv
from motmetrics.lap import linear_sum_assignment

SEQUENCES = ["TUD-Campus", "TUD-Stadtmitte", "german_junction_truck", "uk_motorway_720p"]
MOTOR_VEHICLES = {2, 3, 5, 7}


def iou_distance(a, b):
    """1 - IoU of left, top, width, height rows; NaN beyond 0.5."""
    if len(a) == 0 or len(b) == 0:
        return np.empty((len(a), len(b)))
    a, b = a[:, None, :], b[None, :, :]
    overlap = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.prod(np.maximum(overlap, 0.0), axis=2)
    union = np.prod(a[..., 2:], axis=2) + np.prod(b[..., 2:], axis=2) - inter
    distance = 1.0 - inter / union
    return np.where(distance <= 0.5, distance, np.nan)


def track(folder, frames, rate, use_kalman_boxes):
    det = np.loadtxt(next((folder / "det").glob("*.txt")), delimiter=",")
    if (det[:, 7] >= 0).any():
        det = det[np.isin(det[:, 7].astype(int), list(MOTOR_VEHICLES))]
    tracker = sv.ByteTrack(frame_rate=rate)
    result = {}
    for frame in frames:
        rows = det[det[:, 0] == frame]
        xyxy = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])
        found = tracker.update_with_detections(
            sv.Detections(xyxy=xyxy, confidence=rows[:, 6], class_id=np.zeros(len(rows), dtype=int))
        )
        if use_kalman_boxes:
            live = tracker.tracked_tracks
            live = [t for t in live if t.is_activated]
            result[frame] = (np.array([t.external_track_id for t in live]),
                             np.array([t.tlwh for t in live]).reshape(-1, 4))
        else:
            ids = np.array([] if found.tracker_id is None else found.tracker_id, dtype=int)
            result[frame] = (ids, np.hstack([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]]).reshape(-1, 4))
    return result


def score(folder, frames, result):
    gt = np.loadtxt(folder / "gt" / "gt.txt", delimiter=",")
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        rows = gt[gt[:, 0] == frame]
        ids, boxes = result[frame]
        required = rows[:, 6] == 1
        keep = np.ones(len(ids), dtype=bool)
        for i, j in zip(*linear_sum_assignment(iou_distance(rows[:, 2:6], boxes))):
            if not required[i]:
                keep[j] = False
        rows, ids, boxes = rows[required], ids[keep], boxes[keep]
        accumulator.update(rows[:, 1].astype(int), ids, iou_distance(rows[:, 2:6], boxes))
    wanted = ["mota", "idf1", "num_switches", "num_misses", "num_false_positives"]
    return motmetrics.metrics.create().compute(accumulator, metrics=wanted, name=folder.name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--kalman-boxes", action="store_true", help="score the peer's filtered boxes instead")
    arguments = parser.parse_args()
    for name in SEQUENCES:
        folder = arguments.folder / name
        info = configparser.ConfigParser()
        info.read(folder / "seqinfo.ini")
        length, rate = info.getint("Sequence", "seqLength"), info.getint("Sequence", "frameRate")
        frames = range(1, length + 1, arguments.stride)
        result = track(folder, frames, max(1, round(rate / arguments.stride)), arguments.kalman_boxes)
        s = score(folder, frames, result).iloc[0]
        print(f"{name:24} stride {arguments.stride}  MOTA {s.mota * 100:6.2f}  IDF1 {s.idf1 * 100:6.2f}  "
              f"switches {s.num_switches:.0f}  misses {s.num_misses:.0f}  false {s.num_false_positives:.0f}")


if __name__ == "__main__":
    main()
