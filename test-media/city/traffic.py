"""Traffic from SUMO (sublane model, motorbikes filtering between cars) and from scripts.

Both end as `Track`s: what a road user is, and where it is at every frame. SUMO's junction has the
measures of `street`; stop lines are where they are painted. Coordinates: x east, y north, metres.
"""
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field

import numpy as np

from . import street

# SUMO type -> (models by name prefix, share, length, width, attributes)
TYPES = {
    "moto": (("motorbike_",), .66, 1.9, .8, 'vClass="motorcycle" accel="2.6" decel="4" sigma="0.5" minGap="0.6" minGapLat="0.3" maxSpeedLat="1.4" latAlignment="arbitrary" lcPushy="0.7" lcSublane="2" lcAssertive="1.5" speedFactor="normc(0.95,0.16,0.6,1.3)"'),
    "bicycle": (("bicycle_",), .04, 1.75, .6, 'vClass="bicycle" maxSpeed="4.5" accel="1" minGap="0.8" minGapLat="0.4" latAlignment="right" speedFactor="normc(1,0.1,0.7,1.2)"'),
    "car": (("sedan", "hatch", "suv", "mpv"), .18, 4.5, 1.85, 'accel="2.2" decel="4.5" minGap="1.6" minGapLat="0.5" latAlignment="center" speedFactor="normc(0.95,0.12,0.6,1.2)"'),
    "van": (("van",), .03, 5.4, 2.0, 'accel="1.8" minGap="1.8" latAlignment="center" speedFactor="normc(0.9,0.1,0.6,1.1)"'),
    "minibus": (("minibus",), .02, 7.2, 2.2, 'accel="1.4" minGap="2" latAlignment="center" speedFactor="normc(0.85,0.1,0.6,1.1)"'),
    "bus": (("bus",), .02, 11.2, 2.55, 'vClass="bus" accel="1.1" minGap="2.2" latAlignment="center" speedFactor="normc(0.8,0.1,0.6,1)"'),
    "light_truck": (("truck_box",), .03, 6.2, 2.1, 'accel="1.4" minGap="2" latAlignment="center" speedFactor="normc(0.85,0.1,0.6,1)"'),
    "truck": (("truck_tarp", "truck_tipper"), .02, 7.8, 2.5, 'vClass="truck" accel="1" minGap="2.4" latAlignment="center" speedFactor="normc(0.8,0.1,0.6,1)"'),
}
ORDER = "NESW"


@dataclass
class Track:
    uid: int
    model: int                      # index into the models
    first: int                      # frame of the first row
    xy: np.ndarray                  # [n, 2] middle of the footprint
    yaw: np.ndarray
    speed: np.ndarray
    route: tuple = ("", "")         # leg of origin and of destination, for SUMO's
    scripted: str = ""
    parked: bool = False
    extra: dict = field(default_factory=dict)

    def at(self, frame):
        k = frame - self.first
        return k if 0 <= k < len(self.xy) else None


def run(cmd):
    env = dict(os.environ, SUMO_HOME=os.environ.get("SUMO_HOME", "/usr/share/sumo"))
    r = subprocess.run(cmd, capture_output=True, text=True, env=env)
    if r.returncode:
        raise RuntimeError(f"{cmd[0]} failed: {r.stderr[-2000:]}")


