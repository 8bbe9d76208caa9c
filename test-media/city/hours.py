"""Hours of traffic without pictures: SUMO's trajectories with incidents whose onset, end and place are known.

Each run is one camera for up to an hour: `NAME.jsonl.gz` (a head line, then one line an object) and `NAME.yaml`, the
pipeline that would watch it. `tests/hours` plays them: it projects each object through the camera, errs as the
detector was measured to err, and feeds the real tracker and the real rules. Format: README.md, "Hours".

Stops happen inside SUMO, so others pass or queue behind. Wrong-way riders and people on the carriageway are put in
where a gap lets them through; whoever would still touch them is left out.
"""
import gzip
import json
import os
import re
import tempfile
from dataclasses import dataclass

import numpy as np

from . import pictures, scenarios, shoot, street, traffic
from .camera import Camera

FPS, STEP = 10, .5            # frames a second of the player; seconds between SUMO's positions
REACH = 130                   # metres from the junction to the ends of the road
LEAST_PX = 24                 # zones reach as far as a person or a motorbike is this high in the picture
RED = 28                      # seconds of red of a signal
STOP_EAST = 13.4              # where the lane out of the junction begins, metres east


@dataclass(frozen=True)
class Setup:
    """A sort of camera and traffic."""
    text: str
    eye: tuple                    # x, y, height; metres
    yaw: float
    pitch: float
    focal: float
    flow: int                     # vehicles an hour in each direction
    light: str = "day"
    signal: bool = False          # a red light holds the westbound lanes
    mix: dict | None = None


SETUPS = {
    "free": Setup("free flow, seen from the junction", (8, -3.2, 7.5), 3.5, 13, 560, 700),
    "dense": Setup("dense motorbikes", (8, -3.2, 7.5), 3.5, 13, 560, 1700, mix={"moto": .85, "car": .09}),
    "signal": Setup("westbound lanes queue at a red light", (8, -3.2, 7.5), 3.5, 13, 560, 900, signal=True),
    "oncoming": Setup("the same road from its other end", (86, 3.5, 7.5), 183, 13, 560, 900),
    "side": Setup("from the roadside, across the lanes", (40, -17, 9), 75, 20, 450, 900),
    "high": Setup("a high mast, a wide view", (4, -6, 11), 6, 19, 520, 1100, signal=True),
    "night": Setup("sparse traffic by night", (8, -3.2, 7.5), 3.5, 13, 560, 120, light="night"),
    "rain": Setup("moderate traffic in rain", (10, 3.0, 8.5), -3, 15, 540, 600, light="rain"),
}
KINDS = ["stopped_vehicle", "wrong_way", "pedestrian_on_road", "illegal_parking"]


@dataclass
class Plan:
    """One incident before it has happened: SUMO decides when exactly a stop begins."""
    kind: str
    at: float                     # seconds
    lasts: float
    x: float
    lane: str = "eastbound"
    inner: bool = False           # the lane next to the middle of the road
    what: str = ""
    name: str = ""


def camera(setup, rng):
    """The setup's camera, put up by somebody else each time."""
    u = rng.uniform
    eye = np.array(setup.eye) + [u(-1.5, 1.5), u(-1, 1), u(-1, 1.5)]
    return Camera(eye, setup.yaw + u(-2.5, 2.5), setup.pitch + u(-1.5, 1.5), setup.focal * u(.92, 1.1), scenarios.SIZE)


def stretch(cam):
    """The longest part of the road, metres east, of which both kerbs are in the picture and people are large enough."""
    w, h = cam.size
    xs = np.arange(19, 112, .5)
    ok = np.ones(len(xs), bool)
    for y in (-street.WA, street.WA):
        uv, z = cam.project(np.column_stack([xs, np.full(len(xs), y), np.zeros(len(xs))]))
        ok &= (z > 3) & (uv[:, 0] > -.06 * w) & (uv[:, 0] < 1.06 * w) & (uv[:, 1] > 12) & (uv[:, 1] < h * 1.02) & (cam.focal * 1.68 / np.maximum(z, 1) >= LEAST_PX)
    best, begin = (0, 0), None
    for i, good in enumerate(list(ok) + [False]):
        if good and begin is None:
            begin = i
        elif not good and begin is not None:
            if i - begin > best[1] - best[0]:
                best = (begin, i)
            begin = None
    return float(xs[best[0]]), float(xs[best[1] - 1])


