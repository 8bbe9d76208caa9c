"""Writes pipelines/SCENARIO.yaml from the truths: the same zones, lanes and lines, in shares of the picture."""
import json
import os

MODEL = "../models/street"

# scenario -> (what it shows, rules as text; {lines} is one line_crossing rule per line)
RULES = {
    "junction": ("counts at the gates of a junction. The rule `turning_movement` does not exist yet: each gate counts by itself; truth.json has the movements.", "{lines}"),
    "junction-night": ("the same counts by night.", "{lines}"),
    "junction-rain": ("the same counts in rain.", "{lines}"),
    "near-miss": ("a near miss in the junction. The rule `near_miss` does not exist yet: the gates are counted; truth.json has the moment, the gap and the post-encroachment time.", "{lines}"),
    "camera-faults": ("a camera that freezes, is covered, is moved and sends green blocks: `camera_unfit` finds each, and the gates rest meanwhile.", "{unfit}{lines}"),
    "stopped-lorry": ("a lorry that stops on a running lane.", "{stopped}{lines}"),
    "stopped-lorry-queue": ("a lorry that stops on a running lane, beside a queue at the red light that must not fire.", "{stopped}{lines}"),
    "wrong-way": ("a motorbike against the direction of its lane.", "{wrong}{lines}"),
    "pedestrian": ("a pedestrian on the carriageway. The rule `pedestrian_on_road` does not exist yet; `zone_dwell` for persons is the nearest.",
                   "      - id: person-on-carriageway\n        type: zone_dwell                # nearest to pedestrian_on_road\n        zone: carriageway\n        dwell: 2s\n        classes: [person]\n        severity: alert\n"),
    "empty-road": ("an empty road: none of these rules may fire.",
                   "{stopped}{wrong}{lines}      - id: somebody-on-carriageway\n        type: zone_dwell\n        zone: carriageway\n        dwell: 2s\n"),
    "illegal-parking": ("a car parks where stopping is forbidden. The rule `illegal_parking` does not exist yet; `zone_dwell` for vehicles is the nearest.",
                        "      - id: parked-in-no-stopping\n        type: zone_dwell                # nearest to illegal_parking\n        zone: no-stopping\n        dwell: 10s\n"
                        "        classes: [car, bus, truck, motorcycle]\n        severity: warning\n"),
    "congestion": ("a queue that grows back from the stop line. The rules `congestion` and `queue_length` do not exist yet; `stopped_vehicle` that also reports queues is the nearest.",
                   "      - id: standing-westbound\n        type: stopped_vehicle           # nearest to congestion\n        lane: westbound\n        stopped_for: 8s\n        in_queue: report\n        cooldown: 30s                   # one report for the queue, not one a vehicle\n        severity: warning\n"),
}
STOPPED = "".join(f"      - id: stopped-{lane}\n        type: stopped_vehicle\n        lane: {lane}\n        stopped_for: 8s                 # the default\n" for lane in ("eastbound", "westbound"))
# Hold times for clips of some seconds; the defaults are for cameras that run for months.
UNFIT = ("      - id: unfit\n        type: camera_unfit\n        learn_for: 2s                   # the reference view; 10s by default\n        frozen_after: 4s\n        covered_after: 2s\n"
         "        moved_after: 2s\n        corrupt_after: 1s\n        black_after: 2s\n        overexposed_after: 2s\n        blurred_after: 3s\n        clear_after: 1s\n")
# Every other camera is watched with the defaults and must raise nothing.
WATCHED = "      - id: unfit\n        type: camera_unfit\n"
WRONG = "".join(f"      - id: wrong-way-{lane}\n        type: wrong_way\n        lane: {lane}\n" for lane in ("eastbound", "westbound"))


def _pts(points, w, h):
    return "[" + ", ".join(f"[{x / w:.4f}, {y / h:.4f}]" for x, y in points) + "]"


def text(name, t):
    w, h = t["width"], t["height"]
    what, rules = RULES[name]
    lines = "".join(f"      - id: {q['id']}-crossed\n        type: line_crossing\n        line: {q['id']}\n" for q in t["lines"])
    rules = rules.format(lines=lines, stopped=STOPPED, wrong=WRONG, unfit=UNFIT)
    if "camera_unfit" not in rules:
        rules = WATCHED + rules
    out = [f"# {name}: {what[0].upper() + what[1:]}",
           f"# Footage and truth: test-media/{name}. Written by `test-media/make.py pipelines`; zones, lanes and lines are the truth's.", "",
           "version: 1", "", "store:", f"  path: ../.vantage/{name}", "", "models:", "  default:", f"    path: {MODEL}               # folder with model.yaml, or an .onnx file", "",
           "sinks:", "  - id: log", "    type: jsonl                         # one JSON object a line", f"    path: ../.vantage/{name}.jsonl", "", "cameras:", f"  - id: {name}",
           f"    url: ../test-media/{name}/clip.mp4", "    starts_at: 2026-01-05T08:00:00+07:00   # the clip carries no time of its own"]
    # Unused shapes are left out, so that the file says only what is in force.
    if t["zones"] and any(f"zone: {z['id']}\n" in rules for z in t["zones"]):
        out += ["", "    zones:"]
        for z in t["zones"]:
            out += [f"      - id: {z['id']}", f"        polygon: {_pts(z['polygon'], w, h)}"]
    if t["lines"] and "line_crossing" in rules:
        out += ["", "    lines:                              # directed: forward is from left to right of from → to"]
        for q in t["lines"]:
            out += [f"      - id: {q['id']}", f"        from: {_pts([q['from']], w, h)[1:-1]}", f"        to: {_pts([q['to']], w, h)[1:-1]}"]
    if t["lanes"] and "lane:" in rules:
        out += ["", "    lanes:"]
        for q in t["lanes"]:
            if f"lane: {q['id']}\n" in rules:
                d = q["direction"]
                out += [f"      - id: {q['id']}", f"        polygon: {_pts(q['polygon'], w, h)}",
                        f"        direction: {{from: {_pts([d['from']], w, h)[1:-1]}, to: {_pts([d['to']], w, h)[1:-1]}}}"]
    out += ["", "    rules:", rules.rstrip("\n")]
    return "\n".join(out) + "\n"


def make(media, out):
    for name in RULES:
        path = os.path.join(media, name, "truth.json")
        if os.path.exists(path):
            with open(os.path.join(out, name + ".yaml"), "w") as f:
                f.write(text(name, json.load(open(path))))
            print(os.path.join(out, name + ".yaml"))
