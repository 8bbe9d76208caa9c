"""Writes pipelines/SCENARIO.yaml from the truths: the same zones, lanes and lines, in shares of the picture."""
import datetime
import json
import os

MODEL = "../models/street"

# scenario -> (what it shows, rules as text; {lines} is one line_crossing rule per line)
RULES = {
    "junction": ("counts at the gates of a junction, and the movements between them.", "{turning}{lines}"),
    "junction-night": ("the same counts by night.", "{turning}{lines}"),
    "junction-rain": ("the same counts in rain.", "{turning}{lines}"),
    "near-miss": ("a near miss in the junction; truth.json has the moment, the gap and the post-encroachment time.", "{conflicts}{crossing}{turning}{lines}"),
    "camera-faults": ("a camera that freezes, is covered, is moved and sends green blocks: `camera_unfit` finds each, and the gates rest meanwhile.", "{unfit}{lines}"),
    "stopped-lorry": ("a lorry that stops on a running lane; speeds of all who pass.", "{stopped}{speeding}{lines}"),
    "stopped-lorry-queue": ("a lorry that stops on a running lane, beside a queue at the red light that must not fire.", "{stopped}{queue}{lines}"),
    "wrong-way": ("a motorbike against the direction of its lane; speeds of all who pass.", "{wrong}{speeding}{lines}"),
    "pedestrian": ("a pedestrian on the carriageway, who waits there.", "{pedestrian}{waits}"),
    "empty-road": ("an empty road: none of these rules may fire.",
                   "{stopped}{wrong}{parking}{speeding}{congestion}{queue}{pedestrian}{conflicts}{lines}      - id: somebody-on-carriageway\n        type: zone_dwell\n        zone: carriageway\n        dwell: 2s\n"),
    "illegal-parking": ("a car parks where stopping is forbidden.", "{parking}{speeding}"),
    "congestion": ("a queue that grows back from the stop line.", "{congestion}{queue}"),
    "collision": ("a motorbike hits a turning car, and both stay.", "{collision}{lines}"),
    "red-light": ("a motorbike rides over the stop line at red; what the signal shows is in a file beside the clip.", "{red}{lines}"),
    "crowd": ("people gather on a closed carriageway.", "{crowd}"),
    "abandoned-object": ("a lorry loses a crate, which stays on the road.", "{abandoned}"),
    "speeding": ("a car and a motorbike far above the limit; speeds of all who pass.", "{speeding}{lines}"),
    "motorbikes": ("riders against the flow, one on the pavement, and the flow in passenger car units.", "{flow}{lines}"),
}
STOPPED = "".join(f"      - id: stopped-{lane}\n        type: stopped_vehicle\n        lane: {lane}\n        stopped_for: 8s                 # the default\n" for lane in ("eastbound", "westbound"))
PEDESTRIAN = "      - id: person-on-carriageway\n        type: pedestrian_on_road\n        zones: [carriageway]\n"
WAITS = "      - id: waits-on-carriageway\n        type: zone_dwell\n        zone: carriageway\n        classes: [person]\n        dwell: 10s\n"
COLLISION = "      - id: collision\n        type: collision\n"
RED = "      - id: red-light\n        type: red_light\n        line: west-stop\n        signal: west\n"
CROWD = ("      - id: crowd\n        type: crowd\n        zone: closed\n        people: 8                       # of ten in the truth; the bundled detector finds two of three\n        crowded_for: 3s                 # a clip is short; 10s is the default\n"
         "        clear_after: 3s                 # the same\n")
ABANDONED = "      - id: lost-load\n        type: abandoned_object\n        zone: carriageway\n        left_for: 10s                   # a clip is short; 1m is the default\n"
FLOW = ("      - id: flow-eastbound\n        type: motorbike_flow\n        lane: eastbound\n        line: east-out\n        pavements: [pavement]\n"
        "        interval: 20s                   # a clip is short; 1m is the default\n")
CONFLICTS = "      - id: near-miss\n        type: near_miss\n      - id: collision\n        type: collision\n"
# The side road's mouths and the crossings over them and over the east leg, on the ground (`street`).
CROSSING = "      - id: person-on-carriageway\n        type: pedestrian_on_road\n        zones: [main-road, north-mouth, south-mouth]\n        crossings: [east-crossing, north-crossing, south-crossing]\n"
JUNCTION = {"main-road": (-15.5, -7.4, 40.0, 7.4), "north-mouth": (-6.6, 12.5, 6.6, 16.6), "south-mouth": (-6.6, -16.6, 6.6, -12.5),
            "east-crossing": (12.6, -7.4, 15.8, 7.4), "north-crossing": (-6.6, 13.4, 6.6, 16.6), "south-crossing": (-6.6, -16.6, 6.6, -13.4)}
STARTS_AT = "2026-01-05T08:00:00+07:00"
# Hold times for clips of some seconds; the defaults are for cameras that run for months.
UNFIT = ("      - id: unfit\n        type: camera_unfit\n        learn_for: 2s                   # the reference view; 10s by default\n        frozen_after: 4s\n        covered_after: 2s\n"
         "        moved_after: 2s\n        corrupt_after: 1s\n        black_after: 2s\n        overexposed_after: 2s\n        blurred_after: 3s\n        clear_after: 1s\n")
# Every other camera is watched with the defaults and must raise nothing.
WATCHED = "      - id: unfit\n        type: camera_unfit\n"
WRONG = "".join(f"      - id: wrong-way-{lane}\n        type: wrong_way\n        lane: {lane}\n" for lane in ("eastbound", "westbound"))