def plans(rng, seconds, slot, x0, x1, signal):
    out, kinds = [], []
    for k, at in enumerate(np.arange(60, seconds - 100, slot)):
        if not kinds:
            kinds = list(rng.permutation(KINDS))
        kind = kinds.pop()
        p = Plan(str(kind), float(at + rng.uniform(0, 20)), 0, float(rng.uniform(x0 + 6, x1 - 5)), name=f"incident{k}")
        if kind == "stopped_vehicle":
            p.lane, p.inner = str(rng.choice(["eastbound", "westbound"])), bool(rng.random() < .4)
            p.lasts = float(rng.uniform(25, 70) + (60 if signal and p.lane == "westbound" else 0))
            p.what = str(rng.choice(["car", "van", "light_truck", "truck", "moto", "bus"], p=[.35, .15, .2, .1, .12, .08]))
        elif kind == "illegal_parking":
            p.lasts, p.what = float(rng.uniform(60, 100)), str(rng.choice(["car", "van", "light_truck"], p=[.6, .2, .2]))
        elif kind == "wrong_way":
            p.lane, p.inner = str(rng.choice(["eastbound", "westbound"])), bool(rng.random() < .35)
            p.what = str(rng.choice(["motorbike", "sedan", "bicycle"], p=[.7, .22, .08]))
        else:
            p.what = str(rng.choice(["crosses", "walks along", "stands"], p=[.5, .25, .25]))
        out.append(p)
    return out


def short_stops(rng, seconds, x0, x1):
    """Someone is set down: too short to be an incident."""
    return [Plan("short_stop", float(t), float(rng.uniform(2.5, 4.5)), float(rng.uniform(x0 + 5, x1 - 4)), str(rng.choice(["eastbound", "westbound"])), what="car", name=f"short{k}")
            for k, t in enumerate(np.arange(150, seconds - 60, 420))]


def simulate(setup, seed, seconds, start, stops):
    """{id: (type, rows of (seconds, x, y, yaw, speed))}: the front bumpers."""
    mix = setup.mix or {}
    share = {k: mix.get(k, v[1]) for k, v in traffic.TYPES.items()}
    total = sum(share.values())
    with tempfile.TemporaryDirectory() as d:
        green = {"E": "g", "W": "g"}
        cycle = [(26, green), (3, {"E": "y", "W": "g"}), (RED, {"W": "g"})] if setup.signal else [(1000, green)]
        traffic.net(d, cycle, REACH)
        shape = lambda k, v: f'<vType id="{k}" probability="{share[k] / total:.4f}" length="{v[2]}" width="{v[3]}" {v[4]}/>'
        types = '<vTypeDistribution id="mix">' + "".join(shape(k, v) for k, v in traffic.TYPES.items()) + "</vTypeDistribution>"
        flows = "".join(f'<flow id="{o}{t}" type="mix" begin="0" end="{start + seconds}" probability="{setup.flow / 3600:.4f}" departSpeed="max" departLane="random" departPosLat="random" '
                        f'from="{o}i" to="{t}o"/>' for o, t in ("EW", "WE"))
        rows = []
        for p in sorted(stops, key=lambda p: p.at):
            east = p.lane == "eastbound"
            place = p.x - STOP_EAST if east else REACH - p.x
            lane = f"{'Eo' if east else 'Ei'}_{int(p.inner)}"
            edges = "Wi Eo" if east else "Ei Wo"
            rows.append(f'<vehicle id="{p.name}" type="{p.what}" depart="{start + p.at - 14:.1f}" departLane="{int(p.inner)}" departSpeed="max"><route edges="{edges}"/>'
                        f'<stop lane="{lane}" startPos="{place - 3:.1f}" endPos="{place:.1f}" duration="{p.lasts:.1f}"/></vehicle>')
        open(f"{d}/r.rou.xml", "w").write(f"<routes>{types}{flows}{''.join(rows)}</routes>")
        traffic.run(["sumo", "-n", f"{d}/n.net.xml", "-r", f"{d}/r.rou.xml", "--seed", str(seed), "--step-length", str(STEP), "--lateral-resolution", "0.8", "--end", str(start + seconds),
                     "--fcd-output", f"{d}/fcd.xml", "--fcd-output.attributes", "x,y,angle,speed,type", "--precision", "2", "--device.fcd.begin", str(start), "--no-step-log", "true",
                     "--no-warnings", "true", "--collision.action", "none", "--time-to-teleport", "-1"])
        row = re.compile(r'<vehicle id="([^"]+)" x="([^"]+)" y="([^"]+)" angle="([^"]+)" type="([^"]+)" speed="([^"]+)"')
        out, now = {}, 0.0
        for line in open(f"{d}/fcd.xml"):
            if "<timestep" in line:
                now = float(line.split('"')[1]) - start
            elif m := row.search(line):
                out.setdefault(m[1], (m[5], []))[1].append((now, float(m[2]), float(m[3]), np.radians(90 - float(m[4])), float(m[6])))
    return {k: (t, np.array(r)) for k, (t, r) in out.items()}


