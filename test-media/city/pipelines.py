"""Writes pipelines/SCENARIO.yaml from the truths: the same zones, lanes and lines, in shares of the picture."""
import json
import os

MODEL = "../models/street"

# scenario -> (what it shows, rules as text; {lines} is one line_crossing rule per line)
RULES = {
    "junction": ("counts at the gates of a junction, and the movements between them.", "{turning}{lines}"),
    "junction-night": ("the same counts by night.", "{turning}{lines}"),
    "junction-rain": ("the same counts in rain.", "{turning}{lines}"),
    "near-miss": ("a near miss in the junction. The rule `near_miss` does not exist yet: the gates are counted; truth.json has the moment, the gap and the post-encroachment time.", "{turning}{lines}"),
    "camera-faults": ("a camera that freezes, is covered, is moved and sends green blocks. The rule `camera_unfit` does not exist yet: the gates are counted, and what they count "
                      "while the camera is unfit is wrong.", "{lines}"),
    "stopped-lorry": ("a lorry that stops on a running lane; speeds of all who pass.", "{stopped}{speeding}{lines}"),
    "stopped-lorry-queue": ("a lorry that stops on a running lane, beside a queue at the red light that must not fire.", "{stopped}{queue}{lines}"),
    "wrong-way": ("a motorbike against the direction of its lane; speeds of all who pass.", "{wrong}{speeding}{lines}"),
    "pedestrian": ("a pedestrian on the carriageway. The rule `pedestrian_on_road` does not exist yet; `zone_dwell` for persons is the nearest.",
                   "      - id: person-on-carriageway\n        type: zone_dwell                # nearest to pedestrian_on_road\n        zone: carriageway\n        dwell: 2s\n        classes: [person]\n        severity: alert\n"),
    "empty-road": ("an empty road: none of these rules may fire.",
                   "{stopped}{wrong}{parking}{speeding}{congestion}{queue}{lines}      - id: somebody-on-carriageway\n        type: zone_dwell\n        zone: carriageway\n        dwell: 2s\n"),
    "illegal-parking": ("a car parks where stopping is forbidden.", "{parking}{speeding}"),
    "congestion": ("a queue that grows back from the stop line.", "{congestion}{queue}"),
}
STOPPED = "".join(f"      - id: stopped-{lane}\n        type: stopped_vehicle\n        lane: {lane}\n        stopped_for: 8s                 # the default\n" for lane in ("eastbound", "westbound"))
WRONG = "".join(f"      - id: wrong-way-{lane}\n        type: wrong_way\n        lane: {lane}\n" for lane in ("eastbound", "westbound"))


# Times fit clips of less than a minute: a street has 60 s or more.
PARKING = "      - id: parked-in-{zone}\n        type: illegal_parking\n        zone: {zone}\n        parked_for: 10s                 # a clip is short; 1m is the default\n"
SPEEDING = "".join(f"      - id: speeds-{lane}\n        type: speeding\n        lane: {lane}\n        limit_kmh: 60\n        report: [speeding, vehicle, count]\n"
                   for lane in ("eastbound", "westbound"))
CONGESTION = """      - id: congestion-westbound
        type: congestion
        lane: westbound
        slow_below: 10                  # km/h; a red light alone is slower than the default of 20
        queuing_below: 6
        stationary_below: 2
        vehicles_min: 6
        sustained: 15s                  # a clip is short; 1m is the default
"""
QUEUE = """      - id: queue-westbound
        type: queue_length
        lane: westbound
        stop_line: westbound-near-end   # where the lane leaves the picture: the true stop line is 5.5 m farther
        threshold: 30                   # metres
        interval: 10s
"""


def _gates(t):
    """Entries and exits of a junction: lines called LEG-in and LEG-out."""
    ids = [q["id"] for q in t["lines"]]
    entries, exits = [q for q in ids if q.endswith("-in")], [q for q in ids if q.endswith("-out")]
    return f"      - id: turning\n        type: turning_movement\n        entries: [{', '.join(entries)}]\n        exits: [{', '.join(exits)}]\n        report: [movement, count]\n        interval: 1m\n"


def _near_end(t):
    """A line across the westbound lane where it leaves the picture, crossed forward by its traffic."""
    w = next(q for q in t["lanes"] if q["id"] == "westbound")["polygon"]
    return {"id": "westbound-near-end", "from": w[1], "to": w[0]}


def _calibration(t):
    """Five control points, spread over the ground that the picture shows."""
    (a, b, c), (d, e, f), (g, h, i) = t["camera"]["image_to_ground"]
    out = ["", "    calibration:                        # places on the road in the picture and in metres (x east, y north)", "      error: 0.05", "      points:"]
    top = {"junction": 0.38}.get(t["scenario"].split("-")[0], 0.36)
    for x, y in ((0.15, top), (0.75, top), (0.5, 0.6), (0.05, 0.95), (0.95, 0.95)):
        px, py = x * t["width"], y * t["height"]
        k = g * px + h * py + i
        out.append(f"        - {{picture: [{x:.4f}, {y:.4f}], metres: [{(a * px + b * py + c) / k:.3f}, {(d * px + e * py + f) / k:.3f}]}}")
    return out


def _pts(points, w, h):
    return "[" + ", ".join(f"[{x / w:.4f}, {y / h:.4f}]" for x, y in points) + "]"


def text(name, t):
    w, h = t["width"], t["height"]
    what, rules = RULES[name]
    zone = t["zones"][0]["id"] if t["zones"] else ""
    lines = "".join(f"      - id: {q['id']}-crossed\n        type: line_crossing\n        line: {q['id']}\n" for q in t["lines"])
    # The westbound queue waits for a light that its lane's near end is before.
    stopped = STOPPED + ("        signal_line: westbound-near-end\n        max_red: 60s\n" if name == "stopped-lorry-queue" else "")
    rules = rules.format(lines=lines, stopped=stopped, wrong=WRONG, turning=_gates(t), parking=PARKING.format(zone=zone),
                         speeding=SPEEDING, congestion=CONGESTION, queue=QUEUE)
    out = [f"# {name}: {what[0].upper() + what[1:]}",
           f"# Footage and truth: test-media/{name}. Written by `test-media/make.py pipelines`; zones, lanes and lines are the truth's.", "",
           "version: 1", "", "store:", f"  path: ../.vantage/{name}", "", "models:", "  default:", f"    path: {MODEL}               # folder with model.yaml, or an .onnx file", "",
           "sinks:", "  - id: log", "    type: jsonl                         # one JSON object a line", f"    path: ../.vantage/{name}.jsonl", "", "cameras:", f"  - id: {name}",
           f"    url: ../test-media/{name}/clip.mp4", "    starts_at: 2026-01-05T08:00:00+07:00   # the clip carries no time of its own"]
    if any(f"type: {kind}\n" in rules for kind in ("turning_movement", "speeding", "congestion", "queue_length")):
        out += _calibration(t)
    # Unused shapes are left out, so that the file says only what is in force.
    if t["zones"] and any(f"zone: {z['id']}\n" in rules for z in t["zones"]):
        out += ["", "    zones:"]
        for z in t["zones"]:
            out += [f"      - id: {z['id']}", f"        polygon: {_pts(z['polygon'], w, h)}"]
    drawn = list(t["lines"]) if "line_crossing" in rules else []
    if "queue_length" in rules:
        drawn.append(_near_end(t))
    if drawn:
        out += ["", "    lines:                              # directed: forward is from left to right of from → to"]
        for q in drawn:
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