# Times fit clips of less than a minute: a street has 60 s or more.
PARKING = "      - id: parked-in-{zone}\n        type: illegal_parking\n        zone: {zone}\n        parked_for: 10s                 # a clip is short; 1m is the default\n"
SPEEDING = "".join(f"      - id: speeds-{lane}\n        type: speeding\n        lane: {lane}\n        limit_kmh: 60\n        report: [speeding, vehicle, count]\n"
                   for lane in ("eastbound", "westbound"))
CONGESTION = """      - id: congestion-westbound
        type: congestion
        lane: westbound
        slow_below: 6                   # km/h; a red light alone is slower than the default of 20, and the truth is a
        queuing_below: 4                # queue of 30 m, not the slow traffic before it
        stationary_below: 2
        vehicles_min: 6
        sustained: 15s                  # a clip is short; 1m is the default
"""
QUEUE = """      - id: queue-westbound
        type: queue_length
        lane: westbound
        stop_line: westbound-near-end   # where the lane leaves the picture
        hidden: 5.5                     # metres from there to the true stop line
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


def _ground(t, points):
    """Ground in metres to pixels of the clip, not cut by the picture's edge."""
    (a, b, c), (d, e, f), (g, h, i) = t["camera"]["ground_to_image"]
    return [((a * x + b * y + c) / (g * x + h * y + i), (d * x + e * y + f) / (g * x + h * y + i)) for x, y in points]


def _within(points, w, h):
    """The part of a polygon that lies within the picture (Sutherland and Hodgman)."""
    for axis, bound, sign in ((0, 0, 1), (0, w, -1), (1, 0, 1), (1, h, -1)):
        kept = []
        for a, b in zip(points, points[1:] + points[:1]):
            da, db = sign * (a[axis] - bound), sign * (b[axis] - bound)
            if da >= 0:
                kept.append(a)
            if (da >= 0) != (db >= 0):
                kept.append(tuple(p + (q - p) * da / (da - db) for p, q in zip(a, b)))
        points = kept
    return points


def _junction_zones(t):
    """The carriageway and the crossings of the junction as far as the picture shows them."""
    corners = lambda x0, y0, x1, y1: [(x0, y0), (x0, y1), (x1, y1), (x1, y0)]
    return [{"id": name, "polygon": _within(_ground(t, corners(*box)), t["width"], t["height"])} for name, box in JUNCTION.items()]


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
                         speeding=SPEEDING, congestion=CONGESTION, queue=QUEUE, pedestrian=PEDESTRIAN, conflicts=CONFLICTS,
                         crossing=CROSSING, unfit=UNFIT, waits=WAITS,
                         collision=COLLISION, red=RED, crowd=CROWD, abandoned=ABANDONED, flow=FLOW)
    if "camera_unfit" not in rules:
        rules = WATCHED + rules
    zones = t["zones"] + (_junction_zones(t) if "main-road" in rules else [])
    out = [f"# {name}: {what[0].upper() + what[1:]}",
           f"# Footage and truth: test-media/{name}. Written by `test-media/make.py pipelines`; zones, lanes and lines are the truth's.", "",
           "version: 1", "", "store:", f"  path: ../.vantage/{name}", "", "models:", "  default:", f"    path: {MODEL}               # folder with model.yaml, or an .onnx file", "",
           "sinks:", "  - id: log", "    type: jsonl                         # one JSON object a line", f"    path: ../.vantage/{name}.jsonl", "", "cameras:", f"  - id: {name}",
           f"    url: ../test-media/{name}/clip.mp4", f"    starts_at: {STARTS_AT}   # the clip carries no time of its own"]
    if "signals" in t:
        out += [f"    signals: ../test-media/{name}/signals.csv"]
    if any(f"type: {kind}\n" in rules for kind in ("turning_movement", "speeding", "congestion", "queue_length", "near_miss", "collision", "crowd", "motorbike_flow")):
        out += _calibration(t)
    # Unused shapes are left out, so that the file says only what is in force.
    used = [z for z in zones if f"zone: {z['id']}\n" in rules or any(f"{a}{z['id']}{b}" in rules for a in "[ " for b in ",]")]
    if used:
        out += ["", "    zones:"]
        for z in used:
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


def signals(t):
    """What the controller would have said: each change, and the state again every five seconds."""
    begin = datetime.datetime.fromisoformat(STARTS_AT)
    changes = [(s["at_s"], s["signal"], s["state"]) for s in t["signals"]]
    again = [(k, *max(c for c in changes if c[0] <= k)[1:]) for k in range(5, int(t["seconds"]) + 1, 5) if not any(c[0] == k for c in changes)]
    rows = [f"{(begin + datetime.timedelta(seconds=at)).isoformat()},{signal},{state}" for at, signal, state in sorted(changes + again)]
    return "\n".join(["time,signal,state", *rows]) + "\n"


def make(media, out):
    for name in RULES:
        path = os.path.join(media, name, "truth.json")
        if os.path.exists(path):
            t = json.load(open(path))
            if "signals" in t:
                with open(os.path.join(media, name, "signals.csv"), "w") as f:
                    f.write(signals(t))
            with open(os.path.join(out, name + ".yaml"), "w") as f:
                f.write(text(name, t))
            print(os.path.join(out, name + ".yaml"))