@dataclass
class Way:
    """One object's way: middles of the footprint at times STEP apart."""
    label: str
    size: tuple
    t: np.ndarray
    xy: np.ndarray
    yaw: np.ndarray
    speed: np.ndarray
    name: str = ""

    def at(self, t):
        return np.column_stack([np.interp(t, self.t, self.xy[:, i]) for i in (0, 1)]), np.interp(t, self.t, self.yaw)


def ways(rows, models, rng):
    out = []
    for key in sorted(rows):
        kind, r = rows[key]
        if len(r) < 4:
            continue
        names = traffic.TYPES[kind][0]
        m = models[int(rng.choice([i for i, m in enumerate(models) if m.name.startswith(names) and not m.name.endswith("parked") and (kind != "bus" or m.name == "bus")]))]
        yaw = traffic.smooth(np.unwrap(r[:, 3]), .8)
        speed = np.where(r[:, 4] < .06, 0, r[:, 4])
        # SUMO's sublane model moves sideways in steps; wheels do not. Whoever stands keeps its place.
        front = np.where(speed[:, None] > .3, traffic.smooth(r[:, 1:3], .7), r[:, 1:3])
        xy = front - np.column_stack([np.cos(yaw), np.sin(yaw)]) * m.size[0] / 2
        out.append(Way(m.label, m.size, r[:, 0], xy, yaw, speed, key if "." not in key else ""))
    return out


def to_kerb(way):
    """A car that parks stands at the kerb, not in the middle of its lane."""
    stands = np.flatnonzero(way.speed < .05)
    if not len(stands):
        return
    x = way.xy[stands[0], 0]
    near = np.clip(1 - np.abs(way.xy[:, 0] - x) / 14, 0, 1)
    side = street.WA - .3 - way.size[1] / 2 - abs(way.xy[stands[0], 1])
    way.xy[:, 1] += np.sign(way.xy[:, 1]) * side * near * near * (3 - 2 * near)


def along(points, speeds, begin, model, name=""):
    """A way along points; `speeds`: (seconds, m/s) knots."""
    t = traffic.scripted(0, 0, 0, int(1 / STEP), 2000, points, speeds, name)
    return Way(model.label, model.size, begin + np.arange(len(t.xy)) * STEP, t.xy, t.yaw, t.speed, name)


def gap(way, others):
    """Smallest clearance in metres to each of the others (discs along the bodies), as pairs (metres, index)."""
    t = np.arange(way.t[0], way.t[-1], .2)
    xy, yaw = way.at(t)
    discs = lambda size: max(1, int(round(size[0] / size[1])))
    out = []
    for k, o in enumerate(others):
        if o.t[-1] < t[0] or o.t[0] > t[-1]:
            continue
        now = (t >= o.t[0]) & (t <= o.t[-1])
        oxy, oyaw = o.at(t[now])
        best = 99.0
        for i in range(discs(way.size)):
            a = xy[now] + ((i - (discs(way.size) - 1) / 2) * way.size[0] / discs(way.size)) * np.column_stack([np.cos(yaw[now]), np.sin(yaw[now])])
            for j in range(discs(o.size)):
                b = oxy + ((j - (discs(o.size) - 1) / 2) * o.size[0] / discs(o.size)) * np.column_stack([np.cos(oyaw), np.sin(oyaw)])
                best = min(best, float(np.hypot(*(a - b).T).min()) - (way.size[1] + o.size[1]) / 2 if len(a) else 99.0)
        out.append((best, k))
    return out


def insert(all_ways, make, at):
    """Puts a scripted way where it fits best; who would still be touched is left out, unless it is an incident itself."""
    best = None
    for shift in np.arange(0, 26, 2):
        way = make(at + shift)
        near = gap(way, all_ways)
        c = min(near, default=(99, 0))[0]
        if best is None or c > best[0]:
            best = (c, way, near)
        if c > .4:
            break
    _, way, near = best
    touched = {k for c, k in near if c < .15 and not all_ways[k].name}
    return [w for k, w in enumerate(all_ways) if k not in touched] + [way], way