def net(folder, phases, reach=230):
    """The junction as SUMO's network, its legs `reach` metres long."""
    w = lambda name, text: open(os.path.join(folder, name), "w").write(text)
    w("n.nod.xml", '<nodes><node id="c" x="0" y="0" type="traffic_light" radius="7"/><node id="E" x="%d" y="0"/><node id="W" x="-%d" y="0"/>'
      '<node id="N" x="0" y="%d"/><node id="S" x="0" y="-%d"/></nodes>' % ((reach,) * 4))
    rows = []
    for leg in ORDER:
        v, width = (12, street.LANE_A) if leg in "EW" else (11, street.LANE_B)
        rows.append(f'<edge id="{leg}i" from="{leg}" to="c" numLanes="2" speed="{v}" width="{width}" endOffset="3.6"/>')
        rows.append(f'<edge id="{leg}o" from="c" to="{leg}" numLanes="2" speed="{v}" width="{width}"/>')
    w("n.edg.xml", "<edges>" + "".join(rows) + "</edges>")
    logic = "".join(f'<phase duration="{d}" state="{"".join({"g": "GGGg", "y": "yyyy", "r": "rrrr"}[p.get(leg, "r")] for leg in ORDER)}"/>' for d, p in phases)
    w("n.tll.xml", f'<tlLogics><tlLogic id="c" type="static" programID="0" offset="0">{logic}</tlLogic></tlLogics>')
    run(["netconvert", "-n", f"{folder}/n.nod.xml", "-e", f"{folder}/n.edg.xml", "--tllogic-files", f"{folder}/n.tll.xml", "--offset.disable-normalization", "true",
          "--no-turnarounds", "true", "--junctions.corner-detail", "8", "-o", f"{folder}/n.net.xml"])


def simulate(seed, start, seconds, fps, flows, phases, extra="", mix=None):
    """SUMO rows as {id: (type, route, array of (step, x, y, yaw, speed))}, steps from `start`.

    flows: {(origin, destination): vehicles an hour}. `extra` is XML of single vehicles, e.g. one that stops.
    """
    mix = mix or {}
    shares = {k: mix.get(k, v[1]) for k, v in TYPES.items()}
    total = sum(shares.values())
    with tempfile.TemporaryDirectory() as d:
        net(d, phases)
        types = "".join(f'<vType id="{k}" probability="{shares[k] / total:.4f}" length="{v[2]}" width="{v[3]}" {v[4]}/>' for k, v in TYPES.items())
        types = f'<vTypeDistribution id="mix">{types}</vTypeDistribution>'
        rows = "".join(f'<flow id="{o}{t}" type="mix" begin="0" end="3600" probability="{q / 3600:.4f}" departSpeed="max" departLane="random" departPosLat="random" from="{o}i" to="{t}o"/>'
                       for (o, t), q in flows.items() if q > 0)
        open(f"{d}/r.rou.xml", "w").write(f"<routes>{types}{rows}{extra}</routes>")
        end = start + seconds + 1
        run(["sumo", "-n", f"{d}/n.net.xml", "-r", f"{d}/r.rou.xml", "--seed", str(seed), "--step-length", f"{1 / fps:.4f}", "--lateral-resolution", "0.4", "--end", str(end),
              "--fcd-output", f"{d}/fcd.xml", "--fcd-output.attributes", "x,y,angle,speed,type", "--precision", "3", "--device.fcd.begin", str(start), "--no-step-log", "true",
              "--no-warnings", "true", "--collision.action", "none", "--time-to-teleport", "-1"])
        out, step = {}, 0
        for line in open(f"{d}/fcd.xml"):
            if "<timestep" in line:
                step = round((float(re.search(r'time="([^"]+)"', line)[1]) - start) * fps)
            elif "<vehicle" in line and step >= 0:
                g = dict(re.findall(r'(\w+)="([^"]*)"', line))
                out.setdefault(g["id"], (g["type"], []))[1].append((step, float(g["x"]), float(g["y"]), np.radians(90 - float(g["angle"])), float(g["speed"])))
    return {k: (t, np.array(r)) for k, (t, r) in out.items()}


def smooth(a, sigma):
    """Gaussian along the first axis with reflected ends."""
    if sigma <= 0 or len(a) < 3:
        return a
    n = int(3 * sigma) + 1
    k = np.exp(-.5 * (np.arange(-n, n + 1) / sigma) ** 2)
    k /= k.sum()
    b = np.asarray(a, float)
    flat = b.reshape(len(b), -1)
    pad = np.concatenate([2 * flat[:1] - flat[1:n + 1][::-1] if len(flat) > n else np.repeat(flat[:1], n, 0), flat, 2 * flat[-1:] - flat[-n - 1:-1][::-1] if len(flat) > n else np.repeat(flat[-1:], n, 0)])
    return np.stack([np.convolve(pad[:, i], k, "valid") for i in range(flat.shape[1])], 1).reshape(b.shape)


