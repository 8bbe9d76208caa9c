#!/usr/bin/env python3
"""Runs Vantage and a peer by turns on one clip and one model, on the same processors, and compares them.

    scripts/side_by_side.py CLIP MODEL.onnx --peers FOLDER --python VENV/bin/python

FOLDER holds the two programs that Vantage is compared with; each prints one JSON object:
  opencv_ort.py CLIP MODEL --threads N --score S --nms S [--no-track --dump FILE]
      the peer: fps, cpu_ms_per_frame, rss_mib; FILE gets its detections as MOT rows
  limits.py CLIP MODEL --threads 1
      what cannot be undercut: decode_ms, infer_ms (median), infer_min_ms (fastest) per frame, each alone
PYTHON is the interpreter that has their packages. Vantage finds ONNX Runtime as it always does.

A pair of runs is Vantage, then the peer, then the limits. Ratios are taken within a pair, since the speed of a
shared machine drifts; given are the median of all pairs, the lowest and the highest. Overhead is Vantage's CPU
time per frame over decode and inference alone; share of the ideal its frames per second over processors /
(decode + inference). limits.py times inference by the wall clock, so whatever else runs on these processors
flatters both: read the overhead by the fastest inference then, and do not trust the share.

Detections (before tracking, every frame) are compared at the same thresholds: a box is matched when the other
side has one of the same class at IoU 0.8 or more, each used once, best pairs first. `--pairs 0` compares
detections alone.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

SCORE, NMS, IOU = 0.3, 0.45, 0.8
# How far below SCORE a partner may lie in the second figure, which leaves out boxes that a trifle lifts over it.
MARGIN = 0.02


def run(command):
    """The JSON object that a program prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def vantage(a, *more):
    matrix = ["--matrix", a.matrix] if a.matrix else []
    bench = [a.vantage, "--log", "error", "bench", a.clip, "--json"]
    return run([*bench, "--model", a.model, "--nms", NMS, *matrix, *more])


def peer(a, *more):
    return run([a.python, a.peers / "opencv_ort.py", a.clip, a.model, "--nms", NMS, *more])


def limits(a):
    return run([a.python, a.peers / "limits.py", a.clip, a.model, "--threads", 1])


# Agreement ----------------------------------------------------------------------------------------------------


def boxes(path):
    """Frame -> [(class, score, left, top, right, bottom)] of MOT rows."""
    found = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        if line:
            frame, _, x, y, w, h, score, kind = (float(v) for v in line.split(",")[:8])
            found[int(frame)].append((int(kind), score, x, y, x + w, y + h))
    return found


def iou(a, b):
    w, h = min(a[4], b[4]) - max(a[2], b[2]), min(a[5], b[5]) - max(a[3], b[3])
    if w <= 0 or h <= 0:
        return 0.0
    area = lambda box: (box[4] - box[2]) * (box[5] - box[3])
    return w * h / (area(a) + area(b) - w * h)


def matched(ours, theirs, least):
    """Boxes of `ours` that score SCORE, and how many of them have a partner in `theirs` that scores `least`."""
    count = partners = 0
    for frame, found in ours.items():
        found = [box for box in found if box[1] >= SCORE]
        others = [box for box in theirs.get(frame, []) if box[1] >= least]
        pairs = [(iou(x, y), i, j) for i, x in enumerate(found) for j, y in enumerate(others) if x[0] == y[0]]
        taken, used = set(), set()
        for overlap, i, j in sorted(pairs, reverse=True):
            if overlap >= IOU and i not in taken and j not in used:
                taken.add(i)
                used.add(j)
        count += len(found)
        partners += len(taken)
    return count, partners


def agreement(a):
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = pathlib.Path(folder, "ours"), pathlib.Path(folder, "theirs")
        # NMS lets a box be removed by better ones only, so what scores SCORE is the same as with that limit.
        vantage(a, "--score", SCORE - MARGIN, "--detections", ours)
        peer(a, "--score", SCORE - MARGIN, "--no-track", "--dump", theirs)
        ours, theirs = boxes(ours), boxes(theirs)
    print(f"\ndetections, score {SCORE}, NMS {NMS}, matched at IoU {IOU} (expected: 97 %)")
    for name, one, other in (("ours that the peer has", ours, theirs), ("the peer's that we have", theirs, ours)):
        count, strict = matched(one, other, SCORE)
        _, near = matched(one, other, SCORE - MARGIN)
        share = lambda n: f"{100 * n / max(count, 1):.1f} %"
        print(f"  {name:24} {strict} of {count}, {share(strict)}; {share(near)} with partners from {SCORE - MARGIN:.2f}")


# Speed --------------------------------------------------------------------------------------------------------


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def speed(a, processors):
    available = sorted(os.sched_getaffinity(0))
    if processors > len(available):
        print(f"\nskipped: {processors} processors, {len(available)} are here")
        return
    # What runs from here on inherits it.
    os.sched_setaffinity(0, available[:processors])
    runs = []
    for pair in range(a.pairs):
        runs.append((vantage(a, "--threads", processors, "--score", SCORE),
                     peer(a, "--threads", processors, "--score", SCORE), limits(a)))
        print(f"  processors {processors}, pair {pair + 1} of {a.pairs}", file=sys.stderr)
    os.sched_setaffinity(0, available)

    print(f"\nprocessors {processors}, pairs {a.pairs}: median (lowest to highest)")
    print(f"  {'':18}{'Vantage':>26}{'peer':>26}{'Vantage / peer':>24}")
    for name, key, digits in (("fps", "fps", 1), ("CPU ms per frame", "cpu_ms_per_frame", 2),
                              ("peak memory, MiB", "rss_mib", 0)):
        columns = [spread([run[side][key] for run in runs], digits) for side in (0, 1)]
        ratios = spread([ours[key] / theirs[key] for ours, theirs, _ in runs])
        print(f"  {name:18}{columns[0]:>26}{columns[1]:>26}{ratios:>24}")
    alone, least = ([limit["decode_ms"] + limit[key] for *_, limit in runs] for key in ("infer_ms", "infer_min_ms"))
    print(f"  decode alone {spread([limit['decode_ms'] for *_, limit in runs])} ms, "
          f"inference alone {spread([limit['infer_ms'] for *_, limit in runs])} ms per frame")
    overhead, at_most = ([ours["cpu_ms_per_frame"] / cost for (ours, *_), cost in zip(runs, costs)]
                         for costs in (alone, least))
    ideal = [ours["fps"] * cost / 1e3 / processors for (ours, *_), cost in zip(runs, alone)]
    wanted = "1.1" if processors == 1 else "1.6"
    print(f"  overhead {spread(overhead)}, by the fastest inference {spread(at_most)}")
    print(f"  share of the ideal {spread(ideal)}")
    print(f"  expected: fps {wanted} x the peer's, overhead 1.10 at most, share of the ideal 0.90 at least")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the peers (default: this one)")
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--vantage", type=pathlib.Path, default=root / "target/release/vantage", metavar="PROGRAM")
    parser.add_argument("--pairs", type=int, default=5, metavar="N")
    parser.add_argument("--processors", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--matrix", choices=["bt601", "bt709"], help="instead of the stream's own, for Vantage")
    a = parser.parse_args()
    matrix = f", --matrix {a.matrix}" if a.matrix else ""
    print(f"{a.clip.name}, {a.model.name}{matrix}; load of the machine {os.getloadavg()[0]:.1f}")
    agreement(a)
    for processors in a.processors if a.pairs else []:
        speed(a, processors)


if __name__ == "__main__":
    main()