def rider(p, models, rng, x0, x1):
    """Against the lane: from beyond the end of the zone to before its beginning."""
    m = models[scenarios.pick(models, p.what, rng)]
    east = p.lane == "eastbound"
    y = (rng.uniform(1.2, 2.4) if p.inner else rng.uniform(4.6, 6.6)) * (-1 if east else 1)
    v = rng.uniform(3.5, 9) if p.what != "bicycle" else rng.uniform(2.5, 4)
    a, b = (x1 + 25, x0 - 25) if east else (x0 - 25, x1 + 25)
    points = [(a, y), ((a + b) / 2, y + rng.uniform(-.4, .4)), (b, y)]
    return lambda t: along(points, [(0, v), (200, v)], t, m, p.name)


def walker(p, models, rng):
    m = models[scenarios.pick(models, "person", rng)]
    side, v = float(rng.choice([-1, 1])), float(rng.uniform(.9, 1.5))
    kerb = side * (street.WA + 1.8)
    if p.what == "crosses":
        points = [(p.x, kerb), (p.x + rng.uniform(-1, 1), side * rng.uniform(-.4, .4)), (p.x + rng.uniform(-2, 2), -kerb)]
        half = abs(kerb) / v
        pause = float(rng.uniform(0, 5))
        speeds = [(0, v), (half, v), (half + .3, 0), (half + .3 + pause, 0), (half + .6 + pause, v), (200, v)] if pause > 1 else [(0, v), (200, v)]
    elif p.what == "walks along":
        inside = side * (street.WA - rng.uniform(1.0, 2.2))
        far = p.x + float(rng.choice([-1, 1])) * 14
        points, speeds = [(p.x, kerb), (p.x, inside), (far, inside), (far, kerb)], [(0, v), (200, v)]
    else:
        inside = side * (street.WA - rng.uniform(1.5, 4.5))
        go, stay = abs(kerb - inside) / v, float(rng.uniform(6, 15))
        points = [(p.x, kerb), (p.x, inside), (p.x + .3, inside), (p.x + .3, kerb)]
        speeds = [(0, v), (go, v), (go + .3, .02), (go + stay, .02), (go + stay + .3, v), (200, v)]
    return lambda t: along(points, speeds, t, m, p.name)


def passers_by(models, rng, seconds):
    """People on the pavements; they stay off the carriageway."""
    out = []
    for side in (-1, 1):
        t = 0.0
        while t < seconds - 20:
            t += rng.exponential(22)
            y, d, v = side * (street.WA + rng.uniform(.9, 3.2)), float(rng.choice([-1, 1])), float(rng.uniform(.9, 1.5))
            x = (5, 100) if d > 0 else (100, 5)
            m = models[scenarios.pick(models, "person", rng)]
            stop = rng.uniform(10, 60)
            speeds = [(0, v), (200, v)] if rng.random() < .7 else [(0, v), (stop, v), (stop + .5, 0), (stop + 25, 0), (stop + 25.5, v), (200, v)]
            out.append(along([(x[0], y), (x[1], y + side * rng.uniform(0, .5))], speeds, t, m))
    return out


def happened(p, way, x0, x1, seconds):
    """The incident as it came about: onset and end in seconds; None when it did not."""
    if p.kind in ("stopped_vehicle", "illegal_parking", "short_stop"):
        stands = np.flatnonzero((way.speed < .05) & (np.abs(way.xy[:, 0] - (p.x - way.size[0] / 2 * (1 if p.lane == "eastbound" else -1))) < 4))
        if not len(stands):
            return None
        onset, end = way.t[stands[0]], way.t[stands[-1]]
    else:
        y = -way.xy[:, 1] if p.lane == "eastbound" else way.xy[:, 1]
        on = (way.xy[:, 0] > x0) & (way.xy[:, 0] < x1) & ((y > .3) & (y < 7) if p.kind == "wrong_way" else np.abs(way.xy[:, 1]) < 7)
        if not on.any():
            return None
        k = np.flatnonzero(on)
        onset, end = way.t[k[0]], way.t[k[-1]]
    return (round(float(onset), 1), round(float(end), 1)) if onset < seconds - 30 else None