def tracks_of(rows, models, rng, fps, frames, first_uid=1):
    """SUMO's front bumpers -> smooth footprints with headings."""
    out, uid = [], first_uid
    for key in sorted(rows, key=lambda k: (rows[k][1][0][0], k)):
        kind, r = rows[key]
        r = r[r[:, 0] < frames]
        if len(r) < 4:
            continue
        names = TYPES[kind][0]
        pick = [i for i, m in enumerate(models) if m.name.startswith(names) and not m.name.endswith("parked") and (kind != "bus" or m.name == "bus")]
        i = int(rng.choice(pick))
        yaw = smooth(np.unwrap(r[:, 3]), 3.0)
        l = models[i].size[0]
        front = smooth(r[:, 1:3], 2.0)
        xy = front - np.stack([np.cos(yaw), np.sin(yaw)], 1) * l / 2
        speed = smooth(r[:, 4], 1.5).clip(0)
        speed[speed < .06] = 0
        base = key.split(".")[0]
        route = (base[0], base[1]) if len(base) == 2 else ("", "")
        out.append(Track(uid, i, int(r[0, 0]), xy, yaw, speed, route=route, scripted="" if len(base) == 2 else key))
        uid += 1
    return out


def scripted(uid, model, first, fps, frames, points, speeds, name, yaw=None, parked=False):
    """A track along a polyline. `speeds`: (seconds since first, m/s) knots, linear between; stands at the end."""
    n = frames - first
    t = np.arange(n) / fps
    v = np.interp(t, [k[0] for k in speeds], [k[1] for k in speeds])
    s = np.concatenate([[0], np.cumsum((v[1:] + v[:-1]) / 2 / fps)])
    p = np.asarray(points, float)
    # round the corners: dense resampling, then a running mean along the way
    seg = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(p, axis=0).T))])
    fine = np.linspace(0, seg[-1], max(20, int(seg[-1] / .1)))
    q = smooth(np.stack([np.interp(fine, seg, p[:, i]) for i in (0, 1)], 1), 14 if len(p) > 2 else 0)
    seg = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(q, axis=0).T))])
    inside = s <= seg[-1]
    if not parked and not inside.all():        # leaves the scene at the end of the path
        n = int(np.argmin(inside))
        s, v = s[:n], v[:n]
    s = np.minimum(s, seg[-1])
    xy = np.stack([np.interp(s, seg, q[:, i]) for i in (0, 1)], 1)
    ahead = np.stack([np.interp(np.minimum(s + .4, seg[-1]), seg, q[:, i]) - np.interp(np.maximum(np.minimum(s + .4, seg[-1]) - .8, 0), seg, q[:, i]) for i in (0, 1)], 1)
    head = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0])) if yaw is None else np.full(len(s), yaw)
    return Track(uid, model, first, xy, head, np.where(s >= seg[-1], 0, v) if parked else v, scripted=name, parked=parked)


def clearance(track, others, models, pad=0.0):
    """Smallest gap in metres (rough: discs along each body) between a track and all others."""
    def discs(t, k):
        l, w, _ = models[t.model].size
        n = max(1, int(round(l / w)))
        off = (np.arange(n) - (n - 1) / 2) * (l / n)
        d = np.array([np.cos(t.yaw[k]), np.sin(t.yaw[k])])
        return t.xy[k] + off[:, None] * d, w / 2
    best = 1e9
    for j in range(len(track.xy)):
        f = track.first + j
        a, ra = discs(track, j)
        for o in others:
            k = o.at(f)
            if k is None or np.abs(o.xy[k] - track.xy[j]).max() > 14:
                continue
            b, rb = discs(o, k)
            best = min(best, np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1)).min() - ra - rb)
    return best