def knots(way, seconds, cam):
    """Frame, place and heading where the object turns or changes speed, while the camera may see it; None when never."""
    keep = (way.t >= 0) & (way.t <= seconds)
    _, z = cam.project(np.column_stack([way.xy, np.zeros(len(way.xy))]))
    w, h = cam.size
    uv, _ = cam.project(np.column_stack([way.xy, np.full(len(way.xy), way.size[2] / 2)]))
    margin = 1.2 * max(way.size) * cam.focal / np.maximum(z, 1)
    keep &= (z > 2) & (z < 120) & (uv[:, 0] > -margin) & (uv[:, 0] < w + margin) & (uv[:, 1] > -margin) & (uv[:, 1] < h + margin)
    k = np.flatnonzero(keep)
    if len(k) < 3:
        return None
    k = np.arange(k[0], k[-1] + 1)
    t, xy, yaw = way.t[k], way.xy[k], way.yaw[k]
    chosen, i = [0], 0
    while i < len(t) - 1:
        j = i + 1
        while j + 1 < len(t) and j - i < 120:
            s = (t[i + 1:j + 1] - t[i]) / (t[j + 1] - t[i])
            off = np.hypot(*(xy[i] + (xy[j + 1] - xy[i]) * s[:, None] - xy[i + 1:j + 1]).T).max()
            turn = np.abs(yaw[i] + (yaw[j + 1] - yaw[i]) * s - yaw[i + 1:j + 1]).max()
            if off > .05 or turn > .05:
                break
            j += 1
        chosen.append(j)
        i = j
    rows = [(int(round(t[c] * FPS)), int(round(xy[c, 0] * 100)), int(round(xy[c, 1] * 100)), int(round(np.degrees(yaw[c])))) for c in chosen]
    flat = list(rows[0])
    for a, b in zip(rows, rows[1:]):
        flat += [q - p for p, q in zip(a, b)]
    return flat


def scene_of(cam, x0, x1):
    """Zones and lanes as somebody would draw them on this picture."""
    lanes = {"eastbound": ([(x0, -7.0), (x0, -.3), (x1, -.3), (x1, -7.0)], (x0 + 2, -3.6), (x1 - 2, -3.6)),
             "westbound": ([(x0, .3), (x0, 7.0), (x1, 7.0), (x1, .3)], (x1 - 2, 3.6), (x0 + 2, 3.6))}
    zones = {"carriageway": [(x0, -7.0), (x0, 7.0), (x1, 7.0), (x1, -7.0)], "no-stopping": [(x0, -7.35), (x0, -4.2), (x1, -4.2), (x1, -7.35)]}
    s = scenarios.Scene("", "", 0, 1, cam, "day", [], lanes=lanes, zones=zones)
    zs, ls, _ = shoot.geometry(s)
    w, h = cam.size
    points = []
    for x in (x0, (x0 + x1) / 2, x1):
        for y in (-7.4, -3.6, 0, 3.6, 7.4):
            u, v = cam.project([(x, y, 0)])[0][0]
            if 0 < u < w and 0 < v < h:
                points.append(([round(float(u / w), 5), round(float(v / h), 5)], [round(x, 2), y]))
    return zs, ls, points


def pipeline(name, text, signal, cam, x0, x1):
    zs, ls, points = scene_of(cam, x0, x1)
    w, h = cam.size
    pts = lambda ps: "[" + ", ".join(f"[{x / w:.4f}, {y / h:.4f}]" for x, y in ps) + "]"
    out = [f"# {name}: {text}. Written by `test-media/make.py hours`; {name}.jsonl.gz has the traffic. There is no clip.", "version: 1", "models:", "  default:", "    path: ../../models/street",
           "cameras:", f"  - id: {name}", f"    url: {name}.mp4", "    calibration:", "      error: 0.1", "      points:"]
    out += [f"        - {{picture: {json.dumps(p)}, metres: {json.dumps(m)}}}" for p, m in points]
    out += ["    zones:"] + [f"      - {{id: {z['id']}, polygon: {pts(z['polygon'])}}}" for z in zs]
    out += ["    lanes:"] + [f"      - {{id: {q['id']}, polygon: {pts(q['polygon'])}, direction: {{from: {pts([q['direction']['from']])[1:-1]}, to: {pts([q['direction']['to']])[1:-1]}}}}}" for q in ls]
    out += ["    rules:"]
    for lane in ("eastbound", "westbound"):
        # Nobody stands at a red light for longer than it lasts.
        longer = f", stopped_for: {RED + 12}s" if signal and lane == "westbound" else ""
        out += [f"      - {{id: stopped-{lane}, type: stopped_vehicle, lane: {lane}{longer}}}", f"      - {{id: wrong-way-{lane}, type: wrong_way, lane: {lane}}}"]
    out += ["      - {id: parked, type: illegal_parking, zone: no-stopping, parked_for: 20s}", "      - {id: on-road, type: pedestrian_on_road, zones: [carriageway]}"]
    return "\n".join(out) + "\n"


def make(name, setup_name, seed, seconds, slot, out, models):
    setup = SETUPS[setup_name]
    rng = np.random.default_rng([seed, sorted(SETUPS).index(setup_name)])
    for _ in range(50):           # whoever puts up a camera looks at the picture
        cam = camera(setup, rng)
        x0, x1 = stretch(cam)
        if x1 - x0 >= 13:
            break
    else:
        raise RuntimeError(f"{name}: no such camera sees enough of the road")
    todo = plans(rng, seconds, slot, x0, x1, setup.signal)
    stops = [p for p in todo if p.kind in ("stopped_vehicle", "illegal_parking")] + short_stops(rng, seconds, x0, x1)
    rows = simulate(setup, seed, seconds, 60, stops)
    everyone = ways(rows, models, rng) + passers_by(models, rng, seconds)
    for w in everyone:
        if any(p.name == w.name and p.kind == "illegal_parking" for p in stops):
            to_kerb(w)
    for p in todo:
        if p.kind in ("wrong_way", "pedestrian_on_road"):
            everyone, _ = insert(everyone, rider(p, models, rng, x0, x1) if p.kind == "wrong_way" else walker(p, models, rng), p.at)
    by_name = {w.name: k for k, w in enumerate(everyone) if w.name}
    incidents = []
    for p in todo + [p for p in stops if p.kind == "short_stop"]:
        k = by_name.get(p.name)
        t = happened(p, everyone[k], x0, x1, seconds) if k is not None else None
        if t:
            incidents.append({"kind": p.kind, "object": k + 1, "area": p.lane if p.kind in ("stopped_vehicle", "wrong_way") else ("no-stopping" if p.kind == "illegal_parking" else "carriageway"),
                              "onset_s": t[0], "end_s": t[1], "what": p.what})
    head = {"schema": 1, "name": name, "setup": setup_name, "description": setup.text, "seed": seed, "light": setup.light, "fps": FPS, "seconds": seconds, "width": cam.size[0], "height": cam.size[1],
            "camera": {k: v for k, v in cam.calibration().items() if k in ("focal_px", "rotation_world_to_camera", "translation_m", "position_m", "yaw_deg", "pitch_deg")}, "zone_x_m": [x0, x1], "incidents": incidents}
    os.makedirs(out, exist_ok=True)
    n = 0
    with open(os.path.join(out, name + ".jsonl.gz"), "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as f:
        f.write((json.dumps(head, separators=(",", ":")) + "\n").encode())
        for k, w in enumerate(everyone):
            q = knots(w, seconds, cam)
            if q:
                n += 1
                f.write((json.dumps({"id": k + 1, "class": w.label, "size_m": [round(float(v), 2) for v in w.size], "knots": q}, separators=(",", ":")) + "\n").encode())
    with open(os.path.join(out, name + ".yaml"), "w") as f:
        f.write(pipeline(name, setup.text, setup.signal, cam, x0, x1))
    told = {k: sum(i["kind"] == k for i in incidents) for k in KINDS}
    print(f"{name}: {seconds} s, road {x0:.0f} to {x1:.0f} m, {n} objects, {told}, {os.path.getsize(os.path.join(out, name + '.jsonl.gz')) / 1024:.0f} KiB", flush=True)


def make_all(out, seeds, seconds, slot, only=None):
    models = pictures.all_models(shoot.MODEL_SEED)
    for seed in seeds:
        for setup in only or SETUPS:
            name = f"{setup}-{seed}"      # finished ones are kept
            if not os.path.exists(os.path.join(out, name + ".yaml")):
                make(name, setup, seed, seconds, slot, out, models)


def pipelines(out):
    """The pipelines of finished runs again, after a change of zones or rules."""
    for path in sorted(os.listdir(out)):
        if path.endswith(".jsonl.gz"):
            with gzip.open(os.path.join(out, path)) as f:
                head = json.loads(f.readline())
            c = head["camera"]
            cam = Camera(c["position_m"], c["yaw_deg"], c["pitch_deg"], c["focal_px"], (head["width"], head["height"]))
            with open(os.path.join(out, head["name"] + ".yaml"), "w") as f:
                f.write(pipeline(head["name"], head["description"], SETUPS[head["setup"]].signal, cam, *head["zone_x_m"]))
